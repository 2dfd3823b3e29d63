"""How many in a minute: whether that is far more, or far fewer, than the other minutes let expect."""

import math
from collections.abc import Iterable
from typing import Final

from whence.errors import BadInput
from whence.measure.chance import bounded_exp, finite

MIN_BUCKETS: Final = 5  # buckets of time: below it their variance is not worth estimating


def _predicted(baseline_counts: Iterable[int], buckets: int = 1) -> tuple[float, float] | None:
    """Return mean and variance of what the next `buckets` buckets together should hold; None below 5 buckets.

    The rate is known from n buckets only. For Poisson counts of sum S under Jeffreys' prior the prediction is exactly a negative
    binomial of mean m = (S + ½)/n and variance m(1 + 1/n) (Gelman et al., "Bayesian Data Analysis", section 2.6), so a silent
    baseline does not make one event impossible. Counts that vary more than that keep their own variance in place of m.
    """
    counts = finite(baseline_counts, "baseline counts")
    odd = [each for each in counts if each < 0 or not each.is_integer()]
    if odd:
        raise BadInput(f"baseline counts hold {odd[0]!r}; whole numbers of 0 or more are accepted")
    whole = [int(each) for each in counts]
    return _predicted_after(len(whole), sum(whole), sum(each * each for each in whole), buckets)


def _predicted_after(n: int, total: int, squares: int, buckets: int) -> tuple[float, float] | None:
    if n < MIN_BUCKETS:
        return None
    mean = (total + 0.5) / n
    own = max(mean, (n * squares - total * total) / (n * (n - 1)))  # whole numbers: nothing is lost in the difference
    return buckets * mean, buckets * own * (1.0 + buckets / n)


def count_tail(count: int, baseline_counts: Iterable[int]) -> float | None:
    """Return P(X >= count) for one more bucket of time, judged by the others; None below 5 buckets.

    `baseline_counts` are those of equally long buckets, empty ones as 0, without the bucket under test. Bursts make counts vary
    more than Poisson's; then the tail is that of a negative binomial with their mean and variance (method of moments; Cameron and
    Trivedi, "Regression Analysis of Count Data", chapter 3), else in effect Poisson's with its rate's own uncertainty.
    """
    predicted = _predicted(baseline_counts)
    if predicted is None:
        return None
    mean, variance = predicted
    if count <= 0:
        return 1.0
    size = mean * mean / (variance - mean)
    return _beta_tail(float(count), size, 1.0 - mean / variance)


def silence(baseline_counts: Iterable[int], buckets: int = 1) -> float | None:
    """Return P(X = 0) for the next `buckets` buckets together, on the terms of `count_tail`; None below 5 buckets."""
    if buckets < 1:
        raise BadInput(f"{buckets!r} silent buckets: 1 or more are accepted")
    return _silence(_predicted(baseline_counts, buckets))


def silence_after(n: int, total: int, squares: int, buckets: int = 1) -> float | None:
    """Return the same of n buckets that are known by the sum of their counts and the sum of their squares."""
    return _silence(_predicted_after(n, total, squares, buckets))


def _silence(predicted: tuple[float, float] | None) -> float | None:
    if predicted is None:
        return None
    mean, variance = predicted
    return bounded_exp(mean * mean / (variance - mean) * math.log(mean / variance))


def _beta_tail(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), which is P(X >= a) for a negative binomial of size b.

    Lentz's continued fraction; its steps grow with the root of the larger argument.
    Source: Press et al., "Numerical Recipes" (2007), section 6.4.
    """
    if x > (a + 1.0) / (a + b + 2.0):
        return max(0.0, 1.0 - _beta_tail(b, a, 1.0 - x))
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x) - math.log(a)
    tiny, c = 1e-300, 1.0
    d = 1.0 / ((1.0 - (a + b) * x / (a + 1.0)) or tiny)
    fraction = d
    for m in range(1, 100_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / ((1.0 + numerator * d) or tiny)
            c = (1.0 + numerator / c) or tiny
            fraction *= d * c
        if abs(d * c - 1.0) < 1e-14:
            break
    return min(1.0, bounded_exp(front + math.log(fraction))) if fraction > 0.0 else 0.0
