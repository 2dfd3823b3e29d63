"""OTLP's typed values and plain Python, each from the other."""

import base64
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

DEEPEST: Final = 64
"""Values nested deeper are kept as text."""
_INT64: Final = 1 << 63
_KINDS: Final = {
    "stringValue": "string",
    "string_value": "string",
    "intValue": "int",
    "int_value": "int",
    "doubleValue": "double",
    "double_value": "double",
    "boolValue": "bool",
    "bool_value": "bool",
    "bytesValue": "bytes",
    "bytes_value": "bytes",
    "arrayValue": "array",
    "array_value": "array",
    "kvlistValue": "kvlist",
    "kvlist_value": "kvlist",
}


def decode_attributes(given: Any, depth: int = 0) -> dict[str, Any]:
    """Return attributes from a list of {key, value}, or from an object as some tools write them."""
    if isinstance(given, dict):
        return given
    if not isinstance(given, list):
        return {}
    made = {}
    for each in given:
        if isinstance(each, dict) and isinstance(key := each.get("key"), str):
            value = each.get("value")
            said = value.get("stringValue") if isinstance(value, dict) else None
            made[key] = said if isinstance(said, str) else decode_value(value, depth)  # most are texts
    return made


def decode_value(given: Any, depth: int = 0) -> Any:
    """Return a plain value. Bytes stay base64 text; what has no known type is kept as it is."""
    if not isinstance(given, dict):
        return given
    if depth >= DEEPEST:
        return _as_text(given)
    for name, value in given.items():
        kind = _KINDS.get(name)
        if kind is None or value is None:
            continue
        if kind == "int":
            return _int(value)
        if kind == "double":
            return _double(value)
        if kind == "array":
            values = value.get("values") if isinstance(value, dict) else value
            return [decode_value(each, depth + 1) for each in values] if isinstance(values, list) else []
        if kind == "kvlist":
            return decode_attributes(value.get("values") if isinstance(value, dict) else value, depth + 1)
        return value
    return given or None


def _int(value: Any) -> Any:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return value


def _double(value: Any) -> Any:
    try:
        return float(value)  # also "NaN", "Infinity", "-Infinity", as protobuf's JSON writes them
    except (TypeError, ValueError, OverflowError):
        return value


def _as_text(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return "nested too deep"


def encode_attributes(given: Mapping[str, Any], depth: int = 0) -> list[dict[str, Any]]:
    """Return attributes as a list of {key, value}."""
    return [{"key": str(key), "value": encode_value(value, depth)} for key, value in given.items()]


def encode_value(value: Any, depth: int = 0) -> dict[str, Any]:
    """Return a typed value. A whole number that 64 bits do not hold, and anything that is no JSON, is a text."""
    if isinstance(value, str):
        return {"stringValue": value}
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if -_INT64 <= value < _INT64 else {"stringValue": hex(value)}
    if isinstance(value, float):
        if math.isfinite(value):
            return {"doubleValue": value}
        return {"doubleValue": "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, bytes | bytearray):
        return {"bytesValue": base64.b64encode(value).decode("ascii")}
    if depth >= DEEPEST:
        return {"stringValue": f"<{type(value).__name__}>"}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": encode_attributes(value, depth + 1)}}
    if isinstance(value, list | tuple | set | frozenset):
        return {"arrayValue": {"values": [encode_value(each, depth + 1) for each in value]}}
    return {"stringValue": str(value)}
