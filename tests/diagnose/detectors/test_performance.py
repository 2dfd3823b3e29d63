"""Performance: slow against its own history, bottlenecks, what became slower since which version, how much comes."""

import random
from collections.abc import Sequence

import pytest

from tests.builders import SECOND_NS, START_NS
from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, shuffled
from whence.diagnose.detector import Window
from whence.diagnose.detectors.performance import Performance
from whence.diagnose.digesting import digest_of
from whence.diagnose.run import NO_HISTORY, Run
from whence.model.digest import PartDigest, RunDigest
from whence.model.finding import Finding
from whence.model.severity import Severity


def only(findings: Sequence[Finding], code: str) -> Finding:
    (found,) = [each for each in findings if each.code == code]
    return found


def codes(findings: Sequence[Finding]) -> list[str]:
    return [each.code for each in findings]


def run_of(number: int, fetch_s: float = 1.0, status: str = "complete") -> Said:
    """A stage in which a tool is called."""
    run = Said(number)
    span = run.begin("collection", component="collector")
    run.tool("get", component="fetcher", parent=span, stage="collection", seconds=fetch_s)
    run.finish(span)
    run.end(status)
    return run


BEFORE = [run_of(n, 1.0 + n / 50) for n in range(1, 13)]


# -- P01-01 --


def test_slower_than_its_own_history_names_the_innermost_part() -> None:
    run = run_of(50, 20.0)
    finding = only(examined(Performance(), run, BEFORE), "P01-01")
    assert finding.title == "fetcher took 20.0 s for get; 1.1 s is usual"
    assert finding.evidence == (run.records[3].record_id,)
    assert finding.freeze == {"duration_ms": 20000.0, "median_ms": 1130.0, "runs": 12, "type": "tool"}
    assert finding.confidence == pytest.approx(12 / 13)
    assert finding.severity == Severity.MEDIUM
    assert finding.components == ("fetcher",)


def test_just_below_the_limit_and_with_too_little_history_nothing_is_slow() -> None:
    upper = only(examined(Performance(), run_of(50, 20.0), BEFORE), "P01-01").thresholds["duration_ms"]
    assert "P01-01" not in codes(examined(Performance(), run_of(50, upper / 1000), BEFORE))
    assert "P01-01" in codes(examined(Performance(), run_of(50, upper / 1000 + 0.001), BEFORE))
    assert "P01-01" not in codes(examined(Performance(), run_of(50, 20.0), BEFORE[:7]))


def test_microseconds_never_matter() -> None:
    before = [run_of(n, 0.001) for n in range(1, 13)]
    assert "P01-01" not in codes(examined(Performance(), run_of(50, 0.05), before))


def test_what_is_slow_now_and_then_is_usual() -> None:
    before = [run_of(n, 30.0 if n % 4 == 0 else 1.0) for n in range(1, 25)]  # a cache that misses one time in four
    assert "P01-01" not in codes(examined(Performance(), run_of(50, 31.0), before))


def test_a_slow_part_in_a_run_that_did_not_suffer_is_low() -> None:
    def parts(number: int, small: float) -> Said:
        run = Said(number)
        run.stage("build", component="builder", seconds=100)
        run.stage("lint", component="linter", seconds=small)
        run.end()
        return run

    before = [parts(n, 0.5) for n in range(1, 13)]
    assert only(examined(Performance(), parts(50, 3.0), before), "P01-01").severity == Severity.LOW


def test_without_history_the_rule_of_the_design_holds() -> None:
    def many(calls: int, seconds: float) -> Said:
        run = Said()
        for _ in range(calls):
            run.stage("page", component="renderer", seconds=seconds)
        run.end()
        return run

    finding = only(examined(Performance(), many(10, 6)), "P01-01")
    assert finding.freeze == {"p95_ms": 6000.0, "samples": 10, "duration_ms": 6000.0}
    assert (finding.basis, finding.confidence) == ("measured", None)
    assert "P01-01" not in codes(examined(Performance(), many(9, 6)))
    assert "P01-01" not in codes(examined(Performance(), many(10, 5)))


# -- P01-02 --


def three(share_s: float) -> Said:
    run = Said(50)
    run.stage("a", seconds=1)
    run.stage("b", seconds=share_s)
    run.stage("c", seconds=1)
    run.end()
    return run


def test_one_stage_that_takes_over_half_of_the_run_is_told_and_no_fault() -> None:
    run = three(6)
    finding = only(examined(Performance(), run), "P01-02")
    assert finding.title.startswith("Stage b took 6.0 s, 72 % of the run")
    assert finding.severity == Severity.INFO
    assert finding.evidence == (run.records[4].record_id,)
    assert "P01-02" not in codes(examined(Performance(), three(2)))


def test_an_unusual_bottleneck_is_low() -> None:
    def at(number: int, seconds: float) -> Said:
        run = Said(number)
        for name, took in (("a", 3.0), ("b", seconds), ("c", 3.0)):
            run.stage(name, component=name, seconds=took)
        run.end()
        return run

    finding = only(examined(Performance(), at(50, 30), [at(n, 3 + n / 100) for n in range(1, 12)]), "P01-02")
    assert finding.severity == Severity.LOW
    assert "33 % is usual" in finding.title


