"""The trace document: one JSON file per trace in the seed's format (R1.6-R1.18; docs/formats/trace-document.md).

A projection of the trace's records, for people, audits and programs that know the seed's format. Additions to the
format (attempts, record ids) are new keys; `schema_version` rises only when a reader of the old one would be misled.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from whence.clock import iso_utc
from whence.errors import BadInput
from whence.model.trace import Attempt, Decision, StageTrace, TraceView

SCHEMA_VERSION = 1
_NS = 1e9


def _decision(made: Decision) -> dict[str, Any]:
    found = {
        "decision": made.decision,
        "what": made.what,
        "why": made.why,
        "confidence": made.confidence,
        "alternatives_considered": made.alternatives_considered,
        "inputs": made.inputs,
        "timestamp": made.timestamp,
        "record_id": made.record_id,
        "attempt": made.attempt,
    }
    if made.given:
        found["given"] = made.given
    if made.attributes:
        found["attributes"] = made.attributes
    return found


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "started_at": iso_utc(attempt.started_ns),
        "completed_at": iso_utc(attempt.ended_ns) if attempt.ended_ns is not None else None,
        "duration_seconds": attempt.duration_ns / _NS if attempt.duration_ns is not None else None,
        "outputs": attempt.outputs or {},
        "error": attempt.error,
    }


def _stage(stage: StageTrace) -> dict[str, Any]:
    return {
        "started_at": stage.started_at,
        "completed_at": stage.completed_at,
        "duration_seconds": stage.duration_seconds,
        "decisions": [_decision(made) for made in stage.decisions],
        "outputs": stage.outputs,
        "evidence": stage.evidence,
        "prompts": stage.prompts,
        "error": stage.error,
        "attempts": [_attempt(attempt) for attempt in stage.attempts],
    }


def document(view: TraceView, *, generator: str) -> dict[str, Any]:
    """Return the document of a trace."""
    start, end, quality = view.start, view.end, view.quality
    stages = {name: _stage(stage) for name, stage in view.stages.items()}
    gate, synthesis = stages.get("quality_gate"), stages.get("synthesis")
    if gate is not None:  # at stage level too, where the seed's example has them (C1.12)
        by_id = {detail.get("id"): detail for detail in quality.details}
        gate["principle_scores"] = list(quality.details)
        gate["overall_score"] = quality.overall
        gate["passing"] = quality.passed
        gate["threshold"] = quality.threshold
        for key, ids in (("gaps", quality.gaps), ("strengths", quality.strengths)):
            gate[key] = [
                {"id": pid, "score": quality.scores.get(pid), "feedback": by_id.get(pid, {}).get("feedback")}
                for pid in ids
            ]
    if synthesis is not None:
        calls = [call.attributes for call in view.llm_calls if call.stage == "synthesis"]
        for key in ("model", "token_usage", "cost_usd"):
            synthesis[key] = synthesis["outputs"].get(key, synthesis["prompts"].get(key))
        if calls and synthesis["model"] is None:
            synthesis["model"] = calls[-1].get("model")
    duration_ns = end.duration_ns if end is not None else None
    return {
        "schema_version": SCHEMA_VERSION,
        "trace_id": view.trace_id,
        "otel_trace_id": view.otel_trace_id,
        "project_id": start.project_id,
        "project_name": start.project_name,
        "parent_trace_id": start.parent_trace_id,
        "run": {
            "query": start.query,
            "intent": start.intent,
            "domain": start.domain,
            "report_type": start.report_type,
            "research_type": start.research_type,
            "started_at": iso_utc(view.started_ns),
            "completed_at": iso_utc(view.completed_ns) if view.completed_ns is not None else None,
            "duration_seconds": duration_ns / _NS if duration_ns is not None else None,
            "status": view.status,
            "error": view.error,
            "reason": end.reason if end is not None else None,
            "tracing_enabled": True,
        },
        "stages": stages,
        "iterations": view.iterations,
        "iteration_count": max(1, len(view.iterations)),
        "quality_gate_failures": view.quality_gate_failures,
        "outputs": {"report_path": None, "evidence_paths": [], "knowledge_paths": [], **view.outputs},
        "child_traces": view.child_traces,
        "metadata": {
            "trace_version": SCHEMA_VERSION,
            "generator": generator,
            "tracing_overhead_ms": end.overhead_ns / 1e6 if end is not None and end.overhead_ns is not None else None,
            "records": view.records,
            "dropped": end.dropped if end is not None else 0,
        },
    }


def _from_0(doc: dict[str, Any]) -> dict[str, Any]:
    """Version 0: what the seed's printed `to_dict` wrote without a version, or with fields still missing."""
    run = doc.setdefault("run", {})
    run.setdefault("tracing_enabled", True)
    doc.setdefault("parent_trace_id", None)
    doc.setdefault("iterations", [])
    doc.setdefault("iteration_count", max(1, len(doc["iterations"])))
    doc.setdefault("quality_gate_failures", 0)
    doc.setdefault("child_traces", [])
    doc.setdefault("outputs", {})
    metadata = doc.setdefault("metadata", {})
    metadata.setdefault("tracing_overhead_ms", None)
    for stage in doc.setdefault("stages", {}).values():
        for key, empty in (("decisions", []), ("outputs", {}), ("evidence", {}), ("prompts", {}), ("attempts", [])):
            if stage.get(key) is None:
                stage[key] = empty
        stage.setdefault("error", None)
    return {**doc, "schema_version": 1}


_SHAPE = {"run": dict, "stages": dict, "iterations": list, "outputs": dict, "metadata": dict, "child_traces": list}
_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {0: _from_0}


def upgrade(doc: dict[str, Any]) -> dict[str, Any]:
    """Return a document of any earlier version in the form of this one (R1.68).

    Raises:
        BadInput: it is of a later version, or its version is no number.
    """
    version = doc.get("schema_version", 0)
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version <= SCHEMA_VERSION:
        raise BadInput(f"trace document of version {version!r}; this whence reads 0 to {SCHEMA_VERSION}: upgrade it")
    for name, kind in _SHAPE.items():
        if name in doc and not isinstance(doc[name], kind):
            raise BadInput(f"trace document: {name!r} is {type(doc[name]).__name__}, not {kind.__name__}")
    if not all(isinstance(stage, dict) for stage in doc.get("stages", {}).values()):
        raise BadInput("trace document: a stage is no object")
    while version < SCHEMA_VERSION:
        doc = _UPGRADES[version](doc)
        version = doc["schema_version"]
    # Version 1 documents of other writers lack what whence added; the same defaults serve.
    return _from_0(doc)


def encode(doc: dict[str, Any]) -> bytes:
    """Return the document as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(doc), indent=2)


def decode(data: bytes) -> dict[str, Any]:
    """Return a document from its file.

    Raises:
        BadInput: it is no JSON object (cut off, damaged), or of a later version.
    """
    try:
        doc = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BadInput(f"not a trace document: {exc}") from exc
    return upgrade(doc)
