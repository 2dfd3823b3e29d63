"""What every store derives from records in the same way: which bytes are a record, the row of a trace, whole numbers
for roll-ups. Pure functions, so that two stores cannot disagree."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from whence.clock import iso_utc
from whence.errors import BadFrame, BadInput
from whence.model import record as kinds
from whence.model.assembly import UNFOLDABLE, assemble, summarise
from whence.model.digest import RunDigest
from whence.model.filters import Condition
from whence.model.finding import Finding
from whence.model.payload import LLM, Vector
from whence.model.record import Record
from whence.model.severity import Severity
from whence.model.trace import TraceSummary
from whence.wire.records import decode

FALLBACK: Final = "otel_"
"""How the name of a trace begins that has none of its own; its OpenTelemetry id follows."""
MINUTE_NS: Final = 60_000_000_000
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
FAILED_BELOW: Final = 2.0
MOST: Final = 10**9
MOST_TOKENS: Final = 10**12
"""What one trace can add to a sum of tokens: nonsense must not overflow the sums of others."""
LONGEST_NS: Final = 10**16
"""What one span can add to a sum of durations, for the same reason: 115 days."""
HIGH: Final = int(Severity.HIGH)
MAX_INT: Final = 2**63 - 1
FINGERPRINT_CHARS: Final = 200
"""Of a longer fingerprint the beginning counts."""
_ID = re.compile(r"[0-9a-fA-F]{32}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_PATH_KEY = re.compile(r"[A-Za-z0-9_.-]+")
_decode: Final = msgspec.json.Decoder().decode


class Counts(NamedTuple):
    """How many records a trace has, and how many of them are decisions and finished LLM calls."""

    records: int = 0
    decisions: int = 0
    llm_calls: int = 0


def checked(data: bytes) -> Record:
    """Return the record that the bytes are, its ids in lower case.

    Raises:
        BadFrame: they are no record, or one that no store can keep (an id that is not hex, a number past 64 bits).
    """
    record = decode(data)
    if _ID.fullmatch(record.record_id) is None:
        raise BadFrame(f"a record id is 32 hex digits, not {record.record_id[:60]!r}")
    if record.trace and _ID.fullmatch(record.trace) is None:
        raise BadFrame(f"a trace is 32 hex digits or empty, not {record.trace[:60]!r}")
    if not 0 <= record.ts_ns <= MAX_INT:
        raise BadFrame(f"ts_ns is Unix time in ns, not {record.ts_ns}")
    if abs(record.level) > MAX_INT or abs(record.flags) > MAX_INT:
        raise BadFrame("level and flags are 64-bit integers")
    try:
        bytes(record.payload).decode()
    except UnicodeDecodeError as exc:
        raise BadFrame(f"the payload is not UTF-8: {exc}") from exc
    return msgspec.structs.replace(record, record_id=record.record_id.lower(), trace=record.trace.lower())


class _Text(msgspec.Struct):
    text: str


def content_of(record: Record) -> tuple[str, str]:
    """Return (hash, text) of a record of kind `content`. Raises BadFrame when it is malformed."""
    if _SHA256.fullmatch(record.name) is None:
        raise BadFrame(f"the name of a content is 64 hex digits, not {record.name[:80]!r}")
    try:
        return record.name.lower(), msgspec.json.decode(record.payload, type=_Text).text
    except kinds.UNREADABLE as exc:
        raise BadFrame(f"the payload of a content is {{text: string}}: {exc}") from exc


def vector_of(record: Record) -> tuple[str, bytes]:
    """Return (hash, packed floats) of a record of kind `vector`. Raises BadFrame when it is malformed."""
    if _SHA256.fullmatch(record.name) is None:
        raise BadFrame(f"the name of a vector is 64 hex digits, not {record.name[:80]!r}")
    try:
        given = msgspec.json.decode(record.payload, type=Vector)
        packed = base64.b64decode(given.f32, validate=True)
    except (*kinds.UNREADABLE, binascii.Error, ValueError) as exc:
        raise BadFrame(f"the payload of a vector is {{f32: base64, dimensions: number}}: {exc}") from exc
    if len(packed) % 4 or given.dimensions not in (0, len(packed) // 4):
        raise BadFrame(f"a vector of {given.dimensions} dimensions has 4 bytes for each, not {len(packed)} in all")
    if hashlib.sha256(packed).hexdigest() != record.name.lower():
        raise BadFrame("the name of a vector is the SHA-256 of its bytes, and this one is not")
    return record.name.lower(), packed


def digest_of(record: Record) -> RunDigest:
    """Return what a record of kind `digest` says a run was like. Raises BadFrame when it is malformed.

    The run is the one that the record is named after; project and start are those of the envelope where they are missing.
    """
    if _ID.fullmatch(record.name) is None:
        raise BadFrame(f"the name of a digest is a trace id, 32 hex digits, not {record.name[:80]!r}")
    try:
        given = msgspec.json.decode(record.payload, type=RunDigest)
    except kinds.UNREADABLE as exc:
        raise BadFrame(f"the payload of a digest is what a run was like (docs/formats/store.md): {exc}") from exc
    if any(abs(number) > MAX_INT for number in (given.started_ns, given.ended_ns, given.records)):
        raise BadFrame("times and counts of a digest are 64-bit integers")
    return msgspec.structs.replace(
        given,
        trace=record.name.lower(),
        project=given.project or record.project,
        started_ns=given.started_ns or record.ts_ns,
    )


def fingerprint_of(text: str) -> str:
    """Return as much of a fingerprint as counts."""
    return text[:FINGERPRINT_CHARS]


def occurrence_of(project: str, trace: str, fingerprint: str, anchor: str) -> str:
    """Return the name of an occurrence, 32 hex digits: equal for the same one said again (`model.finding.Finding`).

    A finding without a fingerprint is nothing that can be said again; its occurrence is the id of its record.
    """
    text = "\x00".join((project, trace.lower(), fingerprint_of(fingerprint), anchor))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def who(record: Record) -> str:
    """Return who acts: the component, or the stage where none is named."""
    return record.component or record.stage


def is_ours(record: Record) -> bool:
    """Return whether whence said it, or people in it: no activity of any component. `record_measures` tells it in SQL."""
    return record.kind in kinds.OF_OURS or record.component == "whence" or record.component.startswith("whence.")


def milliseconds_of(duration_ns: object) -> int:
    """Return a duration in whole milliseconds, 0 for what is none. The view `record_measures` does the same in SQL."""
    if isinstance(duration_ns, bool) or not isinstance(duration_ns, int | float):
        return 0
    return (int(max(0, min(duration_ns, LONGEST_NS))) + 500_000) // 1_000_000


def minutes(since_ns: int | None, until_ns: int | None) -> tuple[int, int]:
    """Return the window widened to whole minutes, within 64 bits; the end stays exclusive."""
    since = 0 if since_ns is None else since_ns - since_ns % MINUTE_NS
    until = MAX_INT if until_ns is None else -(-until_ns // MINUTE_NS) * MINUTE_NS
    return max(0, min(since, MAX_INT)), max(0, min(until, MAX_INT))


def finding_of(payload: bytes | msgspec.Raw) -> Finding | None:
    """Return the finding in a record of kind `finding`, or None: then it is a record like any other."""
    try:
        return msgspec.json.decode(payload, type=Finding)
    except kinds.UNREADABLE:
        return None


def is_llm_call(record: Record) -> bool:
    """Return whether the record ends an LLM call."""
    return record.kind == kinds.SPAN_END and payload_of(record).get("type") == LLM


def payload_of(record: Record) -> dict[str, Any]:
    """Return the payload as an object; empty if it is none."""
    try:
        value = _decode(record.payload)
    except kinds.UNREADABLE:
        return {}
    return value if isinstance(value, dict) else {}


def ended_row(trace: str, records: Sequence[Record], counts: Counts) -> TraceSummary:
    """Return the row of a trace that has ended.

    Args:
        trace: OpenTelemetry id.
        records: all of its records in order of arrival, or those that matter to the row.
        counts: over all of its records.
    """
    view = assemble(trace, records)
    view.records = counts.records
    try:
        row = summarise(view)
    except UNFOLDABLE:
        row = summarise(assemble(trace, [r for r in records if r.kind in kinds.SPANS_OF_THE_TRACE]))
    return _storable(row, Counts(counts.records, counts.decisions, row.llm_calls))


def open_row(trace: str, first: Record, own: Sequence[Record], counts: Counts) -> TraceSummary:
    """Return the row of a trace in progress: what its start says, and counts; the rest is known at its end.

    Args:
        trace: OpenTelemetry id.
        first: the first record that arrived; its time stands in for that of a start that has not arrived.
        own: the records about the trace as a whole (SPANS_OF_THE_TRACE), in order of arrival.
        counts: over all of its records.
    """
    envelope = msgspec.structs.replace(first, kind="")
    return _storable(summarise(assemble(trace, [envelope, *own])), counts)


_WHOLE = (
    "evidence_collected",
    "evidence_passed",
    "evidence_filtered",
    "synthesis_input_tokens",
    "synthesis_output_tokens",
    "total_tokens",
    "dropped",
)


def _storable(row: TraceSummary, counts: Counts) -> TraceSummary:
    """Return the row with its counts, and with numbers that are past 64 bits cut to what a column holds.

    Names that begin with otel_ are given here only: nobody can claim the one that another trace falls back on.
    """
    changes: dict[str, Any] = {"records": counts.records, "decisions": counts.decisions, "llm_calls": counts.llm_calls}
    if row.trace_id.startswith(FALLBACK):
        changes["trace_id"] = FALLBACK + row.id
    for name in _WHOLE:
        value = getattr(row, name)
        if value is not None and abs(value) > MAX_INT:
            changes[name] = MAX_INT if value > 0 else -MAX_INT
    return msgspec.structs.replace(row, **changes)


def scaled(value: float | None, factor: float, limit: float) -> int:
    """Return the value as a whole number of its small unit, so that sums are exact in any order.

    The view `trace_measures` (migrations/0002) does the same arithmetic in SQL: bound, multiply, add a half, cut.
    """
    return 0 if value is None else int(min(max(value, -limit), limit) * factor + 0.5)


def hour_of(ts_ns: int) -> int:
    """Return the beginning of the hour, in ns."""
    return ts_ns - ts_ns % HOUR_NS


def window(since_ns: int | None, until_ns: int | None) -> tuple[int | None, int | None]:
    """Return the window widened to whole hours; the end stays exclusive."""
    since = None if since_ns is None else hour_of(since_ns)
    until = None if until_ns is None else -(-until_ns // HOUR_NS) * HOUR_NS
    return since, until


def hour_key(hour_ns: int) -> str:
    """Return the name of an hour, as `totals_by("hour")` gives it: 2026-01-31T17:00Z."""
    return iso_utc(hour_ns)[:16] + "Z"


def day_key(hour_ns: int) -> str:
    """Return the name of a day, as `totals_by("day")` gives it: 2026-01-31."""
    return iso_utc(hour_ns)[:10]


_ORDERED = ("<", "<=", ">", ">=")


def check_conditions(conditions: Iterable[Condition]) -> None:
    """Refuse, with BadInput, what no store can answer."""
    for condition in conditions:
        for key in condition.path or ("",):
            if _PATH_KEY.fullmatch(key) is None:
                raise BadInput(f"{key!r} is not a key that can be searched: use letters, digits, '_', '.' and '-'")
        if condition.op not in ("=", "!=", "~", *_ORDERED):
            raise BadInput(f"{condition.op!r} is not a comparison; use one of = != < <= > >= ~")
        if condition.op in _ORDERED and (isinstance(condition.value, bool) or condition.value is None):
            raise BadInput(f"{condition.value!r} has no order; {condition.op} takes a number or a text")
        if condition.op == "~" and not isinstance(condition.value, str):
            raise BadInput(f"~ looks for text within text, not for {condition.value!r}")


def check_limit(limit: int) -> None:
    """Refuse, with BadInput, a page of nothing, and one past all bounds."""
    if not 1 <= limit <= MOST:
        raise BadInput(f"limit is {limit}; it must be between 1 and {MOST:,}")


def bare_id(text: str) -> str | None:
    """Return an OpenTelemetry id (32 hex digits, with or without dashes) in its plain form; None if it is none."""
    plain = text.strip().replace("-", "").lower()
    return plain if _ID.fullmatch(plain) else None
