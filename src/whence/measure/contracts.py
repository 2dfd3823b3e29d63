"""What a consumer expects of a structure, read once from whatever declares it, and prepared for comparing.

Everything becomes JSON Schema first (an example by its values, a class by its own exporter) and is compiled from there
into a graph of nodes, which a recursive `$ref` may close into a ring.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, is_typeddict

import msgspec

from whence.errors import BadInput
from whence.measure.shapes import OCCASIONAL, TRUNCATED, schema_of_example
from whence.measure.values import WORDS, keyed, plain, shown, word

MAX_DEPTH = 64
MAX_FIELDS = 10_000

CRITICAL = "x-critical"

_TYPES: dict[str, tuple[type, ...]] = dict.fromkeys(WORDS.values(), ())
for _kind, _named in WORDS.items():
    _TYPES[_named] += (_kind,)
_TYPES["number"] += (int,)

# fmt: off
_KEYWORDS = frozenset(
    (
        "$schema", "$id", "$ref", "$defs", "definitions", "$comment", "type", "properties", "required",
        "additionalProperties", "patternProperties", "items", "prefixItems", "enum", "const", "anyOf", "oneOf",
        "allOf", "title", "description", "default", "examples", "format", "pattern", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems",
        "uniqueItems", "minProperties", "maxProperties", "deprecated", "readOnly", "writeOnly", "discriminator",
        CRITICAL, OCCASIONAL, TRUNCATED,
    )
)
# fmt: on
_ACCEPTED = (
    "an example dict, a JSON Schema (a dict with $schema, or with type: object and properties), "
    "a pydantic model, a dataclass, a TypedDict or a msgspec Struct"
)


class Node(msgspec.Struct, kw_only=True, eq=False):
    """What is expected in one place. A node that says nothing fits any value."""

    types: frozenset[str] = frozenset()  # type words; empty: any
    words: str = "any"  # the same, for people
    quick: frozenset[type] = frozenset()  # Python types that fit without a further look
    anything: bool = False
    never: bool = False  # the schema `false`
    fields: tuple["Field", ...] = ()
    names: frozenset[str] = frozenset()
    open: bool = True  # other keys than `names` are nothing to report
    rest: "Node | None" = None  # what the other keys' values must be
    items: "Node | None" = None
    prefix: tuple["Node", ...] = ()
    allowed: tuple[Any, ...] | None = None  # enum, const
    choices: tuple["Node", ...] = ()  # anyOf, oneOf
    truncated: bool = False  # of a shape: there were more keys than are listed


class Field(msgspec.Struct, frozen=True, eq=False):
    """A named field of an object."""

    name: str
    node: Node
    required: bool
    critical: bool
    occasional: bool  # seen on some examples and not on others: its absence is nothing to report
    defaulted: bool


class Contract(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A prepared expectation: make it once with `contract_of`, compare often."""

    schema: dict[str, Any]  # as JSON Schema, to be recorded
    root: Node
    fields: int  # declared, nested ones included, those of a recursive structure once
    source: str  # "example", "json schema", "pydantic model Order", …


def contract_of(expected: Any, *, is_schema: bool | None = None, produced: bool = False) -> Contract:
    """Return what is expected, prepared for comparing.

    Args:
        expected: an example dict (every key required; None, `...` and "..." fit any type, other values their own type,
            {} any object, [] any list), a JSON Schema, a pydantic v2 model, dataclass, TypedDict or msgspec Struct.
        is_schema: whether a dict is a JSON Schema; None tells by its keys: `$schema`, `type: object` with `properties`,
            or nothing but keywords with a known type, `$ref`, `anyOf`, `oneOf`, `allOf`, `enum` or `const` among them.
        produced: read a class as what its instances are written as, where a default makes a field certain to be there.

    Of JSON Schema, what is structure is read: type, properties, required, additionalProperties, items, prefixItems, enum,
    const, anyOf and oneOf (fits one), allOf of objects, local $ref, and `x-critical` (true on a property, or names on the
    object). Limits of values (pattern, minimum, format, …) are not structure and are not looked at. Where a schema has
    `properties`, keys it does not name are extra, unless it says `additionalProperties: true`.

    Raises:
        BadInput: it is none of these, or a schema that is no schema, with the place in it.
    """
    if isinstance(expected, Contract):
        return expected
    if isinstance(expected, type) or is_typeddict(expected):
        schema, source = _schema_of_class(expected, produced)
    elif isinstance(plain(expected), dict):
        given = keyed(plain(expected))
        if looks_like_schema(given) if is_schema is None else is_schema:
            schema, source = given, "json schema"
        else:
            schema, source = schema_of_example(given, depth=MAX_DEPTH, keys=MAX_FIELDS), "example"
    else:
        raise BadInput(f"expected={shown(expected)} is no structure; accepted: {_ACCEPTED}")
    compiler = _Compiler(schema, produced)
    return Contract(
        schema=schema, root=compiler.node(schema, "#", 0, frozenset()), fields=compiler.fields, source=source
    )


