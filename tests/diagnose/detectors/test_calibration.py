"""Calibration: those who are surer, or less sure, than they turn out to be right."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import SECOND_NS, START_NS
from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, shuffled
from whence.diagnose.calibration import below_average, repeated_failure
from whence.diagnose.detector import Window
from whence.diagnose.detectors.calibration import Calibration, chance_of
from whence.diagnose.digesting import digest_of
from whence.diagnose.run import NO_HISTORY, Run
from whence.model.digest import PartDigest, RunDigest
from whence.model.severity import Severity
from whence.store.interface import Totals

# -- within a run --


def judged(results: Sequence[bool], confidence: object = 0.95, **check: object) -> tuple[Said, list[str]]:
    run, ids = Said(), []
    for n, right in enumerate(results):
        decision = run.decision("acceptance", "accept", confidence=confidence, stage="triage", component="scorer")
        said = {"type": "judgement", "subject": f"statement {n}", **check}
        ids += [decision, run.check("judgement", right, parent=decision, **said)]  # type: ignore[arg-type]
    run.end("failed")
    return run, ids


def test_a_scorer_that_is_sure_of_what_is_wrong() -> None:
    run, ids = judged([True] * 5 + [False] * 7)
    (finding,) = examined(Calibration(), run)
    assert finding.code == "C01-05"
    assert finding.title == (
        "scorer is overconfident by 0.53: 5 of 12 judged decisions were right, at a mean confidence of 0.95"
    )
    assert finding.evidence[:2] == (ids[10], ids[11])  # sure, and wrong
    assert finding.freeze == {"judged": 12, "right": 5, "mean_confidence": 0.95, "bias": 0.5333}
    assert (finding.kind, finding.severity, finding.stage) == ("calibration", Severity.MEDIUM, "triage")
    assert finding.confidence is not None
    assert finding.confidence > 0.9999


def test_a_judgement_may_name_its_decision_as_an_attribute() -> None:
    """As `whence.check(..., decision=...)` records it."""
    run = Said()
    for n in range(12):
        decision = run.decision("acceptance", "accept", confidence=0.95, stage="triage", component="scorer")
        run.check("judgement", n < 5, type="judgement", attributes={"decision": decision, "confidence": 0.95})
    run.end("failed")
    (finding,) = examined(Calibration(), run)
    assert finding.freeze["right"] == 5


def test_one_who_is_right_far_more_often_than_it_says_is_underconfident() -> None:
    (finding,) = examined(Calibration(), judged([True] * 30, 0.6)[0])
    assert finding.title.startswith("scorer is underconfident by 0.40: 30 of 30")


@pytest.mark.parametrize(
    ("results", "confidence"),
    [
        ([True] * 10 + [False] * 2, 0.95),  # may well be chance: p = 0.1
        ([False] * 4, 0.95),  # too few
        ([True] * 12, 0.95),
        ([False] * 12, "sure"),
        ([False] * 12, 95),
    ],
)
def test_what_may_be_chance_or_is_no_confidence_says_nothing(results: list[bool], confidence: object) -> None:
    assert examined(Calibration(), judged(results, confidence)[0]) == []


def test_a_check_that_names_a_decision_without_judging_it_counts_for_nothing() -> None:
    assert examined(Calibration(), judged([False] * 12, type="syntax")[0]) == []


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_the_chance_is_a_probability_and_does_not_depend_on_the_order(pairs: list[tuple[float, bool]]) -> None:
    p = chance_of(pairs)
    assert 0.0 <= p <= 1.0
    assert p == pytest.approx(chance_of(pairs[::-1]), abs=1e-12)


def test_the_chance_is_that_of_coins() -> None:
    assert chance_of([(0.5, True)] * 10) == pytest.approx(2 / 1024)
    assert chance_of([(0.9, False)] * 2) == pytest.approx(0.02)


# -- across runs --


def window(n: int, confidence: float, share_good: float, seed: int = 1, each: int = 4) -> Window:
    chance = random.Random(seed)
    runs = []
    for number in range(n):
        at = START_NS + number * 60 * SECOND_NS
        part = PartDigest(
            records=each, confidences=tuple(confidence + chance.uniform(-0.02, 0.02) for _ in range(each))
        )
        outcome = "good" if chance.random() < share_good else "bad"
        runs.append(
            RunDigest(trace=f"{number:032x}", started_ns=at, ended_ns=at + 1, outcome=outcome, parts={"judge": part})
        )
    return Window("acme", tuple(runs))


def test_confidence_that_runs_do_not_bear_out() -> None:
    (finding,) = Calibration().survey(window(60, 0.95, 0.6))
    well = finding.freeze["went_well"]
    assert finding.title.startswith(f"The confidence of judge is overconfident by {0.95 - well / 60:.2f}: it says 0.95")
    assert finding.freeze["ece"] > 0.15
    assert 0 < finding.freeze["brier"] < 1
    assert sum(each["runs"] for each in finding.attributes["reliability"]) == 60
    assert (finding.severity, finding.scope) == (Severity.LOW, "component")
    assert len(finding.evidence) == 20


def test_too_few_runs_honest_ones_and_runs_that_all_go_well_say_nothing() -> None:
    assert list(Calibration().survey(window(29, 0.95, 0.5))) == []
    assert list(Calibration().survey(window(200, 0.7, 0.7))) == []
    assert list(Calibration().survey(window(60, 0.7, 1.0))) == []


def test_honest_components_are_flagged_no_more_often_than_the_level_says() -> None:
    found = [list(Calibration().survey(window(40, 0.7, 0.7, seed))) for seed in range(100)]
    assert sum(map(bool, found)) <= 2


def test_twenty_decisions_of_a_run_are_one_observation() -> None:
    assert list(Calibration().survey(window(20, 0.95, 0.4, each=20))) == []


def test_order_and_repetition_change_nothing_and_hostile_payloads_raise_nothing() -> None:
    run, _ = judged([True] * 5 + [False] * 7)
    assert list(Calibration().examine(Run.of(shuffled(run.records), run.trace), NO_HISTORY)) == examined(
        Calibration(), run
    )
    assert examined(Calibration(), clean_run()) == []
    examined(Calibration(), hostile_run(3))
    list(Calibration().survey(Window("acme", tuple(digest_of(hostile_run(n).run) for n in range(1, 40)))))


# -- the flags of R1.55, under their names in the catalog --


def test_flags_say_what_they_are() -> None:
    flag = repeated_failure("META-12", 3)
    assert flag is not None
    assert flag.title == (
        "Principle META-12 has scored below threshold 3 times in the last 7 days. Consider reviewing calibration."
    )
    assert (flag.code, flag.kind, flag.basis, flag.confidence) == ("C01-01", "calibration", "derived", 1.0)
    assert (flag.scope, flag.components) == ("system", ("quality_gate",))
    assert repeated_failure("META-12", 2) is None


def test_a_group_is_compared_without_the_run_itself() -> None:
    group, every = Totals(scored=4, avg_quality=2.0), Totals(scored=10, avg_quality=2.7)
    intent = below_average("intent", "validating", group, every, 2.0)
    domain = below_average("domain", "robotics", group, every, 2.0)
    assert intent is not None
    assert domain is not None
    assert (intent.code, domain.code) == ("C01-02", "C01-03")
    assert intent.fingerprint != domain.fingerprint
    assert below_average("intent", "validating", Totals(scored=3, avg_quality=2.0), every, 2.0) is None
