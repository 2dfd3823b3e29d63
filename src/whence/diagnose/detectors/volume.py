"""How much is recorded: minutes with far too much, and components that fall silent. Over many runs, from their digests.

Counts are per component and minute, zero-filled from the first minute of the project to the last (C4.18: minutes without
records were left out, and the minute under test was part of the average it was held against, so that with two or three
minutes nothing could ever be a spike).

- V01-01: a minute holds at least 10 records, more than 3 times the mean of the others (D4.3), and so many come by chance with
  p < 0.001, adjusted for the minutes looked at (Benjamini-Hochberg). The chance is that of a negative binomial with mean and
  variance of the other minutes (`count_tail`, minimum 5). Below 5 other minutes, of a binomial: the minute's share of all
  records, had they come evenly; that knows nothing of bursts, so it is low. Minutes next to each other are one spike.
- V01-02: a component that is steadily heard of says nothing for so many minutes, in which others are, that the chance of it is
  below one in a million (`silence`), and takes no part in the runs that began meanwhile. Only minutes in which somebody else
  of the project says something count: at night, when nothing runs, nobody is silent.

Seasons: from 7 days of data on, a minute is held against the minutes of the same hour of the day as well (from 14 days on, of
the same kind of day, workday or weekend), the hour that it lies in left out. Both must find it unusual.
Confidence: 1 - p.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Final

import msgspec

from whence.clock import iso_utc
from whence.diagnose.detector import Detector, Settings, Window
from whence.diagnose.saying import named
from whence.measure.chance import adjusted
from whence.measure.counts import MIN_BUCKETS, count_tail, silence_after
from whence.measure.rates import wilson
from whence.model.digest import RunDigest
from whence.model.finding import Finding
from whence.model.severity import Severity

MINUTE_NS: Final = 60_000_000_000
_DAY: Final = 24 * 60  # minutes
_WEEK: Final = 7 * _DAY
_MOST_MINUTES: Final = 5 * _WEEK
"""Of a longer window, the last five weeks are looked at."""
_MOST_SPIKES: Final = 50  # minutes that may be tested for each component, the fullest
_MOST_EVIDENCE: Final = 20


class VolumeSettings(Settings, frozen=True, kw_only=True):
    """What the rules are judged by."""

    minimum: int = 3  # minutes with or without records, from the first of the project to its last
    spike_records: int = 10  # in a minute
    spike_ratio: float = 3.0  # D4.3: to the mean of the other minutes
    spike_p: float = 0.001  # after adjustment
    silence_p: float = 1e-6
    silence_minutes: int = 3  # with others in them
    seasonal_days: int = 7  # of data


class _Minutes(msgspec.Struct, frozen=True):
    """What a project recorded: component → minute → records, and which runs it was."""

    first: int  # minutes of Unix time, inclusive
    last: int
    counts: dict[str, dict[int, int]]
    runs: tuple[RunDigest, ...]

    def traces(self, who: str, start: int, end: int) -> tuple[str, ...]:
        """Return the runs in which a component recorded something in these minutes, those with most of it in front."""
        found = []
        for run in self.runs:
            count = sum(n for minute, n in run.minutes.get(who, {}).items() if start <= minute <= end)
            if count:
                found.append((-count, run.trace))
        return tuple(trace for _, trace in sorted(found)[:_MOST_EVIDENCE])


class Volume(Detector):
    """Whether more or less happens than usual."""

    name: ClassVar[str] = "volume"
    codes: ClassVar[tuple[str, ...]] = ("V01-01", "V01-02")
    Settings = VolumeSettings

    def survey(self, window: Window) -> Iterable[Finding]:
        """Return spikes and silences."""
        known = _minutes_of(window)
        if known is None or known.last - known.first + 1 < max(2, self.settings.minimum):
            return
        yield from self._spikes(known)
        yield from self._silences(known)

    # -- V01-01 --------------------------------------------------------------------------------------------------------

    def _spikes(self, known: _Minutes) -> Iterator[Finding]:
        s = self.settings
        minutes = known.last - known.first + 1
        tested: list[tuple[str, int, float, float]] = []  # component, minute, p, mean of the others
        looked_at = 0
        for who, counts in sorted(known.counts.items()):
            looked_at += minutes
            total = sum(counts.values())
            high = sorted(counts, key=lambda each: (-counts[each], each))[:_MOST_SPIKES]
            for minute in high:
                count = counts[minute]
                mean = (total - count) / (minutes - 1)
                if count < s.spike_records or count <= s.spike_ratio * mean:
                    break  # those that follow hold less
                others = _others(known, counts, minute)
                p = count_tail(count, others) if len(others) >= MIN_BUCKETS else _share_tail(count, others)
                if minutes >= s.seasonal_days * _DAY and (season := _season(known, counts, minute)):
                    p = max(p or 0.0, count_tail(count, season) or 0.0)
                if p is None or p > s.spike_p:
                    break  # nor are they rarer
                tested.append((who, minute, p, mean))
        # Those that were not tested hold too little to be spikes: they count as looked at.
        fair = adjusted([each[2] for each in tested], min(looked_at, 1_000_000))
        kept = [
            (who, minute, p, mean) for (who, minute, _, mean), p in zip(tested, fair, strict=False) if p < s.spike_p
        ]
        for who, group in _neighbours(kept):
            yield self._spike(known, who, group)

    def _spike(self, known: _Minutes, who: str, group: list[tuple[int, float, float]]) -> Finding:
        counts = known.counts[who]
        top = max(group, key=lambda each: (counts[each[0]], -each[0]))
        minute, p, mean = top
        few = known.last - known.first < MIN_BUCKETS
        at = iso_utc(minute * MINUTE_NS)[:16].replace("T", " ")
        return self.finding(
            "V01-01",
            f"{named(who)} recorded {counts[minute]} records in the minute of {at} UTC; {mean:.3g} a minute are usual",
            same=(who,),
            anchor=f"{who}:{group[0][0]}"[-200:],
            severity=Severity.LOW if few else None,
            scope="component",
            basis="statistical",
            basis_text=(
                f"binomial share of {known.last - known.first + 1} minutes" if few else "negative binomial tail"
            )
            + f", p = {p:.2g} after adjustment",
            confidence=1.0 - p,
            components=(who,) if who else (),
            evidence=known.traces(who, group[0][0], group[-1][0]),
            freeze={"records": counts[minute], "usual": round(mean, 3), "minute": minute, "minutes": len(group)},
            thresholds={
                "p": self.settings.spike_p,
                "ratio": self.settings.spike_ratio,
                "records": self.settings.spike_records,
            },
            first_ns=group[0][0] * MINUTE_NS,
            last_ns=(group[-1][0] + 1) * MINUTE_NS - 1,
            count=len(group),
        )

    # -- V01-02 --------------------------------------------------------------------------------------------------------

    def _silences(self, known: _Minutes) -> Iterator[Finding]:
        s = self.settings
        heard = sorted({minute for counts in known.counts.values() for minute in counts})
        for who, counts in sorted(known.counts.items()):
            if len(counts) < MIN_BUCKETS:
                continue
            active = heard[bisect_left(heard, min(counts)) :]
            series = [counts.get(minute, 0) for minute in active]
            total, squares = sum(series), sum(count * count for count in counts.values())
            least = max(s.silence_minutes, _least_silent(len(series), total, s.silence_p))
            of_length: dict[int, float | None] = {}
            for start, end in _zeros(series):
                length = end - start
                if length < least:
                    continue
                if length not in of_length:  # which of the zeros are left out makes no difference
                    of_length[length] = silence_after(len(series) - length, total, squares, length)
                p = of_length[length]
                if p is None or p >= s.silence_p:
                    continue
                apart = _apart(known, who, active[start], active[end] if end < len(active) else known.last + 1)
                if apart is not None:
                    yield self._silence(who, (active[start], active[end - 1]), length, p, apart, end == len(active))

    def _silence(
        self, who: str, minutes: tuple[int, int], length: int, p: float, apart: "_Apart", still: bool
    ) -> Finding:
        first, last = minutes
        since = iso_utc(first * MINUTE_NS)[:16].replace("T", " ")
        how = f"has been silent since {since} UTC" if still else f"was silent from {since} UTC"
        return self.finding(
            "V01-02",
            f"{named(who)} {how}: nothing in {length} minutes in which others recorded",
            same=(who,),
            anchor=f"{who}:{first}"[-200:],
            severity=None if apart.begun else Severity.LOW,  # within one run it may just have done its part
            scope="component",
            basis="statistical",
            basis_text=f"probability of so long a silence at its usual rate, p = {p:.2g}",
            confidence=1.0 - p,
            components=(who,) if who else (),
            evidence=apart.evidence,
            freeze={"silent_minutes": length, "from_minute": first, "to_minute": last, "runs_without_it": apart.begun},
            thresholds={"p": self.settings.silence_p, "minutes": self.settings.silence_minutes},
            first_ns=first * MINUTE_NS,
            last_ns=(last + 1) * MINUTE_NS - 1,
            count=length,
            attributes={"still_silent": still},
        )


def _minutes_of(window: Window) -> _Minutes | None:
    """Return what a window's runs recorded, minute by minute; None where they recorded nothing."""
    every: dict[str, dict[int, int]] = {}
    for run in window.runs:
        for who, counts in run.minutes.items():
            mine = every.setdefault(who, {})
            for minute, count in counts.items():
                if count > 0:
                    mine[minute] = mine.get(minute, 0) + count
    said = {minute for counts in every.values() for minute in counts}
    if not said:
        return None
    first, last = min(said), max(said)
    first = max(first, last - _MOST_MINUTES + 1)
    kept = {who: {m: n for m, n in counts.items() if m >= first} for who, counts in every.items()}
    return _Minutes(first, last, {who: counts for who, counts in kept.items() if counts}, window.runs)


