"""Records and findings as the models of this door (`whence.debug.models`), and events read back by their id."""

from typing import TYPE_CHECKING, Any

import msgspec

from whence.clock import iso_utc
from whence.debug.ids import record_id_of
from whence.debug.models import DebugEvent, DebugInsight, DebugMetric, DebugStateSnapshot
from whence.debug.wiring import asked_store
from whence.errors import WhenceError
from whence.model import record as kinds
from whence.model.component import split_component
from whence.model.content import resolve
from whence.model.quality import number
from whence.model.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from whence.model.record import Record
    from whence.store.interface import Store


def event_of(record: "Record", run: str | None, content: "Callable[[str], str | None]") -> DebugEvent:
    """Return a record of kind event as an event.

    Args:
        run: the name of its run, None outside any.
        content: the text of a hash.
    """
    payload = _payload(record, content)
    attributes = _object(payload.get("attributes"))
    kind, name = split_component(record.component)
    said = attributes.get("log_level")
    data = attributes.get("data")
    if not isinstance(data, dict):  # of another door: whatever came with it
        data = {key: value for key, value in attributes.items() if key not in ("event_type", "log_level", "metadata")}
    parent = attributes.get("parent_event_id")
    return DebugEvent(
        id=record.record_id,
        event_type=record.name,
        component_type=kind,
        component_id=name or None,
        correlation_id=run,
        parent_event_id=parent if isinstance(parent, str) else record.parent if len(record.parent) == 32 else None,
        level=said if isinstance(said, str) else Severity.nearest(record.level).logged,
        message=_text(payload.get("message")),
        data=data,
        event_metadata=_object(attributes.get("metadata")),
        timestamp=iso_utc(record.ts_ns),
    )


def snapshot_of(record: "Record", run: str | None, content: "Callable[[str], str | None]") -> DebugStateSnapshot:
    """Return a record of kind snapshot as one."""
    payload = _payload(record, content)
    kind, name = split_component(record.component)
    operation = _object(payload.get("attributes")).get("operation_id")
    patch = payload.get("patch")
    return DebugStateSnapshot(
        id=record.record_id,
        component_type=kind,
        component_id=name or None,
        operation_id=operation if isinstance(operation, str) else run,
        checkpoint_name=record.name,
        state_data=payload.get("state"),
        diff_from_previous=[each for each in patch if isinstance(each, dict)] if isinstance(patch, list) else [],
        snapshot_type=str(payload.get("type") or "full"),
        captured_at=iso_utc(record.ts_ns),
    )


def metric_of(record: "Record", content: "Callable[[str], str | None]") -> DebugMetric:
    """Return a record of kind metric as one."""
    payload = _payload(record, content)
    kind, name = split_component(record.component)
    return DebugMetric(
        id=record.record_id,
        metric_name=record.name,
        component_type=kind,
        component_id=name or None,
        value=number(payload.get("value")),
        unit=_text(payload.get("unit")),
        dimensions=_object(payload.get("dimensions")),
        timestamp=iso_utc(record.ts_ns),
    )


def insight_model(said: dict[str, Any]) -> DebugInsight:
    """Return an insight of `diagnose.insights` as the model."""
    fields = {key: value for key, value in said.items() if key in DebugInsight.__struct_fields__}
    return DebugInsight(**fields, insight_type=said["type"])


def run_name(store: "Store", trace: str) -> str | None:
    """Return the name of a run by its OpenTelemetry id, which it is called by where it has none; None for no run."""
    if not trace:
        return None
    row = store.trace(trace)
    return row.trace_id if row is not None else trace


def find_event(event_id: str, project: str) -> DebugEvent | None:
    """Return an event by the id of its record, or by the one that its caller chose; what was just recorded too (C4.9)."""
    wanted = record_id_of(project, event_id)
    if wanted is None:
        return None
    try:
        store = asked_store()
    except WhenceError:
        return _spooled(wanted)
    record = store.record(wanted)
    if record is None or record.kind != kinds.EVENT:
        return None
    return event_of(record, run_name(store, record.trace), store.content)


def _spooled(wanted: str) -> DebugEvent | None:
    """Return an event from the spool, where the store cannot be reached; large texts are then what stands for them."""
    from whence.collect.segments import spooled_records
    from whence.runtime.runtime import runtime

    for record in spooled_records(runtime().settings.spool):
        if record.record_id == wanted and record.kind == kinds.EVENT:
            correlation = _object(_payload(record, _unknown).get("attributes")).get("correlation_id")
            return event_of(record, correlation if isinstance(correlation, str) else record.trace or None, _unknown)
    return None


def _unknown(sha256: str) -> str | None:
    return None


def _payload(record: "Record", content: "Callable[[str], str | None]") -> dict[str, Any]:
    try:
        return _object(resolve(msgspec.json.decode(record.payload), content))
    except kinds.UNREADABLE:
        return {}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
