"""Components side by side: what is counted, what is said of versions, and when nothing is said."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.diagnose.scoreboard import MIN_CALIBRATION, ComponentScore, scoreboard
from whence.model.digest import PartDigest, RunDigest
from whence.model.finding import Problem


def run(n: int, *, outcome: str = "good", **parts: PartDigest) -> RunDigest:
    return RunDigest(trace=f"{n:032x}", trace_id=f"t{n}", started_ns=n * 10**9, outcome=outcome, parts=parts)


def part(seconds: float = 1.0, model: str = "", **more: object) -> PartDigest:
    versions = {"model": model} if model else {}
    return PartDigest(
        **{"spans": 1, "total_ns": int(seconds * 1e9), "version": model and f"v-{model}", "versions": versions, **more}  # type: ignore[arg-type]
    )


def problem(component: str, severity: int = 2, state: str = "confirmed") -> Problem:
    return Problem(
        id=f"{component}-{severity}-{state}",
        project="",
        fingerprint="",
        code="T01-01",
        title="",
        severity=severity,
        state=state,  # type: ignore[arg-type]
        count=1,
        first_ns=0,
        last_ns=0,
        components=(component,),
    )


def one(found: tuple[ComponentScore, ...], name: str) -> ComponentScore:
    return next(each for each in found if each.component == name)


def test_what_is_counted() -> None:
    """Runs by how they ended, time, calls, cost, retries; runs in progress count as neither."""
    runs = [
        run(1, writer=part(1.0, calls=2, tokens=10, cost_usd=0.01)),
        run(2, outcome="bad", writer=part(3.0, failed=1, errors=2, attempts=3)),
        run(3, outcome="in_progress", writer=part(2.0, calls=1), reader=part()),
    ]
    writer = one(scoreboard(runs), "writer")

    assert (writer.runs, writer.good, writer.bad, writer.success) == (3, 1, 1, 0.5)
    assert (writer.spans, writer.failed, writer.errors, writer.retried) == (3, 1, 2, 1)
    assert (writer.p50_s, writer.calls, writer.tokens, writer.cost_usd) == (2.0, 3, 10, 0.01)
    assert (writer.first_ns, writer.last_ns) == (10**9, 3 * 10**9)
    assert writer.success_low < 0.5 < writer.success_high
    assert one(scoreboard(runs), "reader").success is None


def test_open_problems_come_first_and_the_worst_first() -> None:
    runs = [run(n, outcome="bad" if n == 0 else "good", a=part(), b=part(), c=part()) for n in range(4)]
    found = scoreboard(runs, [problem("b", 2), problem("c", 4), problem("c", 1), problem("a", 4, "resolved")])

    assert [(each.component, each.problems, each.worst) for each in found] == [("c", 2, 4), ("b", 1, 2), ("a", 0, None)]


def test_a_version_is_put_beside_the_one_before() -> None:
    """With the new model fewer runs went well, and they took twice as long: both beyond chance."""
    runs = [run(n, writer=part(1 + n / 100, "large")) for n in range(20)]
    runs += [run(20 + n, outcome="good" if n < 5 else "bad", writer=part(2 + n / 100, "small")) for n in range(20)]
    old, new = one(scoreboard(runs), "writer").versions

    assert (old.version, old.success_change, old.latency_ratio, old.changed) == ("v-large", None, None, ())
    assert new.changed == ("model: large → small",)
    assert new.success_change == pytest.approx(-0.75)
    assert new.success_p is not None
    assert new.success_p < 0.001
    assert new.latency_ratio == pytest.approx(2.095 / 1.095)
    assert new.latency_p is not None
    assert new.latency_p < 0.001


def test_of_two_runs_nothing_is_said() -> None:
    runs = [run(n, writer=part(1.0, "large")) for n in range(9)] + [run(9, outcome="bad", writer=part(9.0, "small"))]
    new = one(scoreboard(runs), "writer").versions[1]

    assert (new.runs, new.success_change, new.latency_ratio) == (1, None, None)


def test_calibration_needs_a_sample() -> None:
    """Sure of everything and right in half of the runs: off by half, once there are enough of them."""
    few = [
        run(n, outcome="good" if n % 2 else "bad", judge=part(confidences=(1.0,))) for n in range(MIN_CALIBRATION - 1)
    ]
    enough = [*few, run(MIN_CALIBRATION, outcome="bad", judge=part(confidences=(1.0,)))]

    assert one(scoreboard(few), "judge").ece is None
    assert one(scoreboard(enough), "judge").ece == pytest.approx(0.5, abs=0.04)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_runs_is_irrelevant_and_nothing_is_lost(seed: int) -> None:
    """Whatever order they come in; and every run of a component is counted in exactly one version and one outcome."""
    at = random.Random(seed)
    runs = [
        run(
            n,
            outcome=at.choice(["good", "bad", "in_progress"]),
            **{name: part(at.random(), at.choice("ab"), failed=at.randrange(2)) for name in at.sample("xyz", 2)},
        )
        for n in range(30)
    ]
    found = scoreboard(runs)
    mixed = at.sample(runs, len(runs))

    assert scoreboard([*mixed, mixed[0]]) == found
    assert sum(each.runs for each in found) == 60
    for each in found:
        assert sum(version.runs for version in each.versions) == each.runs
        assert each.good + each.bad <= each.runs
        assert 0 <= each.success_low <= each.success_high <= 1


def test_versions_that_are_alike_are_seldom_said_to_differ() -> None:
    """Twenty components whose versions mean nothing, a hundred times: the correction keeps false alarms below 5 %."""
    alarms = 0
    for seed in range(100):
        at = random.Random(seed)
        runs = [
            run(
                n,
                outcome=at.choice(["good", "bad"]),
                **{f"c{i}": part(at.lognormvariate(0, 0.4), "a" if n < 20 else "b") for i in range(4)},
            )
            for n in range(40)
        ]
        alarms += any(
            p is not None and p <= 0.05
            for each in scoreboard(runs)
            for version in each.versions
            for p in (version.success_p, version.latency_p)
        )

    assert alarms <= 5


def test_nothing_is_a_board_too() -> None:
    assert scoreboard([]) == ()
