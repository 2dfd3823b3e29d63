"""Outputs that drifted, vectors that cannot be compared, trajectories that change course."""

import pytest

from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, records_of, shuffled
from whence.diagnose.detectors.drift import Drift
from whence.model.severity import Severity


def found(said, before=()):
    return examined(Drift(), said, before)


def compared(run, distance, label=None, subject="a-1", **attributes):
    passed = {"ALIGNED": True, "UNKNOWN": None}.get(label, False)
    fields = {"type": "drift", "component": "coder", "score": distance, "subject": subject, "attributes": attributes}
    return run.check("transformer_output", passed, label=label, **fields)


def step(number, distance, *, ended=True):
    run = Said(number)
    run.record = run.telemetry("coder", "done", trajectory_distance=distance, trajectory_from="planner")
    if ended:
        run.end()
    return run


@pytest.mark.parametrize(
    ("distance", "code"),
    [
        (0.0, None),
        (0.19, None),
        (0.19999999999999996, "T01-04"),  # an exact 0.2, as computed (C0.1)
        (0.3, "T01-04"),
        (0.4, "T01-04"),
        (0.4 + 1e-10, "T01-04"),
        (0.41, "T01-05"),
        (1.0, "T01-05"),
    ],
)
def test_thresholds_where_no_status_was_recorded(distance, code):
    run = Said()
    compared(run, distance)
    assert [each.code for each in found(run)] == ([code] if code else [])


def test_the_recorded_status_stands():
    run = Said()
    told = compared(run, 0.5, "DRIFTED", prompt_to_generated=0.1, thresholds={"critical_above": 0.6})
    (finding,) = found(run)
    assert (finding.code, finding.kind, finding.severity, finding.evidence) == (
        "T01-04",
        "drift",
        Severity.MEDIUM,
        (told,),
    )
    assert finding.title == "a-1 of coder lies 0.500 (cosine distance) from its specification; aligned is below 0.2"
    assert finding.freeze["generated_to_expected"] == 0.5
    assert finding.thresholds == {"critical_above": 0.6}


def test_an_output_that_is_aligned_later_has_recovered_and_another_has_not():
    run = Said()
    compared(run, 0.5, "CRITICAL_MISS")
    compared(run, 0.1, "ALIGNED", subject="another")
    assert [each.severity for each in found(run)] == [Severity.HIGH]
    compared(run, 0.1, "ALIGNED")
    assert [each.severity for each in found(run)] == [Severity.LOW]


@pytest.mark.parametrize("code", ["T01-03", "E01-03"])
def test_vectors_that_cannot_be_compared(code):
    run = Said()
    compared(run, None, "UNKNOWN", code=code, problem="generated: zero: norm 0")
    (finding,) = found(run)
    assert finding.code == code
    assert "generated: zero: norm 0" in finding.title


def test_nothing_to_compare_with_is_no_problem():
    run = Said()
    compared(run, None, "UNKNOWN", problem="no expected vector", code="")
    assert found(run) == []


@pytest.mark.parametrize(
    ("distance", "severity", "level"),
    [
        (0.31, Severity.MEDIUM, "medium"),
        (0.4, Severity.MEDIUM, "medium"),
        (0.5, Severity.HIGH, "high"),
        (0.7, Severity.HIGH, "critical"),
    ],
)
def test_where_the_trajectory_diverges(distance, severity, level):
    run = step(1, distance, ended=False)
    (finding,) = found(run)
    assert (finding.code, finding.severity, finding.freeze["level"]) == ("E01-04", severity, level)
    assert finding.title == (
        f"Output of coder lies {distance:.3f} (cosine distance) from that of planner before it; more than 0.3"
    )
    assert finding.evidence == (run.record,)


def test_at_the_threshold_it_does_not():
    assert found(step(1, 0.3)) == []


def test_what_is_usual_between_two_components_is_no_divergence():
    before = [step(n, 0.7 + n / 100) for n in range(1, 9)]
    assert found(step(20, 0.72), before) == []
    (finding,) = found(step(20, 1.5), before)
    assert (finding.basis, finding.severity) == ("statistical", Severity.HIGH)
    assert finding.confidence == pytest.approx(8 / 9)
    assert found(step(20, 0.72), before[:7]) != []  # too few to say what is usual


def test_order_duplicates_and_hostile_payloads_change_nothing():
    records = records_of([*(step(n, 0.4) for n in range(1, 10)), step(20, 1.5), hostile_run(30)])
    assert Drift().detect(shuffled(records)) == Drift().detect(records)


def test_a_clean_run_has_none():
    assert found(clean_run()) == []