def declares_schema(given: Mapping[Any, Any]) -> bool:
    """Return whether a dict says itself that it is a JSON Schema: `$schema`, or `type: object` with `properties`."""
    return isinstance(given.get("$schema"), str) or (
        given.get("type") == "object" and isinstance(given.get("properties"), dict)
    )


def looks_like_schema(given: Mapping[str, Any]) -> bool:
    """Return whether a dict given as an expectation is a JSON Schema rather than an example (`contract_of` has the rule)."""
    if declares_schema(given):
        return True
    if given.keys() == {"type"} and isinstance(given["type"], str):
        return given["type"] != "..."
    if not given or not given.keys() <= _KEYWORDS:
        return False
    kind = given.get("type")
    kinds = kind if isinstance(kind, list) and kind else [kind]
    return (
        all(isinstance(one, str) and one in _TYPES for one in kinds)
        or str(given.get("$ref", "")).startswith("#")
        or any(isinstance(given.get(key), list) and given[key] for key in ("anyOf", "oneOf", "allOf", "enum"))
        or "const" in given
    )


def _schema_of_class(cls: Any, produced: bool) -> tuple[dict[str, Any], str]:
    named = cls.__name__
    try:
        if hasattr(cls, "model_json_schema"):
            return cls.model_json_schema(mode="serialization" if produced else "validation"), f"pydantic model {named}"
        if is_typeddict(cls):
            return msgspec.json.schema(cls), f"TypedDict {named}"
        if issubclass(cls, msgspec.Struct):
            return msgspec.json.schema(cls), f"msgspec Struct {named}"
        if dataclasses.is_dataclass(cls):
            return msgspec.json.schema(cls), f"dataclass {named}"
    except Exception as exc:  # another library's exporter: whatever it raises, the class has no schema
        raise BadInput(f"{named} has no JSON Schema ({exc}); annotate its fields with types that JSON knows") from exc
    raise BadInput(f"expected={named} is a class without declared fields; accepted: {_ACCEPTED}")


