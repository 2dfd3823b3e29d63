"""The structure of an artifact without its content, and the contract that a history of such structures amounts to.

A structure is written in JSON Schema's words (`type`, `properties`, `required`, `items`, `anyOf`), so that it can be
recorded, read by any tool, merged, and used as a contract. Keys are kept, values are not.
"""

import itertools
from collections.abc import Iterable
from typing import Any

import msgspec

from whence.errors import BadInput
from whence.measure.values import WORDS, key_text, plain, shown, word

DEPTH = 6
KEYS = 200
ITEMS = 50
"""Items of a list that are looked at: a list says its shape early, and a host may not wait for a million."""

TRUNCATED = "x-truncated"
"""Marks an object of which more keys were there than are listed: what is not listed is unknown, not missing."""

OCCASIONAL = "x-occasional"
"""Names of an object that were seen on some and not on others, so that their absence is nothing to report."""

_JSON_WORDS = frozenset(WORDS.values())
PLACEHOLDER = "..."
"""In an example, as None and Ellipsis: any type."""


class Shape(msgspec.Struct, frozen=True):
    """A structure that stands for an artifact, as `shape_of` wrote it; `compare` and `infer` take it as one."""

    schema: dict[str, Any]


class Limits(msgspec.Struct):
    """How much of a value is described. `keys` counts down over the whole value."""

    depth: int
    keys: int
    example: bool = (
        False  # None, ... and "..." stand for anything, and an empty object or list says nothing of its inside
    )


def shape_of(value: Any) -> dict[str, Any]:
    """Return the structure of a value as JSON Schema: at most 6 levels, 200 keys, the first 50 items of a list.

    Every key of an object is `required`; the items of a list are merged: a key is required if every
    item has it, `x-occasional` otherwise.
    An object cut short carries `x-truncated`; one below the last level is an object of which nothing more is known.
    """
    return _described(value, Limits(depth=DEPTH, keys=KEYS), DEPTH)


def schema_of_example(example: Any, *, depth: int, keys: int) -> dict[str, Any]:
    """Return the JSON Schema an example stands for: every key required, types from the values.

    None, `...` and the text "..." are placeholders and stand for any type (the seed's Example 2 writes "..." where the
    value does not matter); any other text stands for the type string. {} is any object, [] any list.

    Raises:
        BadInput: the example has more levels or keys than that.
    """
    limits = Limits(depth=depth, keys=keys, example=True)
    schema = _described(example, limits, depth)
    if limits.keys < 0:
        raise BadInput(
            f"an example of more than {keys} keys or {depth} levels (does it contain itself?); give a smaller one"
        )
    return schema


def _described(value: Any, limits: Limits, depth: int) -> dict[str, Any]:
    if limits.example and (value is None or value is ... or (type(value) is str and value == PLACEHOLDER)):
        return {}
    value = plain(value)
    kind = word(value)
    if kind == "object":
        return _object(value, limits, depth)
    if kind == "array":
        if depth <= 0:
            return _too_deep(kind, limits)
        items = [_described(item, limits, depth - 1) for item in itertools.islice(value, ITEMS)]
        return {"type": "array", "items": merged(items)} if items else {"type": "array"}
    return {"type": kind} if kind in _JSON_WORDS else {}


def _too_deep(kind: str, limits: Limits) -> dict[str, Any]:
    if limits.example:
        limits.keys = -1
    return {"type": kind}


def _object(value: dict[Any, Any], limits: Limits, depth: int) -> dict[str, Any]:
    if depth <= 0:
        return _too_deep("object", limits)
    if limits.example and not value:
        return {"type": "object"}
    properties: dict[str, Any] = {}
    cut = False
    for key, inner in value.items():
        limits.keys -= 1
        if limits.keys < 0:
            cut = True
            break
        properties[key_text(key)] = _described(inner, limits, depth - 1)
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": list(properties)}
    if cut:
        schema[TRUNCATED] = True
    return schema


