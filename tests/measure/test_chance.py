"""The normal tail as R has it, and p-values adjusted as their authors did."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import BadInput
from whence.measure.chance import adjusted, normal_tail


def test_benjamini_and_hochberg_on_their_own_example() -> None:
    """Section 3.2 of the paper: fifteen p-values of a heart study; four are called at q = 0.05, where Bonferroni calls three."""
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    p_values += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]

    assert [each <= 0.05 for each in adjusted(p_values)] == [True] * 4 + [False] * 11
    assert adjusted([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert adjusted([]) == []


@given(st.lists(st.floats(0, 1), max_size=30), st.randoms(use_true_random=False))
def test_adjusting_keeps_the_order_and_only_raises(p_values: list[float], dice: random.Random) -> None:
    result = adjusted(p_values)
    order = list(range(len(p_values)))
    dice.shuffle(order)

    assert all(p <= each <= 1.0 for p, each in zip(p_values, result, strict=True))
    assert adjusted([p_values[i] for i in order]) == [result[i] for i in order]
    by_p = [each for _, each in sorted(zip(p_values, result, strict=True))]
    assert by_p == sorted(by_p)


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_a_p_value_is_a_probability(bad: float) -> None:
    with pytest.raises(BadInput, match="p-values"):
        adjusted([0.5, bad])


@pytest.mark.parametrize(("z", "p"), [(0.0, 0.5), (1.959964, 0.025), (-1.959964, 0.975), (10.0, 7.619853024160527e-24)])
def test_the_normal_tail(z: float, p: float) -> None:
    """R: pnorm(z, lower.tail = FALSE)."""
    assert normal_tail(z) == pytest.approx(p, rel=1e-6)
