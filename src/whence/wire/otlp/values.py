"""Attribute values brought to what a field expects. Each converter returns MISS for what it cannot read; none raises."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

MISS: Final = msgspec.UNSET
"""What a converter returns for a value that is not what was expected: the attribute is then kept as it was."""

Convert = Callable[[Any], Any]


def text(value: Any) -> Any:
    """A text."""
    return value if isinstance(value, str) else MISS


def number(value: Any) -> Any:
    """A finite number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value - value == 0:
        return value
    return MISS


def count(value: Any) -> Any:
    """A whole number of 0 or more."""
    if isinstance(value, int):
        return value if value >= 0 and not isinstance(value, bool) else MISS
    return int(value) if isinstance(value, float) and value >= 0 and value.is_integer() else MISS


def flag(value: Any) -> Any:
    """True or false."""
    return value if isinstance(value, bool) else MISS


def anything(value: Any) -> Any:
    """Any value, as it is."""
    return value


def scalar(value: Any) -> Any:
    """A text or a number, as text: versions are said both ways."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else MISS


def texts(value: Any) -> Any:
    """A list of texts that is not empty, also as JSON; a single text is a list of one."""
    value = parsed(value)
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
        return list(value)
    return MISS


def thousandths(value: Any) -> Any:
    """Milliseconds, as seconds."""
    said = number(value)
    return MISS if said is MISS else said / 1000


def parsed(value: Any) -> Any:
    """What a text of JSON says if it is an object or an array, else the value as it is (`__REDACTED__` stays a text)."""
    if not isinstance(value, str) or value[:1] not in ("{", "[", " ", "\n"):
        return value
    try:
        said = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, ValueError):  # ValueError: half a surrogate pair
        return value
    return said if isinstance(said, dict | list) else value


def an_object(value: Any) -> Any:
    """An object, also as JSON."""
    said = parsed(value)
    return said if isinstance(said, dict) else MISS


def a_list(value: Any) -> Any:
    """An array, also as JSON; one whose items are JSON is parsed as well."""
    said = parsed(value)
    if isinstance(said, tuple):
        said = list(said)
    return [parsed(each) for each in said] if isinstance(said, list) else MISS


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal; what is nested too deep to be compared is not."""
    try:
        return bool(one == other)
    except RecursionError:
        return False
