"""What is usual: the runs that one may be put beside, and the limit above which a quantity is unusual among them. Pure.

A limit must hold three things at once, so that a clean run is left alone. It lies above the robust limit of the earlier
values (`measure.spread.robust_upper`, k = 5). It lies a quarter above their 95 % quantile: the robust limit alone
would call every cache miss unusual where three runs of four hit the cache. And it lies above what matters to anybody: a
ratio to the median, and a least distance from it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from whence.diagnose.run import History
from whence.measure.spread import quantile, robust_upper
from whence.model.digest import RunDigest

MIN_RUNS: Final = 8
"""Earlier values below which nothing is called usual (`measure.spread.MIN_SAMPLE`)."""
BEYOND_MOST: Final = 1.25
"""How far above the 95 % quantile of the earlier values a value must lie."""


class Usual(msgspec.Struct, frozen=True):
    """What a value was judged by, in its own unit."""

    upper: float  # the limit that it exceeds
    median: float
    runs: int  # earlier values
    p: float  # share of values as high as this one, had nothing changed: its rank, (k + 1) / (n + 1)

    @property
    def confidence(self) -> float:
        """How sure it is that the value is unusual: 1 - p."""
        return 1.0 - self.p

    @property
    def basis_text(self) -> str:
        """What that rests on."""
        return f"its rank among {self.runs} earlier runs that went well, p = {self.p:.2g}"


def exceeded(
    value: float, earlier: Sequence[float], *, minimum: int = MIN_RUNS, ratio: float = 1.5, least: float = 0.0
) -> Usual | None:
    """Return what a value is unusually high against; None where it is not, or where `earlier` are fewer than `minimum`.

    Args:
        ratio: to the median, that it must exceed.
        least: distance above the median, in the unit of the values, that it must exceed.
    """
    if len(earlier) < max(1, minimum):
        return None
    ordered = sorted(earlier)
    median = quantile(ordered, 0.5)
    upper = max(median * ratio, median + least)
    if value <= upper:
        return None  # almost every value ends here, before the costly part
    upper = max(upper, BEYOND_MOST * quantile(ordered, 0.95), robust_upper(ordered) or 0.0)
    if value <= upper:
        return None
    higher = sum(1 for each in ordered if each >= value)
    return Usual(upper, median, len(ordered), (higher + 1) / (len(ordered) + 1))


def longest_ns(history: History | Sequence[RunDigest], component: str) -> list[float]:
    """Return the longest that a component took in each run that went well.

    The longest of each run, not all: of a component whose calls take milliseconds and whose stage takes minutes, every
    stage would be unusual among its calls.
    """
    runs = history.good if isinstance(history, History) else history
    found = (each.parts.get(component) for each in runs)
    return [float(max(part.durations_ns)) for part in found if part is not None and part.durations_ns]


def peers(history: History, intent: str, report_type: str, minimum: int = MIN_RUNS) -> tuple[RunDigest, ...]:
    """Return the good runs that most resemble a run: of its intent and report type, else of its intent, else all.

    The first group that has `minimum` runs; all of them where none has.
    """
    good = history.good
    alike = tuple(each for each in good if each.intent == intent)
    closer = tuple(each for each in alike if each.report_type == report_type)
    for group in (closer, alike):
        if len(group) >= minimum:
            return group
    return good
