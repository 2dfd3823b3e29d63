"""Pairs of vectors of which the cosine distance is known beforehand."""

import math


def unit_pair(distance: float, dimensions: int = 768) -> tuple[list[float], list[float]]:
    """Return two unit vectors this cosine distance (0 to 2) apart, every place of them in use.

    The cosine is 1 - distance by construction: the second is cos·u + sin·w, where u and w are orthogonal unit vectors
    (u all equal, w of alternating sign), so no computation under test takes part in making it.
    """
    assert dimensions % 2 == 0, "alternating signs cancel in pairs"
    cos = 1 - distance
    sin = math.sqrt(max(0.0, 1 - cos * cos))
    place = 1 / math.sqrt(dimensions)
    first = [place] * dimensions
    second = [(cos + sin) * place, (cos - sin) * place] * (dimensions // 2)
    return first, second