def merged(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the structure that all of these have: the union of their types, required only what each requires."""
    if len(schemas) == 1 or (schemas and all(schema == schemas[0] for schema in schemas)):
        return schemas[0]
    flat = list(itertools.chain.from_iterable(schema.get("anyOf", (schema,)) for schema in schemas))
    if not all(flat):
        return {}  # one of them may be anything
    words: set[str] = set()
    for schema in flat:
        words |= set(schema["type"] if isinstance(schema["type"], list) else (schema["type"],))
    if "number" in words:
        words.discard("integer")
    kinds = []
    objects = [schema for schema in flat if schema["type"] == "object"]
    arrays = [schema for schema in flat if schema["type"] == "array"]
    if objects:
        kinds.append(_merged_objects(objects))
    if arrays:
        items = [schema["items"] for schema in arrays if "items" in schema]
        kinds.append({"type": "array", "items": merged(items)} if items else {"type": "array"})
    scalars = sorted(words - {"object", "array"})
    if scalars:
        kinds.append({"type": scalars[0] if len(scalars) == 1 else scalars})
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _merged_objects(objects: list[dict[str, Any]]) -> dict[str, Any]:
    if not all("properties" in schema for schema in objects):
        return {"type": "object"}
    seen: dict[str, list[dict[str, Any]]] = {}
    for schema in objects:
        for name, inner in schema["properties"].items():
            seen.setdefault(name, []).append(inner)
    required = set.intersection(*(set(schema["required"]) for schema in objects))
    found: dict[str, Any] = {
        "type": "object",
        "properties": {name: merged(inner) for name, inner in seen.items()},
        "required": [name for name in seen if name in required],
    }
    some = [name for name in seen if name not in required]
    if some:
        found[OCCASIONAL] = some
    if any(TRUNCATED in schema for schema in objects):
        found[TRUNCATED] = True
    return found


def infer(examples: Iterable[Any]) -> dict[str, Any]:
    """Return the JSON Schema that a component's own history amounts to; a field is required if every example has it.

    A field that only some have is marked `x-occasional`: its absence is what happened before, and no gap.

    Args:
        examples: artifacts, or `Shape` of artifacts, mixed as they come. Artifacts are described first, so that depth
            and breadth are bounded as in `shape_of` and no value reaches the schema.

    Raises:
        BadInput: there is no example, a Shape holds what `shape_of` would not write, or genson, which does the merging,
            is not installed.
    """
    try:
        from genson import SchemaBuilder
    except ImportError as exc:
        raise BadInput("a contract is inferred with genson, which is not installed; pip install genson") from exc
    builder = SchemaBuilder()
    count = 0
    for count, example in enumerate(examples, start=1):
        schema = example.schema if isinstance(example, Shape) else shape_of(example)
        try:
            builder.add_schema(_mergeable(schema))
        except (
            AttributeError,
            TypeError,
            RuntimeError,
        ) as exc:  # RuntimeError: genson's own, and recursion without end
            raise BadInput(f"example {count} is a Shape of {shown(schema)}; accepted: what shape_of returned") from exc
    if not count:
        raise BadInput("no example to infer a contract from; give at least one artifact, or a Shape of one")
    found: dict[str, Any] = builder.to_schema()
    _mark_occasional(found)
    return found


def _mark_occasional(schema: dict[str, Any]) -> None:
    """Mark, at every level, the fields that are not required as seen on some examples only."""
    for inner in (*schema.get("anyOf", ()), *schema.get("properties", {}).values()):
        _mark_occasional(inner)
    if "items" in schema:
        _mark_occasional(schema["items"])
    some = [name for name in schema.get("properties", {}) if name not in schema.get("required", ())]
    if some:
        schema[OCCASIONAL] = some


def _mergeable(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a structure as genson reads it: `required` on every object (without it genson keeps what others require)."""
    if "anyOf" in schema:
        return {"anyOf": [_mergeable(inner) for inner in schema["anyOf"]]}
    if schema.get("type") == "object":
        inside = {name: _mergeable(inner) for name, inner in schema.get("properties", {}).items()}
        return {"type": "object", "properties": inside, "required": schema.get("required", [])}
    if "items" in schema:
        return {"type": "array", "items": _mergeable(schema["items"])}
    return {"type": schema["type"]} if "type" in schema else {}
