"""What is handed from one component to another, as the records describe it: for detectors and the digest. Pure."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from whence.diagnose.run import Fact, text_of
from whence.model.quality import number

INTERFACE: Final = "interface"
FIELDS: Final = "fields:"
"""Attribute of a digest: `fields:<source>><target>:<artifact>` -> the fields of the last hand-over, as JSON {field: type}."""
DISTANCE: Final = "distance:"
"""Number of a digest: `distance:<from>><component>` -> the largest distance between their consecutive outputs."""
MOST_FIELDS: Final = 60
MOST_CHARS: Final = 3_000
MOST_INTERFACES: Final = 20
DEEPEST: Final = 3


class Interface(msgspec.Struct, frozen=True, order=True):
    """Where something is handed over."""

    source: str
    target: str
    artifact: str

    @property
    def key(self) -> str:
        """What a digest calls it."""
        text = f"{FIELDS}{self.source}>{self.target}:{self.artifact}"
        return text if len(text) <= 80 else f"{text[:70]}…{zlib.crc32(text.encode(errors='surrogatepass')):08x}"


def interface_of(fact: Fact) -> Interface:
    """Return where a check of type interface looked."""
    said = fact.attributes
    source = fact.who or text_of(said.get("source_component"), 100)
    target = text_of(fact.data.get("subject"), 100) or text_of(said.get("target_component"), 100)
    return Interface(source, target, fact.record.name[:100])


def handovers(checks: Iterable[Fact]) -> dict[Interface, list[Fact]]:
    """Return the hand-overs of a run, in order of time, by where they took place."""
    found: dict[Interface, list[Fact]] = {}
    for fact in checks:
        if fact.data.get("type") == INTERFACE:
            found.setdefault(interface_of(fact), []).append(fact)
    return found


def fields_of(shape: Any) -> dict[str, str] | None:
    """Return field -> types of what was handed over, nested ones as `a.b`, at most 60; None where no shape is told.

    Args:
        shape: JSON Schema, as `measure.shapes.shape_of` writes it. A number is `number`, whole or not.
    """
    if not isinstance(shape, dict) or not isinstance(shape.get("properties"), dict) or shape.get("x-truncated"):
        return None
    found: dict[str, str] = {}
    _walk(shape, "", 1, found)
    return found


def _walk(shape: dict[str, Any], prefix: str, depth: int, found: dict[str, str]) -> None:
    properties = shape.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    for name in sorted(properties):
        if len(found) >= MOST_FIELDS:
            return
        inner = properties[name]
        inner = inner if isinstance(inner, dict) else {}
        path = f"{prefix}{str(name)[:60]}"
        found[path] = "|".join(sorted(set(_types(inner)))) or "any"
        if depth < DEEPEST:
            _walk(inner, f"{path}.", depth + 1, found)


def _types(schema: dict[str, Any]) -> Iterator[str]:
    said = schema.get("type")
    for each in said if isinstance(said, list) else [said]:
        if isinstance(each, str):
            yield "number" if each == "integer" else each[:20]
    choices = schema.get("anyOf")
    for each in choices[:10] if isinstance(choices, list) else ():
        if isinstance(each, dict) and isinstance(each.get("type"), str):
            yield from _types({"type": each["type"]})


def packed(fields: dict[str, str]) -> str:
    """Return fields as the digest keeps them; "" where that would be too much."""
    text = msgspec.json.encode(fields).decode()
    return text if len(text) <= MOST_CHARS else ""


def unpacked(text: str) -> dict[str, str]:
    """Return the fields that a digest kept."""
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeError):
        return {}


def distance_from(fact: Fact) -> tuple[str, float] | None:
    """Return (whose output came before, cosine distance to it) of a telemetry event that has an output vector."""
    said = fact.attributes
    metadata = said.get("metadata")
    if "trajectory_distance" not in said and isinstance(metadata, dict):
        said = metadata
    distance = number(said.get("trajectory_distance"))
    if distance is None or not 0.0 <= distance <= 2.0 + 1e-9:
        return None
    return text_of(said.get("trajectory_from"), 100), distance
