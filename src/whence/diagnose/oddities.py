"""What is odd about each place of a run, beside what the same place said in good runs before it. Pure.

No rule knows what a field means. A trait (`whence.diagnose.traits`) is odd where its history is so uniform that a deviation
says something:

- constant: a number that was the same in all earlier runs has another value.
- ratio: the ratio of two numbers of one record was the same in all earlier runs, and is not now.
- dependent: what always followed from a word (the size of a file from its name) does not follow any more.
- far: a number lies outside everything seen, at least `FAR` robust standard deviations away, on the scale (linear, or
  logarithmic where all are positive) on which it is less far.
- word: a field that seldom brings anything new (Good and Turing: words seen in one run only, by runs) has a new word.
- missing: what each part of a place always held is not in it.
- many: records of a kind far above their usual number, as counts vary (Anscombe's transform of Poisson counts).

At least `MIN_RUNS` earlier runs must tell of a trait. An oddity is no fault; what it weighs is `strength`, in standard
deviations at most `MOST_STRENGTH`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal

import msgspec

from whence.diagnose.run import Fact
from whence.diagnose.traits import MOST_PLAIN, MOST_WORDS, SECONDS, STANDS, Range, Said
from whence.diagnose.usual import MIN_RUNS
from whence.measure.spread import quantile
from whence.model.digest import Traits

FAR: Final = 6.0
EXCEPTIONS: Final = 0.05
"""Share of the earlier runs that may differ from a rule that otherwise holds: not every run that went well was right."""
SELDOM: Final = 0.5
"""Share of the runs in which a check stays failed, up to which that says that a run did not go well."""
MOST_STRENGTH: Final = 10.0
_MAD: Final = 1.4826

Rule = Literal["constant", "ratio", "dependent", "far", "word", "missing", "many"]


class Oddity(msgspec.Struct, frozen=True, kw_only=True):
    """One trait of one place that is not as it was."""

    rule: Rule
    place: str  # "stage" or "stage>component"
    what: str  # "decision:cache_lookup"
    field: str
    about: str  # of rule `dependent`, what the record is about: "key=sink.py.j2"
    value: float | str | None  # None: it is not there
    usual: tuple[float, float] | tuple[str, ...]  # least and most, or words
    support: int  # earlier runs that tell
    same: int  # of them, those that were as usual
    strength: float
    fact: Any  # the Fact that shows it
    ts_ns: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes two of them the same."""
        return self.place, self.what, self.field, self.about


class Past:
    """The traits of good runs, put together once."""

    def __init__(self, runs: Iterable[Traits]) -> None:
        self.runs = sound([each for each in runs if each.ranges or each.values or each.counts])
        self._known: dict[tuple[str, str], tuple[dict[str, tuple[Any, int]], int]] = {}

    def told(self, kept: Literal["ranges", "values"], key: str) -> list[Any]:
        """Return what each run says under `place|what|field`, those left out that say nothing."""
        place, _, field = key.rpartition("|")
        said = [fields for each in self.runs if (fields := getattr(each, kept).get(place)) is not None]
        return [fields[field] for fields in said if field in fields]

    def follows(self, kept: Literal["ranges_of", "values_of"], key: str, about: str) -> tuple[Any, int, int]:
        """Return (what otherwise follows from a word, how often it did, how often such a thing was seen to repeat).

        (None, 0, 0) where nothing follows.
        """
        usual, again = self._of(kept, key)
        value, count = usual.get(about, (None, 0))
        return (value, count, again) if count and again >= MIN_RUNS and _single(value) else (None, 0, 0)

    def _of(self, kept: Literal["ranges_of", "values_of"], key: str) -> tuple[dict[str, tuple[Any, int]], int]:
        """Return about → (the commonest value, how often), and how often values repeated; 0 where they often did not."""
        known = self._known.get((kept, key))
        if known is None:
            groups: dict[str, list[Any]] = {}
            for each in self.runs:
                for about, value in getattr(each, kept).get(key, {}).items():
                    groups.setdefault(about, []).append(value)
            usual = {about: commonest(values) for about, values in groups.items()}
            again = sum(count - 1 for _, count in usual.values())
            broken = sum(
                len(groups[about]) - (count if _single(value) else 0) for about, (value, count) in usual.items()
            )
            holds = broken <= EXCEPTIONS * (again + broken)
            known = self._known[kept, key] = (usual, again if holds else 0)
        return known


def _single(value: object) -> bool:
    return isinstance(value, tuple) and len(set(value)) == 1


