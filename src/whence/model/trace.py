"""A trace as a whole: its stages with all their attempts, and the row that stands for it in every list.

`Decision` and `StageTrace` carry the fields of the seed (R1.35) under the seed's names; what whence adds comes after.
"""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from whence.model.payload import Check, FileWrite, TraceEnd, TraceStart, Transform
from whence.model.quality import Quality

IN_PROGRESS = "in_progress"
COMPLETE = "complete"
INCOMPLETE = "incomplete"
FAILED = "failed"
DISABLED = "disabled"
NOT_ENDED = "the stage was still open when the run ended"
"""The error of a stage that nobody ended, told from one that failed."""
STATUSES = (IN_PROGRESS, COMPLETE, INCOMPLETE, FAILED)


Said = TypeVar("Said")


@dataclass(slots=True)
class Decision:
    """One decision as it was made."""

    decision: str
    what: Any
    why: Any
    confidence: float | None
    alternatives_considered: list[Any] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    timestamp: str = ""
    record_id: str = ""
    ts_ns: int = 0
    stage: str = ""
    attempt: int = 1
    flags: int = 0
    given: dict[str, Any] | None = None  # fields as given, where they had to be changed
    attributes: dict[str, Any] | None = None  # what the caller passed beside the usual fields


@dataclass(slots=True)
class Attempt:
    """One try of a stage."""

    attempt: int
    span: str
    started_ns: int
    ended_ns: int | None = None
    duration_ns: int | None = None
    outputs: Any = None
    error: Any = None
    start_record: str = ""
    end_record: str = ""
    component: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)  # said when it began


@dataclass(slots=True)
class LlmUse:
    """One LLM call: what it was, what it cost."""

    name: str
    stage: str
    record_id: str
    ts_ns: int
    duration_ns: int | None
    attributes: dict[str, Any]  # of the request and the response: `model.llm`
    error: Any = None
    span: str = ""
    parent: str = ""
    component: str = ""
    start_record: str = ""
    open: bool = False  # it has begun, and not ended: nothing but the request is known


@dataclass(slots=True)
class SpanUse:
    """A timed part that is neither a stage nor an LLM call: a tool call, an agent, a retrieval, …"""

    name: str
    type: str
    stage: str
    component: str
    span: str
    parent: str
    started_ns: int
    ended_ns: int | None = None
    duration_ns: int | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: Any = None
    error: Any = None
    start_record: str = ""
    end_record: str = ""


@dataclass(slots=True)
class Use(Generic[Said]):
    """One thing that was said of content, and where: a transformation, a check, a file."""

    name: str
    stage: str
    component: str
    record_id: str
    ts_ns: int
    span: str
    parent: str  # the decision behind it
    flags: int
    said: Said


@dataclass(slots=True)
class StageTrace:
    """A stage with everything recorded in it, over all its attempts (C1.7)."""

    name: str
    started_at: str | None = None
    completed_at: str | None = None
    duration_seconds: float | None = None  # the sum over attempts
    decisions: list[Decision] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)  # merged, the last attempt winning
    evidence: dict[str, Any] = field(default_factory=dict)
    prompts: dict[str, Any] = field(default_factory=dict)
    error: Any = None
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(slots=True)
class TraceView:
    """Everything recorded of one trace, assembled from its records (`whence.model.assembly`)."""

    otel_trace_id: str
    trace_id: str
    project: str
    start: TraceStart
    started_ns: int
    root: str = ""  # the span of the trace as a whole
    status: str = IN_PROGRESS
    completed_ns: int | None = None
    end: TraceEnd | None = None
    error: Any = None
    stages: dict[str, StageTrace] = field(default_factory=dict)
    iterations: list[dict[str, Any]] = field(default_factory=list)
    iteration_records: list[tuple[str, int]] = field(default_factory=list)  # (record id, ts_ns) of each
    quality_gate_failures: int = 0
    outputs: dict[str, Any] = field(default_factory=dict)
    child_traces: list[dict[str, Any]] = field(default_factory=list)
    llm_calls: list[LlmUse] = field(default_factory=list)
    spans: list[SpanUse] = field(default_factory=list)
    transforms: list[Use[Transform]] = field(default_factory=list)
    checks: list[Use[Check]] = field(default_factory=list)
    files: list[Use[FileWrite]] = field(default_factory=list)
    decisions: int = 0
    events: int = 0
    unreadable: int = 0  # records whose payload is not of the shape of their kind
    records: int = 0
    start_record: str = ""
    end_record: str = ""
    last_record: str = ""
    last_ns: int = 0
    document_path: str | None = None
    document_error: str | None = None
    flagged_for_review: bool = False
    review_notes: str | None = None
    quality: Quality = field(default_factory=Quality)


class TraceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `traces`: the 38 columns of R1.19, then what C1.25 and later versions of the seed found lacking.

    Durations in seconds, times ISO 8601 UTC (and ns for computing), money in US dollars.
    """

    id: str  # UUID of the row: the OpenTelemetry trace id, to which trace_id is bound
    trace_id: str
    project_id: str | None = None
    query: str | None = None
    intent: str | None = None
    domain: str | None = None
    report_type: str | None = None
    research_type: str | None = None
    status: str = IN_PROGRESS
    quality_gate_passed: bool | None = None
    overall_quality_score: float | None = None
    started_at: str
    completed_at: str | None = None
    duration_seconds: float | None = None
    intake_duration: float | None = None
    rubric_duration: float | None = None
    collection_duration: float | None = None
    synthesis_duration: float | None = None
    quality_gate_duration: float | None = None
    evidence_collected: int | None = None
    evidence_passed: int | None = None
    evidence_filtered: int | None = None
    synthesis_model: str | None = None
    synthesis_input_tokens: int | None = None
    synthesis_output_tokens: int | None = None
    synthesis_cost_usd: float | None = None
    principle_scores: dict[str, float] = {}
    gap_principles: tuple[str, ...] = ()
    strength_principles: tuple[str, ...] = ()
    iteration_count: int = 1
    quality_gate_failures: int = 0
    trace_file_path: str | None = None
    report_file_path: str | None = None
    output_file_paths: tuple[str, ...] = ()
    flagged_for_review: bool = False
    review_notes: str | None = None
    created_at: str | None = None  # set by the store
    updated_at: str | None = None  # set by the store

    project: str = ""
    project_name: str | None = None
    parent_trace_id: str | None = None
    started_ns: int = 0
    error: str | None = None
    reason: str | None = None
    writer: str = ""
    stage_durations: dict[str, float] = {}
    decisions: int = 0
    records: int = 0
    llm_calls: int = 0
    total_tokens: int | None = None
    total_cost_usd: float | None = None
    tracing_overhead_ms: float | None = None
    dropped: int = 0
    document_error: str | None = None


class TraceResult(msgspec.Struct, frozen=True, kw_only=True):
    """The light row that the seed's queries return (R1.43)."""

    trace_id: str
    project_name: str | None
    query: str | None
    intent: str | None
    domain: str | None
    report_type: str | None
    status: str
    quality_gate_passed: bool | None
    overall_quality_score: float | None
    gap_principles: list[str] | None
    strength_principles: list[str] | None
    duration_seconds: float | None
    started_at: str
    trace_file_path: str | None

    @classmethod
    def of(cls, row: TraceSummary) -> "TraceResult":
        """Return the light form of a full row."""
        return cls(
            trace_id=row.trace_id,
            project_name=row.project_name,
            query=row.query,
            intent=row.intent,
            domain=row.domain,
            report_type=row.report_type,
            status=row.status,
            quality_gate_passed=row.quality_gate_passed,
            overall_quality_score=row.overall_quality_score,
            gap_principles=list(row.gap_principles) or None,
            strength_principles=list(row.strength_principles) or None,
            duration_seconds=row.duration_seconds,
            started_at=row.started_at,
            trace_file_path=row.trace_file_path,
        )
