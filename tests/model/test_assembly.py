"""Records become the trace they tell of, in whatever order and however incomplete they come."""

from itertools import permutations
from typing import Any

import pytest

from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.assembly import assemble, summarise
from whence.model.record import Record
from whence.wire import records

TRACE = "1" * 32
ROOT, REQUEST, RUN, PART = "a" * 16, "b" * 16, "c" * 16, "d" * 16


def said(
    kind: str,
    payload: Any,
    *,
    at: int,
    span: str = ROOT,
    parent: str = "",
    stage: str = "",
    name: str = "n",
    **more: Any,
) -> Record:
    encoded = records.payload(payload)
    return Record(
        f"{at:032x}", kind, name, at * 10**9, TRACE, span, parent, stage, more.get("project", "p"),
        more.get("component", ""), 0, 0, encoded,
    )  # fmt: skip


def started(span: str, *, at: int, parent: str = "", **fields: Any) -> Record:
    return said(
        kinds.TRACE_START, shape.TraceStart(**fields), at=at, span=span, parent=parent, project=fields.get("query", "p")
    )


def ended(span: str, *, at: int, **fields: Any) -> Record:
    return said(kinds.TRACE_END, shape.TraceEnd(**fields), at=at, span=span)


# -- what was done with content --------------------------------------------------------------------------------------------


def test_transforms_checks_and_files_stand_in_the_view_as_they_were_said() -> None:
    view = assemble(
        TRACE,
        [
            said(
                kinds.TRANSFORM,
                shape.Transform(action="heal"),
                at=1,
                span=PART,
                parent="f" * 32,
                stage="s",
                component="c",
            ),
            said(kinds.CHECK, shape.Check(type="import", passed=False), at=2),
            said(kinds.FILE, shape.FileWrite(path="/x"), at=3),
        ],
    )

    (step,), (check,), (file,) = view.transforms, view.checks, view.files
    assert (step.said.action, step.span, step.parent, step.stage, step.component) == ("heal", PART, "f" * 32, "s", "c")
    assert (check.said.type, check.said.passed, file.said.path) == ("import", False, "/x")
    assert view.records == 3


def test_one_that_cannot_be_read_is_counted_and_hides_no_other() -> None:
    view = assemble(
        TRACE,
        [
            said(kinds.TRANSFORM, {"action": 7}, at=1),
            said(kinds.CHECK, ["no object"], at=2),
            said(kinds.COST, {"usd": "much"}, at=3),
            said(kinds.FILE, shape.FileWrite(path="/x"), at=4),
            said("later.kind", {}, at=5),
        ],
    )

    assert (view.unreadable, len(view.files), view.records) == (3, 1, 5)


# -- LLM calls and what they cost --------------------------------------------------------------------------------------------


def llm(kind: str, at: int, **attributes: Any) -> Record:
    made = shape.SpanStart if kind == kinds.SPAN_START else shape.SpanEnd
    return said(kind, made(type=shape.LLM, attributes=attributes), at=at, span=PART, parent=ROOT)


def test_a_call_is_one_whichever_of_its_records_are_there() -> None:
    start, end = llm(kinds.SPAN_START, 1, model="m"), llm(kinds.SPAN_END, 2, response="r")

    assert [(c.open, c.attributes) for c in assemble(TRACE, [start]).llm_calls] == [(True, {"model": "m"})]
    assert [(c.open, c.attributes) for c in assemble(TRACE, [end]).llm_calls] == [(False, {"response": "r"})]
    both = assemble(TRACE, [start, end]).llm_calls
    assert [(c.open, c.attributes, c.start_record) for c in both] == [
        (False, {"model": "m", "response": "r"}, start.record_id)
    ]


@pytest.mark.parametrize("late", [True, False])
def test_a_start_that_comes_after_the_end_does_not_open_the_call_again(late: bool) -> None:
    start, end = llm(kinds.SPAN_START, 1, model="asked"), llm(kinds.SPAN_END, 2, model="answered", response="r")

    (use,) = assemble(TRACE, [end, start] if late else [start, end]).llm_calls

    assert (use.open, use.record_id, use.start_record) == (False, end.record_id, start.record_id)
    assert use.attributes == {"model": "answered", "response": "r"}


def test_the_last_price_counts_and_an_unknown_one_leaves_what_was_given() -> None:
    end = llm(kinds.SPAN_END, 1, model="m", cost_usd=9.0)

    def priced(*costs: shape.Cost) -> dict[str, Any]:
        said_ = [said(kinds.COST, each, at=2 + n, parent=end.record_id) for n, each in enumerate(costs)]
        return assemble(TRACE, [end, *said_]).llm_calls[0].attributes

    assert priced(shape.Cost(usd=0.5, version="1"), shape.Cost(usd=0.25, version="2"))["cost_usd"] == 0.25
    unknown = priced(shape.Cost(usd=None, reason="no such model"))
    assert (unknown["cost_usd"], unknown["cost"]["reason"]) == (9.0, "no such model")


