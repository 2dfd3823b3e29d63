"""The helpers for other people's tests."""

import whence
from whence.model.filters import TraceFilter
from whence.runtime.runtime import Runtime
from whence.testing import CountingClock, capture


def test_a_whole_trace_is_one_expected_value() -> None:
    with (
        capture(clock=CountingClock()) as captured,
        whence.trace("shop", query="q") as trace,
        trace.stage("s") as stage,
    ):
        stage.decision("d", what=1, confidence=0.5)

    assert [(r.record_id[-1], r.kind, r.name, r.stage, r.span[-1]) for r in captured.records] == [
        ("1", "trace.start", "trace", "", "1"),
        ("2", "span.start", "s", "s", "2"),
        ("3", "decision", "d", "s", "2"),
        ("4", "span.end", "s", "s", "2"),
        ("5", "trace.end", "trace", "", "1"),
    ]
    assert captured.trace.trace_id == "trc_20260101_000000_0000000000000001"
    assert [(d.decision, d.what, d.confidence) for d in captured.decisions] == [("d", 1, 0.5)]


def test_the_process_records_where_it_did_before(runtime: Runtime) -> None:
    with capture() as captured, whence.trace("inside"):
        whence.event("e")
    with whence.trace("outside"):
        pass

    assert captured.names("event") == ["e"]
    assert [row.project for row in runtime.ready_store().traces(FILTER).items] == ["outside"]


FILTER = TraceFilter()
