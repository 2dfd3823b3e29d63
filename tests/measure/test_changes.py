"""Changes and trends: of the Nile, of ozone, and of nothing."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.measure.changes import change_point, mann_whitney, trend

# Annual flow of the Nile at Aswan 1871-1970 (Cobb 1978; R's `Nile`): it fell with the year 1899, the 29th value.
NILE = [
    *(1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140),
    *(1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969),
    *(831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759),
    *(781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890),
    *(744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740),
]
# Ozone in New York 1973 (R's `airquality`), days measured.
MAY = [41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37]
AUGUST = [39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85]

samples = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=8, max_size=40)
levels = st.lists(st.integers(0, 4).map(float), min_size=16, max_size=60)


def normal(seed: int, n: int, mean: float = 0.0) -> list[float]:
    dice = random.Random(seed)
    return [dice.gauss(mean, 1.0) for _ in range(n)]


def test_mann_whitney_on_the_ozone_of_two_months() -> None:
    """R: wilcox.test(Ozone ~ Month, airquality, subset = Month %in% c(5, 8)): W = 127.5, p-value = 0.0001208."""
    compared = mann_whitney(MAY, AUGUST)

    assert compared is not None
    assert compared.p == pytest.approx(0.0001208, abs=5e-8)
    assert (1 - compared.effect) * len(MAY) * len(AUGUST) == pytest.approx(127.5)


@given(samples, samples)
def test_mann_whitney_mirrors(a: list[float], b: list[float]) -> None:
    one, other = mann_whitney(a, b), mann_whitney(b, a)

    assert one is not None
    assert other is not None
    assert 0.0 <= one.p <= 1.0
    assert one.p == pytest.approx(other.p)
    assert one.effect == pytest.approx(1 - other.effect)
    assert mann_whitney(sorted(a), sorted(b)) == one
    won = sum((y > x) + 0.5 * (y == x) for x in a for y in b) / (len(a) * len(b))
    assert one.effect == pytest.approx(won)


def test_mann_whitney_needs_eight_on_each_side_and_says_nothing_of_equals() -> None:
    assert mann_whitney([1.0] * 7, [2.0] * 30) is None
    assert mann_whitney([1.0] * 8, [1.0] * 8) == (1.0, 0.5)
    assert mann_whitney([1.0] * 8, [2.0] * 8) == (pytest.approx(0.0002, abs=1e-4), 1.0)


def test_the_nile_fell_in_1899() -> None:
    """K = 1617 (pyhomogeneity 1.1) after 28 years; p by Pettitt's formula, hardly moved by the ties."""
    change = change_point(NILE)

    assert change is not None
    assert change.index == 28
    assert change.p == pytest.approx(2 * math.exp(-6 * 1617**2 / (100**3 + 100**2)), rel=0.01)
    assert (change.before, change.after) == (1130.0, 842.5)
    assert change.ratio == pytest.approx(0.7456, abs=1e-4)


def test_a_step_is_found_where_it_is() -> None:
    change = change_point([1.0, 2.0] * 10 + [11.0, 12.0] * 10)

    assert change is not None
    assert change.index == 20
    assert change.effect == 1.0
    assert change.ratio == pytest.approx(11.5 / 1.5)
    assert change.p < 1e-5


@settings(max_examples=50)
@given(st.integers(8, 40), st.integers(8, 40), st.booleans())
def test_a_step_without_noise_is_found_wherever_it_is(before: int, after: int, up: bool) -> None:
    low, high = (0.0, 1.0) if up else (1.0, 0.0)
    change = change_point([low] * before + [high] * after)

    assert change is not None
    assert change.index == before
    assert change.ratio == (None if up else 0.0)
    assert change.effect == (1.0 if up else 0.0)


@given(levels)
def test_a_change_backwards_is_the_same_change(values: list[float]) -> None:
    here, there = change_point(values), change_point(values[::-1])

    assert (here is None) == (there is None)
    if here and there:
        assert here.p == pytest.approx(there.p)
        assert 0.0 <= here.p <= 1.0
        assert 8 <= here.index <= len(values) - 8
        assert here.effect == pytest.approx(mann_whitney(values[: here.index], values[here.index :]).effect)  # type: ignore[union-attr]


def test_no_change_in_too_few_or_equal_values() -> None:
    assert change_point([1.0] * 15) is None
    assert change_point([1.0] * 100) is None
    assert change_point([0.0, 1.0] * 3, min_segment=3) is not None


@pytest.mark.parametrize("binary", [False, True])
def test_nothing_changes_by_chance_more_often_than_it_says(binary: bool) -> None:
    found = 0
    for seed in range(400):
        values = normal(seed, 40)
        change = change_point([float(each > 0.5) for each in values] if binary else values)
        found += change is not None and change.p < 0.05

    assert found <= 400 * 0.05
    assert found >= 2  # and the test is not dead


def test_the_trend_of_the_nile() -> None:
    """pymannkendall 1.4.3: S = -1387, z = -4.12807, p = 3.658e-05. scipy 1.17.1, kendalltau: -0.28074."""
    tau, p = trend(NILE) or (0.0, 0.0)

    assert p == pytest.approx(3.658262921664e-05, rel=1e-9)
    assert tau == pytest.approx(-0.280741, abs=1e-6)


@given(st.lists(st.integers(0, 20).map(float), min_size=10, max_size=40))
def test_the_trend_counts_pairs(values: list[float]) -> None:
    tau, p = trend(values) or (math.nan, math.nan)
    backwards, p_backwards = trend(values[::-1]) or (math.nan, math.nan)
    score = sum((b > a) - (b < a) for i, a in enumerate(values) for b in values[i + 1 :])

    assert 0.0 <= p <= 1.0
    assert -1.0 <= tau <= 1.0
    assert math.copysign(1, tau) == math.copysign(1, score) or score == tau == 0
    assert (backwards, p_backwards) == pytest.approx((-tau, p))


def test_the_trend_of_a_ladder_and_of_nothing() -> None:
    assert trend([float(i) for i in range(10)]) == (1.0, pytest.approx(8.303e-5, rel=1e-3))  # z = 44/sqrt(125)
    assert trend([3.0] * 10) == (0.0, 1.0)
    assert trend([1.0] * 9) is None
