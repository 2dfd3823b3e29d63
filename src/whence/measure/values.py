"""What a Python value is in JSON's terms: its word, its plain form, whether two are the same.

JSON-like is what `json` or msgspec would write: objects, arrays, text, numbers, true, false, null. Enums, dates, UUIDs,
dataclass instances and the like count as what they are written as; anything else keeps its class name as its word.
"""

import binascii
import dataclasses
import datetime
import enum
import json
import numbers
import uuid
from collections.abc import Mapping
from decimal import Decimal
from pathlib import PurePath
from types import NoneType
from typing import Any

import msgspec

WORDS: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    NoneType: "null",
    dict: "object",
    list: "array",
    tuple: "array",
}
"""JSON Schema's names of types, by the Python type that stands for each."""

_AS_TEXT = (datetime.date, datetime.time, datetime.timedelta, uuid.UUID, Decimal, PurePath)


def plain(value: Any) -> Any:
    """Return the JSON-like form of a value, one level deep; a value that has none comes back as it is."""
    if type(value) in WORDS:
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, str | float | list | tuple | dict):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=_represented)
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {written: getattr(value, name) for written, name in names}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names_of = (field.name for field in dataclasses.fields(value))
        return {name: getattr(value, name) for name in names_of if hasattr(value, name)}
    if hasattr(type(value), "model_json_schema"):
        return {**value.__dict__, **(getattr(value, "__pydantic_extra__", None) or {})}
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return binascii.b2a_base64(bytes(value), newline=False).decode()
    if isinstance(value, numbers.Integral):  # numpy's integers are no int, its floats are float
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def word(value: Any) -> str:
    """Return the type word of a plain value; the class name of one that JSON does not know."""
    known = WORDS.get(type(value))
    if known is not None:
        return known
    for kind, named in WORDS.items():
        if isinstance(value, kind):
            return named
    return type(value).__name__


def key_text(key: Any) -> str:
    """Return a mapping's key as JSON writes it: 1 is "1", None is "null", True is "true"."""
    key = plain(key)
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool | float):
        return json.dumps(key)
    if isinstance(key, int):
        return hex(key) if key.bit_length() > 512 else str(key)  # str() refuses more than 4300 digits
    return f"<{type(key).__name__}>"


def keyed(value: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a mapping with every key as text; the same object where they are already."""
    if type(value) is dict and all(type(key) is str for key in value):
        return value
    return {key_text(key): inner for key, inner in value.items()}


class Room(msgspec.Struct):
    """How many values may still be looked at. Below zero, not everything was."""

    left: int


def fingerprint(value: Any, room: Room, depth: int = 64) -> str:
    """Return a text that two values share exactly when they are the same in JSON.

    1 and 1.0 are one number, True and 1 are not, NaN is NaN, the order of an object's keys says nothing. What is no JSON
    counts by class and repr. Past `depth` levels or the room, nothing is told apart: a value that contains itself ends.
    """
    room.left -= 1
    if room.left < 0:
        return "…"
    value = plain(value)
    if isinstance(value, dict | list | tuple):
        if depth <= 0:
            room.left = -1
            return "…"
        if isinstance(value, dict):
            inside = sorted(keyed(value).items())
            return (
                "{" + ",".join(f"{len(key)}:{key}={fingerprint(inner, room, depth - 1)}" for key, inner in inside) + "}"
            )
        return "[" + ",".join(fingerprint(item, room, depth - 1) for item in value) + "]"
    return _fingerprint_of_scalar(value)


def _fingerprint_of_scalar(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, float):
        return hex(int(value)) if value.is_integer() else repr(float(value))
    if isinstance(value, str):
        return f"{len(value)}:{str.__str__(value)}"
    return f"<{type(value).__name__} {_represented(value)}>"


def _represented(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - the host's own repr; a value that cannot say what it is, is its class
        return type(value).__name__


def same(a: Any, b: Any) -> bool:
    """Return whether two values are the same in JSON, as `fingerprint` defines it, however large they are."""
    a, b = plain(a), plain(b)
    if isinstance(a, dict) and isinstance(b, dict):
        a, b = keyed(a), keyed(b)
        return a.keys() == b.keys() and all(same(inner, b[key]) for key, inner in a.items())
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict | list | tuple) or isinstance(b, dict | list | tuple):
        return False
    return _fingerprint_of_scalar(a) == _fingerprint_of_scalar(b)


def shown(value: Any, width: int = 60) -> str:
    """Return a value as short JSON for a sentence: text in quotes, containers by their size, cut at `width`."""
    value = plain(value)
    if isinstance(value, str):
        return json.dumps(value if len(value) <= width else value[: width - 1] + "…", ensure_ascii=False)
    if isinstance(value, dict | list | tuple):
        noun = "key" if isinstance(value, dict) else "item"
        return f"{word(value)} of {len(value)} {noun}{'' if len(value) == 1 else 's'}"
    if value is None or isinstance(value, bool | float):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**width else f"integer of {value.bit_length()} bits"
    return f"<{type(value).__name__}>"
