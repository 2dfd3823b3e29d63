"""Conditions on what a record says, as people write them: `inputs.intent=validating`, `confidence<0.5`, `why~recency`."""

import re

import msgspec

from whence.errors import BadInput
from whence.model.filters import Condition

ROOTS = (
    "what",
    "why",
    "confidence",
    "alternatives",
    "inputs",
    "attributes",
    "outputs",
    "data",
    "message",
    "error",
    "given",
)
"""The keys of payloads that may be asked for; below them any path of plain keys."""

_CONDITION = re.compile(
    r"([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){0,7})\s*(!=|<=|>=|=|<|>|~)\s*(.{0,400})", re.ASCII
)


def parse_condition(text: str) -> Condition:
    """Return a condition.

    The value is read as JSON where it is a number, true, false, null or a quoted string, else as plain text.

    Raises:
        BadInput: the text has no such form, or asks for a key that is not on the list.
    """
    found = _CONDITION.fullmatch(text.strip())
    if found is None:
        raise BadInput(
            f"condition {text!r} is not understood; write PATH OP VALUE, such as inputs.intent=validating, "
            "with OP one of = != < <= > >= ~ (contains)"
        )
    path = tuple(found[1].split("."))
    if path[0] not in ROOTS:
        raise BadInput(f"condition {text!r} asks for {path[0]!r}; accepted: {', '.join(ROOTS)}")
    return Condition(path, found[2], _value(found[3]))


def _value(text: str) -> str | float | bool | None:
    try:
        value = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text
    return value if value is None or isinstance(value, str | int | float | bool) else text
