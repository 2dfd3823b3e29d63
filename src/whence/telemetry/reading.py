"""What a run has recorded so far, read back: its records, those of one phase, and the shapes that they are.

Payloads can hold anything (a capture level hashes texts, redaction replaces them), so every field is looked at before it is
taken for what it should be.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from whence.clock import iso_utc
from whence.errors import WhenceError
from whence.measure.vectors import Alignment
from whence.model import record as kinds
from whence.model.content import VECTOR_KEY
from whence.model.quality import number
from whence.model.record import Record
from whence.record.operation import Place
from whence.store.derive import payload_of
from whence.telemetry.running import RunState
from whence.telemetry.shapes import StructuralGap, TelemetryEvent, TransformerDiff

_AROUND: Final = frozenset((*kinds.OF_OURS, kinds.TRACE_START))
"""What no phase did."""
_KEPT: Final = frozenset((kinds.TRACE_START, kinds.SPAN_START, kinds.COST, kinds.TRANSFORM))
"""What is of every phase: without it the rest would hang in the air."""

Read = tuple[Sequence[Record], str]
"""Records in order of arrival, and what is to be said of how they were read ("" if all is well)."""


def read(place: Place) -> Read:
    """Return the records of a run: from the store, or from the spool alone where that fails."""
    from whence.runtime.runtime import runtime_or_default

    runtime = runtime_or_default()
    try:
        runtime.drain()
        return tuple(runtime.store().trace_records(place.otel_trace_id)), ""
    except WhenceError as exc:
        trouble = f"The store could not be read ({exc}); this rests on what is in the spool."
        return runtime.spooled(place.otel_trace_id), trouble


def attributes_of(data: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a payload, or nothing."""
    found = data.get("attributes")
    return found if isinstance(found, dict) else {}


def of_phase(records: Iterable[Record], phase: str, state: RunState) -> tuple[list[Record], list[Record]]:
    """Return the records that a report on a phase covers, and those that they need around them (C0.18).

    Covered: what was recorded since the report before (or `clear_buffer`); what is labelled with this phase, since the report
    before on this phase; nothing that is labelled with another. The label is the attribute `phase`, or a stage of that name.
    """
    with state.lock:
        cleared = state.cleared_ns
        any_ns, same_ns = state.covered_ns.get("", 0), state.covered_ns.get(phase, 0)
    covered: list[Record] = []
    around: list[Record] = []
    every = list(records)
    for record in every:
        if record.kind == kinds.REPORT:
            said = payload_of(record).get("body")
            until = said.get("covered_until_ns") if isinstance(said, dict) else None
            until = until if isinstance(until, int) and not isinstance(until, bool) else record.ts_ns
            any_ns = max(any_ns, until)
            if record.name == phase:
                same_ns = max(same_ns, until)
    for record in every:
        label = phase_of(record)
        mine = label == phase or record.stage == phase if phase else not label
        since = max(cleared, same_ns if mine and phase else any_ns)
        if record.kind not in _AROUND and record.ts_ns > since and (mine or not label):
            covered.append(record)
        elif record.kind in _KEPT or (record.kind == kinds.SPAN_END and not payload_of(record).get("error")):
            around.append(record)
    return covered, around


def phase_of(record: Record) -> str:
    """Return the phase that a record is labelled with, or "" for none."""
    if record.kind not in (kinds.EVENT, kinds.CHECK) or b'"phase"' not in bytes(record.payload):
        return ""
    return _text(attributes_of(payload_of(record)).get("phase")) or ""


def events(place: Place, *, since_ns: int = 0) -> list[TelemetryEvent]:
    """Return the events of a run, oldest first."""
    found = [each for each in read(place)[0] if each.kind == kinds.EVENT and each.ts_ns > since_ns]
    found.sort(key=lambda each: (each.ts_ns, each.record_id))
    return [event_of(each, place.trace_id) for each in found]


def event_of(record: Record, trace_id: str) -> TelemetryEvent:
    """Return an event as a shape."""
    data = payload_of(record)
    said = attributes_of(data)
    return TelemetryEvent(
        event_id=record.record_id,
        timestamp=iso_utc(record.ts_ns),
        component=record.component,
        event_type=record.name,
        input_embedding=_hash(said.get("input_vector")),
        output_embedding=_hash(said.get("output_vector")),
        embedding_distance=number(said.get("distance")),
        trajectory_distance=number(said.get("trajectory_distance")),
        trajectory_from=_text(said.get("trajectory_from")) or "",
        metadata=said.get("metadata"),
        duration_ms=number(said.get("duration_ms")),
        success=said.get("success") is not False,
        error_message=_text(data.get("message")) or "",
        artifact_id=_text(said.get("artifact_id")),
        phase=_text(said.get("phase")) or "",
        trace_id=trace_id,
    )


def gaps(records: Iterable[Record], trace_id: str) -> Iterator[StructuralGap]:
    """Yield the gaps that records tell of, in order of time."""
    for record, data in _checks(records, "interface"):
        if data.get("passed") is not False:
            continue
        said = attributes_of(data)
        severity = _text(data.get("label")) or "medium"
        yield StructuralGap(
            gap_id=_text(said.get("gap_id")) or record.record_id,
            timestamp=iso_utc(record.ts_ns),
            source_component=record.component,
            target_component=_text(data.get("subject")) or "",
            artifact_type=record.name,
            severity=severity,
            related_dtc=_text(said.get("related_dtc")) or "I01-03",
            counts=said.get("counts") is not False,
            expected_schema=data.get("expected"),
            actual_schema=data.get("actual"),
            expected_embedding=_hash(said.get("expected_vector")),
            actual_embedding=_hash(said.get("actual_vector")),
            semantic_distance=number(data.get("score")),
            record_id=record.record_id,
            trace_id=trace_id,
            **{name: _texts(said.get(name)) for name in _LISTS},
        )


_LISTS: Final = ("missing_fields", "missing_critical", "missing_optional", "extra_fields", "mistyped_fields")


def diffs(records: Iterable[Record], trace_id: str) -> Iterator[TransformerDiff]:
    """Yield the drifts that records tell of, in order of time."""
    for record, data in _checks(records, "drift"):
        said = attributes_of(data)
        status = _text(data.get("label"))
        yield TransformerDiff(
            diff_id=_text(said.get("diff_id")) or record.record_id,
            timestamp=iso_utc(record.ts_ns),
            status=Alignment.__members__.get(status or "", Alignment.UNKNOWN),
            component=record.component,
            prompt_to_generated_distance=number(said.get("prompt_to_generated")),
            generated_to_expected_distance=number(data.get("score")),
            generated_artifact_id=_text(said.get("generated_artifact_id")),
            prompt_id=_text(said.get("prompt_id")),
            generation_id=_text(said.get("generation_id")),
            prompt_embedding=_hash(said.get("prompt_vector")),
            generated_embedding=_hash(said.get("generated_vector")),
            expected_embedding=_hash(said.get("expected_vector")),
            problem=_text(said.get("problem")),
            related_dtc=_text(said.get("code")) or "",
            record_id=record.record_id,
            trace_id=trace_id,
        )


def _checks(records: Iterable[Record], type: str) -> Iterator[tuple[Record, dict[str, Any]]]:
    for record in sorted(records, key=lambda each: (each.ts_ns, each.record_id)):
        if record.kind == kinds.CHECK:
            data = payload_of(record)
            if data.get("type") == type:
                yield record, data


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _hash(value: Any) -> str | None:
    return _text(value.get(VECTOR_KEY)) if isinstance(value, dict) else None
