"""What became of content: every text once by its hash, every step a record, whatever it is given."""

import hashlib
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence
from whence.model import record as kinds
from whence.model.content import CONTENT_KEY, resolve
from whence.model.trace import TraceView
from whence.record.provenance import MOST_COUNTED
from whence.redact.capture import CaptureLevel
from whence.redact.value import Flag
from whence.runtime import runtime as process
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings
from whence.testing import capture

SECRET = "password=hunter2hunter2"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def view_of(runtime: Runtime, trace: Any) -> TraceView:
    assert runtime.recorder.errors.count == 0, runtime.recorder.errors.last
    return runtime.view(trace.otel_trace_id)


def balanced() -> bool:
    stats = whence.stats()
    return bool(stats["emitted"] == stats["written"] + sum(sum(each.values()) for each in stats["dropped"].values()))


# -- transformations -----------------------------------------------------------------------------------------------------


def test_a_step_has_its_texts_what_went_in_and_the_decision_behind_it(runtime: Runtime) -> None:
    with whence.trace("p") as trace, trace.stage("render", component="todo_store") as stage:
        why = stage.decision("template", "store.j2", "it is a store")
        said = stage.transform(
            "render",
            None,
            "import os\n",
            action="render",
            subject="todo_store.py",
            materials=[{"role": "template", "name": "store.j2", "content": "import {{ name }}\n"}],
            using={"name": "os"},
            because=why,
            attempt=2,
            duration_s=0.25,
            lines=1,
        )

    view = view_of(runtime, trace)
    (step,) = view.transforms
    assert (step.record_id, step.name, step.stage, step.component) == (said, "render", "render", "todo_store")
    assert (step.span, step.parent, step.flags) == (stage.span, why, 0)
    done = step.said
    assert (done.action, done.subject, done.source, done.attempt) == ("render", "todo_store.py", None, 2)
    assert (done.using, done.attributes, done.duration_ns) == ({"name": "os"}, {"lines": 1}, 250_000_000)
    assert done.result == {CONTENT_KEY: sha("import os\n"), "chars": 10, "preview": "import os\n"}
    (template,) = done.materials
    assert (template["role"], template["name"]) == ("template", "store.j2")
    assert runtime.content(template["content"][CONTENT_KEY]) == "import {{ name }}\n"


@pytest.mark.parametrize("text", ["", "x", "a" * 1024, "a" * 1025, "ü" * 100_000, "x\n" * 250_000])
def test_a_text_of_any_size_is_stored_once_by_the_hash_of_its_utf_8(runtime: Runtime, text: str) -> None:
    with whence.trace("p") as trace:
        trace.transform("a", text, text)
        trace.check("b", True, content=text)
        trace.wrote("/nowhere/c.py", text.encode(), verify=False)

    view = view_of(runtime, trace)
    refs = [view.transforms[0].said.source, view.transforms[0].said.result, view.checks[0].said.content]
    assert {each[CONTENT_KEY] for each in [*refs, view.files[0].said.content]} == {sha(text)}
    assert runtime.content(sha(text)) == text


def test_one_content_record_serves_every_use_of_a_text() -> None:
    with capture() as kept:
        with whence.trace("p") as trace:
            for _ in range(10):
                trace.transform("same", "before", "after")
        from whence.collect.segments import spooled_records

        spool = process.runtime().settings.spool
        contents = [each.name for each in spooled_records(spool) if each.kind == kinds.CONTENT]
        assert sorted(contents) == sorted([sha("before"), sha("after")])
        assert len(kept.names(kinds.TRANSFORM)) == 10


