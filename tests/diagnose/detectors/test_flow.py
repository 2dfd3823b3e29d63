"""Flow: what is said when runs stop, block, drag on, wait in circles, or try too often; and just before that, nothing."""

from collections.abc import Sequence

import pytest

from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, shuffled
from whence.diagnose.detector import Window
from whence.diagnose.detectors.flow import Flow
from whence.diagnose.digesting import digest_of
from whence.diagnose.run import NO_HISTORY, Run
from whence.model import record as kinds
from whence.model.finding import Finding
from whence.model.severity import Severity


def only(findings: Sequence[Finding], code: str) -> Finding:
    (found,) = [each for each in findings if each.code == code]
    return found


def codes(findings: Sequence[Finding]) -> list[str]:
    return [each.code for each in findings]


def usual(number: int, seconds: float = 2.0) -> Said:
    run = Said(number)
    run.stage("collection", component="collector", seconds=seconds)
    run.end()
    return run


def test_a_clean_run_flows() -> None:
    assert examined(Flow(), clean_run(20), [clean_run(n) for n in range(1, 12)]) == []


# -- I01-02 --


def moved(run: Said, before: object, after: object) -> str:
    attributes = {"success": True, "metadata": {"state_from": before, "state_to": after}}
    return run.event("state_transition", attributes=attributes, component="StateFlow")


def test_leaving_a_state_that_it_was_not_in_contradicts() -> None:
    run = Said()
    moved(run, "PLAN", "CODE")
    first = moved(run, "CODE", "TEST")
    second = moved(run, "CODE", "JUDGE")
    run.end()

    finding = only(examined(Flow(), run), "I01-02")
    assert finding.title == "StateFlow left state CODE although it had gone into TEST"
    assert finding.evidence == (second, first)
    assert finding.freeze == {"state_from": "CODE", "state_before": "TEST"}
    assert (finding.basis, finding.confidence, finding.severity) == ("derived", 1.0, Severity.CRITICAL)


def test_two_transitions_at_one_moment_contradict_nothing() -> None:
    run = Said()
    moved(run, "PLAN", "CODE")
    attributes = {"state_from": "PLAN", "state_to": "TEST"}
    run.event("state_transition", attributes=attributes, component="StateFlow", after_s=0)
    run.end()
    assert examined(Flow(), run) == []


# -- O01-02 --


def test_components_that_wait_for_each_other_are_a_deadlock() -> None:
    run = Said()
    a = run.event("waits", attributes={"waiting_for": "agent/b"}, component="agent/a")
    b = run.event("waits", attributes={"waiting_for": ["a"]}, component="agent/b")

    finding = only(examined(Flow(), run), "O01-02")
    assert finding.title == "agent/a and agent/b wait for each other: agent/a → agent/b → agent/a"
    assert finding.evidence == (b, a)
    assert finding.attributes == {"rule": "circle"}
    assert finding.freeze == {"waiting_for": {"agent/a": ["agent/b"], "agent/b": ["a"]}}


def test_a_wait_that_is_over_is_none() -> None:
    run = Said()
    run.event("waits", attributes={"waiting_for": "b"}, component="a")
    run.event("waits", attributes={"waiting_for": "a"}, component="b")
    run.event("got", component="a")
    assert examined(Flow(), run) == []


def beating(seconds: float, type: str = "stage") -> Said:
    run = Said()
    run.begin("build", type=type, component="builder", stage="build")
    for _ in range(12):
        run.event("beat", component="builder", after_s=seconds / 12)
    return run


def test_events_without_progress_are_suspected_by_the_rule_of_the_design() -> None:
    finding = only(examined(Flow(), beating(90)), "O01-02")
    assert finding.attributes == {"rule": "no_progress"}
    assert (finding.basis, finding.confidence) == ("measured", None)
    assert finding.freeze == {"without_progress_s": 90.1, "events": 12}
    assert finding.title.startswith("builder has made no progress for 1 min 30 s")


def test_a_shorter_wait_and_a_long_call_are_not_suspected() -> None:
    assert "O01-02" not in codes(examined(Flow(), beating(80)))
    assert "O01-02" not in codes(examined(Flow(), beating(90, "llm")))


# -- O01-03 --