def test_only_calls_that_ended_are_counted_in_the_row() -> None:
    view = assemble(TRACE, [started(ROOT, at=1), llm(kinds.SPAN_START, 2, model="m", input_tokens=5)])

    assert summarise(view).llm_calls == 0


# -- other timed parts -------------------------------------------------------------------------------------------------------


def test_a_part_that_opentelemetry_began_becomes_a_call_when_its_end_says_what_it_was() -> None:
    begun = said(kinds.SPAN_START, shape.SpanStart(type=shape.SPAN), at=1, span=PART, parent=ROOT)

    view = assemble(TRACE, [begun, llm(kinds.SPAN_END, 2, model="m")])

    assert view.spans == []
    assert [(c.start_record, c.open) for c in view.llm_calls] == [(begun.record_id, False)]


def test_a_part_whose_start_is_missing_is_placed_by_its_end() -> None:
    end = said(kinds.SPAN_END, shape.SpanEnd(type="tool", duration_ns=10**9, outputs={"n": 1}), at=5, span=PART)

    (part,) = assemble(TRACE, [end]).spans

    assert (part.type, part.started_ns, part.ended_ns, part.outputs) == ("tool", 4 * 10**9, 5 * 10**9, {"n": 1})


def test_what_is_decided_in_a_part_was_decided_in_the_attempt_around_it() -> None:
    def attempt(number: int, span: str) -> Record:
        return said(kinds.SPAN_START, shape.SpanStart(attempt=number), at=number, span=span, name="heal", stage="heal")

    tool = said(kinds.SPAN_START, shape.SpanStart(type="tool"), at=3, span=PART, parent=REQUEST, stage="heal")
    made = said(kinds.DECISION, shape.Decision(what="x"), at=4, span=PART, stage="heal")

    view = assemble(TRACE, [attempt(1, REQUEST), attempt(2, RUN), tool, made])

    assert [each.attempt for each in view.stages["heal"].decisions] == [1]


# -- a run inside a request that OpenTelemetry began ---------------------------------------------------------------------------

OTEL = shape.OPENTELEMETRY


def request_and_run(outer: str, inner: str, **run_end: Any) -> list[Record]:
    return [
        started(REQUEST, at=1, trace_id="trc_request", generator=OTEL),
        started(RUN, at=2, parent=REQUEST, trace_id="trc_run", query="the question", generator="whence"),
        ended(RUN, at=3, status=inner, duration_ns=1, **run_end),
        ended(REQUEST, at=4, status=outer, duration_ns=3),
    ]


@pytest.mark.parametrize(
    ("outer", "inner", "status"),
    [
        ("complete", "complete", "complete"),
        ("complete", "failed", "failed"),
        ("failed", "complete", "failed"),
        ("complete", "incomplete", "incomplete"),
        ("failed", "incomplete", "failed"),
    ],
)
def test_the_run_says_what_it_was_about_and_the_worse_outcome_counts(outer: str, inner: str, status: str) -> None:
    for order in permutations(request_and_run(outer, inner)):
        view = assemble(TRACE, order)

        assert (view.start.query, view.trace_id, view.project) == ("the question", "trc_request", "the question")
        assert (view.status, view.started_ns, view.completed_ns) == (status, 10**9, 4 * 10**9), order


def test_only_the_first_run_in_a_request_speaks_for_it() -> None:
    second = started(PART, at=3, parent=REQUEST, query="another", generator="whence")

    view = assemble(TRACE, [*request_and_run("complete", "complete"), second, ended(PART, at=5, status="failed")])

    assert (view.start.query, view.status) == ("the question", "complete")


def test_another_process_that_goes_on_with_a_run_does_not_speak_for_it() -> None:
    own = [
        started(ROOT, at=1, trace_id="trc_own", query="own", generator="whence"),
        started(PART, at=2, parent=ROOT, trace_id="trc_other", query="other", generator="whence"),
        ended(PART, at=3, status="failed"),
        ended(ROOT, at=4, status="complete"),
    ]
    for order in permutations(own):
        view = assemble(TRACE, order)

        assert (view.start.query, view.trace_id, view.status) == ("own", "trc_own", "complete"), order


def test_a_run_whose_process_was_lost_and_then_spoke_after_all() -> None:
    first = request_and_run("complete", "complete")
    lost = ended(REQUEST, at=9, status="incomplete", reason="process_lost")

    assert assemble(TRACE, [*first[:2], lost, *first[2:]]).status == "complete"
    assert assemble(TRACE, [*first, lost]).status == "complete"
    assert assemble(TRACE, [*first[:2], lost]).status == "incomplete"
