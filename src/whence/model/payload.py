"""The shape of each kind's payload. Written by `record`, read by `model.assembly` and SQL.

Readers tolerate missing and unknown fields (every field has a default), so that a newer writer and an older reader
can meet. A field is never renamed: a new name is added and both are read.
"""

from typing import Any

import msgspec

OPENTELEMETRY = "opentelemetry"
"""The generator of traces that began with a span of OpenTelemetry."""
STAGE = "stage"
LLM = "llm"
TOOL = "tool"
SPAN = "span"
"""What a span is: a part of the pipeline's own vocabulary, a call of a language model (its `attributes` have the shape of
`model.llm`), a call of a tool, or any other timed part (agent, workflow, retrieval, embedding, …: see `wire.otlp`)."""


class TraceStart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a trace when it begins; stored at once, so that a killed run is visible (DESIGN §4.7)."""

    trace_id: str = ""
    project_id: str | None = None
    project_name: str | None = None
    query: Any = None
    intent: str | None = None
    domain: str | None = None
    report_type: str | None = None
    research_type: str | None = None
    parent_trace_id: str | None = None
    writer: str = ""  # the spool writer: its death without a trace.end means the process was lost
    pid: int = 0
    host: str = ""
    generator: str = ""
    code: str = ""  # the version of the program that runs: a commit, a release (whence.runtime.version_of_code)
    attributes: dict[str, Any] = {}


class TraceEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a trace ended: complete, incomplete or failed."""

    status: str = "incomplete"
    error: Any = None
    reason: str | None = None  # cancelled, process_lost, not_marked
    duration_ns: int | None = None
    overhead_ns: int | None = None  # time spent inside recording calls
    dropped: int = 0  # records of this trace that were counted and not written
    last_record: str | None = None  # for process_lost: the last record seen


class SpanStart(msgspec.Struct, frozen=True, omit_defaults=True):
    """The beginning of a timed part. `attempt` counts the tries of the same stage from 1."""

    type: str = STAGE
    attempt: int = 1
    attributes: dict[str, Any] = {}


class SpanEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """The end of a timed part. Duration is monotonic; the timestamps around it are wall clock."""

    type: str = STAGE
    attempt: int = 1
    duration_ns: int | None = None
    outputs: Any = None
    error: Any = None
    attributes: dict[str, Any] = {}


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was decided, why, how sure, what else was considered, from what (R1.11)."""

    what: Any = None
    why: Any = ""
    confidence: float | None = None  # 0..1; None when what was given is no number (kept in `given`)
    alternatives: list[Any] = []
    inputs: dict[str, Any] = {}
    given: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET  # fields as given when they had to be changed
    attributes: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET  # whatever else the caller passed


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Anything that happened."""

    message: Any = ""
    attributes: dict[str, Any] = {}


class Data(msgspec.Struct, frozen=True):
    """Evidence, prompts, an attempt, outputs, a child: one object, as the caller gave it."""

    data: Any = None


class Transform(msgspec.Struct, frozen=True, omit_defaults=True):
    """Content in, content out, by whom (the envelope's name and component), with what (R3.2, R3.9, C3.16).

    Contents are references to texts stored once by hash, `{content_sha256, chars, preview}` (`model.content`). The hash
    is that of the text as stored, secrets masked; of a text in which nothing was masked it is the hash of its UTF-8.
    """

    action: str = "edit"  # what kind of step: render, extract, fix, format, heal, edit, …
    subject: str = ""  # what is transformed: a file, an artifact
    source: Any = None  # the content before; None where it was made from nothing
    result: Any = None  # the content after; None where the step failed
    materials: list[
        dict[str, Any]
    ] = []  # other contents that went in: {role: template|variable|prompt|…, name, content}
    using: dict[str, Any] = {}  # template and variables, rule, model
    attempt: int | None = None  # of healing, from 1
    duration_ns: int | None = None
    error: Any = None
    attributes: dict[str, Any] = {}


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """An expectation against reality: a validation, a score, a comparison (R3.5, R3.22)."""

    type: str = ""  # syntax, ast, import, indentation, encoding, score, logic, …
    passed: bool | None = None  # None: it could not be told; `error` or `attributes` say why
    subject: str = ""
    content: Any = None  # a reference to the text that was checked
    failures: list[dict[str, Any]] = []  # {type, message, line, column, context, code}; lines and columns from 1
    failures_total: int | None = None  # where not all of them are listed
    phase: str = ""  # before, after (a step); pre_write, post_write
    expected: Any = None
    actual: Any = None
    score: float | None = None
    label: str | None = None
    explanation: Any = None
    duration_ns: int | None = None
    error: Any = None
    attributes: dict[str, Any] = {}


class FileWrite(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file was written: where, what, by whose rights, and whether it reads back as it was meant (R3.4, R3.23)."""

    path: str = ""  # absolute
    content: Any = None  # a reference to what was to be written
    bytes: int | None = None
    mode: str | None = None  # octal, 0644
    owner: str | None = None
    group: str | None = None
    checks: list[dict[str, Any]] = []  # the last checks of this content before: {type, passed, failures, record}
    verified: bool | None = None  # whether a re-read gave the same bytes; None: it was not tried
    error: Any = None
    attributes: dict[str, Any] = {}


class Cost(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an LLM call (the envelope's parent: the record of its end) cost. The last one said of a call counts."""

    usd: float | None = None  # None: unknown; `reason` says why
    input_usd: float | None = None
    output_usd: float | None = None
    billed: bool = True  # False: answered from the client's own cache, nothing was paid
    model: str = ""
    provider: str = ""
    source: str = ""  # genai-prices, override
    version: str = ""  # of the price table
    reason: str | None = None


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a component (the envelope's) at a moment; the name is that of the checkpoint (R4.6, R4.16)."""

    state: Any = None
    type: str = "full"  # full, incremental, partial
    patch: list[dict[str, Any]] = []  # from the state before to this one, RFC 6902
    progress: float | None = None  # 0..1, where the state tells
    attributes: dict[str, Any] = {}


class Metric(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number in time; the name is that of the metric (R4.7). Units as UCUM writes them: ms, By, %, 1."""

    value: float | None = None
    unit: str = ""
    dimensions: dict[str, Any] = {}


class Vector(msgspec.Struct, frozen=True):
    """A vector, packed (C0.25): 32-bit floats, little end first, in base64."""

    f32: str = ""
    dimensions: int = 0


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """A diagnostic report as it was made (R0.14, D0.2): of a phase of a run, at a trigger."""

    report_id: str = ""
    phase: str = ""
    trigger: str = ""
    body: dict[str, Any] = {}


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of an investigation; the record's name is the case's id, and its fields are those that this step changes."""

    action: str = "update"  # open, update, close
    title: str | None = None
    description: str | None = None
    filters: dict[str, Any] | None = None
    scope: dict[str, Any] | None = None
    note: str | None = None
    by: str = ""
    events: int = 0  # looked at in this step
    insights: int = 0
    queries: int = 0


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a trace's JSON document was written, or why it was not (R1.61: the path is then NULL)."""

    path: str | None = None
    error: str | None = None


class TraceFlag(msgspec.Struct, frozen=True, omit_defaults=True):
    """A trace was flagged for review, or the flag was taken back."""

    flagged: bool = True
    notes: str | None = None
