"""Confidence against outcome: by hand, and the laws that detectors lean on."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import BadInput
from whence.measure.calibration import brier, calibration_test, ece, reliability
from whence.measure.rates import wilson

pairs = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def test_brier_and_ece_by_hand() -> None:
    known = [(0.9, True), (0.9, False), (0.2, False), (0.2, False)]

    assert brier(known) == pytest.approx((0.01 + 0.81 + 0.04 + 0.04) / 4)
    assert ece(known) == pytest.approx(0.5 * 0.4 + 0.5 * 0.2)
    assert brier([(0.5, True), (0.5, False)]) == 0.25
    assert brier([]) is None
    assert ece([]) is None


def test_the_reliability_diagram() -> None:
    bars = reliability([(0.0, False), (0.1, False), (0.3, True), (0.31, False), (1.0, True)], bins=10)

    assert [(each.low, each.high, each.n, each.accuracy) for each in bars] == [
        (0.0, 0.1, 2, 0.0),  # closed above, as in Guo et al.
        (0.2, 0.3, 1, 1.0),
        (0.3, 0.4, 1, 0.0),
        (0.9, 1.0, 1, 1.0),
    ]
    assert (bars[0].accuracy_low, bars[0].accuracy_high) == wilson(0, 2)
    assert reliability([(0.07, True)], bins=100)[0].high == 0.07  # though 0.07 · 100 is 7.000000000000001
    assert reliability([]) == []
    with pytest.raises(BadInput, match="bins"):
        reliability([], bins=0)


@given(pairs, st.integers(1, 20), st.randoms(use_true_random=False))
def test_calibration_stays_in_range_and_forgets_the_order(
    known: list[tuple[float, bool]], bins: int, dice: random.Random
) -> None:
    shuffled = list(known)
    dice.shuffle(shuffled)
    bars = reliability(known, bins)

    assert sum(each.n for each in bars) == len(known)
    assert all(each.low - 1e-8 <= each.confidence <= each.high + 1e-8 for each in bars)
    for measure in (brier, ece):
        assert 0.0 <= (measure(known) or 0.0) <= 1.0
        assert measure(known) == measure(shuffled)
    assert calibration_test(known) == calibration_test(shuffled)
    assert reliability(shuffled, bins) == bars


def test_spiegelhalter_by_hand() -> None:
    """Twenty statements of 0.9 of which half were right: Z = (10 - 18)(1 - 1.8)/sqrt(20 · 0.64 · 0.09)."""
    tested = calibration_test([(0.9, i < 10) for i in range(20)])

    assert tested is not None
    assert tested.z == pytest.approx(5.9628, abs=1e-4)
    assert tested.p < 1e-8
    assert tested.bias == pytest.approx(0.4)
    assert tested.bias_p < 1e-8


def test_what_spiegelhalter_cannot_see_the_bias_can() -> None:
    """Around 0.5 his weights vanish; statements of 0.4 and 0.6 that all come true cancel out."""
    tested = calibration_test([(0.4, True), (0.6, True)] * 20)

    assert tested is not None
    assert tested.p > 0.1
    assert tested.bias == pytest.approx(-0.5)
    assert tested.bias_p < 1e-6


def test_certainty_allows_no_exception() -> None:
    kept, broken = calibration_test([(1.0, True)] * 20), calibration_test([(1.0, True)] * 19 + [(1.0, False)])

    assert kept == (0.0, 1.0, 0.0, 1.0)
    assert broken is not None
    assert broken.p == 0.0
    assert broken.bias == pytest.approx(0.05)


def test_honest_statements_are_rarely_flagged() -> None:
    dice, flagged = random.Random(4), 0
    for _ in range(300):
        stated = [dice.random() for _ in range(30)]
        tested = calibration_test([(each, dice.random() < each) for each in stated])
        flagged += tested is not None and tested.p < 0.01

    assert flagged <= 9


def test_a_calibration_needs_twenty_and_confidences_within_one() -> None:
    assert calibration_test([(0.9, False)] * 19) is None
    for bad in (90.0, -0.1, math.nan):
        with pytest.raises(BadInput, match="confidence"):
            brier([(bad, True)])