def attempts(limit: int, made: int, last: object) -> tuple[Said, str]:
    run = Said()
    for n in range(1, made + 1):
        error = last if n == made else "ValueError: no"
        end = run.stage("fix", component="fixer", attempt=n, error=error, attributes={"max_retries": limit})
    run.end("failed")
    return run, end


def test_the_last_attempt_that_is_allowed_failed() -> None:
    run, end = attempts(3, 3, {"type": "SyntaxError", "message": "bad"})
    finding = only(examined(Flow(), run), "O01-03")
    assert finding.title == "fixer used up its 3 retries of fix; the last one failed with SyntaxError: bad"
    assert finding.evidence[0] == end
    assert finding.freeze == {"attempts": 3, "allowed": 3}
    assert finding.severity == Severity.HIGH


@pytest.mark.parametrize(("made", "last"), [(2, "ValueError: no"), (3, None)])
def test_one_attempt_left_or_a_last_one_that_works_exhausts_nothing(made: int, last: object) -> None:
    run, _ = attempts(3, made, last)
    assert "O01-03" not in codes(examined(Flow(), run))


def healed(times: int, passed: bool) -> tuple[Said, str]:
    run = Said()
    for n in range(1, times + 1):
        run.add(
            kinds.TRANSFORM, {"action": "heal", "attempt": n, "subject": "a.py"}, name="heal_imports", component="a.py"
        )
        check = run.check("imports", passed, type="import", component="a.py", subject="a.py")
    run.end()
    return run, check


def test_three_attempts_to_heal_that_leave_the_check_failing() -> None:
    run, check = healed(3, False)
    finding = only(examined(Flow(), run), "O01-03")
    assert finding.title == "Healing of a.py was tried 3 times and imports still fails"
    assert finding.evidence[0] == check
    assert finding.thresholds == {"allowed": 3}


def test_two_attempts_or_a_check_that_passes_are_fine() -> None:
    assert examined(Flow(), healed(2, False)[0]) == []
    assert examined(Flow(), healed(3, True)[0]) == []


# -- O01-05 --


@pytest.mark.parametrize(
    ("reason", "said", "severity"),
    [
        ("process_lost", "its process was lost", Severity.HIGH),
        ("cancelled", "it was cancelled", Severity.LOW),
        ("not_marked", "nobody marked it complete", Severity.LOW),
    ],
)
def test_an_interrupted_run_says_how_and_where(reason: str, said: str, severity: Severity) -> None:
    run = Said()
    run.begin("synthesis", component="writer")
    last = run.event("working", component="writer")
    end = run.end("incomplete", reason=reason)

    finding = only(examined(Flow(), run), "O01-05")
    assert said in finding.title
    assert finding.severity == severity
    assert finding.evidence[:2] == (end, last)
    assert (finding.components, finding.stage) == (("writer",), "synthesis")


def test_a_failure_that_says_of_what_is_left_to_others() -> None:
    silent, loud = Said(), Said()
    silent.end("failed")
    loud.end("failed", error={"type": "ValueError", "message": "no"})
    assert codes(examined(Flow(), silent)) == ["O01-05"]
    assert examined(Flow(), loud) == []


# -- O01-06, O01-07 --


def blocked(seconds: float, type: str = "stage") -> Said:
    run = Said(50)
    span = run.begin("collection", type=type, component="collector", stage="collection")
    run.event("looking", component="collector")
    run.event("found", component="collector", after_s=seconds)
    run.finish(span)
    run.end()
    return run


def test_a_silence_beyond_the_components_own_history_blocks() -> None:
    run = blocked(25)
    finding = only(examined(Flow(), run, [usual(n) for n in range(1, 11)]), "O01-06")
    assert finding.title == (
        "collector was blocked: nothing was recorded for 25.0 s in collection; the most that is usual for all of it is 3.2 s"
    )
    assert finding.freeze == {"gap_s": 25.0, "runs": 10}
    assert finding.evidence[1:] == (run.records[2].record_id, run.records[3].record_id)
    assert finding.confidence == pytest.approx(10 / 11)
    assert finding.severity == Severity.MEDIUM  # it completed


