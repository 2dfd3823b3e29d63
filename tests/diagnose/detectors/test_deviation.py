"""Deviation: in what a run differs from good ones, and why most differences say nothing."""

import random
from collections.abc import Callable, Sequence

import pytest

from tests.builders import SECOND_NS, START_NS
from tests.diagnose.detectors.natural import natural_run
from tests.diagnose.detectors.said import Said, examined, hostile_run, shuffled
from whence.diagnose.detector import history_of
from whence.diagnose.detectors.deviation import Deviation, Deviations, deviations
from whence.diagnose.digesting import digest_of
from whence.diagnose.run import NO_HISTORY, History, Run
from whence.model.digest import PartDigest, RunDigest
from whence.model.finding import Finding
from whence.model.severity import Severity


def run_of(number: int = 100, **fields: object) -> RunDigest:
    at = START_NS + number * 60 * SECOND_NS
    said = {"trace": f"{number:032x}", "started_ns": at, "ended_ns": at + 1, "status": "complete", "outcome": "good"}
    return RunDigest(**{**said, **fields})  # type: ignore[arg-type]


def history(count: int, made: Callable[[int], dict[str, object]]) -> History:
    return History(tuple(run_of(n, **made(n)) for n in range(count)))


def one(found: Sequence[Deviation]) -> Deviation:
    (each,) = found
    return each


# -- choices --


def test_a_value_never_seen_where_one_is_usual() -> None:
    before = history(20, lambda n: {"attributes": {"decision:router.source": "primary"}})
    mine = run_of(
        attributes={"decision:router.source": "mirror"},
        records_of={"decision:router.source": "r1"},
        parts={"router": PartDigest()},
    )
    found = one(deviations(mine, before))
    assert (found.kind, found.value, found.usual) == ("choice", "mirror", (("primary", 1.0),))
    assert (found.component, found.record_id, found.support) == ("router", "r1", 20)
    assert found.p == pytest.approx(1 / 21)
    assert found.lift == pytest.approx(21)
    assert found.confidence == pytest.approx(0.8389, abs=1e-4)  # Wilson: 20 of 20


def test_what_varies_by_nature_says_nothing() -> None:
    free = history(20, lambda n: {"attributes": {"input:intake.question": f"question {n}"}})
    mixed = history(20, lambda n: {"attributes": {"decision:router.source": "b" if n < 3 else "a"}})
    assert deviations(run_of(attributes={"input:intake.question": "another"}), free) == ()
    assert deviations(run_of(attributes={"decision:router.source": "c"}), mixed) == ()  # 85 % are not 90 %


def test_a_value_seen_before_is_usual_enough_and_seven_runs_are_too_few() -> None:
    seen = history(20, lambda n: {"attributes": {"decision:x": "b" if n == 3 else "a"}})
    few = history(7, lambda n: {"attributes": {"decision:x": "a"}})
    assert deviations(run_of(attributes={"decision:x": "b"}), seen) == ()
    assert deviations(run_of(attributes={"decision:x": "b"}), few) == ()


def test_runs_of_the_same_intent_come_first() -> None:
    before = history(20, lambda n: {"intent": "ab"[n % 2], "attributes": {"decision:x": "for b" if n % 2 else "for a"}})
    found = one(deviations(run_of(intent="a", attributes={"decision:x": "for b"}), before))
    assert (found.support, found.usual) == (10, (("for a", 1.0),))
    assert deviations(run_of(intent="b", attributes={"decision:x": "for b"}), before) == ()


# -- numbers --


def test_a_number_far_outside_everything_seen() -> None:
    before = history(20, lambda n: {"numbers": {"parse.passages": 30 + n % 5}})
    found = one(deviations(run_of(numbers={"parse.passages": 2}, order=("parse",)), before))
    assert (found.kind, found.value, found.stage) == ("number", 2, "parse")
    assert found.confidence == pytest.approx(20 / 21)
    assert deviations(run_of(numbers={"parse.passages": 29}), before) == ()
    assert deviations(run_of(numbers={"parse.passages": 37}), before) == ()


def test_a_number_that_never_changed_counts_as_a_choice() -> None:
    before = history(20, lambda n: {"numbers": {"publish.nodes": 3}})
    found = one(deviations(run_of(numbers={"publish.nodes": 2}), before))
    assert found.confidence == pytest.approx(0.8389, abs=1e-4)
    assert found.usual == (("3", 1.0),)


# -- steps --


ORDER = ("lookup", "fetch", "parse", "write")


def test_a_step_that_all_good_runs_have_is_missing_with_what_lies_in_it_once() -> None:
    before = history(
        12,
        lambda n: {
            "order": ORDER,
            "parts": {"parser": PartDigest(stage="parse")},
            "attributes": {"decision:parser.kept": "all", "check:parse.shape": "passed"},
        },
    )
    found = one(deviations(run_of(order=("lookup", "fetch", "write")), before))
    assert (found.kind, found.attribute, found.component, found.stage) == ("missing_step", "parse", "parser", "parse")
    assert found.value is None
    assert found.p == pytest.approx(1 / 13)


def test_what_most_but_not_nearly_all_have_is_not_missed() -> None:
    before = history(20, lambda n: {"order": ORDER if n >= 2 else ("lookup", "fetch", "write")})
    assert deviations(run_of(order=("lookup", "fetch", "write")), before) == ()