def _others(known: _Minutes, counts: dict[int, int], minute: int) -> list[int]:
    """Return the counts of the other minutes, zero-filled; those of a spike that goes on around it are left out.

    A burst does not keep to the minute: its neighbours would raise the variance that it is held against.
    """
    start = end = minute
    while start > known.first and counts.get(start - 1, 0) * 2 > counts[minute]:
        start -= 1
    while end < known.last and counts.get(end + 1, 0) * 2 > counts[minute]:
        end += 1
    if (end - start + 1) * 2 > known.last - known.first + 1:
        start = end = minute  # half of the time is no spike
    found = [n for m, n in counts.items() if not start <= m <= end]
    return [*found, *[0] * (known.last - known.first + 1 - (end - start + 1) - len(found))]


def _season(known: _Minutes, counts: dict[int, int], minute: int) -> list[int]:
    """Return the counts of the minutes in the same hour of other days; of the same kind of day where there are two weeks."""
    hour, day = minute % _DAY // 60, minute // _DAY
    two_weeks = known.last - known.first + 1 >= 2 * _WEEK
    found = []
    for other in range(known.first // _DAY, known.last // _DAY + 1):
        if other == day or (two_weeks and _weekend(other) != _weekend(day)):
            continue
        start = other * _DAY + hour * 60
        found += [counts.get(m, 0) for m in range(max(start, known.first), min(start + 60, known.last + 1))]
    return found


def _weekend(day: int) -> bool:
    return (day + 3) % 7 >= 5  # 1970-01-01 was a Thursday


def _share_tail(count: int, others: Sequence[int]) -> float:
    """Return P(X >= count) for a minute's share of all records, had each of them come in any minute alike; exact."""
    n, q = count + sum(others), 1 / (len(others) + 1)
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(q) + (n - k) * math.log1p(-q)
        for k in range(count, min(n, count + 10_000) + 1)
    ]
    return min(1.0, math.fsum(math.exp(each) for each in logs if each > -745.0))