def test_bytes_that_are_no_utf_8_are_shown_escaped_and_flagged(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.transform("decode", b"caf\xe9", bytearray("café".encode()))

    (step,) = view_of(runtime, trace).transforms
    assert (step.said.source["preview"], step.said.result["preview"]) == ("caf\\xe9", "café")
    assert step.flags & Flag.NORMALISED


def test_a_text_of_ten_megabytes_is_cut_and_says_so(runtime: Runtime) -> None:
    text = "line of a very long file\n" * 400_000
    with whence.trace("p") as trace:
        trace.transform("big", text, "small")

    (step,) = view_of(runtime, trace).transforms
    before = step.said.source
    assert (before["truncated"], before["original_chars"], before["chars"] <= 512 * 1024) == (True, len(text), True)
    stored = runtime.content(before[CONTENT_KEY])
    assert stored is not None
    assert text.startswith(stored)
    assert resolve(before, runtime.content) == {"truncated": stored, "original_chars": len(text)}
    assert step.flags & Flag.TRUNCATED


class Markup(str):
    """What a template engine returns."""

    def __str__(self) -> str:
        raise RuntimeError("not by this road")

    __getitem__ = encode = __len__ = __str__  # type: ignore[assignment]


def test_texts_of_the_hosts_own_class_are_texts(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.transform("render", None, Markup("<p>"))
        trace.transform("plan", None, {"steps": ["a"]})

    rendered, plan = view_of(runtime, trace).transforms
    assert rendered.said.result[CONTENT_KEY] == sha("<p>")
    assert runtime.content(plan.said.result[CONTENT_KEY]) == '{\n  "steps": [\n    "a"\n  ]\n}'


@pytest.mark.parametrize("because", ["", None, 'x","evil', 7, "f" * 31, ["a"]])
def test_a_cause_that_is_no_record_is_left_out(runtime: Runtime, because: Any) -> None:
    with whence.trace("p") as trace:
        assert trace.transform("a", "x", "y", because=because)

    assert [each.parent for each in view_of(runtime, trace).transforms] == [""]


# -- checks --------------------------------------------------------------------------------------------------------------


class Failure:
    """A failure of somebody else's making."""

    def __init__(self) -> None:
        self.type, self.message, self.line, self.code = "import", "no module", 3, ""


def test_failures_are_told_as_objects_as_texts_or_by_their_attributes(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.check("imports", False, type="import", failures=[{"line": 1, "column": None}, "no line", Failure()])
        trace.check("one", False, failures="only one")

    several, one = view_of(runtime, trace).checks
    assert several.said.failures == [
        {"line": 1},
        {"message": "no line"},
        {"type": "import", "message": "no module", "line": 3},
    ]
    assert (several.said.type, several.said.passed, several.said.failures_total) == ("import", False, None)
    assert (one.said.type, one.said.failures) == ("one", [{"message": "only one"}])


def test_of_ten_thousand_failures_a_hundred_are_listed_and_all_counted(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.check("syntax", False, failures=({"line": n, "message": "bad " * 20} for n in range(1, 10_001)))

    (check,) = view_of(runtime, trace).checks
    assert (len(check.said.failures), check.said.failures_total) == (100, 10_000)
    assert check.said.failures[-1]["line"] == 100


def test_failures_without_end_are_counted_up_to_a_bound_and_it_is_flagged(runtime: Runtime) -> None:
    asked = 0

    def endless() -> Iterator[str]:
        nonlocal asked
        while True:
            asked += 1
            yield "bad"

    with whence.trace("p") as trace:
        trace.check("endless", False, failures=endless())
        trace.check("long", False, failures=["bad"] * (MOST_COUNTED + 5))

    without_end, long = view_of(runtime, trace).checks
    assert (asked, without_end.said.failures_total) == (MOST_COUNTED, MOST_COUNTED)
    assert without_end.flags & Flag.TRUNCATED
    assert (long.said.failures_total, long.flags & Flag.TRUNCATED) == (MOST_COUNTED + 5, 0)


@pytest.mark.parametrize("raised", [RuntimeError("no"), type("Stop", (BaseException,), {})()])
def test_what_an_iterator_raises_ends_the_list(runtime: Runtime, raised: BaseException) -> None:
    def failing() -> Iterator[str]:
        yield "bad"
        raise raised

    with whence.trace("p") as trace:
        assert trace.check("c", False, failures=failing())

    (check,) = runtime.view(trace.otel_trace_id).checks
    assert check.said.failures == [{"message": "bad"}]
    assert runtime.recorder.errors.count == 1


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_program_goes_through_an_iterator(runtime: Runtime, end: type[BaseException]) -> None:
    """It is the host's: somebody pressed Ctrl-C while its iterator ran, or it wants to exit."""

    def ending() -> Iterator[str]:
        yield "bad"
        raise end

    trace = whence.trace("p").__enter__()
    with pytest.raises(end):
        trace.check("c", False, failures=ending())
    trace.__exit__(None, None, None)


def test_the_level_of_a_check_follows_from_whether_it_passed() -> None:
    with capture() as kept:
        with whence.trace("p") as trace:
            trace.check("a", True, failures=["a remark"])
            trace.check("b", False)
            trace.check("c", None)
            trace.check("d", None, failures=["?"])
            trace.check("e", 0)  # type: ignore[arg-type]

        assert [each.level for each in kept.records if each.kind == kinds.CHECK] == [0, 3, 0, 3, 3]


def test_a_score_that_is_no_number_is_kept_as_given(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.check("judge", None, score="high", label="good", explanation="it reads well")
        trace.check("judge", None, score=0.5)

    odd, plain = view_of(runtime, trace).checks
    assert (odd.said.score, odd.said.attributes["given"], odd.flags) == (None, {"score": "high"}, Flag.CLAMPED)
    assert (plain.said.score, plain.flags) == (0.5, 0)


# -- files ---------------------------------------------------------------------------------------------------------------


def test_a_file_is_looked_at_and_read_back(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "store.py"
    path.write_text("x = 1\n", encoding="utf-8")
    path.chmod(0o640)
    with whence.trace("p") as trace:
        trace.check("syntax", True, content="x = 1\n")
        trace.check("syntax", False, content="x = 1\n", failures=["again"])
        trace.wrote(path, "x = 1\n")
        trace.wrote(str(path), "x = 2\n")
        trace.wrote(os.fsencode(path), b"x = 1\n")
        trace.wrote(tmp_path / "missing.py", "x")
        trace.wrote("there", None, error="disk full")

    view = view_of(runtime, trace)
    same, other, as_bytes, missing, failed = (each.said for each in view.files)
    assert (same.path, same.bytes, same.mode, same.verified) == (str(path), 6, "0640", True)
    assert (same.owner, same.group) == (str(os.getuid()), str(os.getgid()))
    (checked,) = same.checks
    assert (checked["type"], checked["passed"], checked["failures"]) == ("syntax", False, 1)
    assert checked["record"] == view.checks[-1].record_id
    assert (other.verified, other.checks, as_bytes.path, as_bytes.verified) == (False, [], str(path), True)
    assert (missing.verified, missing.error["type"]) == (None, "FileNotFoundError")
    assert (failed.error, failed.content, failed.bytes) == ("disk full", None, None)
    assert Path(failed.path).is_absolute()


def test_a_pipe_is_not_read_back(runtime: Runtime, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with whence.trace("p") as trace:
        trace.wrote(tmp_path / "pipe", "")

    assert view_of(runtime, trace).files[0].said.verified is None


def test_a_path_of_any_bytes_is_recorded_and_its_secrets_masked(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.wrote(b"/tmp/caf\xe9/\n.py", "x", verify=False)
        trace.wrote(f"/tmp/{SECRET}/x.py", "x", verify=False)
        trace.wrote("/tmp/" + "d" * 300, "x", verify=False)

    odd, secret, long = (each.said.path for each in view_of(runtime, trace).files)
    assert odd == "/tmp/caf\ufffd/\n.py"
    assert "hunter2" not in secret
    assert len(long) == 305


# -- what is kept of texts -----------------------------------------------------------------------------------------------


def everything(trace: Any, text: str) -> None:
    """Say the text in every place that takes one."""
    trace.transform(
        "t", text, text + "2", materials=[{"role": "prompt", "content": text}], using={"v": text}, error=text, note=text
    )
    trace.check("c", False, content=text, failures=[{"message": text, "context": text}], explanation=text, actual=text)
    trace.wrote("/nowhere/x", text, verify=False, note=text)
    trace.llm_call(
        "l",
        prompt=text,
        system=text,
        response=text,
        messages=[{"role": "user", "content": text}],
        variables={"v": text},
    )
    call = trace.llm("l", template=text, tools=[{"name": "t", "description": text}])
    call.end(response=text, reasoning=text, tool_calls=[{"name": "t", "arguments": {"q": text}}], error=text)


@pytest.mark.parametrize("level", list(CaptureLevel))
@pytest.mark.parametrize("size", [1, 100])
def test_no_level_keeps_more_than_it_says(data: Path, level: CaptureLevel, size: int) -> None:
    built = process.configure(Settings(data=data, documents=data, capture=level))
    text = f"{SECRET} ada@example.org the blue kettle " * size
    with whence.trace("p") as trace:
        everything(trace, text)
    assert built.recorder.errors.count == 0
    built.view(trace.otel_trace_id)
    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    built.close()
    process.use(None)

    assert b"hunter2" not in kept
    assert (b"blue kettle" in kept) == (level is not CaptureLevel.HASH)
    assert (b"ada@example.org" in kept) == (level is CaptureLevel.FULL)


def test_at_level_hash_equal_texts_are_known_by_their_keyed_hash(data: Path, tmp_path: Path) -> None:
    built = process.configure(Settings(data=data, documents=data, capture=CaptureLevel.HASH))
    with whence.trace("p") as trace:
        trace.check("syntax", True, content="text")
        trace.transform("t", None, "text")
        trace.wrote(tmp_path / "x", "text", verify=False)
    view = built.view(trace.otel_trace_id)
    built.close()
    process.use(None)

    made, written = view.transforms[0].said.result, view.files[0].said
    assert set(made) == {"hash", "chars"}
    assert written.content == made
    assert [each["type"] for each in written.checks] == ["syntax"]


# -- whatever it is given ------------------------------------------------------------------------------------------------


class Hostile:
    """An object whose every protocol fails."""

    def _fail(self, *args: Any) -> Any:
        raise RuntimeError("hostile")

    __str__ = __repr__ = __fspath__ = __iter__ = __len__ = __bool__ = __float__ = __index__ = __bytes__ = _fail
    __eq__ = __hash__ = __getitem__ = __format__ = _fail  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("hostile")


ODD: list[Any] = [
    Hostile(),
    10**400,
    float("nan"),
    float("-inf"),
    b"\xff",
    "\ud800",
    "\0",
    object,
    [Hostile()],
    {1: Hostile()},
]


@pytest.mark.parametrize("odd", ODD, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    "say",
    [
        lambda t, x: t.transform("n", x, x),
        lambda t, x: t.transform(x, "a", "b", action=x, component=x, subject=x),
        lambda t, x: t.transform("n", "a", "b", materials=x, using=x, because=x, attempt=x, duration_s=x, error=x),
        lambda t, x: t.transform("n", "a", "b", materials=[{"role": x, "name": x, "content": x}, x]),
        lambda t, x: t.check(x, x, type=x, content=x, component=x, subject=x, phase=x),
        lambda t, x: t.check("n", False, failures=x, score=x, label=x, explanation=x, expected=x, actual=x, error=x),
        lambda t, x: t.check("n", False, failures=[x, {"line": x}], duration_s=x),
        lambda t, x: t.wrote(x, x),
        lambda t, x: t.wrote("/nowhere", x, component=x, error=x, attribute=x),
        lambda t, x: t.llm_call(x, component=x, model=x, messages=x, tools=x, tool_calls=x, usage=x, template=x),
        lambda t, x: t.llm_call("n", tools=[x, {"name": x}], tool_calls=[{"name": x}], input_tokens=x, duration_s=x),
        lambda t, x: t.llm(x, provider=x, usage=x).end(usage=x, error=x, cost_usd=x, cached=x),
        lambda t, x: t.timed(x, x, x, {"a": x}).end(x, x),
        lambda t, x: t.stage(x, x).end(x, x),
    ],
)
def test_nothing_is_raised_and_everything_is_counted(
    runtime: Runtime, say: Callable[[Any, Any], Any], odd: Any
) -> None:
    with whence.trace("p") as trace:
        say(trace, odd)
        with trace.stage("s", "c"):
            say(trace, odd)

    assert balanced()
    assert runtime.view(trace.otel_trace_id).status == "complete"


@pytest.mark.parametrize("number", [10**18, 2**63, 10**400, 1e300])
def test_numbers_too_large_for_a_store_cost_only_themselves(runtime: Runtime, number: Any) -> None:
    with whence.trace("p") as trace:
        assert trace.transform("t", "a", "b", attempt=number, duration_s=number)
        assert trace.check("c", True, duration_s=number)
        assert trace.llm_call("l", input_tokens=number, duration_s=number)

    view = view_of(runtime, trace)
    assert [each.said.duration_ns for each in view.checks] == [None if number == 10**400 else 10**18]


def test_a_size_is_no_content(runtime: Runtime) -> None:
    """`bytes(n)` would be n zeros: here, ten gigabytes."""
    with whence.trace("p") as trace:
        assert trace.wrote("/nowhere/x", 10**10, verify=False)

    assert view_of(runtime, trace).files[0].said.bytes == 11


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), st.binary(), st.none(), st.recursive(st.integers(), st.lists)))
def test_what_is_referred_to_is_stored_under_the_hash_of_what_is_stored(content: Any) -> None:
    with capture() as kept:
        with whence.trace("p") as trace:
            assert trace.transform("t", content, content)
        from whence.collect.segments import spooled_records

        spooled = {r.name for r in spooled_records(process.runtime().settings.spool) if r.kind == kinds.CONTENT}
        (step,) = kept.trace.transforms
        assert step.said.source == step.said.result
        assert spooled == ({step.said.source[CONTENT_KEY]} if content is not None else set())


# -- stages and other timed parts ------------------------------------------------------------------------------------------


def test_fifty_stages_at_once_of_one_name_and_component_are_numbered_and_paired(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        gate = threading.Barrier(10)

        def work() -> None:
            gate.wait()
            for _ in range(5):
                with trace.stage("heal", component="store") as stage:
                    stage.transform("fix", "a", "b", attempt=stage.attempt)

        threads = [threading.Thread(target=work) for _ in range(10)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    view = view_of(runtime, trace)
    attempts = view.stages["heal"].attempts
    assert sorted(each.attempt for each in attempts) == list(range(1, 51))
    assert all(each.start_record and each.end_record and each.component == "store" for each in attempts)
    by_span = {each.span: each.attempt for each in attempts}
    assert [by_span[each.span] for each in view.transforms] == [each.said.attempt for each in view.transforms]


def test_attempts_are_counted_for_each_component(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        said = []
        for component in ("a", "b", "a", None):
            with trace.stage("heal", component=component) as stage:
                said.append((stage.component, stage.attempt))
                with trace.stage("inner") as inner:
                    said.append((inner.component, inner.attempt))

    assert said == [("a", 1), ("a", 1), ("b", 1), ("b", 1), ("a", 2), ("a", 2), ("", 1), ("", 1)]


def test_what_is_said_in_a_timed_part_lies_in_it_and_in_the_stage_around(runtime: Runtime) -> None:
    with whence.trace("p") as trace, trace.stage("collect", component="store") as stage:
        with trace.timed("search", "tool", attributes={"query": "kettle"}) as tool:
            with trace.timed("fetch", "retrieval") as inner:
                whence.transform("strip", "<a>", "a")
            whence.decision("take", "first")
            tool.outputs["found"] = 3
        with pytest.raises(ValueError, match="down"), trace.timed("broken", "tool"):
            raise ValueError("down")
        trace.timed("open", "agent")

    view = view_of(runtime, trace)
    search, fetch, broken, still = view.spans
    assert [(each.name, each.type, each.stage, each.component) for each in view.spans] == [
        ("search", "tool", "collect", "store"),
        ("fetch", "retrieval", "collect", "store"),
        ("broken", "tool", "collect", "store"),
        ("open", "agent", "collect", "store"),
    ]
    assert (search.parent, fetch.parent, view.transforms[0].span) == (stage.span, tool.span, inner.span)
    assert (view.transforms[0].stage, search.attributes, search.outputs) == (
        "collect",
        {"query": "kettle"},
        {"found": 3},
    )
    assert (broken.error["type"], still.ended_ns) == ("ValueError", None)
    assert list(view.stages) == ["collect"]
    assert len(view.stages["collect"].attempts) == 1
    assert view.stages["collect"].decisions[0].attempt == 1


def test_a_timed_part_that_is_called_a_stage_is_one(runtime: Runtime) -> None:
    with whence.trace("p") as trace, trace.stage("outer"), trace.timed("inner", "stage"):
        pass

    assert list(view_of(runtime, trace).stages) == ["outer", "inner"]


def test_a_run_of_many_stages_takes_no_more_memory_than_one_of_few() -> None:
    with capture(), whence.trace("p") as trace:

        def work(start: int, stop: int) -> int:
            for number in range(start, stop):
                stage = trace.stage("heal", component=f"component_{number}")
                if number % 2:
                    stage.end()
                trace.check(f"check_{number}", True, content="the same text")
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            before = work(0, 10_000)
            after = work(10_000, 13_000)
        finally:
            tracemalloc.stop()

    assert after - before < 1_000_000


# -- no run, and one that is switched off ----------------------------------------------------------------------------------


def test_outside_any_run_and_where_it_is_switched_off_nothing_is_recorded(data: Path) -> None:
    built = process.configure(Settings(data=data, documents=data, enabled=False))
    for outside in (True, False):
        with whence.trace("p", enabled=outside) as trace:
            assert not trace
            assert whence.transform("t", "a", "b") is None
            assert whence.check("c", True) is None
            assert whence.wrote("x", "y") is None
            assert whence.llm_call("l", model="m") is None
            with whence.stage("s", "c") as stage, trace.timed("t", "tool", "c", {"a": 1}) as part:
                everything(stage, "text")
                everything(part, "text")
            call = whence.llm("l", model="m")
            call.update(model="n")
            assert not call
            assert call.end(response="r") is None
    assert not (data / "spool").exists()
    built.close()
    process.use(None)


def test_a_material_whose_name_announces_a_secret_is_masked() -> None:
    secret = {"role": "variable", "name": "db_password", "content": "s3cr3tvalueA"}
    with capture() as captured, whence.trace(project="gen") as trace:
        trace.transform("render", None, "x", materials=[secret, {"name": "max_tokens", "content": "80"}])

    (made,) = captured.trace.transforms
    assert made.flags & Flag.REDACTED
    assert [each["content"]["preview"] for each in made.said.materials] == ["[REDACTED:key]", "80"]
