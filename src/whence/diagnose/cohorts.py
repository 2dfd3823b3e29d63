"""Bad runs beside good ones: which attribute values, and which quantities, tell them apart (BubbleUp, over every attribute).

Every attribute of every run is looked at: what was decided, which model, prompt, source, tool, version, principle, error
ran or came up. For each value a table of four counts (with it or not, bad or good) is put to Fisher's exact test; each
quantity to the rank test of Mann and Whitney. Looking at hundreds of things finds something by chance, so the p-values of
all of them are corrected together (Benjamini and Hochberg 1995), and what is left is ranked by how much it tells.

Values that occur in exactly the same runs say the same thing; the plainest stands for them, and names the others.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec

from whence.errors import BadInput
from whence.measure.chance import adjusted
from whence.measure.changes import mann_whitney
from whence.measure.rates import fisher, wilson
from whence.measure.spread import median
from whence.model.digest import RunDigest, sorted_runs

MINIMUM: Final = 3
"""Runs in each group, below which nothing is compared."""
SUPPORT: Final = 2
"""Runs with a value, below which it is not looked at."""
FALSE_DISCOVERIES: Final = 0.05
"""The share of what is named that may be there by chance."""
MOST: Final = 50
MOST_ALSO: Final = 8
MOST_EXAMPLES: Final = 3
_NS_PER_S: Final = 1e9

Kind = Literal["value", "quantity"]


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not the same in the two groups."""

    kind: Kind
    attribute: str  # model:writer, decision:collection.source, part:parser, error:…, duration:writer
    value: str = ""  # of an attribute; "" of a quantity
    bad_with: int  # runs with the value; of a quantity, runs that have it
    bad: int
    good_with: int
    good: int
    bad_share: float = 0.0
    good_share: float = 0.0
    lift: float | None = None  # share among the bad over share among all; None of a quantity
    low: float = 0.0  # 95 % interval of how often a run with it is bad (Wilson)
    high: float = 1.0
    bad_median: float | None = None  # of a quantity
    good_median: float | None = None
    effect: float  # of a value: difference of the shares; of a quantity: P(bad above good) - P(good above bad); -1…1
    p: float
    p_adjusted: float
    significant: bool
    also: tuple[str, ...] = ()  # what occurs in exactly the same runs
    examples: tuple[str, ...] = ()  # names of bad runs with it
    evidence: tuple[str, ...] = ()  # records that say so, in those runs


class CohortDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What tells bad runs from good ones, the most telling first."""

    bad: int
    good: int
    bad_label: str
    good_label: str
    looked_at: int  # values and quantities
    contrasts: tuple[Contrast, ...]
    note: str = ""  # why there is nothing to compare, where that is so


def differences(
    good: Iterable[RunDigest],
    bad: Iterable[RunDigest],
    *,
    good_label: str = "good",
    bad_label: str = "bad",
    false_discoveries: float = FALSE_DISCOVERIES,
    only_significant: bool = True,
    most: int = MOST,
) -> CohortDiff:
    """Return what is over- or under-represented among bad runs. The order of runs does not matter.

    Args:
        false_discoveries: share of the contrasts named that may be there by chance (0 to 1).
        only_significant: leave out what is not.

    Raises:
        BadInput: `false_discoveries` is no share.
    """
    if not 0 < false_discoveries < 1:
        raise BadInput(f"false_discoveries is {false_discoveries}; it is a share between 0 and 1, such as 0.05")
    well, ill = sorted_runs(list(good)), sorted_runs(list(bad))
    both = {each.trace for each in well} & {each.trace for each in ill}
    well = [each for each in well if each.trace not in both]
    ill = [each for each in ill if each.trace not in both]
    note = ""
    if min(len(well), len(ill)) < MINIMUM:
        note = f"{len(ill)} {bad_label} and {len(well)} {good_label} runs; {MINIMUM} of each are needed to compare them"
        found: list[Contrast] = []
    else:
        found = [*_values(well, ill), *_quantities(well, ill)]
    if both:
        note = (note + "; " if note else "") + f"{len(both)} runs are in both groups and count in neither"
    corrected = adjusted([each.p for each in found])
    judged = [
        msgspec.structs.replace(each, p_adjusted=q, significant=q <= false_discoveries)
        for each, q in zip(found, corrected, strict=True)
    ]
    shown = [each for each in judged if each.significant or not only_significant]
    shown.sort(key=_rank)
    return CohortDiff(
        bad=len(ill),
        good=len(well),
        bad_label=bad_label,
        good_label=good_label,
        looked_at=len(found),
        contrasts=tuple(shown[:most]),
        note=note,
    )


def _rank(contrast: Contrast) -> tuple[object, ...]:
    """Return a key: what is certain first, and of it what is more often among the bad; then by how much it tells.

    A value that bad runs lack is mostly what they did not come to; a quantity tells as much where it is less.
    """
    return (
        not contrast.significant,
        contrast.kind == "value" and contrast.effect < 0,
        -round(abs(contrast.effect), 3),
        contrast.p_adjusted,
        contrast.effect < 0,
        contrast.attribute,
        contrast.value,
    )


# -- values -----------------------------------------------------------------------------------------------------------------


_LONG: Final = ("fields:", "nodes:")
"""Attributes that are lists, not values."""


def values_of(run: RunDigest) -> Iterator[tuple[str, str, str]]:
    """Yield (attribute, value, record) of a run: everything by which it can be put beside others."""
    for name in ("intent", "domain", "report_type", "status", "reason"):
        if value := getattr(run, name):
            yield name, value, run.last_record
    for name, value in run.attributes.items():
        if not name.startswith(_LONG):
            yield name, value, run.records_of.get(name, "")
    for name, part in run.parts.items():
        yield f"part:{name}", "ran", ""
        if part.version:
            yield f"version:{name}", part.version, ""
        for what, value in part.versions.items():
            yield f"{what}:{name}", value, ""
        if part.failed:
            yield f"failed:{name}", "yes", ""
        if part.attempts > 1:
            yield f"retried:{name}", "yes", ""
    for principle, score in run.principles.items():
        yield f"principle:{principle}", "below 2" if score < 2 else "2 or more", ""
    for error in run.errors:
        yield f"error:{error.component}", error.template, error.record_id
    for code in run.codes:
        yield "finding", code, ""


# What says how a run went says nothing of why.
_OUTCOMES: Final = ("status", "reason")


def _values(good: Sequence[RunDigest], bad: Sequence[RunDigest]) -> Iterator[Contrast]:
    with_it: dict[tuple[str, str], tuple[set[int], set[int]]] = {}
    said_by: dict[tuple[str, str], list[str]] = {}
    for side, runs in ((0, good), (1, bad)):
        for n, run in enumerate(runs):
            for attribute, value, record in values_of(run):
                if attribute in _OUTCOMES:
                    continue
                with_it.setdefault((attribute, value), (set(), set()))[side].add(n)
                if side and record:
                    records = said_by.setdefault((attribute, value), [])
                    if len(records) < MOST_EXAMPLES and record not in records:
                        records.append(record)
    alike: dict[tuple[frozenset[int], frozenset[int]], list[tuple[str, str]]] = {}
    for key, (in_good, in_bad) in with_it.items():
        if len(in_good) + len(in_bad) >= SUPPORT and len(in_good) + len(in_bad) < len(good) + len(bad):
            alike.setdefault((frozenset(in_good), frozenset(in_bad)), []).append(key)
    for (well_with, ill_with), keys in alike.items():
        keys.sort(key=lambda key: (_plainness(key[0]), key))
        attribute, value = keys[0]
        a, c = len(ill_with), len(well_with)
        share, other = a / len(bad), c / len(good)
        low, high = wilson(a, a + c)
        everywhere = (a + c) / (len(good) + len(bad))
        p = fisher(a, len(bad) - a, c, len(good) - c)
        yield Contrast(
            kind="value",
            attribute=attribute,
            value=value,
            bad_with=a,
            bad=len(bad),
            good_with=c,
            good=len(good),
            bad_share=share,
            good_share=other,
            lift=share / everywhere,
            low=low,
            high=high,
            effect=share - other,
            p=p,
            p_adjusted=p,
            significant=False,
            also=tuple(f"{name} = {said}" for name, said in keys[1 : MOST_ALSO + 1]),
            examples=tuple(bad[n].trace_id for n in sorted(ill_with)[:MOST_EXAMPLES]),
            evidence=tuple(said_by.get((attribute, value), ())),
        )


_PLAIN: Final = ("code", "model", "prompt", "source", "tool", "decision", "run", "input", "using", "output")


def _plainness(attribute: str) -> int:
    """Return how near an attribute is to something that people change, 0 the nearest."""
    kind = attribute.partition(":")[0]
    return _PLAIN.index(kind) if kind in _PLAIN else len(_PLAIN)


# -- quantities --------------------------------------------------------------------------------------------------------------


def quantities_of(run: RunDigest) -> Iterator[tuple[str, float]]:
    """Yield (name, value) of what can be measured of a run. Durations in seconds, money in US dollars."""
    yield "duration", run.duration_ns / _NS_PER_S
    yield "calls", float(run.calls)
    yield "tokens", float(run.tokens)
    if run.cost_usd is not None:
        yield "cost", run.cost_usd
    for name, value in run.numbers.items():
        yield name, value
    for name, part in run.parts.items():
        yield f"records:{name}", float(part.records)
        if part.spans:
            yield f"duration:{name}", part.total_ns / _NS_PER_S
        if part.tokens:
            yield f"tokens:{name}", float(part.tokens)
        if part.confidences:
            yield f"confidence:{name}", sum(part.confidences) / len(part.confidences)


def _quantities(good: Sequence[RunDigest], bad: Sequence[RunDigest]) -> Iterator[Contrast]:
    sides: tuple[dict[str, list[float]], dict[str, list[float]]] = ({}, {})
    for side, runs in enumerate((good, bad)):
        for run in runs:
            for name, value in quantities_of(run):
                sides[side].setdefault(name, []).append(value)
    for name in sorted(set(sides[0]) & set(sides[1])):
        well, ill = sides[0][name], sides[1][name]
        if min(well) == max(well) == min(ill) == max(ill):
            continue
        compared = mann_whitney(well, ill)
        if compared is None:
            continue  # fewer than the test needs
        yield Contrast(
            kind="quantity",
            attribute=name,
            bad_with=len(ill),
            bad=len(bad),
            good_with=len(well),
            good=len(good),
            bad_share=len(ill) / len(bad),
            good_share=len(well) / len(good),
            bad_median=median(ill),
            good_median=median(well),
            effect=2 * compared.effect - 1,
            p=compared.p,
            p_adjusted=compared.p,
            significant=False,
        )