def _neighbours(kept: list[tuple[str, int, float, float]]) -> Iterator[tuple[str, list[tuple[int, float, float]]]]:
    """Yield minutes of a component that follow one another as one group."""
    group: list[tuple[int, float, float]] = []
    of = ""
    for who, minute, p, mean in sorted(kept):
        if group and (who != of or minute != group[-1][0] + 1):
            yield of, group
            group = []
        of = who
        group.append((minute, p, mean))
    if group:
        yield of, group


def _least_silent(minutes: int, records: int, p: float) -> int:
    """Return how many minutes a silence must at least last to have a chance below `p`, however evenly the records come.

    Counts that vary more than Poisson's make a silence likelier, and for Poisson's `silence` gives (1 - L/N)^(S + ½) for L of
    N minutes and S records: what is shorter need not be tested.
    """
    return math.floor(-math.expm1(math.log(p) / (records + 0.5)) * minutes) if p > 0.0 else minutes + 1


def _zeros(series: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where stretches of zeros begin and end (exclusive)."""
    start = None
    for place, count in enumerate([*series, 1]):
        if count == 0 and start is None:
            start = place
        elif count and start is not None:
            yield start, place
            start = None


class _Apart(msgspec.Struct, frozen=True):
    """Runs that began during a silence, and did without the component."""

    begun: int
    evidence: tuple[str, ...]  # they, then the last run that it took part in


def _apart(known: _Minutes, who: str, first: int, end: int) -> _Apart | None:
    """Return the runs that began in these minutes, if it took part in none and that is unusual; None if it is not.

    Minutes of one run are not independent. Where runs began meanwhile, that none of them needed the component must itself
    be improbable (below 1 %), by the lower bound of the share of the other runs that it took part in.
    """
    starts = [run.started_ns // MINUTE_NS for run in known.runs]
    inside = known.runs[bisect_left(starts, first) : bisect_left(starts, end)]
    if any(who in run.parts for run in inside):
        return None
    outside = len(known.runs) - len(inside)
    taking_part = [run for run in known.runs if who in run.parts]
    low, _ = wilson(len(taking_part), outside) if outside else (0.0, 1.0)
    if inside and (1.0 - low) ** len(inside) >= 0.01:
        return None
    before = [run.trace for run in taking_part if run.started_ns // MINUTE_NS < first][-1:]
    return _Apart(len(inside), tuple(dict.fromkeys((*(run.trace for run in inside[:_MOST_EVIDENCE]), *before))))
