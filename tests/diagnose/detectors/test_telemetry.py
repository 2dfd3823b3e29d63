"""What the record of a run lacks."""

from tests.builders import SECOND_NS
from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, records_of, shuffled
from whence.diagnose.detectors.telemetry import Telemetry
from whence.model import record as kinds
from whence.model.severity import Severity


def found(said):
    return examined(Telemetry(), said)


def test_dropped_records_are_said():
    run = Said()
    end = run.end(dropped=3)
    (finding,) = found(run)
    assert (finding.code, finding.severity, finding.evidence) == ("O01-04", Severity.LOW, (end,))
    assert finding.title == "The record of this run is not complete: 3 records could not be written"
    assert finding.freeze == {"dropped": 3, "unreadable": 0, "cut": 0}


def test_numbers_that_are_missing():
    run = Said()
    ids = [run.event("tick", component="node/1", attributes={"sequence": n}) for n in (1, 2, 5, 6)]
    (finding,) = found(run)
    assert finding.title == "node/1 numbers its events, and 2 of 6 are missing; the first gap is between 2 and 5"
    assert finding.evidence == (ids[1], ids[2])


def test_numbers_without_a_gap_in_any_order():
    run = Said()
    for n in (3, 1, 2, 2):
        run.event("tick", component="node/1", attributes={"sequence": n})
    assert found(run) == []


def test_parents_that_never_came_and_spans_without_an_end():
    run = Said()
    orphan = run.stage("draft", parent="f" * 16)
    run.begin("review")
    review = run.records[-1].record_id
    run.end()
    (finding,) = found(run)
    assert finding.code == "O01-12"
    assert finding.title == (
        "The trace is not whole: spans 1 with a parent that never came or is its own ancestor, 1 without an end; "
        "the first is draft"
    )
    assert finding.evidence == (orphan, review)


def test_parents_in_a_circle_end():
    run = Said()
    run.add(kinds.SPAN_START, {"type": "stage"}, name="a", stage="a", span="a" * 16, parent="b" * 16)
    run.add(kinds.SPAN_START, {"type": "stage"}, name="b", stage="b", span="b" * 16, parent="a" * 16)
    run.end()
    assert [each.code for each in found(run)] == ["O01-12"]


def test_a_run_that_goes_on_or_broke_off_may_have_open_spans():
    run = Said()
    run.begin("draft")
    assert found(run) == []
    run.end("incomplete", reason="process_lost")
    assert found(run) == []


def test_a_stage_without_a_beginning():
    run = Said()
    run.add(kinds.SPAN_END, {"type": "stage"}, name="draft", stage="draft", span="a" * 16)
    run.add(kinds.SPAN_END, {"type": "llm"}, name="call", span="b" * 16)  # told when it was over, as calls may be
    run.end()
    (finding,) = found(run)
    assert finding.freeze == {"orphans": 0, "open": 0, "headless": 1}


def skewed(seconds):
    run = Said()
    cause = run.event("sent", component="node/1")
    run.event("got", component="node/2", parent=cause, ts_ns=run.at_ns - round(seconds * SECOND_NS))
    run.effect, run.cause = run.records[-1].record_id, cause
    return run


def test_an_effect_that_is_older_than_its_cause():
    run = skewed(3600)
    (finding,) = found(run)
    assert finding.code == "O01-10"
    assert finding.title == (
        "The clocks of node/1 and node/2 disagree by at least 1.0 h: a record is that much older than its cause"
    )
    assert finding.evidence == (run.effect, run.cause)
    assert finding.freeze["offset_s"] == 3600
    assert found(skewed(1.0)) == []


def test_a_span_that_begins_before_the_one_around_it():
    run = Said()
    outer = run.begin("draft", component="writer")
    inner = run.begin("call", type="llm", component="model", parent=outer, ts_ns=run.at_ns - 2 * SECOND_NS)
    run.finish(inner)
    run.finish(outer)
    (finding,) = found(run)
    assert (finding.code, finding.count) == ("O01-10", 1)
    assert "writer and model" in finding.title


def test_order_duplicates_and_hostile_payloads_change_nothing():
    records = records_of([hostile_run(), clean_run(2), skewed(9)])
    assert Telemetry().detect(shuffled(records)) == Telemetry().detect(records)


def test_a_clean_run_has_none():
    assert found(clean_run()) == []
