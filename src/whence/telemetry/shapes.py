"""What the telemetry door hands out: one shape each for an event, a gap, a drift and a report (R0.8), with the fields of D0.2.

Events, and the gaps and drifts of a report, are read back from what was recorded, so they are redacted. A gap or a diff that a
call returns is the caller's own: it names fields as they were given. Vectors stand in all of them as the hash that they are
stored under once (C0.25); times are ISO 8601, UTC.
"""

from typing import Any

import msgspec

from whence.measure.vectors import Alignment

NO_SEVERITY = "none"
"""`DiagnosticReport.max_severity` where nothing was found."""


class TelemetryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a component did (R0.10, R0.11)."""

    event_id: str
    timestamp: str
    component: str
    event_type: str
    input_embedding: str | None = None  # SHA-256 of the vector as it is stored
    output_embedding: str | None = None
    embedding_distance: float | None = None  # cosine, from input to output: 0 to 2
    trajectory_distance: float | None = None  # from the output before this one in the same run
    trajectory_from: str = ""  # and whose that was
    metadata: Any = None
    duration_ms: float | None = None
    success: bool = True
    error_message: str = ""
    artifact_id: str | None = None
    phase: str = ""
    trace_id: str = ""


class StructuralGap(msgspec.Struct, frozen=True, kw_only=True):
    """What a component handed over is not what the next one expects (R0.17 to R0.21). There is none where nothing differs."""

    gap_id: str
    timestamp: str
    source_component: str
    target_component: str
    artifact_type: str
    severity: str  # high, medium, low (C0.6, C0.7)
    related_dtc: str = "I01-03"
    missing_fields: list[str] = []  # required or critical, and not there
    missing_critical: list[str] = []  # those of them that are critical
    missing_optional: list[str] = []
    extra_fields: list[str] = []
    mistyped_fields: list[str] = []  # there, and of another type or value than expected
    counts: bool = True  # False: extra fields alone, which are reported and do not count (C0.6)
    expected_schema: Any = None  # JSON Schema
    actual_schema: Any = None  # the structure, without the content
    expected_embedding: str | None = None  # SHA-256 of the vector as it is stored
    actual_embedding: str | None = None
    semantic_distance: float | None = None  # cosine, 0 to 2
    record_id: str = ""  # of the check; "" where it could not be recorded
    trace_id: str = ""


class TransformerDiff(msgspec.Struct, frozen=True, kw_only=True):
    """How far an output is from its prompt and from its specification (R0.22 to R0.25)."""

    diff_id: str
    timestamp: str
    status: Alignment  # ALIGNED, DRIFTED, CRITICAL_MISS; UNKNOWN where `problem` says why
    component: str = ""  # which generated
    prompt_to_generated_distance: float | None = None  # cosine, 0 to 2
    generated_to_expected_distance: float | None = None
    generated_artifact_id: str | None = None
    prompt_id: str | None = None
    generation_id: str | None = None
    prompt_embedding: str | None = None  # SHA-256 of the vector as it is stored
    generated_embedding: str | None = None
    expected_embedding: str | None = None
    problem: str | None = None  # which vector could not be compared, and why (C0.20)
    related_dtc: str = ""  # T01-04, T01-05, T01-03 or E01-03; "" for ALIGNED
    record_id: str = ""  # of the check; "" where it could not be recorded
    trace_id: str = ""


class DiagnosticReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a phase of a run (R0.14, R0.28). Lists are ordered, the worst first; trajectories by time."""

    report_id: str  # "" where nothing is recorded
    timestamp: str
    execution_phase: str
    trigger_event: str
    detected_dtcs: list[str] = []
    dtc_details: dict[str, dict[str, Any]] = {}
    """Code -> name, description, severity (the worst that was found), catalog_severity (that of the code: C0.5), category,
    remediation (a list), title, components, count, evidence (record ids), confidence, basis."""
    structural_gaps: list[StructuralGap] = []
    transformer_diffs: list[TransformerDiff] = []
    embedding_trajectory: list[tuple[str, str]] = []  # (component, SHA-256 of its output's vector)
    vector_divergence_points: list[dict[str, Any]] = []  # {from, to, distance, severity}
    recommendations: list[str] = []  # remediation of every code
    critical_actions: list[str] = []  # of those that are critical
    max_severity: str = NO_SEVERITY  # critical, high, medium, low, info, none
    summary: str = ""
    trace_id: str = ""
