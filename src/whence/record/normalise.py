"""What callers pass, brought into the form that is stored: never refused, never raised, always flagged (C1.31)."""

import math
from datetime import timedelta
from typing import Any

from whence.model.severity import Severity
from whence.record.recorder import clean_label


def as_confidence(value: object) -> tuple[float | None, Any]:
    """Return (confidence in 0..1 or None, what was given if it had to be changed, else None).

    A number outside the range is brought to its nearer end; what is no number is no confidence. None was never stated.
    """
    if value is None:
        return None, None
    if isinstance(value, bool) or not isinstance(value, int | float):
        number = math.nan if isinstance(value, bool) else as_number(value)
        if number is None or not 0.0 <= number <= 1.0:
            return None, value
        return number, value if isinstance(value, str) else None
    if value != value:
        return None, "NaN"
    if 0 <= value <= 1:
        return float(value), None
    return (1.0 if value > 1 else 0.0), value


_MOST = 2.0**63


def as_number(value: object) -> float | None:
    """Return a finite number from a number of any kind (Decimal, Fraction, numpy's) or a text that is one, else None."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - an object of the host's may do anything when asked
        return None
    return number if math.isfinite(number) else None


def as_count(value: object) -> int | None:
    """Return a whole number of 0 or more that a store can hold (64 bits), or None."""
    number = None if isinstance(value, bool) else as_number(value)
    if number is None or not 0 <= number < _MOST:
        return None
    return value if type(value) is int else int(number)


def as_seconds(value: object) -> float | None:
    """Return a duration in seconds, from a number or a timedelta, or None."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    return None if isinstance(value, bool) else as_number(value)


def as_nanoseconds(value: object) -> int | None:
    """Return a duration in nanoseconds from seconds or a timedelta, within 0 and 30 years, or None."""
    seconds = as_seconds(value) if value is not None else None
    return int(min(max(seconds, 0.0), 1e9) * 1e9) if seconds is not None else None


_LEVELS = {
    **{level.label: level for level in Severity},
    "debug": Severity.INFO,
    "notice": Severity.LOW,
    "warning": Severity.MEDIUM,
    "warn": Severity.MEDIUM,
    "error": Severity.HIGH,
    "fatal": Severity.CRITICAL,
}


def as_level(value: object) -> tuple[int, Any]:
    """Return (severity, what was given if it is none, else None): a Severity, its number, its name, or a logging name."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= Severity.CRITICAL:
        return int(value), None
    known = _LEVELS.get(value.strip().lower()) if isinstance(value, str) else None
    return (int(known), None) if known is not None else (0, value)


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
