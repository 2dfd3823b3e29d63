"""What a report of a time says, as data: how runs went day by day, what is wrong, how long components took and since when,
what it cost, what tells bad runs from good ones. Pure; `whence report` draws it as Markdown and as HTML.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from whence.clock import iso_utc
from whence.diagnose.cohorts import Contrast, differences
from whence.diagnose.scoreboard import ComponentScore, changed, scoreboard
from whence.measure.chance import adjusted
from whence.measure.changes import change_point
from whence.measure.rates import wilson
from whence.measure.spread import median
from whence.model.digest import RunDigest, sorted_runs
from whence.model.finding import Problem
from whence.model.severity import Severity

MOST_PROBLEMS: Final = 50
MOST_COMPONENTS: Final = 20
MOST_SERIES: Final = 8
MOST_POINTS: Final = 400
"""Of one component in a plot; of more, the newest."""
MOST_CONTRASTS: Final = 8
MOST_DAYS: Final = 400
CHANGED: Final = 0.05
"""The p-value, corrected over all components, from which on a change of duration is none."""
_DAY_NS: Final = 86_400_000_000_000
_NS_PER_S: Final = 1e9


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One day (UTC). Durations in seconds, money in US dollars."""

    day: str  # 2026-01-31
    good: int
    bad: int
    success: float | None  # share of the ended runs that went well
    success_low: float  # 95 % interval (Wilson)
    success_high: float
    p50_s: float | None
    cost_usd: float | None  # None: nothing is known of it
    calls: int
    tokens: int


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """How many problems of a severity there are."""

    severity: int
    label: str
    pending: int
    confirmed: int
    recurred: int
    resolved: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Where the durations of a component changed (Pettitt's test)."""

    ts_ns: int  # of the first run after it
    trace_id: str
    before_s: float  # medians
    after_s: float
    p: float  # corrected over all components
    versions: tuple[str, ...] = ()  # what changed with that run or the one before: `model: a → b`


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """How long a component took, run by run."""

    component: str
    points: tuple[tuple[int, float, bool], ...]  # start of the run (Unix ns), seconds, whether the run went well
    runs: int
    change: Change | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of a time."""

    project: str | None
    since_ns: int | None
    until_ns: int | None
    made_ns: int
    made_by: str
    runs: int
    good: int
    bad: int
    in_progress: int
    success: float | None
    success_low: float
    success_high: float
    records: int
    calls: int
    tokens: int
    cost_usd: float | None
    unpriced: int  # runs with calls of unknown cost
    days: tuple[Day, ...]
    levels: tuple[Level, ...]  # the worst first
    problems: tuple[Problem, ...]  # open ones, the worst first
    problems_open: int
    components: tuple[ComponentScore, ...]
    components_in_all: int
    series: tuple[Series, ...]
    contrasts: tuple[Contrast, ...]
    contrasts_note: str


def report(
    digests: Iterable[RunDigest],
    problems: Sequence[Problem],
    *,
    made_ns: int,
    made_by: str,
    project: str | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> Report:
    """Return a report of runs and problems. The order of both does not matter.

    Args:
        made_ns: when it is made, Unix time.
        made_by: by which program.
    """
    runs = sorted_runs(list(digests))
    good = [each for each in runs if each.outcome == "good"]
    bad = [each for each in runs if each.outcome == "bad"]
    low, high = wilson(len(good), len(good) + len(bad))
    costs = [each.cost_usd for each in runs if each.cost_usd is not None]
    scores = scoreboard(runs, problems)
    still = sorted((each for each in problems if each.state != "resolved"), key=worst_first)
    told = differences(good, bad, most=MOST_CONTRASTS)
    return Report(
        project=project,
        since_ns=since_ns,
        until_ns=until_ns,
        made_ns=made_ns,
        made_by=made_by,
        runs=len(runs),
        good=len(good),
        bad=len(bad),
        in_progress=len(runs) - len(good) - len(bad),
        success=len(good) / (len(good) + len(bad)) if good or bad else None,
        success_low=low,
        success_high=high,
        records=sum(each.records for each in runs),
        calls=sum(each.calls for each in runs),
        tokens=sum(each.tokens for each in runs),
        cost_usd=sum(costs) if costs else None,
        unpriced=sum(bool(each.calls) and each.cost_usd is None for each in runs),
        days=tuple(_days(runs)),
        levels=tuple(_levels(problems)),
        problems=tuple(still[:MOST_PROBLEMS]),
        problems_open=len(still),
        components=scores[:MOST_COMPONENTS],
        components_in_all=len(scores),
        series=tuple(_series(runs, scores)),
        contrasts=told.contrasts,
        contrasts_note=told.note,
    )


def worst_first(problem: Problem) -> tuple[object, ...]:
    """Return a key: the most severe problem first, of these what came back, then the newest."""
    order = {"recurred": 0, "confirmed": 1, "pending": 2}
    return -problem.severity, order.get(problem.state, 3), -problem.last_ns, problem.id


def _days(runs: Sequence[RunDigest]) -> Iterable[Day]:
    """Yield every day from the first run to the last, those without runs too."""
    by: dict[int, list[RunDigest]] = {}
    for each in runs:
        by.setdefault(each.started_ns // _DAY_NS, []).append(each)
    if not by:
        return
    first = max(min(by), max(by) - MOST_DAYS + 1)
    for number in range(first, max(by) + 1):
        of = by.get(number, [])
        good = sum(each.outcome == "good" for each in of)
        bad = sum(each.outcome == "bad" for each in of)
        low, high = wilson(good, good + bad)
        costs = [each.cost_usd for each in of if each.cost_usd is not None]
        seconds = [each.duration_ns / _NS_PER_S for each in of if each.duration_ns > 0]
        yield Day(
            day=iso_utc(number * _DAY_NS)[:10],
            good=good,
            bad=bad,
            success=good / (good + bad) if good + bad else None,
            success_low=low,
            success_high=high,
            p50_s=median(seconds) if seconds else None,
            cost_usd=sum(costs) if costs else None,
            calls=sum(each.calls for each in of),
            tokens=sum(each.tokens for each in of),
        )


def _levels(problems: Sequence[Problem]) -> Iterable[Level]:
    for level in reversed(Severity):
        of = [each for each in problems if min(max(each.severity, 0), 4) == level]
        counts = {
            state: sum(each.state == state for each in of) for state in ("pending", "confirmed", "recurred", "resolved")
        }
        if of:
            yield Level(severity=int(level), label=level.label, **counts)


def _series(runs: Sequence[RunDigest], scores: Sequence[ComponentScore]) -> list[Series]:
    """Return the components whose durations changed, then those that take the most time."""
    taken: dict[str, list[RunDigest]] = {}
    for run in runs:
        for name, part in run.parts.items():
            if part.spans:
                taken.setdefault(name, []).append(run)
    found: list[tuple[Series, float]] = []
    for name in (each.component for each in scores if each.component in taken):
        acted = taken[name]
        seconds = [run.parts[name].total_ns / _NS_PER_S for run in acted]
        point = change_point(seconds)
        change = None
        if point is not None:
            at = acted[point.index]
            change = Change(
                ts_ns=at.started_ns,
                trace_id=at.trace_id,
                before_s=point.before,
                after_s=point.after,
                p=point.p,
                versions=_changed_versions(acted, name, point.index),
            )
        points = tuple((run.started_ns, each, run.outcome == "good") for run, each in zip(acted, seconds, strict=True))
        found.append(
            (Series(component=name, points=points[-MOST_POINTS:], runs=len(acted), change=change), sum(seconds))
        )
    tested = [n for n, (each, _) in enumerate(found) if each.change is not None]
    corrected = adjusted([found[n][0].change.p for n in tested])  # type: ignore[union-attr]
    for n, p in zip(tested, corrected, strict=True):
        series, total = found[n]
        kept = msgspec.structs.replace(series.change, p=p) if p <= CHANGED and series.change is not None else None
        found[n] = msgspec.structs.replace(series, change=kept), total
    found.sort(key=lambda pair: (pair[0].change is None, -pair[1], pair[0].component))
    return [series for series, _ in found[:MOST_SERIES]]


def _changed_versions(acted: Sequence[RunDigest], name: str, index: int) -> tuple[str, ...]:
    """Return what is not the same in the version that ran from a change on: in the run at it, or one beside it."""
    for n in (index, index - 1, index + 1):
        if 0 < n < len(acted):
            found = changed(acted[n - 1].parts[name].versions, acted[n].parts[name].versions)
            if found:
                return found
    return ()
