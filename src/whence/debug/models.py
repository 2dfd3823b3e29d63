"""The five models of the original design (D4.1), as values. Times are ISO 8601 in UTC.

They are read from the store, never written to it: what is collected becomes records, and these are how records look from
this door. The SQL views debug_events, debug_insights, … have the same columns.
"""

from typing import Any

import msgspec


class DebugEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened in a component (R4.4)."""

    id: str  # of the record, 32 hex digits
    event_type: str = "log"  # log, state_snapshot, metric, error, system, or whatever was said
    component_type: str | None = None  # agent, browser, workflow, system, …
    component_id: str | None = None
    correlation_id: str | None = None  # the name of the run that it belongs to; None outside any
    parent_event_id: str | None = None  # of the event that caused it
    level: str = "INFO"
    message: str = ""
    data: dict[str, Any] = {}
    event_metadata: dict[str, Any] = {}
    timestamp: str = ""


class DebugInsight(msgspec.Struct, frozen=True, kw_only=True):
    """A statement about what was collected, with its evidence (R4.5): a finding of whence's, as it looks from here."""

    id: str  # of the occurrence, 32 hex digits: the same however often it is generated
    insight_type: str = "error"  # consistency, flow, performance, error, anomaly
    severity: str = "info"  # info, warning, critical
    title: str = ""
    description: str = ""
    summary: str = ""
    evidence: list[str] = []  # record ids, the most telling first
    confidence_score: float | None = None  # 0..1; None where nobody has measured it
    suggestions: list[str] = []
    resolved: bool = False
    resolution_notes: str | None = None
    scope: str = "component"  # run, component, distributed, system
    affected_components: list[dict[str, str | None]] = []  # {type, id}
    source_event_id: str | None = None  # the first of the evidence
    generated_at: str = ""
    expires_at: str | None = None  # insights do not expire; they are resolved
    code: str = ""  # `whence codes explain CODE`
    problem_id: str | None = None  # what is resolved: all occurrences of the same thing


class DebugStateSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a component at a moment (R4.6)."""

    id: str
    component_type: str | None = None
    component_id: str | None = None
    operation_id: str | None = None
    checkpoint_name: str | None = None
    state_data: Any = None
    diff_from_previous: list[dict[str, Any]] = []  # RFC 6902, from the component's state before in the same operation
    snapshot_type: str = "full"  # full, incremental, partial
    captured_at: str = ""


class DebugMetric(msgspec.Struct, frozen=True, kw_only=True):
    """A number in time (R4.7)."""

    id: str
    metric_name: str
    component_type: str | None = None
    component_id: str | None = None
    value: float | None = None
    unit: str = ""
    dimensions: dict[str, Any] = {}
    timestamp: str = ""


class DebugSession(msgspec.Struct, frozen=True, kw_only=True):
    """An investigation that somebody opened (R4.8): what was looked at, and what was noted."""

    id: str
    session_name: str
    description: str | None = None
    filters: dict[str, Any] = {}
    scope: dict[str, Any] = {}
    event_count: int = 0
    insight_count: int = 0
    query_count: int = 0
    active: bool = True
    resolved: bool = False
    created_at: str = ""
    updated_at: str = ""
    closed_at: str | None = None
    notes: list[dict[str, str]] = []  # {note, by, at}, in order of time
