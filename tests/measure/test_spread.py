"""Quantiles and limits: those of R, and the laws that detectors lean on."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import BadInput
from whence.measure.chance import normal_tail
from whence.measure.spread import mad, median, quantile, robust_upper, robust_z

numbers = st.floats(-1e6, 1e6, allow_nan=False)


def test_quantiles_are_those_of_r() -> None:
    assert [quantile([3, 1, 4, 2], q) for q in (0, 0.25, 0.5, 0.9, 1)] == pytest.approx([1, 1.75, 2.5, 3.7, 4])
    assert median([5, 1, 3]) == 3
    assert mad(range(1, 10)) == pytest.approx(2.9652)  # R: mad(1:9)


@given(st.lists(numbers, min_size=1), st.floats(0, 1), st.floats(0, 1), st.randoms(use_true_random=False))
def test_quantiles_rise_stay_inside_and_forget_the_order(
    values: list[float], q: float, r: float, dice: random.Random
) -> None:
    low, high = quantile(values, min(q, r)), quantile(values, max(q, r))
    shuffled = list(values)
    dice.shuffle(shuffled)

    assert min(values) <= low <= high <= max(values)
    assert quantile(shuffled, min(q, r)) == low


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf], ["x"], [None]])
def test_no_quantile_of_what_is_no_sample(bad: list[float]) -> None:
    with pytest.raises(BadInput):
        quantile(bad, 0.5)


def test_a_wild_value_does_not_move_the_limit_it_exceeds() -> None:
    """That is what mean and standard deviation would do."""
    usual = [100.0, 110.0, 95.0, 105.0, 120.0, 90.0, 98.0, 104.0, 101.0]
    limit = robust_upper(usual)
    with_one = robust_upper([*usual, 60_000.0])

    assert limit is not None
    assert with_one is not None
    assert max(usual) < limit < 250
    assert with_one == pytest.approx(limit, rel=0.15)


def test_equal_durations_leave_room_for_a_jitter_of_ten_per_cent() -> None:
    assert robust_upper([50.0] * 20, k=5.0) == pytest.approx(50 * 1.1**5)


def test_a_limit_needs_eight_values_and_a_positive_one() -> None:
    assert robust_upper([1.0] * 7) is None
    assert robust_upper([0.0] * 20) is None
    assert robust_upper([]) is None
    assert robust_upper([0.0, -5.0, *[3.0] * 10]) == robust_upper([3.0] * 12)


@pytest.mark.parametrize(("n", "at_most"), [(8, 0.008), (16, 0.002), (64, 0.0002)])
def test_the_limit_is_rarely_exceeded_by_chance(n: int, at_most: float) -> None:
    """The figures of the docstring, twofold: what one more log-normal value of the same kind does."""
    dice, alarms, rounds = random.Random(n), 0.0, 600
    for _ in range(rounds):
        limit = robust_upper([math.exp(dice.gauss(3.0, 1.0)) for _ in range(n)])
        assert limit is not None
        alarms += normal_tail(math.log(limit) - 3.0)

    assert alarms / rounds < at_most


@given(st.lists(st.floats(1e-3, 1e9), min_size=8, max_size=30), st.floats(1, 8), st.floats(1, 1000))
def test_the_limit_has_the_unit_of_the_values_and_lies_above_their_median(
    values: list[float], k: float, unit: float
) -> None:
    limit, scaled = robust_upper(values, k), robust_upper([each * unit for each in values], k)

    assert limit is not None
    assert limit > median(values) * 1.09**k or limit > quantile(values, 0.5)
    assert scaled == pytest.approx(limit * unit, rel=1e-6)


def test_robust_z() -> None:
    history = [10.0, 11.0, 9.0, 10.5, 9.5, 10.2, 9.8, 10.0, 300.0]

    assert robust_z(13.0, history) == pytest.approx(3.0 / (1.4826 * 0.5))
    assert robust_z(10.0, history) == 0.0
    assert robust_z(1.0, history[:7]) is None
    assert robust_z(6.0, [5.0] * 20) == math.inf
    assert robust_z(4.0, [5.0] * 20) == -math.inf
    assert robust_z(5.0, [5.0] * 20) == 0.0
    nearly = robust_z(6.0, [5.0] * 19 + [6.0])  # the MAD is 0: the mean distance of 1/20 stands in
    assert nearly == pytest.approx(1 / (1.2533 / 20))