class _Compiler:
    """Reads one schema document. Each `$ref` target is one node, so that recursion is a ring and not a descent."""

    def __init__(self, document: dict[str, Any], produced: bool) -> None:
        self.document = document
        self.produced = produced
        self.fields = 0
        self.targets: dict[str, Node] = {}

    def node(self, schema: Any, where: str, depth: int, refs: frozenset[str]) -> Node:
        """Return the node of a subschema; `refs` are the references followed since the last step into the value."""
        if depth > MAX_DEPTH:
            raise _refused(where, f"deeper than {MAX_DEPTH} levels; give a flatter one, or a $ref for recursion")
        if isinstance(schema, dict) and "$ref" in schema:
            return self._target(schema["$ref"], where, depth, refs)
        node = Node()
        self._fill(node, schema, where, depth, refs)
        return node

    def _target(self, ref: Any, where: str, depth: int, refs: frozenset[str]) -> Node:
        if ref in refs:
            raise _refused(where, f"$ref {ref!r} leads back to itself; let it lead to a type or to properties")
        schema = self._resolved(ref, where)
        if isinstance(schema, dict) and "$ref" in schema:
            return self._target(schema["$ref"], where, depth, refs | {ref})
        if ref not in self.targets:
            node = self.targets[ref] = Node()
            self._fill(node, schema, ref, depth, refs | {ref})
        return self.targets[ref]

    def _resolved(self, ref: Any, where: str) -> Any:
        if not isinstance(ref, str) or (ref != "#" and not ref.startswith("#/")):
            raise _refused(where, f"$ref {ref!r}; accepted: a place in the same schema, as in '#/$defs/Name'")
        found: Any = self.document
        for step in ref.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise _refused(where, f"$ref {ref!r} names nothing here; add it under $defs or mend the name")
            found = found[name]
        return found

    def _fill(self, node: Node, schema: Any, where: str, depth: int, refs: frozenset[str]) -> None:
        if isinstance(schema, bool):
            node.anything, node.never, node.words = schema, not schema, "any" if schema else "nothing"
            return
        if not isinstance(schema, dict):
            raise _refused(where, f"{shown(schema)} is no schema; accepted: an object, true or false")
        if "allOf" in schema:
            schema = self._flattened(schema, where, depth, refs)
        types = self._types(schema, where)
        node.allowed = self._allowed(schema, where)
        node.choices = self._choices(schema, where, depth, refs)
        self._read_object(node, schema, where, depth)
        self._read_array(node, schema, where, depth)
        if not types and "properties" in schema:
            types = ["object"]
        elif not types and (node.items or node.prefix):
            types = ["array"]
        plain_choices = node.choices and not types and node.allowed is None and not node.fields
        if plain_choices and all(c.quick and c.quick == _python_types(c.types) for c in node.choices):
            types = [one for choice in node.choices for one in choice.words.split("|")]
            node.choices = ()
        node.types = frozenset(types)
        node.words = "|".join(dict.fromkeys(types)) or "|".join(dict.fromkeys(c.words for c in node.choices)) or "any"
        if node.allowed is None and not node.choices:
            shaped = {
                *(("object",) if node.fields or node.rest or not node.open else ()),
                *(("array",) if node.items or node.prefix else ()),
            }
            node.quick = _python_types(node.types - shaped)
            node.anything = not node.types and not shaped

    def _types(self, schema: dict[str, Any], where: str) -> list[str]:
        given = schema.get("type", [])
        types = given if isinstance(given, list) else [given]
        for one in types:
            if not isinstance(one, str) or one not in _TYPES:
                raise _refused(
                    where,
                    f"type={shown(one)}; accepted: {', '.join(sorted(_TYPES))} "
                    f'(is "type" a field of your artifact? then expect {{"type": "object", "properties": {{"type": …}}}})',
                )
        return types

    def _allowed(self, schema: dict[str, Any], where: str) -> tuple[Any, ...] | None:
        if "const" in schema:
            return (schema["const"],)
        if "enum" not in schema:
            return None
        if not isinstance(schema["enum"], list | tuple):
            raise _refused(where, f"enum={shown(schema['enum'])}; accepted: a list of values")
        return tuple(schema["enum"])

    def _choices(self, schema: dict[str, Any], where: str, depth: int, refs: frozenset[str]) -> tuple[Node, ...]:
        key = "anyOf" if "anyOf" in schema else "oneOf"
        if key not in schema:
            return ()
        if not isinstance(schema[key], list) or not schema[key]:
            raise _refused(where, f"{key}={shown(schema[key])}; accepted: a list of schemas, at least one")
        return tuple(self.node(one, f"{where}/{key}/{i}", depth + 1, refs) for i, one in enumerate(schema[key]))

    def _read_object(self, node: Node, schema: dict[str, Any], where: str, depth: int) -> None:
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        critical = schema.get(CRITICAL, ())
        if not isinstance(properties, dict):
            raise _refused(where, f"properties={shown(properties)}; accepted: an object, name: schema")
        if not isinstance(required, list | tuple) or not all(isinstance(name, str) for name in required):
            raise _refused(where, f"required={shown(required)}; accepted: a list of names")
        listed = critical if isinstance(critical, list | tuple) else ()
        if (critical and not listed and critical is not True) or not all(isinstance(name, str) for name in listed):
            raise _refused(where, f"{CRITICAL}={shown(critical)}; accepted: true on a property, or a list of names")
        names = dict.fromkeys((*properties, *required, *listed))
        self.fields += len(names)
        if self.fields > MAX_FIELDS:
            raise _refused(where, f"more than {MAX_FIELDS} fields; compare a part of it")
        must, worst = frozenset(required), frozenset(listed)
        seen = schema.get(OCCASIONAL)
        some = seen if isinstance(seen, list) else []
        fields = []
        for name in names:
            inner = properties.get(name, True)
            said = inner if isinstance(inner, dict) else {}
            below = _node_of_one_word(inner) or self.node(inner, f"{where}/properties/{name}", depth + 1, frozenset())
            serious = name in worst or said.get(CRITICAL) is True
            fields.append(Field(name, below, name in must, serious, name in some, self.produced and "default" in said))
        node.fields, node.names, node.truncated = tuple(fields), frozenset(names), schema.get(TRUNCATED) is True
        others = schema.get("additionalProperties")
        node.open = others is True or "patternProperties" in schema or (others is None and "properties" not in schema)
        if isinstance(others, dict):
            node.rest = self.node(others, f"{where}/additionalProperties", depth + 1, frozenset())

    def _read_array(self, node: Node, schema: dict[str, Any], where: str, depth: int) -> None:
        prefix = schema.get("prefixItems", [])
        if not isinstance(prefix, list):
            raise _refused(where, f"prefixItems={shown(prefix)}; accepted: a list of schemas")
        node.prefix = tuple(
            self.node(s, f"{where}/prefixItems/{i}", depth + 1, frozenset()) for i, s in enumerate(prefix)
        )
        if not isinstance(schema.get("items", True), bool):
            node.items = self.node(schema["items"], f"{where}/items", depth + 1, frozenset())

    def _flattened(self, schema: dict[str, Any], where: str, depth: int, refs: frozenset[str]) -> dict[str, Any]:
        """Return a schema with its allOf merged in: the properties, required names and further words of every part."""
        parts = schema["allOf"]
        if not isinstance(parts, list) or depth > MAX_DEPTH:
            raise _refused(where, f"allOf={shown(parts)}; accepted: a list of schemas, not too deep")
        found: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in parts:
            followed = refs
            while isinstance(part, dict) and "$ref" in part:
                if part["$ref"] in followed:
                    raise _refused(where, f"$ref {part['$ref']!r} leads back to itself; let it lead to a type")
                followed |= {part["$ref"]}
                part = self._resolved(part["$ref"], where)
            if not isinstance(part, dict):
                raise _refused(where, f"allOf holds {shown(part)}; accepted: schemas that are objects")
            if "allOf" in part:
                part = self._flattened(part, where, depth + 1, followed)
            for key, value in part.items():
                if key == "properties" and isinstance(value, dict):
                    found[key] = {**value, **found.get(key, {})}
                elif key in ("required", CRITICAL) and isinstance(value, list):
                    found[key] = [*found.get(key, []), *value]
                else:
                    found.setdefault(key, value)
        return found


def _refused(where: str, why: str) -> BadInput:
    return BadInput(f"schema at {where if len(where) <= 80 else where[:80] + '…'}: {why}")


def _node_of_one_word(schema: Any) -> Node | None:
    """Return the node of `{"type": "string"}` and its like; most fields are that, and a node is never changed."""
    if not isinstance(schema, dict) or len(schema) != 1:
        return None
    kind = schema.get("type")
    return _ONE_WORD.get(kind) if isinstance(kind, str) else None


def _python_types(types: frozenset[str]) -> frozenset[type]:
    return frozenset(kind for named in types for kind in _TYPES[named])


def fits(value: Any, types: frozenset[str]) -> bool:
    """Return whether a plain value is of one of these types: an integer is a number, 2.0 is an integer, True is neither."""
    kind = word(value)
    if not types or kind in types:
        return True
    return (kind == "integer" and "number" in types) or (kind == "number" and "integer" in types and value.is_integer())


_ONE_WORD = {
    named: Node(types=frozenset((named,)), words=named, quick=_python_types(frozenset((named,)))) for named in _TYPES
}
