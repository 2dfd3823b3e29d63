"""Judgements with impossible weights, conflicting objectives, and gates that failed."""

import pytest

from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, records_of, shuffled
from whence.diagnose.detectors.judgement import Judgement
from whence.model.severity import Severity


def found(said):
    return examined(Judgement(), said)


def judged(**said):
    run = Said()
    record = run.telemetry("Judge", "action_evaluation", metadata={"action_type": "deploy", **said})
    return run, record


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ({"SAFETY": 1.2}, "weight SAFETY is 1.2"),
        ({"SAFETY": -0.1, "LATENCY": 0.5}, "weight SAFETY is -0.1"),
        ({"SAFETY": "NaN", "LATENCY": 0.5}, "weight SAFETY is NaN"),
        ({"SAFETY": 0.0, "LATENCY": 0}, "the sum of the weights is 0"),
        ([0.5, None], "weight 1 is missing"),
    ],
)
def test_weights_that_cannot_be(weights, problem):
    run, record = judged(weights=weights)
    (finding,) = found(run)
    assert (finding.code, finding.severity, finding.evidence) == ("J01-01", Severity.HIGH, (record,))
    assert finding.title == f"Judge judged with values that cannot be right: {problem}"


def test_weights_of_a_decision_count_and_scores_of_another_scale_do_not():
    run = Said()
    run.decision("choose", "a", inputs={"weights": {"x": 3.0}}, component="Judge")
    run.decision("rate", "b", inputs={"scores": {"x": 3.0}}, component="Judge")
    assert [each.freeze["weights"] for each in found(run)] == [{"x": 3.0}]


def test_weights_at_the_bounds_are_fine():
    assert found(judged(weights={"a": 1.0, "b": 0.0}, scores={"a": 0.0, "b": 0.79})[0]) == []


def test_a_score_outside_the_scale():
    (finding,) = found(judged(scores={"SAFETY": 1.01})[0])
    assert finding.title == "Judge judged with values that cannot be right: score SAFETY is 1.01"


def test_objectives_far_apart_conflict_and_a_little_nearer_do_not():
    run, record = judged(scores={"SAFETY": 0.2, "SPEED": 0.8, "COST": 0.5}, approved=True)
    (finding,) = found(run)
    assert (finding.code, finding.severity, finding.evidence) == ("J01-03", Severity.LOW, (record,))
    assert finding.title == "Judge approved an action whose objectives conflict: SPEED 0.80, SAFETY 0.20"
    assert found(judged(scores={"SAFETY": 0.21, "SPEED": 0.8}, approved=True)[0]) == []


def test_a_gate_that_failed_names_the_principles():
    run = Said()
    outputs = {"passed": False, "overall_score": 1.2, "principle_scores": {"META-1": 0.5, "META-2": 2.5}}
    gate = run.stage("quality_gate", outputs=outputs)
    (finding,) = found(run)
    assert finding.code == "J01-04"
    assert finding.title == "The quality gate failed with 1.2; below threshold: META-1 0.5"
    assert finding.evidence == (gate,)
    assert finding.freeze["below"] == {"META-1": 0.5}


def test_a_gate_that_passes_in_the_end_passed():
    run = Said()
    run.stage("quality_gate", outputs={"passed": False})
    run.stage("quality_gate", attempt=2, outputs={"passed": True})
    assert found(run) == []


def test_order_duplicates_and_hostile_payloads_change_nothing():
    records = records_of([hostile_run(), clean_run(2)])
    assert Judgement().detect(shuffled(records)) == Judgement().detect(records)


def test_a_clean_run_has_none():
    assert found(clean_run()) == []
