"""What whence itself has said to OpenTelemetry (`outgoing`), read back: decisions, checks, stages, the question of a run."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from whence.model import payload as shape
from whence.model.quality import number

DECISION: Final = "whence.decision"
CHECK: Final = "whence.check"
RECORD: Final = "whence.record_id"
_OF_A_RUN: Final = ("query", "intent", "domain")


def decision(attributes: Mapping[str, Any]) -> tuple[str, shape.Decision]:
    """Return (name, decision) of an event `whence.decision`."""
    said = _named(attributes, DECISION)
    alternatives, inputs = _parsed(said.get("alternatives")), _parsed(said.get("inputs"))
    return str(said.get("name") or "decision"), shape.Decision(
        what=_parsed(said.get("what")),
        why=said.get("why") or "",
        confidence=number(said.get("confidence")),
        alternatives=alternatives if isinstance(alternatives, list) else [],
        inputs=inputs if isinstance(inputs, dict) else {},
    )


def check(attributes: Mapping[str, Any]) -> tuple[str, shape.Check]:
    """Return (name, check) of an event `whence.check`."""
    said = _named(attributes, CHECK)
    failures = _parsed(said.get("failures"))
    passed = said.get("passed")
    return str(said.get("name") or "check"), shape.Check(
        type=str(said.get("type") or ""),
        passed=passed if isinstance(passed, bool) else None,
        subject=str(said.get("subject") or ""),
        failures=[each for each in failures if isinstance(each, dict)] if isinstance(failures, list) else [],
        phase=str(said.get("phase") or ""),
    )


def run(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a root span says of its run, as fields of TraceStart."""
    return {key: attributes[f"whence.{key}"] for key in _OF_A_RUN if f"whence.{key}" in attributes}


def component(attributes: Mapping[str, Any]) -> str:
    """Return the component that a span names, in the words of whence (and of R3.13), or an empty string."""
    found = attributes.get("component.name")
    return found if isinstance(found, str) else ""


def attempt(attributes: Mapping[str, Any]) -> int | None:
    """Return the attempt, where a span is a stage of whence; else None."""
    found = attributes.get("whence.attempt")
    return found if "whence.stage" in attributes and isinstance(found, int) else None


def _named(attributes: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    start = len(prefix) + 1
    return {key[start:]: value for key, value in attributes.items() if key.startswith(prefix + ".")}


def _parsed(value: Any) -> Any:
    """Return what a structure was before it became a text; a text that is none stays as it is."""
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeError):
        return value
