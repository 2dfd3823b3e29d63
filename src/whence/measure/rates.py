"""Shares: the interval that one lies in, and whether two of them differ."""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from whence.errors import BadInput
from whence.measure.chance import bounded_exp

_NEGLIGIBLE: Final = 1e-15  # a remainder below this share of the sum is left out


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval that a share lies in, given `successes` of `n`; (0, 1) when n is 0.

    `z` is the normal quantile: 1.96 for 95 %. Unlike p ± z·se it stays within 0..1 and holds its level in small samples.
    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if not 0 <= successes <= n:
        raise BadInput(f"{successes!r} of {n!r}: successes must be between 0 and the number of trials")
    if n == 0:
        return 0.0, 1.0
    share, z2 = successes / n, z * z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return low, 1.0 if successes == n else min(1.0, centre + half)


class _Hypergeometric(NamedTuple):
    """How many of `row` drawn from `total` are among the `col` marked ones, by chance."""

    row: int
    col: int
    total: int

    @property
    def mode(self) -> int:
        return (self.row + 1) * (self.col + 1) // (self.total + 2)

    def log_p(self, x: int) -> float:
        row, col, total = self
        ways = _log_choose(col, x) + _log_choose(total - col, row - x)
        return ways - _log_choose(total, row)

    def up(self, x: int) -> float:
        """Return P(x + 1) / P(x)."""
        row, col, total = self
        return (row - x) * (col - x) / ((x + 1) * (total - row - col + x + 1))

    def down(self, x: int) -> float:
        """Return P(x - 1) / P(x)."""
        row, col, total = self
        return x * (total - row - col + x) / ((row - x + 1) * (col - x + 1))

    def outward(self, x: int, step: int) -> float:
        """Return P(x) + P(x + step) + … away from the mode.

        Log-concave, so the ratio r of neighbours only falls and what remains is at most term·r/(1 - r): the sum ends after
        some standard deviations, about the square root of the total, not after the whole support.
        """
        ratio_of = self.up if step > 0 else self.down
        term = total = 1.0
        first = self.log_p(x)
        while True:
            ratio = ratio_of(x)
            if ratio <= 0.0 or (ratio < 1.0 and term * ratio / (1.0 - ratio) < _NEGLIGIBLE * total):
                return bounded_exp(first + math.log(total))
            term *= ratio
            total += term
            x += step


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _table(a: int, b: int, c: int, d: int) -> tuple[_Hypergeometric, int, int]:
    if min(a, b, c, d) < 0:
        raise BadInput(f"the table {a!r}, {b!r}, {c!r}, {d!r} must hold counts, 0 or more")
    chance = _Hypergeometric(a + b, a + c, a + b + c + d)
    return chance, max(0, a - d), min(a + b, a + c)


def fisher(a: int, b: int, c: int, d: int) -> float:
    """Return the two-sided p-value that the rows (a, b) and (c, d) of a 2x2 table have the same shares.

    The probability of all tables of the same margins that are no likelier than this one (within 1e-7, as R does). Work grows
    with the square root of the total. Accurate to about 1e-7 of the value up to totals of a million.
    Source: Fisher, "The Design of Experiments" (1935), chapter II.
    """
    # One of the eight equal tables, always the same: rows, columns and both may be swapped without changing a bit.
    a, b, c, d = min(
        each
        for p, q, r, s in ((a, b, c, d), (a, c, b, d))
        for each in ((p, q, r, s), (q, p, s, r), (r, s, p, q), (s, r, q, p))
    )
    chance, low, high = _table(a, b, c, d)
    mode, limit = chance.mode, chance.log_p(a) + 1e-7
    if chance.log_p(mode) <= limit:
        return 1.0
    if a > mode:  # on the other side: the outermost value that is still no likelier
        near, other = chance.outward(a, 1), _last(low - 1, mode, lambda x: x < low or chance.log_p(x) <= limit)
        far = chance.outward(other, -1) if other >= low else 0.0
    else:
        near, other = chance.outward(a, -1), -_last(-high - 1, -mode, lambda x: -x > high or chance.log_p(-x) <= limit)
        far = chance.outward(other, 1) if other <= high else 0.0
    return min(1.0, near + far)


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Return the last of low..high for which `holds`, which is true of low and stays false once it is false."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