def test_history_wins_over_the_fixed_rule_and_calls_may_take_their_time() -> None:
    slow = [usual(n, seconds=50) for n in range(1, 11)]
    assert "O01-06" not in codes(examined(Flow(), blocked(45), slow))
    assert only(examined(Flow(), blocked(31)), "O01-06").severity == Severity.LOW
    assert "O01-06" not in codes(examined(Flow(), blocked(29)))
    assert "O01-06" not in codes(examined(Flow(), blocked(45, "llm")))


def test_a_run_much_longer_than_its_like_is_too_long() -> None:
    before = [usual(n) for n in range(1, 11)]
    finding = only(examined(Flow(), usual(50, 9.0), before), "O01-07")
    assert finding.title == "The run took 9.1 s, 2.1 s is usual"
    assert finding.severity == Severity.MEDIUM
    assert "O01-07" not in codes(examined(Flow(), usual(50, 2.9), before))


def test_without_history_a_minute_is_worth_a_low_finding() -> None:
    assert only(examined(Flow(), usual(50, 70)), "O01-07").severity == Severity.LOW
    assert "O01-07" not in codes(examined(Flow(), usual(50, 59)))


# -- O01-09 --


def retried(number: int, times: int) -> Said:
    run = Said(number)
    run.llm(component="writer", attributes={"retries": times})
    run.end()
    return run


def test_more_retries_than_earlier_runs_let_expect_are_a_storm() -> None:
    before = [retried(n, 1 if n % 9 == 0 else 0) for n in range(1, 31)]
    finding = only(examined(Flow(), retried(50, 9), before), "O01-09")
    assert finding.title == "writer tried again 9 times; 0.1 is usual"
    assert finding.freeze == {"retries": 9, "usual": 0.1}
    assert finding.confidence is not None
    assert finding.confidence > 0.9999
    assert "O01-09" not in codes(examined(Flow(), retried(50, 2), before))


def test_who_always_needs_many_attempts_has_no_storm() -> None:
    before = [retried(n, 6 + n % 4) for n in range(1, 21)]
    assert "O01-09" not in codes(examined(Flow(), retried(50, 9), before))
    assert "O01-09" in codes(examined(Flow(), retried(50, 6)))  # more than 5, nothing to compare with
    assert "O01-09" not in codes(examined(Flow(), retried(50, 5)))


# -- O01-08 --


def outcomes(text: str) -> Window:
    digests = []
    for number, letter in enumerate(text, 1):
        run = Said(number)
        run.stage("collection", component="collector", error="ValueError: no" if letter == "x" else None)
        run.end("failed" if letter == "x" else "complete")
        digests.append(digest_of(run.run))
    return Window("acme", tuple(digests))


def test_a_failure_rate_that_rose_names_before_and_after() -> None:
    window = outcomes("." * 25 + "x.xxx.xxxx.x")
    (finding,) = Flow().survey(window)
    assert finding.title == "9 of the last 12 runs of acme failed (75 %), 0 % of the 25 before"
    assert finding.anchor == window.runs[25].trace
    assert finding.components == ("collector",)
    assert finding.confidence is not None
    assert finding.confidence > 0.99


def test_a_rate_that_was_always_high_must_be_beyond_chance_and_few_runs_say_nothing() -> None:
    (always,) = Flow().survey(outcomes("x." * 20))
    assert "20 of the last 40 runs" in always.title
    assert list(Flow().survey(outcomes("x..x..x..x.x.."))) == []  # 36 % of 14: may well be 30 % or less
    assert list(Flow().survey(outcomes("x" * 10))) == []


# -- all --


def test_order_and_repetition_of_records_change_nothing_and_hostile_ones_raise_nothing() -> None:
    run, _ = healed(4, False)
    again = Flow().examine(Run.of(shuffled(run.records), run.trace), NO_HISTORY)
    assert list(again) == examined(Flow(), run)
    examined(Flow(), hostile_run(30), [hostile_run(n) for n in range(1, 12)])


def test_a_circle_of_a_thousand_is_found_once() -> None:
    run = Said()
    for n in range(1000):
        run.event("waits", attributes={"waiting_for": f"c{(n + 1) % 1000}"}, component=f"c{n}")
    assert len(only(examined(Flow(), run), "O01-02").components) == 1000
