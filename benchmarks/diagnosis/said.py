"""What the pipelines say beside what the examples say: hand-overs, drift, states, retries, expectations.

The one module that knows by which door these are recorded. Each is said in every run, good or bad, and says what is the
case, never what is wrong: a benchmark that records the name of its fault measures nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

import whence
from whence.model import record as kinds
from whence.model.payload import Snapshot
from whence.record.context import current_scope

DRIFT_TOLERANCE: Final = 0.2
"""The most that an output may be away from what is expected; the threshold of the specification (R0.22)."""


def expectation(name: str, passed: bool, *, expected: Any, actual: Any, component: str | None = None) -> None:
    """Say that something was compared with what was expected of it."""
    whence.check(name, passed, type="expectation", expected=expected, actual=actual, component=component)


def judged(subject: str, passed: bool, *, because: str | None, confidence: float) -> None:
    """Say whether what was decided with a confidence turned out right."""
    whence.check("judgement", passed, type="judgement", subject=subject, decision=because, confidence=confidence)


def handed_over(artifact: str, source: str, target: str, given: Mapping[str, Any], expects: Mapping[str, str]) -> bool:
    """Say whether what one component gives another has the fields, of the types, that the other needs.

    Args:
        given: the artifact; only its shape is recorded.
        expects: field -> name of its Python type.
    """
    shape = {name: type(value).__name__ for name, value in given.items()}
    missing = [name for name in expects if name not in shape]
    mistyped = [name for name in expects if name in shape and shape[name] != expects[name]]
    extra = [name for name in shape if name not in expects]
    failures = [{"type": "missing", "field": name, "message": f"{name} is missing"} for name in missing]
    failures += [
        {"type": "mistyped", "field": name, "message": f"{name} is {shape[name]}, expected {expects[name]}"}
        for name in mistyped
    ]
    whence.check(
        artifact, not failures, type="interface", component=source, subject=target, expected=dict(expects), actual=shape,
        failures=failures, source_component=source, target_component=target, artifact_type=artifact,
        missing_fields=missing, mistyped_fields=mistyped, extra_fields=extra,
    )  # fmt: skip
    return not failures


def output_compared(component: str, artifact: str, *, to_prompt: float, to_expected: float) -> None:
    """Say how far an output is from its prompt and from what is expected, each 0 (the same) to 1 (nothing in common)."""
    aligned = to_expected <= DRIFT_TOLERANCE
    whence.check(
        "transformer_output", aligned, type="drift", component=component, subject=artifact,
        score=round(to_expected, 4), label="ALIGNED" if aligned else "DRIFTED",
        prompt_to_generated=round(to_prompt, 4), generated_to_expected=round(to_expected, 4),
    )  # fmt: skip


def state(node: str, checkpoint: str, held: Mapping[str, Any]) -> None:
    """Say what a node holds at a moment."""
    scope = current_scope()
    if scope is None or not scope.trace:
        return
    where = scope.trace.place_in(scope.stage, scope.trace.span_of(scope.stage), "", node)
    held_now = Snapshot(state=dict(held), attributes={"operation_id": scope.trace.trace_id})
    scope.trace.say(kinds.SNAPSHOT, checkpoint, where, held_now)


def tried_again(component: str, attempt: int, error: str) -> None:
    """Say that a call failed and is made again."""
    whence.event("retry", f"{component}: {error}; attempt {attempt} follows", level="low", attempt=attempt, error=error)