def commonest(values: Sequence[Any]) -> tuple[Any, int]:
    """Return the value that is there most often, and how often; the least of several."""
    if values.count(values[0]) == len(values):
        return values[0], len(values)
    counts: dict[Any, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return min(counts.items(), key=lambda each: (-each[1], each[0]))


def sound(runs: list[Traits]) -> list[Traits]:
    """Return the runs that are fit to be put beside: those in which no check stayed failed that mostly passes.

    A run may be complete and yet not have gone well; what it shows must not count as usual.
    """
    failed: dict[str, int] = {}
    checked: dict[str, int] = {}
    for each in runs:
        for place, fields in each.values.items():
            if STANDS in fields:
                checked[place] = checked.get(place, 0) + 1
                failed[place] = failed.get(place, 0) + ("false" in fields[STANDS])
    seldom = {key for key, count in failed.items() if 0 < count <= SELDOM * checked[key]}
    if not seldom:
        return runs
    return [each for each in runs if not any("false" in each.values.get(key, {}).get(STANDS, ()) for key in seldom)]


def oddities(said: Said, past: Past) -> list[Oddity]:
    """Return what is odd, the earliest first."""
    found = [*_depending(said, past), *_numbers(said, past), *_words(said, past), *_counts(said, past)]
    return sorted(found, key=lambda each: (each.ts_ns, each.key, each.rule))


# -- numbers --------------------------------------------------------------------------------------------------------------


def _depending(said: Said, past: Past) -> Iterator[Oddity]:
    for (key, about), mine in said.ranges_of.items():
        usual, count, again = past.follows("ranges_of", key, about)
        if usual is not None and (mine.low, mine.high) != usual:
            value, fact = (mine.high, mine.high_fact) if mine.high != usual[0] else (mine.low, mine.low_fact)
            yield _odd("dependent", key, value, usual, count, again, _of_size(again), fact, about)
    for (key, about), words in said.values_of.items():
        usual, count, again = past.follows("values_of", key, about)
        new = sorted(set(words) - set(usual)) if usual is not None else []
        if new:
            yield _odd("dependent", key, new[0], usual, count, again, _of_size(again), words[new[0]], about)


def _numbers(said: Said, past: Past) -> Iterator[Oddity]:
    for key, mine in said.ranges.items():
        earlier = past.told("ranges", key)
        n = len(earlier)
        if n < MIN_RUNS:
            continue
        ratio = "/" in key.rpartition("|")[2]
        usual, count = commonest(earlier)
        if (mine.low, mine.high) == usual:
            continue
        if usual[0] == usual[1] and count >= (1 - EXCEPTIONS) * n:
            if not usual[0] <= mine.low <= mine.high <= usual[1]:
                value, fact = (mine.high, mine.high_fact) if mine.high > usual[1] else (mine.low, mine.low_fact)
                if sum(each[0] <= value <= each[1] for each in earlier) > EXCEPTIONS * n / 2:
                    continue  # as with words: an exception that came more than once is none
                yield _odd("ratio" if ratio else "constant", key, value, usual, count, n, _of_size(n), fact)
            continue
        if not ratio:
            yield from _far(key, mine, earlier)


def _far(key: str, mine: Range, earlier: Sequence[tuple[float, float]]) -> Iterator[Oddity]:
    lows, highs = sorted(each[0] for each in earlier), sorted(each[1] for each in earlier)
    low, high = lows[0], highs[-1]
    for value, fact, before, outside in (
        (mine.high, mine.high_fact, highs, mine.high > high),
        (mine.low, mine.low_fact, lows, mine.low < low),
    ):
        if outside:
            z = distance(value, before, low, high)
            if z >= FAR:
                n = len(earlier)
                yield _odd("far", key, value, (low, high), n, n, min(z, MOST_STRENGTH), fact)
                return


def distance(value: float, before: Sequence[float], low: float, high: float) -> float:
    """Return how many robust standard deviations a value is away, on the scale on which it is less far.

    The scales: linear, logarithmic where all are positive, and that of counts where all are whole. A value that is not
    further outside than the usual values are apart is not away at all: a tail goes on a little.
    """
    z = _distance(value, before, low, high)
    if min(before[0], low, value) > 0:
        z = min(z, _distance(math.log(value), [math.log(each) for each in before], math.log(low), math.log(high)))
    if value >= 0 and low >= 0 and all(each == int(each) for each in (value, low, high)):
        z = min(z, 2 * _counted(value, high if value > high else low))
    return z


def _counted(one: float, other: float) -> float:
    """Return how many standard deviations two counts are apart (Anscombe 1948: the root of a Poisson count varies by 1/2)."""
    return 2 * abs(math.sqrt(one + 0.375) - math.sqrt(other + 0.375))


def _distance(value: float, before: Sequence[float], low: float, high: float) -> float:
    if max(value - high, low - value) < high - low:
        return 0.0
    median = quantile(before, 0.5)
    spread = _MAD * quantile(sorted(abs(each - median) for each in before), 0.5)
    spread = max(spread, (high - low) / 4)  # a range of some dozens of values is about four standard deviations
    return abs(value - median) / spread if spread > 0 else MOST_STRENGTH


def _of_size(n: int) -> float:
    """Return what the break of a rule weighs that held n times: 6 of eight times, 9 of forty."""
    return min(MOST_STRENGTH, 6.0 + math.log2(max(n, MIN_RUNS) / MIN_RUNS))


def _odd(
    rule: Rule,
    key: str,
    value: float | str | None,
    usual: Any,
    same: int,
    support: int,
    strength: float,
    fact: Fact,
    about: str = "",
) -> Oddity:
    place, what, field = key.split("|", 2)
    at = fact.ts_ns
    if field == SECONDS:
        took = fact.data.get("duration_ns")
        at -= took if isinstance(took, int) else 0
    return Oddity(
        rule=rule, place=place, what=what, field=field, about=about, value=value, usual=usual, support=support, same=same,
        strength=strength, fact=fact, ts_ns=at,
    )  # fmt: skip


# -- words and counts ------------------------------------------------------------------------------------------------------


def _words(said: Said, past: Past) -> Iterator[Oddity]:
    for key, mine in said.values.items():
        earlier = past.told("values", key)
        n = len(earlier)
        if n < MIN_RUNS or earlier.count(tuple(sorted(mine))) == n or any(len(each) >= MOST_WORDS for each in earlier):
            continue
        seen: dict[str, int] = {}
        for words in earlier:
            for word in words:
                seen[word] = seen.get(word, 0) + 1
        once = sum(count <= max(1, EXCEPTIONS * n / 2) for count in seen.values())
        if once > EXCEPTIONS * n or len(seen) > 2 + EXCEPTIONS * n:
            continue
        new = sorted((fact.ts_ns, word) for word, fact in mine.items() if seen.get(word, 0) <= EXCEPTIONS * n / 2)
        if new:
            usual = tuple(sorted((w for w in seen if seen[w] > EXCEPTIONS * n / 2), key=lambda w: (-seen[w], w)))
            same = sum(set(words) <= set(usual) for words in earlier)
            yield _odd("word", key, new[0][1], usual, same, n, _of_size(n), mine[new[0][1]])


def _counts(said: Said, past: Past) -> Iterator[Oddity]:
    names: dict[str, list[tuple[int, int]]] = {}
    for each in past.runs:
        if sum(map(len, each.counts.values())) >= MOST_PLAIN:
            continue  # not all of it was counted: what is not there may well have been
        for part, inside in each.counts.items():
            for what, value in inside.items():
                names.setdefault(f"{part}|{what}", []).append(value)
    for key in sorted({*names, *said.counts}):
        place, of, what = key.split("|", 2)
        base = f"{place}|{of}|"
        here = said.counts.get(base)
        n = len(names.get(base, ()))
        if here is None or n < MIN_RUNS:
            continue
        mine = said.counts.get(key)
        if what and mine is None and len(said.counts) >= MOST_PLAIN:
            continue  # so much is said in this run that not all of it was counted: it may well be there
        least, most = (mine.low, mine.high) if mine is not None else (0, 0)
        earlier = names.get(key, [])
        earlier = earlier + [(0, 0)] * (n - len(earlier))
        spare = int(EXCEPTIONS * n)
        lows, highs = sorted(each[0] for each in earlier), sorted(each[1] for each in earlier)
        low, high = lows[spare], highs[-1 - spare]
        first = said.spans[base][0].fact
        odd_key = f"{place}|{what or of}|#"
        if what and most == 0 and highs[spare] >= 1 and _distance(0.0, highs, highs[spare], high) >= FAR / 2:
            low = highs[spare]
            yield _odd("missing", odd_key, None, (low, high), _within(highs, low, high), n, _of_size(n), first)
        elif what and least == 0 and low >= 1 and _distance(0.0, lows, low, lows[-1 - spare]) >= FAR / 2:
            empty = mine.low_fact if mine is not None else first
            yield _odd("missing", odd_key, None, (low, high), _within(earlier, low, high), n, _of_size(n), empty)
        elif mine is not None and what and low == high > 0 and not low <= least <= most <= high:
            number, fact = (most, mine.high_fact) if most > high else (least, mine.low_fact)
            yield _odd("constant", odd_key, number, (low, high), _within(earlier, low, high), n, _of_size(n), fact)
        elif mine is not None and most > high and (z := _counted(most, high)) >= FAR / 2:
            same = _within(highs, 0, high)
            yield _odd("many", odd_key, most, (lows[0], high), same, n, min(MOST_STRENGTH, 2 * z), mine.high_fact)


def _within(counts: Sequence[int] | Sequence[tuple[int, int]], low: int, high: int) -> int:
    spans = [each if isinstance(each, tuple) else (each, each) for each in counts]
    return sum(low <= least and most <= high for least, most in spans)
