"""The flat list of what a run did to content; its LLM calls and its checks in full."""

import pytest

from tests.query.generated import Generation, sha256
from whence import query
from whence.errors import NotFound
from whence.model import record as kinds

LONG = "tell me a story " * 100


def pipeline() -> Generation:
    run = Generation()
    run.llm(LONG, "one\n", component="todo", stage="write")
    run.decision("format", "black", component="todo")
    run.transform(
        "format", "one\n", "one\ntwo\n", component="todo", said={"action": "format", "duration_ns": 5 * 10**8}
    )
    run.check("syntax", "one\ntwo\n", (2, "two is no statement"), component="todo", said={"phase": "pre_write"})
    run.check("names", "one\ntwo\n", component="todo")
    said = {"bytes": 8, "verified": True, "path": "/p/a.py", "content": run.text("one\ntwo\n")}
    run.add(kinds.FILE, said, "/p/a.py", component="todo")
    run.add(kinds.EVENT, {"message": "not about content"}, "event", component="todo")
    run.transform("other", None, "x\n", component="other")
    return run


def test_everything_is_told_in_order_of_time() -> None:
    run = pipeline()

    found = query.steps(run.trace_id, "todo", store=run.done())

    assert [(each.kind, each.name, each.said) for each in found] == [
        ("llm", "llm", "m-1, ? → ? tokens"),
        ("decision", "format", "black"),
        ("transform", "format", "+1 −0 lines"),
        ("check", "syntax", "pre_write: 1 failure"),
        ("check", "names", "passed"),
        ("file", "/p/a.py", "8 bytes, read back as written"),
    ]
    step = found[2]
    assert (step.before, step.after, step.added, step.removed) == (sha256("one\n"), sha256("one\ntwo\n"), 1, 0)
    assert (step.action, step.duration_s, step.diff) == ("format", 0.5, None)
    assert found[0].after == sha256("one\n")
    assert (found[3].passed, found[3].failures[0].line) == (False, 2)
    assert len(query.steps(run.trace_id, store=run.store)) == 7


def test_differences_are_told_where_they_are_asked_for() -> None:
    run = pipeline()

    found = query.steps(run.trace_id, diff=True, store=run.done())

    assert [each.diff for each in found if each.kind == "transform"] == [
        "@@ -1,1 +1,2 @@\n one\n+two",
        "@@ -0,0 +1,1 @@\n+x",
    ]


def test_an_erased_text_leaves_counts_open() -> None:
    run = pipeline()
    run.done().erase_content(sha256("one\n"))

    step = next(each for each in query.steps(run.trace_id, diff=True, store=run.store) if each.kind == "transform")

    assert (step.added, step.removed, step.diff) == (None, None, "")
    assert "the text was erased" in step.said


def test_calls_come_with_their_texts() -> None:
    run = pipeline()

    (call,) = query.llm_calls(run.trace_id, "todo", store=run.done())

    assert (call.prompt, call.response, call.model, call.stage) == (LONG, "one\n", "m-1", "write")


def test_a_call_that_was_under_way_has_the_prompt_of_its_beginning() -> None:
    run = Generation()
    request = {"model": "m", "messages": [{"role": "user", "content": run.text(LONG)}]}
    run.add(kinds.SPAN_START, {"type": "llm", "attributes": request}, "llm", span="b" * 16)
    answered = {"model": "m-2", "response": "yes", "input_tokens": 400, "output_tokens": 1, "cost_usd": 0.5}
    run.add(kinds.SPAN_END, {"type": "llm", "duration_ns": 10**9, "attributes": answered}, "llm", span="b" * 16)

    (call,) = query.llm_calls("last", store=run.done())

    assert call.prompt == [{"role": "user", "content": LONG}]
    assert (call.model, call.response, call.input_tokens, call.duration_s) == ("m-2", "yes", 400, 1.0)


def test_a_response_that_was_cut_is_followed_as_far_as_it_goes() -> None:
    run = Generation()
    cut = {"truncated": "one\n", "original_chars": 100_000, "sha256": "0" * 64}
    run.add(kinds.SPAN_END, {"type": "llm", "attributes": {"response": cut}}, "llm", span="b" * 16)
    run.transform("extract", "one\n", "one\ntwo\n")
    run.wrote("/p/a.py", "one\ntwo\n")

    found = query.blame("/p/a.py", store=run.done(), text="one\ntwo\n")

    assert [line.step and line.step.name for line in found.lines] == ["llm", "extract"]
    assert query.llm_calls("last", store=run.store)[0].response == cut


def test_checks_that_failed_are_told_with_everything_they_said() -> None:
    run = pipeline()

    (failed,) = query.checks(run.trace_id, failed=True, store=run.done())

    assert (failed.name, failed.phase, failed.sha256) == ("syntax", "pre_write", sha256("one\ntwo\n"))
    assert (failed.failures[0].message, failed.failures[0].line) == ("two is no statement", 2)
    assert [run.name for run in query.checks("last", store=run.store)] == ["syntax", "names"]


def test_an_unknown_component_names_those_that_there_are() -> None:
    run = pipeline()

    with pytest.raises(NotFound, match="its components: other, todo"):
        query.steps("last", "nobody", store=run.done())
    with pytest.raises(NotFound, match="no trace"):
        query.llm_calls("trc_20200101_000000_ffffffffffffffff", store=run.store)


def test_what_whence_itself_records_is_no_component_of_a_run() -> None:
    run = Generation()
    run.transform("make", None, "x\n")
    for component in ("whence", "whence.calibration"):
        run.add(kinds.FINDING, {"principle": "P1"}, "finding", component=component)
        run.add(kinds.DECISION, {"what": "x"}, "x", component=component)

    for ask in (query.steps, query.healing, query.checks, query.llm_calls):
        with pytest.raises(NotFound, match="it names no components"):
            ask("last", "nobody", store=run.done())


def test_odd_payloads_are_passed_over() -> None:
    run = pipeline()
    for kind in (kinds.TRANSFORM, kinds.CHECK, kinds.FILE, kinds.DECISION, kinds.SPAN_END, kinds.SPAN_START):
        run.add(kind, ["odd"], "odd")
        run.add(kind, {"type": 5, "failures": 5, "action": 5, "path": 5, "confidence": "x"}, "odd")

    assert len(query.steps("last", store=run.done())) == 7
    assert len(query.healing("last", store=run.store)) == 1
