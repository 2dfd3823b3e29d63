"""How rare a count is: by its terms added up, and by scipy."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import BadInput
from whence.measure.counts import count_tail, silence

baselines = st.lists(st.integers(0, 200), min_size=5, max_size=40)


@given(baselines, st.integers(0, 300), st.randoms(use_true_random=False))
def test_a_count_is_judged_by_a_negative_binomial(baseline: list[int], count: int, dice: random.Random) -> None:
    """Its terms added up one by one, from the mean and variance that the docstring promises."""
    n, mean = len(baseline), (sum(baseline) + 0.5) / len(baseline)
    average = sum(baseline) / n
    own = sum((each - average) ** 2 for each in baseline) / (n - 1)
    variance = max(own, mean) * (1 + 1 / n)
    size, chance = mean**2 / (variance - mean), mean / variance
    below = math.fsum(
        math.exp(
            math.lgamma(k + size)
            - math.lgamma(size)
            - math.lgamma(k + 1)
            + size * math.log(chance)
            + k * math.log1p(-chance)
        )
        for k in range(count)
    )
    shuffled = list(baseline)
    dice.shuffle(shuffled)

    assert count_tail(count, baseline) == pytest.approx(1 - below, abs=1e-9)
    assert count_tail(count, shuffled) == count_tail(count, baseline)
    assert (count_tail(count + 1, baseline) or 0) <= (count_tail(count, baseline) or 0) + 1e-12
    assert silence(baseline) == pytest.approx(chance**size, rel=1e-6)


def test_five_quiet_minutes_do_not_make_one_event_a_spike() -> None:
    """A Poisson rate of 0 would: P = 0. What is known after five minutes is only that the rate is low."""
    one, six = count_tail(1, [0] * 5), count_tail(6, [0] * 5)

    assert one is not None
    assert six is not None
    assert one > 0.05
    assert six < 1e-4


def test_bursts_are_no_spike_where_bursts_are_usual() -> None:
    steady, bursty = [10, 11, 9, 10, 10, 9, 11, 10], [0, 40, 2, 1, 0, 35, 1, 1]

    assert (count_tail(30, steady) or 1) < 1e-5
    assert (count_tail(30, bursty) or 0) > 0.05


def test_silence_is_telling_only_after_a_steady_voice() -> None:
    assert (silence([10, 11, 9, 10, 10, 9, 11, 10]) or 1) < 1e-3
    assert (silence([0, 1, 0, 0, 2, 0, 1, 0]) or 0) > 0.3
    one, three = silence([2] * 20), silence([2] * 20, buckets=3)
    assert one is not None
    assert three is not None
    assert one**3 < three < one  # not independent: the rate is uncertain for all three


def test_counts_need_five_buckets_and_must_be_counts() -> None:
    assert count_tail(100, [1, 2, 3, 4]) is None
    assert silence([1, 2, 3, 4]) is None
    for bad in ([1, 2, -3, 4, 5], [1, 2, 0.5, 3, 4], [1, 2, math.nan, 3, 4]):
        with pytest.raises(BadInput, match="baseline counts"):
            count_tail(3, bad)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="buckets"):
        silence([1] * 8, buckets=0)


def test_counts_of_any_size_are_answered() -> None:
    assert count_tail(10**7, [10**6, 10**3] * 10) == pytest.approx(9.42e-9, rel=1e-2)  # scipy 1.17.1, nbinom.sf
    assert count_tail(10**15, [3] * 5) == 0.0