def test_a_run_that_stopped_misses_only_what_comes_before_its_end() -> None:
    before = history(12, lambda n: {"order": ORDER})
    stopped = run_of(order=("lookup", "parse"), status="failed", outcome="bad")
    assert one(deviations(stopped, before)).attribute == "fetch"


def test_a_check_that_is_not_made_is_a_missing_record() -> None:
    before = history(12, lambda n: {"attributes": {"check:gate.links": "passed"}})
    found = one(deviations(run_of(), before))
    assert (found.kind, found.attribute) == ("missing_record", "check:gate.links")


def test_a_new_step_is_news_only_where_runs_seldom_bring_any() -> None:
    steady = history(20, lambda n: {"attributes": {"tool:get": "used"}})
    varied = history(20, lambda n: {"attributes": {"tool:get": "used", f"tool:one-off {n}": "used"}})
    mine = run_of(attributes={"tool:get": "used", "tool:shell": "used"})
    assert one(deviations(mine, steady)).kind == "new_step"
    assert deviations(mine, varied) == ()


def test_steps_the_other_way_round() -> None:
    before = history(12, lambda n: {"order": ORDER})
    found = one(deviations(run_of(order=("lookup", "parse", "fetch", "write")), before))
    assert (found.kind, found.attribute) == ("order", "parse → fetch")


# -- versions --


def versioned(model: str, code: str = "c1") -> dict[str, object]:
    return {"parts": {"writer": PartDigest(versions={"model": model, "code": code}, stage="synthesis")}}


def test_a_version_that_no_good_run_had() -> None:
    before = history(12, lambda n: versioned("m-1"))
    mine = run_of(**versioned("m-2"), attributes={"model:writer": "m-2"}, records_of={"model:writer": "r7"})
    found = one(deviations(mine, before))
    assert (found.kind, found.attribute, found.component) == ("version", "model:writer", "writer")
    assert (found.value, found.usual, found.record_id) == ("m-2", (("m-1", 1.0),), "r7")


def test_a_program_that_is_new_in_every_run_is_no_news() -> None:
    before = history(12, lambda n: versioned("m-1", code=f"commit {n}"))
    assert deviations(run_of(**versioned("m-1", code="another")), before) == ()
    released = history(12, lambda n: versioned("m-1"))
    assert one(deviations(run_of(**versioned("m-1", code="c2")), released)).attribute == "code"


# -- findings --


def piped(number: int, *, parse: bool = True, source: str = "primary") -> Said:
    run = Said(number)
    run.stage("fetch", component="fetcher")
    run.decision("source", source, stage="fetch", component="fetcher")
    if parse:
        run.stage("parse", component="parser")
    run.stage("write", component="writer")
    run.end()
    return run


def by_code(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {each.code: each for each in findings}


def test_a_missing_step_is_medium_from_ten_runs_on_and_an_unusual_choice_low() -> None:
    run = piped(50, parse=False, source="mirror")
    found = by_code(examined(Deviations(), run, [piped(n) for n in range(1, 11)]))
    assert found["D01-02"].title == "parse is missing; 100 % of 10 earlier good runs have it"
    assert found["D01-02"].severity == Severity.MEDIUM
    assert found["D01-02"].components == ("parser",)
    choice = found["D01-01"]
    assert choice.attributes["insight_type"] == "anomaly"  # as the catalog has it, not as its letter would
    assert choice.title == "decision:fetcher.source is mirror; in 100 % of 10 earlier good runs it was primary"
    assert (choice.severity, choice.basis) == (Severity.LOW, "statistical")
    assert choice.evidence == (run.records[3].record_id,)
    assert choice.freeze == {"value": "mirror", "usual": [["primary", 1.0]], "runs": 10}

    nine = by_code(examined(Deviations(), run, [piped(n) for n in range(1, 10)]))
    assert nine["D01-02"].severity == Severity.LOW


def test_at_most_ten_findings_the_surest_first() -> None:
    def many(number: int, value: str) -> Said:
        run = Said(number)
        for n in range(15):
            run.decision(f"choice_{n}", value, stage="fetch", component="fetcher")
        run.end()
        return run

    found = examined(Deviations(), many(50, "b"), [many(n, "a") for n in range(1, 12)])
    assert len(found) == 10
    confidences = [each.confidence or 0.0 for each in found]
    assert confidences == sorted(confidences, reverse=True)


def test_order_and_repetition_change_nothing_and_hostile_payloads_raise_nothing() -> None:
    run, before = piped(50, parse=False), [digest_of(piped(n).run) for n in range(1, 12)]
    known = history_of(digest_of(run.run), before)
    again = Run.of(shuffled(run.records), run.trace)
    assert list(Deviations().examine(again, known)) == list(Deviations().examine(run.run, known))
    assert list(Deviations().examine(run.run, NO_HISTORY)) == []
    examined(Deviations(), hostile_run(30), [hostile_run(n) for n in range(1, 12)])
    examined(Deviations(), hostile_run(30), [piped(n) for n in range(1, 12)])


def test_natural_runs_differ_in_little() -> None:
    chance = random.Random(3)
    before = [natural_run(n, chance) for n in range(1, 41)]
    found = [each for n in range(41, 61) for each in examined(Deviations(), natural_run(n, chance), before)]
    assert len(found) <= 10
    assert all(each.severity == Severity.LOW for each in found)
