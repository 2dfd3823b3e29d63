"""What callers pass, brought into the form that is stored: never refused, never raised, always flagged (C1.31)."""

import math
from typing import Any

from whence.record.recorder import clean_label


def as_confidence(value: object) -> tuple[float | None, Any]:
    """Return (confidence in 0..1 or None, what was given if it had to be changed, else None).

    A number outside the range is brought to its nearer end; what is no number is no confidence. None was never stated.
    """
    if value is None:
        return None, None
    if isinstance(value, bool) or not isinstance(value, int | float):
        try:
            number = float(value) if isinstance(value, str) else math.nan
        except ValueError:
            number = math.nan
        return (number, value) if 0.0 <= number <= 1.0 else (None, value)
    if value != value:
        return None, "NaN"
    if 0 <= value <= 1:
        return float(value), None
    return (1.0 if value > 1 else 0.0), value


def as_alternatives(value: object) -> list[Any]:
    """Return a list of alternatives, in the order given; None is none, a single one is a list of one."""
    if value is None:
        return []
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    return [value]


def as_object(value: object) -> dict[str, Any]:
    """Return an object of inputs or data; what is none is kept under `value`."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    return {"value": value}


def as_label(value: object) -> str | None:
    """Return a short name fit for lists and filters, or None."""
    return None if value is None else clean_label(value)
