"""How far something is, as a state or an event says it. Pure, and light enough for what records."""

import math
from typing import Any, Final

_KEYS: Final = ("progress", "progress_percent", "percent_complete")


def fraction(value: object) -> float | None:
    """Return a progress as a fraction of 0..1, or None where it is none. A number past 1 is taken for per cent: 65 is 0.65."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number) or number < 0:
        return None
    return min(number / 100 if number > 1 else number, 1.0)


def progress_in(state: Any) -> float | None:
    """Return the progress that a state or the data of an event tells, or None. What is called per cent is per cent."""
    if not isinstance(state, dict):
        return None
    for key in _KEYS:
        value = state.get(key)
        if key != "progress" and isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            value = value / 100  # one per cent, not all of it
        found = fraction(value)
        if found is not None:
            return found
    return None
