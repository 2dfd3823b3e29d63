"""Events as records, and vectors in them. What a caller says is scanned for secrets; hashes and ids of ours look like some."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from whence.measure.vectors import (
    as_vector,
    cosine_distance,
    pack,
    trajectory,
)
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.severity import Severity
from whence.record.normalise import as_number
from whence.record.operation import Place
from whence.record.recorder import encoded
from whence.telemetry.running import RunState

NOT_GIVEN: Final[Any] = msgspec.UNSET


def text(value: Any) -> str | None:
    """Return an id as text, or None for none; what is no text is described by the recorder's rules."""
    if value is None or type(value) is str:
        return value
    number = as_number(value) if isinstance(value, int | float) else None
    return str(value) if number is not None else f"<{type(value).__name__}>"


def flag(value: Any) -> bool:
    """Return whether a value is true; one that cannot say (an array of several) is not."""
    try:
        return bool(value)
    except Exception:  # noqa: BLE001 - an object of the host's, whose truth is its own code
        return False


class Vectors:
    """The vectors of one record: kept once, referred to by hash, what is wrong with them said."""

    def __init__(self, place: Place, **given: Any) -> None:
        self.floats: dict[str, list[float]] = {}
        self.references: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []
        self.codes: list[str] = []
        for name, value in given.items():
            if value is None:
                continue
            floats, problem = as_vector(value)
            if floats is None:
                self.problems.append(f"{name}: {problem}")
                self.codes += [each.code for each in trajectory([(name, value)]).skipped if each.code]
                continue
            self.floats[name] = floats
            self.references[name] = place.vector(pack(floats))

    def distance(self, one: str, other: str) -> float | None:
        """Return the cosine distance of two of them; None where one is missing, or they cannot be compared."""
        a, b = self.floats.get(one), self.floats.get(other)
        return cosine_distance(a, b) if a is not None and b is not None else None

    def hash_of(self, name: str) -> str | None:
        """Return the name under which one of them is stored."""
        reference = self.references.get(name)
        return reference["vector_sha256"] if reference is not None else None


def event(
    place: Place,
    state: RunState,
    *,
    component: Any,
    event_type: Any,
    input_embedding: Any = None,
    output_embedding: Any = None,
    metadata: Any = None,
    duration_ms: Any = None,
    success: Any = True,
    error_message: Any = None,
    artifact_id: Any = None,
    phase: Any = None,
    severity: int | None = None,
    more: Mapping[str, Any] | None = None,
) -> str | None:
    """Record an event (R0.10, R0.11); returns its id.

    Args:
        severity: of the record; without it high for one that did not succeed, else info.
        more: other attributes.
    """
    vectors = Vectors(place, input=input_embedding, output=output_embedding)
    succeeded = flag(success)
    phase = text(phase) or state.phase
    attributes: dict[str, Any] = {"success": succeeded, **(more or {})}
    took = as_number(duration_ms) if not isinstance(duration_ms, bool) else None
    known = {
        "duration_ms": took,
        "artifact_id": text(artifact_id),
        "phase": phase or None,
        "distance": vectors.distance("input", "output"),
        "input_vector": vectors.references.get("input"),
        "output_vector": vectors.references.get("output"),
        "vector_problem": "; ".join(vectors.problems) or None,
        "vector_codes": vectors.codes or None,
        "given": {"duration_ms": duration_ms} if took is None and duration_ms is not None else None,
    }
    attributes.update((name, value) for name, value in known.items() if value is not None)
    who = place.recorder.label(component)[0] if component is not None else ""
    output = vectors.floats.get("output")
    if output is not None:
        source, before = state.follow(who, output)
        apart = cosine_distance(before, output) if before is not None else None
        if apart is not None:
            attributes.update(trajectory_distance=apart, trajectory_from=source)
    if metadata is not None:
        attributes["metadata"] = metadata
    message = "" if error_message is None else error_message
    level = severity if severity is not None else Severity.INFO if succeeded else Severity.HIGH
    return place.say(
        kinds.EVENT,
        place.recorder.label("event" if event_type is None else event_type)[0],
        shape.Event(message, attributes),
        component=who,
        stage=phase or None,
        severity=int(level),
        said=encoded((message, metadata, artifact_id, phase, attributes.get("given"), dict(more or {}))),
    )
