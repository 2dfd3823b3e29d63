"""Whether the level of a series changed, where, and whether it rises or falls."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

from whence.measure.chance import bounded_exp, finite, two_sided
from whence.measure.spread import MIN_SAMPLE, median

MIN_TREND: Final = 10  # values: the normal approximation of Mann-Kendall's S (Gilbert 1987, section 16.4.2)


class Comparison(NamedTuple):
    """Two samples side by side."""

    p: float  # two-sided
    effect: float  # P(a value of b exceeds one of a), ties half: 0.5 alike, 1 every b above every a


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A boundary in a series, and what it looks like on both sides."""

    index: int  # of the first value after it
    p: float
    before: float  # median
    after: float  # median
    ratio: float | None  # after / before; None when before is 0
    effect: float  # as in Comparison


def _ranks(values: Sequence[float]) -> tuple[list[float], int]:
    """Return the rank of each value from 1, ties sharing their mean rank, and the sum of t³ - t over groups of t ties."""
    ranks, ties, start = [0.0] * len(values), 0, 0
    order = sorted(range(len(values)), key=values.__getitem__)
    while start < len(order):
        end = start + 1
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            ranks[index] = (start + 1 + end) / 2
        ties += (end - start) ** 3 - (end - start)
        start = end
    return ranks, ties


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> Comparison | None:
    """Return whether the values of `b` tend to lie above or below those of `a`; None below 8 on either side.

    Normal approximation with corrections for ties and continuity. Effect: McGraw and Wong's common language effect size (1992).
    Source: Mann and Whitney, "On a test of whether one of two random variables is stochastically larger" (1947).
    """
    first, second = finite(a), finite(b)
    m, n = len(first), len(second)
    if min(m, n) < MIN_SAMPLE:
        return None
    ranks, ties = _ranks(first + second)
    above = sum(ranks[m:]) - n * (n + 1) / 2  # exact: multiples of one half
    variance = m * n / 12 * ((m + n + 1) - ties / ((m + n) * (m + n - 1)))
    if variance <= 0.0:
        return Comparison(1.0, 0.5)
    z = max(0.0, abs(above - m * n / 2) - 0.5) / math.sqrt(variance)
    return Comparison(two_sided(z), above / (m * n))


def change_point(values: Sequence[float], min_segment: int = MIN_SAMPLE) -> ChangePoint | None:
    """Return where the level of a series changed, if it changed once; the p-value says whether it did.

    None when there are fewer than 2·min_segment values, or all are equal. Boundaries nearer than `min_segment` to an end are
    not looked at, which only makes the p-value larger than it need be. With ties, n³ + n² is scaled by the share of the ranks'
    variance that they leave, so that 0/1 outcomes do not hide a change. Of equally good boundaries the first is taken.
    Source: Pettitt, "A non-parametric approach to the change-point problem", Applied Statistics 28 (1979):
    p = 2·exp(-6K²/(n³ + n²)).
    """
    numbers, edge = finite(values), max(1, min_segment)
    n = len(numbers)
    if n < 2 * edge:
        return None
    ranks, ties = _ranks(numbers)
    scale = (n**3 + n**2) * (1.0 - ties / (n**3 - n))
    if scale <= 0.0:
        return None
    sums = list(accumulate(ranks))
    index = max(range(edge, n - edge + 1), key=lambda k: (abs(2 * sums[k - 1] - k * (n + 1)), -k))
    u = 2 * sums[index - 1] - index * (n + 1)
    pairs = index * (n - index)
    before, after = median(numbers[:index]), median(numbers[index:])
    p = min(1.0, 2.0 * bounded_exp(-6.0 * u * u / scale))
    return ChangePoint(index, p, before, after, after / before if before else None, 0.5 - u / (2 * pairs))


def trend(values: Sequence[float]) -> tuple[float, float] | None:
    """Return Kendall's tau-b against time (-1 falling … 1 rising) and its two-sided p-value; None below 10 values.

    Corrected for ties and continuity; values that depend on their neighbours make it too sure. O(n log n).
    Source: Mann, Econometrica 13 (1945); Kendall, "Rank Correlation Methods" (1975).
    """
    numbers = finite(values)
    n = len(numbers)
    if n < MIN_TREND:
        return None
    levels = {value: level for level, value in enumerate(sorted(set(numbers)), 1)}
    tree, equal, s = [0] * (len(levels) + 1), [0] * (len(levels) + 1), 0
    for seen, value in enumerate(numbers):  # a Fenwick tree counts the earlier values that are not above this one
        level = at = levels[value]
        not_above = 0
        while at:
            not_above += tree[at]
            at &= at - 1
        s += 2 * not_above - equal[level] - seen  # those below, less those above
        equal[level] += 1
        while level < len(tree):
            tree[level] += 1
            level += level & -level
    pairs, tied = n * (n - 1) // 2, sum(t * (t - 1) // 2 for t in equal)
    if tied == pairs:
        return 0.0, 1.0
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in equal)) / 18
    return s / math.sqrt(pairs * (pairs - tied)), two_sided(max(0, abs(s) - 1) / math.sqrt(variance))