# -- P01-05 --


def measured(values: Sequence[object], unit: str = "%", name: str = "system.cpu.utilization") -> Said:
    run = Said(50)
    for value in values:
        run.metric("worker", name, value, unit)
    run.end()
    return run


def test_processor_use_that_averages_above_80_percent() -> None:
    run = measured([70, 85, 90, 95, 85])
    finding = only(examined(Performance(), run), "P01-05")
    assert finding.title == "system.cpu.utilization of worker was 85 % on average over 5 samples"
    assert finding.freeze == {"mean": 0.85, "highest": 0.95, "samples": 5}
    assert finding.evidence[0] == run.records[4].record_id


@pytest.mark.parametrize(
    "run",
    [
        measured([80] * 5),
        measured([99] * 4),
        measured([99] * 5, "MBy", "memory.usage"),
        measured([150, 99, 99, 99, 99]),
        measured(["high", None, {}, [], True]),
        measured([99] * 5, name="cpuset.efficiency"),
    ],
)
def test_what_is_at_the_limit_too_little_or_no_share_says_nothing(run: Said) -> None:
    assert examined(Performance(), run) == []


# -- P01-03, P01-04 --


def digests(seconds: Sequence[float], changed_at: int, kind: str = "prompt") -> Window:
    runs = []
    for n, each in enumerate(seconds):
        at = START_NS + n * 3600 * SECOND_NS
        ns = int(each * SECOND_NS)
        part = PartDigest(
            records=3, spans=1, durations_ns=(ns,), total_ns=ns, self_ns=ns,
            versions={"model": "m-1", kind: "p@2" if n >= changed_at else "p@1"},
        )  # fmt: skip
        runs.append(
            RunDigest(
                trace=f"{n:032x}",
                project="acme",
                started_ns=at,
                ended_ns=at + ns,
                outcome="good",
                parts={"writer": part},
            )
        )
    return Window("acme", tuple(runs))


def test_a_component_that_became_slower_is_tied_to_the_version_that_changed() -> None:
    chance = random.Random(3)
    window = digests([chance.uniform(0.9, 1.1) for _ in range(12)] + [chance.uniform(1.8, 2.2) for _ in range(12)], 12)
    (finding,) = Performance().survey(window)
    assert finding.code == "P01-03"
    assert finding.title.endswith("(median of 12 runs); since prompt changed from p@1 to p@2")
    assert finding.anchor == window.runs[12].trace
    assert finding.evidence[:2] == (window.runs[12].trace, window.runs[11].trace)
    assert finding.severity == Severity.MEDIUM


def test_a_change_with_no_version_beside_it_says_so() -> None:
    chance = random.Random(3)
    seconds = [chance.uniform(0.9, 1.1) for _ in range(12)] + [chance.uniform(1.8, 2.2) for _ in range(12)]
    (finding,) = Performance().survey(digests(seconds, 3))
    assert "no version change beside it" in finding.title


def test_later_runs_leave_the_occurrence_the_same() -> None:
    chance = random.Random(3)
    seconds = [chance.uniform(0.9, 1.1) for _ in range(12)] + [chance.uniform(1.8, 2.2) for _ in range(30)]
    (early,) = Performance().survey(digests(seconds[:24], 12))
    (late,) = Performance().survey(digests(seconds, 12))
    assert (early.fingerprint, early.anchor) == (late.fingerprint, late.anchor)


def test_noise_and_small_changes_are_no_degradation() -> None:
    chance = random.Random(5)
    noise = [chance.lognormvariate(0, 0.5) for _ in range(60)]
    assert list(Performance().survey(digests(noise, 30))) == []
    assert list(Performance().survey(digests([0.010] * 12 + [0.050] * 12, 12))) == []  # 40 ms


def test_runs_per_hour_that_change_are_told() -> None:
    runs, at = [], START_NS
    for hour in range(40):
        for n in range(12 if hour >= 20 else 4):
            began = START_NS + hour * 3600 * SECOND_NS + n * 60 * SECOND_NS
            runs.append(
                RunDigest(trace=f"{len(runs):032x}", started_ns=began, ended_ns=began + SECOND_NS, outcome="good")
            )
    (finding,) = Performance().survey(Window("acme", tuple(runs)))
    assert finding.title == "acme went from 4 to 12 runs per hour"
    assert finding.anchor == str(at + 20 * 3600 * SECOND_NS)
    assert finding.severity == Severity.INFO
    assert list(Performance().survey(Window("acme", tuple(runs[:80])))) == []


# -- all --


def test_order_and_repetition_change_nothing_and_hostile_payloads_raise_nothing() -> None:
    run = three(6)
    assert list(Performance().examine(Run.of(shuffled(run.records), run.trace), NO_HISTORY)) == examined(
        Performance(), run
    )
    examined(Performance(), hostile_run(30), [hostile_run(n) for n in range(1, 12)])
    assert list(Performance().survey(Window("acme", tuple(digest_of(hostile_run(n).run) for n in range(1, 30))))) == []


def test_a_clean_run_is_fast_enough() -> None:
    assert [f for f in examined(Performance(), clean_run(20), [clean_run(n) for n in range(1, 12)]) if f.severity] == []
