"""Components side by side: how often their runs went well, how long they took, what they cost, how sure they were and how
right, what is open about them, and how each version did beside the one before. From digests, never from records.

A version is what ran: prompt, tools, model, parameters, code (`PartDigest.version`). That a component's runs went worse with
a version does not say that the version is why; it says where to look.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from whence.measure.calibration import ece
from whence.measure.chance import adjusted
from whence.measure.changes import mann_whitney
from whence.measure.rates import fisher, wilson
from whence.measure.spread import median, quantile
from whence.model.digest import PartDigest, RunDigest, sorted_runs
from whence.model.finding import Problem

MIN_CALIBRATION: Final = 30
"""Stated confidences, below which nothing is said of how right they were."""
MIN_VERSION: Final = 3
"""Runs of a version, below which it is not compared with the one before."""
FALSE_DISCOVERIES: Final = 0.05
_NS_PER_S: Final = 1e9


class VersionScore(msgspec.Struct, frozen=True, kw_only=True):
    """How a component did with one version of what ran, and how that is beside the version before it."""

    version: str
    made_of: dict[str, str]  # model, prompt, tools, parameters, code
    changed: tuple[str, ...]  # which of these are not as in the version before: `model: a → b`
    first_ns: int
    last_ns: int
    runs: int
    good: int
    success: float | None  # share of ended runs that went well
    success_low: float
    success_high: float
    p50_s: float | None
    success_change: float | None = None  # beside the version before, as a difference of shares
    success_p: float | None = None  # Fisher's exact test, corrected over all versions shown
    latency_ratio: float | None = None  # of the medians
    latency_p: float | None = None  # Mann and Whitney, corrected likewise


class ComponentScore(msgspec.Struct, frozen=True, kw_only=True):
    """One component over many runs. Durations in seconds, money in US dollars, shares as fractions."""

    component: str
    runs: int
    good: int
    bad: int
    success: float | None  # of the runs that have ended
    success_low: float
    success_high: float
    spans: int
    failed: int
    errors: int
    retried: int  # runs in which it took more than one attempt
    p50_s: float | None
    p95_s: float | None
    calls: int
    tokens: int
    cost_usd: float | None
    confidences: int
    ece: float | None  # expected calibration error of its decisions against the outcome of their runs
    problems: int  # that are open: pending, confirmed, recurred
    worst: int | None  # severity of the worst of them
    first_ns: int
    last_ns: int
    versions: tuple[VersionScore, ...]  # in order of their first run


def scoreboard(digests: Iterable[RunDigest], problems: Sequence[Problem] = ()) -> tuple[ComponentScore, ...]:
    """Return every component that took part in the runs: those with open problems first, then the least successful."""
    acted: dict[str, list[tuple[RunDigest, PartDigest]]] = {}
    for run in sorted_runs(list(digests)):
        for name, part in run.parts.items():
            acted.setdefault(name, []).append((run, part))
    of: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.state != "resolved":
            for name in problem.components:
                of.setdefault(name, []).append(problem)
    found = [_score(name, runs, of.get(name, ())) for name, runs in acted.items()]
    found = _corrected(found)
    found.sort(key=lambda each: (-(each.worst or 0), _success_key(each), -each.runs, each.component))
    return tuple(found)


def _success_key(score: ComponentScore) -> float:
    return 2.0 if score.success is None else score.success


def _score(name: str, acted: list[tuple[RunDigest, PartDigest]], problems: Sequence[Problem]) -> ComponentScore:
    good, bad = _outcomes(acted)
    low, high = wilson(good, good + bad)
    seconds = _seconds(acted)
    pairs = [(sure, run.outcome == "good") for run, part in acted if _ended(run) for sure in part.confidences]
    costs = [part.cost_usd for _, part in acted if part.cost_usd is not None]
    return ComponentScore(
        component=name,
        runs=len(acted),
        good=good,
        bad=bad,
        success=good / (good + bad) if good + bad else None,
        success_low=low,
        success_high=high,
        spans=sum(part.spans for _, part in acted),
        failed=sum(part.failed for _, part in acted),
        errors=sum(part.errors for _, part in acted),
        retried=sum(part.attempts > 1 for _, part in acted),
        p50_s=median(seconds) if seconds else None,
        p95_s=quantile(seconds, 0.95) if seconds else None,
        calls=sum(part.calls for _, part in acted),
        tokens=sum(part.tokens for _, part in acted),
        cost_usd=sum(costs) if costs else None,
        confidences=len(pairs),
        ece=ece(pairs) if len(pairs) >= MIN_CALIBRATION else None,
        problems=len(problems),
        worst=max((each.severity for each in problems), default=None),
        first_ns=min(run.started_ns for run, _ in acted),
        last_ns=max(run.started_ns for run, _ in acted),
        versions=tuple(_versions(acted)),
    )


def _versions(acted: list[tuple[RunDigest, PartDigest]]) -> Iterable[VersionScore]:
    groups: dict[str, list[tuple[RunDigest, PartDigest]]] = {}
    for run, part in acted:
        if part.version:
            groups.setdefault(part.version, []).append((run, part))
    before: list[tuple[RunDigest, PartDigest]] | None = None
    for version, group in groups.items():  # in order of their first run
        good, bad = _outcomes(group)
        low, high = wilson(good, good + bad)
        seconds = _seconds(group)
        said = VersionScore(
            version=version,
            made_of=group[0][1].versions,
            changed=changed(before[0][1].versions if before is not None else {}, group[0][1].versions),
            first_ns=group[0][0].started_ns,
            last_ns=group[-1][0].started_ns,
            runs=len(group),
            good=good,
            success=good / (good + bad) if good + bad else None,
            success_low=low,
            success_high=high,
            p50_s=median(seconds) if seconds else None,
        )
        yield said if before is None else _beside(said, before, group)
        before = group


def _beside(
    said: VersionScore, before: list[tuple[RunDigest, PartDigest]], now: list[tuple[RunDigest, PartDigest]]
) -> VersionScore:
    good, bad = _outcomes(now)
    good_before, bad_before = _outcomes(before)
    if min(good + bad, good_before + bad_before) < MIN_VERSION:
        return said
    earlier, later = _seconds(before), _seconds(now)
    slower = mann_whitney(earlier, later) if earlier and later else None
    return msgspec.structs.replace(
        said,
        success_change=good / (good + bad) - good_before / (good_before + bad_before),
        success_p=fisher(good, bad, good_before, bad_before),
        latency_ratio=median(later) / median(earlier) if earlier and later and median(earlier) else None,
        latency_p=slower.p if slower is not None else None,
    )


def _corrected(scores: list[ComponentScore]) -> list[ComponentScore]:
    """Correct the p-values of all versions together: a board of many components finds something by chance."""
    places = [
        (i, j, field)
        for i, score in enumerate(scores)
        for j, version in enumerate(score.versions)
        for field in ("success_p", "latency_p")
        if getattr(version, field) is not None
    ]
    values = adjusted([getattr(scores[i].versions[j], field) for i, j, field in places])
    versions = [list(score.versions) for score in scores]
    for (i, j, field), p in zip(places, values, strict=True):
        versions[i][j] = msgspec.structs.replace(versions[i][j], **{field: p})
    return [msgspec.structs.replace(score, versions=tuple(own)) for score, own in zip(scores, versions, strict=True)]


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is not the same in two versions, as `model: a → b`; nothing where there was none before."""
    if not before:
        return ()
    keys = sorted({*before, *now})
    return tuple(
        f"{key}: {before.get(key, '–')} → {now.get(key, '–')}" for key in keys if before.get(key) != now.get(key)
    )


def _ended(run: RunDigest) -> bool:
    return run.outcome in ("good", "bad")


def _outcomes(acted: Sequence[tuple[RunDigest, PartDigest]]) -> tuple[int, int]:
    good = sum(run.outcome == "good" for run, _ in acted)
    return good, sum(run.outcome == "bad" for run, _ in acted)


def _seconds(acted: Sequence[tuple[RunDigest, PartDigest]]) -> list[float]:
    return [part.total_ns / _NS_PER_S for _, part in acted if part.spans]
