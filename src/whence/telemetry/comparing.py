"""Gaps between components and drifts of outputs, as records of kind check."""

from typing import Any, Final

from whence.clock import iso_utc
from whence.errors import BadInput
from whence.measure.schemas import Comparison, Contract, Shape, compare, contract_of, severity_of, shape_of
from whence.measure.vectors import DEFAULT, MISMATCH, Alignment, Thresholds, drift
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.severity import Severity
from whence.record.operation import Place
from whence.record.recorder import encoded
from whence.telemetry.recording import NOT_GIVEN, Vectors, text
from whence.telemetry.running import RunState
from whence.telemetry.shapes import StructuralGap, TransformerDiff

GAP_CODE: Final = "I01-03"
MOST_FAILURES: Final = 100
"""So many fields are listed as failures of one check; all are counted."""
UNKNOWN_GENERATOR: Final = "transformer"


def gap(
    place: Place,
    state: RunState,
    *,
    source_component: Any,
    target_component: Any,
    artifact_type: Any,
    expected: Any,
    actual: Any,
    expected_embedding: Any = None,
    actual_embedding: Any = None,
    actual_is_schema: bool | None = None,
    inferred: bool = False,
    phase: Any = None,
    thresholds: Thresholds = DEFAULT,
) -> StructuralGap | None:
    """Record whether what is handed over is what is expected; returns the gap if there is one (R0.17 to R0.21).

    Args:
        expected: a contract, or what `contract_of` takes; NOT_GIVEN: nobody declared one, and the shape is recorded,
            from which one is inferred.
        actual: the artifact, or what declares it; NOT_GIVEN: only the vectors are compared.
    """
    vectors = Vectors(place, expected=expected_embedding, actual=actual_embedding)
    distance = vectors.distance("expected", "actual")
    if len(vectors.floats) == 2 and distance is None:
        sizes = [len(each) for each in vectors.floats.values()]
        vectors.problems.append(f"expected has {sizes[0]} dimensions, actual {sizes[1]}")
        vectors.codes.append(MISMATCH)
    contract, compared, error = _compared(expected, actual, actual_is_schema)
    severity = severity_of(
        compared or Comparison(), distance, drifted=thresholds.aligned_below, missed=thresholds.critical_above
    )
    told = compared is not None or distance is not None
    found = compared or Comparison()
    source, target, artifact = (
        place.recorder.label(each)[0] if each is not None else ""
        for each in (source_component, target_component, artifact_type)
    )
    ts_ns = place.recorder.now_ns()
    gap_id = place.recorder.clock.record_id(ts_ns)
    mistyped = [path for path, _, _ in (*found.mistyped, *found.invalid)]
    lists: dict[str, Any] = {
        "missing_fields": list(found.missing),
        "missing_critical": list(found.missing_critical),
        "missing_optional": list(found.missing_optional),
        "extra_fields": list(found.extra),
        "mistyped_fields": mistyped,
    }
    phase = text(phase) or state.phase
    counts = severity in ("medium", "high")
    wanted = contract.schema if contract is not None else None
    came = _structure(actual, contract, actual_is_schema)
    failures = _failures(found)
    total = sum(found.totals.values())
    attributes: dict[str, Any] = {
        "gap_id": gap_id,
        "source_component": source,
        "target_component": target,
        "artifact_type": artifact,
        **{name: value for name, value in lists.items() if value},
        "related_dtc": GAP_CODE,
        "counts": counts,
        "inferred": inferred,
        "thresholds": {"drifted": thresholds.aligned_below, "missed": thresholds.critical_above},
    }
    optional = {
        "expected_vector": vectors.references.get("expected"),
        "actual_vector": vectors.references.get("actual"),
        "vector_problem": "; ".join(vectors.problems) or None,
        "vector_codes": vectors.codes or None,
        "phase": phase or None,
        "partial": found.partial or None,
    }
    attributes.update((name, value) for name, value in optional.items() if value is not None)
    record_id = place.say(
        kinds.CHECK,
        artifact or "artifact",
        shape.Check(
            type="interface",
            passed=not severity if told else None,
            subject=target,
            expected=wanted,
            actual=came,
            failures=failures[:MOST_FAILURES],
            failures_total=total if total > MOST_FAILURES else None,
            score=distance,
            label=severity or None,
            error=error,
            attributes=attributes,
        ),
        component=source,
        stage=phase or None,
        severity=int(_LEVELS.get(severity, Severity.INFO)),
        said=encoded((wanted, came, failures, error, phase, lists)),
    )
    if not severity:
        return None
    return StructuralGap(
        gap_id=gap_id,
        timestamp=iso_utc(ts_ns),
        source_component=source,
        target_component=target,
        artifact_type=artifact,
        severity=severity,
        counts=counts,
        expected_schema=wanted,
        actual_schema=came,
        expected_embedding=vectors.hash_of("expected"),
        actual_embedding=vectors.hash_of("actual"),
        semantic_distance=distance,
        record_id=record_id or "",
        trace_id=place.trace_id,
        **lists,
    )


_LEVELS = {"high": Severity.MEDIUM, "medium": Severity.MEDIUM, "low": Severity.LOW}
"""A gap's record is as bad as its code is, which is medium in the catalog (C0.5); `label` says how bad the gap is."""


