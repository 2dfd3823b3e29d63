"""Whether stated confidence and outcome agree."""

import math
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from whence.errors import BadInput
from whence.measure.chance import finite, two_sided
from whence.measure.rates import wilson

MIN_PAIRS: Final = 20  # stated confidences with an outcome

Pair = tuple[float, bool]  # a stated confidence in 0..1, and whether it turned out right


class Bin(NamedTuple):
    """One bar of a reliability diagram: the statements with a confidence in (low, high], the first bin with 0 as well."""

    low: float
    high: float
    n: int
    confidence: float  # mean of what was stated
    accuracy: float  # share that turned out right
    accuracy_low: float  # Wilson's 95 % interval
    accuracy_high: float


class Calibration(NamedTuple):
    """Whether stated confidence and outcome agree."""

    z: float  # Spiegelhalter's
    p: float  # two-sided
    bias: float  # mean confidence less accuracy: above 0 overconfident
    bias_p: float  # two-sided


def _pairs(pairs: Iterable[Pair]) -> list[Pair]:
    known = [(confidence, bool(outcome)) for confidence, outcome in pairs]
    stated = finite((each for each, _ in known), "confidences")
    for each in stated:
        if not 0.0 <= each <= 1.0:
            raise BadInput(f"confidence {each!r}: 0 to 1 is accepted; divide percentages by 100")
    return list(zip(stated, (outcome for _, outcome in known), strict=True))


def brier(pairs: Iterable[Pair]) -> float | None:
    """Return the mean squared distance of confidence and outcome: 0 perfect, 0.25 always saying 0.5; None without pairs.

    Source: Brier, "Verification of forecasts expressed in terms of probability" (1950).
    """
    known = _pairs(pairs)
    return math.fsum((confidence - outcome) ** 2 for confidence, outcome in known) / len(known) if known else None


def reliability(pairs: Iterable[Pair], bins: int = 10) -> list[Bin]:
    """Return the reliability diagram: equally wide bins in ascending order, empty ones left out."""
    if bins < 1:
        raise BadInput(f"{bins!r} bins: 1 or more are accepted")
    groups: dict[int, list[Pair]] = {}
    for confidence, outcome in _pairs(pairs):
        # 1e-9: 0.07 of 100 bins is 7.000000000000001 in binary
        groups.setdefault(max(0, math.ceil(confidence * bins - 1e-9) - 1), []).append((confidence, outcome))
    result = []
    for number, group in sorted(groups.items()):
        n, right = len(group), sum(outcome for _, outcome in group)
        mean = math.fsum(confidence for confidence, _ in group) / n
        result.append(Bin(number / bins, (number + 1) / bins, n, mean, right / n, *wilson(right, n)))
    return result


def ece(pairs: Iterable[Pair], bins: int = 10) -> float | None:
    """Return the expected calibration error: mean distance of confidence and accuracy over the bins; None without pairs.

    It is above 0 by chance alone, the more so the fewer the pairs: judge by `calibration_test`.
    Source: Naeini, Cooper and Hauskrecht (AAAI 2015); Guo, Pleiss, Sun and Weinberger (ICML 2017).
    """
    diagram = reliability(pairs, bins)
    n = sum(each.n for each in diagram)
    return math.fsum(each.n * abs(each.accuracy - each.confidence) for each in diagram) / n if n else None


def calibration_test(pairs: Iterable[Pair]) -> Calibration | None:
    """Return whether stated confidences are wrong by more than chance; None below 20 pairs.

    Spiegelhalter's Z weighs a statement by its distance from 0.5 and is blind around it, so the plain bias is tested beside it
    (Cox 1958, calibration in the large). Statements of exactly 0 or 1 allow no exception: if they are all there is, one that
    proved wrong gives p = 0.
    Source: Spiegelhalter, "Probabilistic prediction in patient management and clinical trials" (1986).
    """
    known = _pairs(pairs)
    n = len(known)
    if n < MIN_PAIRS:
        return None
    z = _score(known, lambda c: 1.0 - 2.0 * c)
    large = _score(known, lambda c: 1.0)
    bias = math.fsum(confidence - outcome for confidence, outcome in known) / n
    return Calibration(z, two_sided(z), bias, two_sided(large))


def _score(pairs: list[Pair], weight: Callable[[float], float]) -> float:
    """Return the weighted sum of outcome - confidence in its standard deviations, if the confidences were right."""
    excess = math.fsum((outcome - confidence) * weight(confidence) for confidence, outcome in pairs)
    variance = math.fsum(weight(c) ** 2 * c * (1.0 - c) for c, _ in pairs)
    if variance > 0.0:
        return excess / math.sqrt(variance)
    return math.copysign(math.inf, excess) if excess else 0.0
