"""Shares and tables as the literature, R and scipy have them."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import BadInput
from whence.measure.rates import fisher, wilson

cells = st.integers(0, 30)


def test_wilson_of_eight_in_ten() -> None:
    """Agresti and Coull (1998) and every textbook since: 8 of 10 is anything from 49 % to 94 %."""
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=5e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_holds_the_share_and_mirrors(successes: int, n: int) -> None:
    successes = min(successes, n)
    low, high = wilson(successes, n)

    assert 0.0 <= low <= successes / n <= high <= 1.0
    assert wilson(n - successes, n) == pytest.approx((1 - high, 1 - low))
    wider = wilson(successes, n, z=2.576)
    assert wider[0] <= low
    assert high <= wider[1]


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3), (0, -1)])
def test_wilson_refuses_what_is_no_share(successes: int, n: int) -> None:
    with pytest.raises(BadInput, match="successes"):
        wilson(successes, n)


@pytest.mark.parametrize(
    ("table", "p"),
    [
        ((3, 1, 1, 3), 0.4857142857142857),  # the lady tasting tea (Fisher 1935; R's example TeaTasting)
        ((1, 9, 11, 3), 0.002759456185220083),  # scipy 1.17.1, fisher_exact
        ((0, 5, 5, 0), 0.007936507936507936),  # 2 of C(10, 5) tables
        ((0, 0, 5, 7), 1.0),
        ((0, 0, 0, 0), 1.0),
        ((10**6, 10**6, 10**6 + 3000, 10**6), 0.13427895),  # scipy 1.17.1
    ],
)
def test_fisher_knows_the_tables_of_the_books(table: tuple[int, int, int, int], p: float) -> None:
    assert fisher(*table) == pytest.approx(p, rel=1e-7)


def enumerated(a: int, b: int, c: int, d: int) -> Fraction:
    """The p-value in exact arithmetic over all tables of these margins."""
    row, col, total = a + b, a + c, a + b + c + d
    ways = {x: math.comb(col, x) * math.comb(total - col, row - x) for x in range(max(0, a - d), min(row, col) + 1)}
    return Fraction(sum(each for each in ways.values() if each <= ways[a]), sum(ways.values()))


@given(cells, cells, cells, cells)
def test_fisher_is_the_enumeration(a: int, b: int, c: int, d: int) -> None:
    assert fisher(a, b, c, d) == pytest.approx(float(enumerated(a, b, c, d)), rel=1e-9)


@given(cells, cells, cells, cells)
def test_fisher_does_not_care_which_row_or_column_comes_first(a: int, b: int, c: int, d: int) -> None:
    assert fisher(a, b, c, d) == fisher(c, d, a, b) == fisher(b, a, d, c) == fisher(a, c, b, d)


def test_fisher_refuses_negative_counts() -> None:
    with pytest.raises(BadInput, match="0 or more"):
        fisher(1, -1, 2, 3)