def _compared(expected: Any, actual: Any, is_schema: bool | None) -> tuple[Contract | None, Comparison | None, Any]:
    """Return the contract, how the artifact differs from it, and what was wrong with the contract or the artifact."""
    if expected is NOT_GIVEN:
        return None, None, None
    contract: Contract | None = None
    try:
        contract = contract_of(expected)
        if actual is NOT_GIVEN:
            return contract, None, None
        return contract, compare(contract, actual, actual_is_schema=is_schema), None
    except BadInput as exc:
        return contract, None, {"type": "BadInput", "message": str(exc)}
    except Exception as exc:  # noqa: BLE001 - a class, a proxy or an iterator of the host's; its failure is the answer
        return contract, None, {"type": type(exc).__name__, "message": "the artifact could not be looked at"}


def _structure(actual: Any, contract: Contract | None, is_schema: bool | None) -> Any:
    """Return the structure of what came, without its content."""
    if actual is NOT_GIVEN:
        return None
    try:
        if isinstance(actual, Contract | Shape):
            return actual.schema
        if is_schema is not False and isinstance(actual, type):
            return contract_of(actual, is_schema=True, produced=True).schema
        if is_schema is None and isinstance(actual, dict):
            named = contract.root.names if contract is not None else frozenset()
            declares = isinstance(actual.get("$schema"), str) or (
                actual.get("type") == "object" and isinstance(actual.get("properties"), dict)
            )
            is_schema = declares and not named & {"$schema", "properties"}
        return actual if is_schema else shape_of(actual)
    except Exception:  # noqa: BLE001 - as above; the record says that much
        return {"type": type(actual).__name__}


def _failures(found: Comparison) -> list[dict[str, Any]]:
    def said(kind: str, field: str, message: str) -> dict[str, Any]:
        return {"type": kind, "field": field, "message": message, "code": GAP_CODE}

    return [
        *(said("missing", each, f"{each} is missing") for each in found.missing),
        *(said("missing_optional", each, f"{each} is missing; it is optional") for each in found.missing_optional),
        *(said("mistyped", path, f"{path} is {came}, expected {wanted}") for path, wanted, came in found.mistyped),
        *(said("invalid", path, f"{path} is a {came} other than {wanted}") for path, wanted, came in found.invalid),
        *(said("extra", each, f"{each} is not expected") for each in found.extra),
    ]


def diff(
    place: Place,
    state: RunState,
    *,
    prompt_embedding: Any,
    generated_embedding: Any,
    expected_embedding: Any,
    generated_artifact_id: Any = None,
    prompt_id: Any = None,
    generation_id: Any = None,
    component: Any = None,
    phase: Any = None,
    thresholds: Thresholds = DEFAULT,
) -> TransformerDiff:
    """Record how far an output is from its prompt and its specification (R0.22 to R0.25, C0.20)."""
    given = {"prompt": prompt_embedding, "generated": generated_embedding, "expected": expected_embedding}
    found = drift(prompt_embedding, generated_embedding, expected_embedding, thresholds)
    vectors = Vectors(place, **given)
    ts_ns = place.recorder.now_ns()
    diff_id = place.recorder.clock.record_id(ts_ns)
    who = place.recorder.label(component)[0] if component is not None else UNKNOWN_GENERATOR
    ids = {
        "prompt_id": text(prompt_id),
        "generation_id": text(generation_id),
        "generated_artifact_id": text(generated_artifact_id),
    }
    phase = text(phase) or state.phase
    attributes: dict[str, Any] = {
        "diff_id": diff_id,
        **ids,
        "prompt_to_generated": found.prompt_to_generated,
        "generated_to_expected": found.generated_to_expected,
        **{f"{name}_vector": vectors.references.get(name) for name in given},
        "problem": found.problem,
        "code": found.code or None,
        "codes": list(found.codes) or None,
        "phase": phase or None,
        "thresholds": {
            "aligned_below": thresholds.aligned_below,
            "critical_above": thresholds.critical_above,
            "tolerance": thresholds.tolerance,
            "dimensions": thresholds.dimensions,
        },
    }
    passed = {Alignment.ALIGNED: True, Alignment.UNKNOWN: None}.get(found.status, False)
    record_id = place.say(
        kinds.CHECK,
        "transformer_output",
        shape.Check(
            type="drift",
            passed=passed,
            subject=place.recorder.label(ids["generated_artifact_id"] or "")[0],
            label=found.status.value,
            score=found.generated_to_expected,
            attributes={name: value for name, value in attributes.items() if value is not None},
        ),
        component=who,
        stage=phase or None,
        severity=int(_STATUS_LEVELS[found.status]),
        said=encoded((ids, phase, found.problem)),
    )
    return TransformerDiff(
        diff_id=diff_id,
        timestamp=iso_utc(ts_ns),
        status=found.status,
        component=who,
        prompt_to_generated_distance=found.prompt_to_generated,
        generated_to_expected_distance=found.generated_to_expected,
        prompt_embedding=vectors.hash_of("prompt"),
        generated_embedding=vectors.hash_of("generated"),
        expected_embedding=vectors.hash_of("expected"),
        problem=found.problem,
        related_dtc=found.code,
        record_id=record_id or "",
        trace_id=place.trace_id,
        **ids,
    )


_STATUS_LEVELS = {
    Alignment.ALIGNED: Severity.INFO,
    Alignment.UNKNOWN: Severity.LOW,
    Alignment.DRIFTED: Severity.MEDIUM,
    Alignment.CRITICAL_MISS: Severity.HIGH,
}
