"""Chance: the normal distribution's tail, and what becomes of p-values where many were looked at.

`rates`, `spread`, `changes`, `counts` and `calibration` are the statistics that detectors rest on. They are pure and of the
standard library, so that a detector says the same online, offline and on any machine. Sums are exactly rounded
(`math.fsum`) and ranks are midranks, so nothing but `change_point` and `trend`, which are about order, depends on the order
of what is given.

Two rules hold throughout. Too few values give None, never a number that looks like knowledge. Values that are no
finite numbers raise `BadInput`: what a NaN means (unknown) is for the caller to say, who leaves it out.
A p-value is the probability of what was seen, or of something more extreme, if nothing were the matter.
"""

import math
from collections.abc import Iterable, Sequence

from whence.errors import BadInput


def finite(values: Iterable[float], what: str = "values") -> list[float]:
    """Return the values as floats, in the order given. Raises BadInput for NaN, infinities and what is no number."""
    try:
        numbers = [float(each) for each in values]
    except (TypeError, ValueError, OverflowError) as exc:
        raise BadInput(f"{what} must be numbers: {exc}; leave out what is none") from exc
    for each in numbers:
        if not math.isfinite(each):
            raise BadInput(f"{what} hold {each!r}; finite numbers are accepted: leave out what is unknown")
    return numbers


def normal_tail(z: float) -> float:
    """Return P(Z > z) for a standard normal Z; accurate far out, where 1 - cdf would be 0."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def two_sided(z: float) -> float:
    """Return P(|Z| > |z|)."""
    return min(1.0, 2.0 * normal_tail(abs(z)))


def bounded_exp(log_p: float) -> float:
    """Return the probability with this logarithm, where rounding may have made it more than 1."""
    return math.exp(min(0.0, log_p)) if log_p > -745.0 else 0.0


def adjusted(p_values: Sequence[float], looked_at: int = 0) -> list[float]:
    """Return p-values adjusted for how many were looked at: flag those <= q, and the share of false flags is at most q.

    Args:
        looked_at: how many there are in all, those that are not given being 1.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995).
    """
    numbers = finite(p_values, "p-values")
    if any(not 0.0 <= each <= 1.0 for each in numbers):
        raise BadInput(f"p-values must be between 0 and 1, not {next(p for p in numbers if not 0 <= p <= 1)!r}")
    given = len(numbers)
    count, least = max(given, looked_at), 1.0
    result = [1.0] * given
    for rank, index in zip(range(given, 0, -1), sorted(range(given), key=lambda i: -numbers[i]), strict=True):
        least = min(least, max(numbers[index], numbers[index] * count / rank))  # rounding could fall below p
        result[index] = least
    return result
