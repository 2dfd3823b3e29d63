"""Volume: spikes from the first minutes on, silences while others go on, and the hours of the day once a week is known."""

import math
import random
from collections.abc import Mapping, Sequence

import pytest

from tests.diagnose.detectors.said import hostile_run
from whence.diagnose.detector import Window
from whence.diagnose.detectors.volume import MINUTE_NS, Volume
from whence.diagnose.digesting import digest_of
from whence.model.digest import PartDigest, RunDigest
from whence.model.finding import Finding
from whence.model.severity import Severity

FIRST = 29_453_760  # 2026-01-01T00:00Z in minutes


def run_of(number: int, minute: int, counts: Mapping[str, Mapping[int, int]]) -> RunDigest:
    at = (FIRST + minute) * MINUTE_NS
    return RunDigest(
        trace=f"{number:032x}",
        project="acme",
        started_ns=at,
        ended_ns=at + MINUTE_NS,
        outcome="good",
        parts={who: PartDigest(records=sum(of.values())) for who, of in counts.items()},
        minutes={who: {FIRST + m: n for m, n in of.items()} for who, of in counts.items()},
    )


def window(counts: Sequence[int], who: str = "agent") -> Window:
    """One component, one run."""
    return Window("acme", (run_of(1, 0, {who: {m: n for m, n in enumerate(counts) if n}}),))


def survey(window: Window) -> list[Finding]:
    return list(Volume().survey(window))


# -- V01-01 --


def test_a_minute_far_above_the_others_is_a_spike() -> None:
    given = window([5, 6, 4, 5, 5, 60, 5, 4, 6, 5])
    (finding,) = survey(given)
    assert finding.code == "V01-01"
    assert finding.title == "agent recorded 60 records in the minute of 2026-01-01 00:05 UTC; 5 a minute are usual"
    assert finding.freeze == {"records": 60, "usual": 5.0, "minute": FIRST + 5, "minutes": 1}
    assert finding.evidence == (given.runs[0].trace,)
    assert (finding.first_ns, finding.last_ns) == ((FIRST + 5) * MINUTE_NS, (FIRST + 6) * MINUTE_NS - 1)
    assert finding.confidence is not None
    assert finding.confidence > 0.999


def test_three_minutes_are_enough() -> None:
    (finding,) = survey(window([5, 60, 5]))  # C4.18: never with the minute in its own average
    assert finding.severity == Severity.LOW
    assert finding.basis_text.startswith("binomial share of 3 minutes")


def test_silent_minutes_count_as_minutes() -> None:
    (finding,) = survey(window([3, 0, 0, 0, 0, 0, 0, 0, 40]))
    assert finding.freeze["usual"] == pytest.approx(3 / 8, abs=0.001)


def test_a_spike_over_two_minutes_is_one() -> None:
    (finding,) = survey(window([5] * 20 + [80, 70] + [5] * 20))
    assert finding.freeze["minutes"] == 2
    assert finding.count == 2


@pytest.mark.parametrize(
    "counts",
    [
        [5, 6, 4, 5, 5, 14, 5, 4, 6, 5],  # less than three times
        [1, 0, 1, 0, 0, 9, 0, 1, 0, 1],  # fewer than 10 records
        [40 if m % 7 == 0 else 0 for m in range(60)],  # bursts are how it works
        [5],
        [],
    ],
)
def test_what_is_no_spike(counts: list[int]) -> None:
    assert survey(window(counts)) == []


def test_noise_gives_next_to_no_spikes() -> None:
    chance = random.Random(11)
    found = []
    for n in range(40):
        counts = [math.floor(chance.gammavariate(2, 5)) for _ in range(240)]
        found += survey(window(counts, f"agent {n}"))
    assert len(found) <= 1


def test_what_comes_every_day_at_this_hour_is_no_spike_once_a_week_is_known() -> None:
    chance = random.Random(2)
    nightly = [
        (200 if minute % 1440 == 120 + minute // 1440 else 0) + chance.randint(0, 3) for minute in range(8 * 1440)
    ]
    assert survey(window(nightly)) == []
    (finding,) = survey(
        window([each if n < 1440 * 2 else each % 50 for n, each in enumerate(nightly[: 2 * 1440 - 600])])
    )[:1]
    assert finding.code == "V01-01"  # in the first days nobody can know


# -- V01-02 --


def steady(silent: range, *, runs: int = 60) -> Window:
    """A run every minute, each of two components; one of them says nothing in some minutes."""
    every = []
    for n in range(runs):
        counts = {"fetcher": {n: 8}, "linker": {n: 6}}
        if n in silent:
            del counts["linker"]
        every.append(run_of(n + 1, n, counts))
    return Window("acme", tuple(every))


def test_a_steady_component_that_falls_silent_until_the_end() -> None:
    given = steady(range(50, 60))
    (finding,) = survey(given)
    assert finding.code == "V01-02"
    assert finding.title == (
        "linker has been silent since 2026-01-01 00:50 UTC: nothing in 10 minutes in which others recorded"
    )
    assert finding.freeze["silent_minutes"] == 10
    assert finding.freeze["runs_without_it"] == 10
    assert finding.evidence[0] == given.runs[50].trace
    assert finding.evidence[-1] == given.runs[49].trace
    assert finding.severity == Severity.MEDIUM
    assert finding.attributes == {"still_silent": True}


def test_a_silence_in_between_has_the_same_name_when_it_is_asked_for_later() -> None:
    (early,) = survey(steady(range(50, 60)))
    (late,) = survey(steady(range(50, 60), runs=90))
    assert "was silent from" in late.title
    assert (early.fingerprint, early.anchor) == (late.fingerprint, late.anchor)


def test_two_minutes_are_no_silence_nor_is_a_night_in_which_nothing_runs() -> None:
    assert survey(steady(range(50, 52))) == []
    runs = [run_of(n + 1, m, {"a": {m: 5}, "b": {m: 5}}) for n, m in enumerate([*range(30), *range(600, 630)])]
    assert survey(Window("acme", tuple(runs))) == []


def test_a_component_that_is_only_sometimes_needed_is_not_missed() -> None:
    chance = random.Random(4)
    every = []
    for n in range(120):
        counts = {"fetcher": {n: 8}}
        if chance.random() < 0.3:
            counts["translator"] = {n: 6}
        every.append(run_of(n + 1, n, counts))
    assert survey(Window("acme", tuple(every))) == []


def test_a_part_of_one_run_that_is_over_is_at_most_low() -> None:
    counts = {"collect": dict.fromkeys(range(20), 6), "write": dict.fromkeys(range(20, 60), 6)}
    assert [each.severity for each in survey(Window("acme", (run_of(1, 0, counts),)))] == [Severity.LOW]


def test_hostile_payloads_and_years_between_runs_raise_nothing() -> None:
    survey(Window("acme", tuple(digest_of(hostile_run(n).run) for n in range(1, 5))))
    survey(Window("acme", (run_of(1, 0, {"a": {0: 50}}), run_of(2, 3_000_000, {"a": {3_000_000: 50}}))))
