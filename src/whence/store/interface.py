"""What every store promises (memory, SQLite, and whatever comes later). One contract suite in `tests/contracts/`
holds them all to this page.

**Writing.** A store has one verb for it, `accept`. At most one process drains at a time, the holder of
the drain lock; who adds what follows from stored records (costs) may write beside it.
A batch is taken whole or not at all, with everything derived from it (traces, findings, roll-ups, full text) in the
same transaction. A record that is already there, by (project, record id), is counted as a duplicate and changes
nothing; the first one wins. A batch member that is no record is quarantined, with its reason, and the others go in.
When `accept` returns, a kill of the process loses nothing of the batch.

**Traces.** A trace is listed from its `trace.start` on (or from its first record, if the start was dropped), as
`in_progress`, with what its start says and how many records, decisions and LLM calls there are so far; when its
`trace.end` arrives, or anything arrives after that, its row is derived anew from its records in order of arrival
(`whence.model.assembly`), so it does not matter how they were split into batches, nor whether the end came before the
rest. A name (trc_…) belongs to the first trace that has it; another trace that claims it is listed as otel_<id>.

**Reading.** Any number of readers at any time; a reader sees whole batches. Lists are newest first unless said
otherwise, and paged by keyset: a cursor stays good while records arrive, and no record is shown twice or skipped.

**Aggregates** read hourly roll-ups that `accept` keeps, never the records; `rebuild_rollups` makes the same numbers
from the rows. A window is widened to whole hours (UTC), and says so in its result (`Totals.since_ns`, `until_ns`).

**Findings and problems.** A finding says what occurrence it is (trace, fingerprint, anchor: `Finding`); said again with other
values, the newest counts. A problem is all findings of a project with one fingerprint; its row follows from them and from
the `finding.state` records about it (`model.finding.standing`), in whatever order these arrive.

**Kept beside the stream.** Records of the kinds content, vector and digest are no part of it: the first two are kept once
by hash, a digest takes the place of the one before it: the one of more records counts, then that of the greater last record,
then the last to arrive (made anew from the same records).

**Nothing else changes anything.** Records and findings refuse UPDATE and DELETE. Contents can be erased by hash.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from whence.model.digest import RunDigest
from whence.model.filters import (
    ActivityFilter,
    DigestFilter,
    FindingFilter,
    Page,
    ProblemFilter,
    RecordFilter,
    TraceFilter,
)
from whence.model.finding import Finding, Problem
from whence.model.record import Record
from whence.model.trace import TraceSummary
from whence.sink import Accepted


class StoredFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with where and when it was made."""

    record_id: str
    ts_ns: int
    trace: str  # OpenTelemetry id; "" when it is about no single trace
    project: str
    finding: Finding
    occurrence: str = ""  # 32 hex digits, the same for the same occurrence said again (`store.derive.occurrence_of`)


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A record that full-text search found, with the matching words between ‹ and ›."""

    record: Record
    trace_id: str
    snippet: str


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over traces (R1.53). Averages are None over nothing; they count complete traces only."""

    total_runs: int = 0
    in_progress: int = 0
    complete: int = 0
    failed: int = 0
    incomplete: int = 0
    qg_passed: int = 0  # over every finished status (C1.16)
    qg_failed: int = 0
    scored: int = 0  # complete traces with a quality score: what avg_quality is over
    avg_quality: float | None = None
    avg_duration: float | None = None
    avg_cost: float | None = None
    decisions: int = 0
    llm_calls: int = 0
    total_tokens: int = 0
    since_ns: int | None = None  # the window that was asked for, widened to whole hours; None: open
    until_ns: int | None = None


class PrinciplePattern(msgspec.Struct, frozen=True, kw_only=True):
    """How a principle fares over complete traces (R1.49, C1.18)."""

    principle_id: str
    fail_count: int  # scored below 2
    avg_score: float
    total_runs: int


class GroupTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of one group: `key` is the value of the dimension ("" where it was not given)."""

    key: str
    totals: Totals


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """What a component did in a time."""

    component: str
    minute_ns: int | None = None  # of `activity_by_minute`
    records: int = 0
    errors: int = 0  # of level high and above, and spans that ended with an error
    spans: int = 0  # ended
    failed: int = 0  # of them, with an error
    duration_ms: int = 0  # of all of them
    first_ns: int = 0  # minutes, whole
    last_ns: int = 0

    @property
    def error_rate(self) -> float:
        """Errors per record, a fraction (C4.21); 0 over nothing."""
        return self.errors / self.records if self.records else 0.0


EVERY_TRACE = TraceFilter()
EVERY_FINDING = FindingFilter()
EVERY_PROBLEM = ProblemFilter()
EVERY_DIGEST = DigestFilter()
EVERY_ACTIVITY = ActivityFilter()

DIMENSIONS = ("intent", "domain", "report_type", "project", "status", "hour", "day")
"""What `totals_by` groups by."""

PREFIX_FROM = 2
"""From this length on, the last word of a search may be the beginning of one; a single letter begins too many."""


class Store(Protocol):
    """Records, and what is derived from them. Synchronous; every method may be called from any thread."""

    def accept(self, batch: Sequence[bytes]) -> Accepted:
        """Take encoded records (see the module's page). Raises StoreUnreachable, StoreBusy; then nothing was taken."""
        ...

    def record(self, record_id: str) -> Record | None:
        """Return the record with this id (32 hex digits, any project), or None."""
        ...

    def records(
        self, where: RecordFilter, *, limit: int = 100, cursor: str | None = None, newest_first: bool = False
    ) -> Page[Record]:
        """Return matching records in order of arrival (or the reverse). Raises BadInput on a cursor not of ours.

        Conditions compare like with like: numbers with numbers, texts with texts (case counts), true and false only
        with = and !=. `!=` is "not =", so it holds where there is nothing; null equals what is missing. `~` is
        "contains": the text there, or any text directly in the list or object there.
        """
        ...

    def trace_records(self, trace: str) -> Iterator[Record]:
        """Yield every record of a trace (OpenTelemetry id) in order of arrival, from one consistent view."""
        ...

    def trace(self, trace_id: str) -> TraceSummary | None:
        """Return the row of a trace, by its trc_ name or its OpenTelemetry id (dashes allowed)."""
        ...

    def traces_like(self, prefix: str, *, limit: int = 5) -> tuple[str, ...]:
        """Return the names of traces that contain this text, newest first: for short ids and for 'did you mean'."""
        ...

    def traces(self, where: TraceFilter, *, limit: int = 50, cursor: str | None = None) -> Page[TraceSummary]:
        """Return matching traces, newest start first.

        `project` matches project_name or project_id, or the `project` of the records of a trace that has neither.
        """
        ...

    def count_traces(self, where: TraceFilter, *, at_most: int = 1000) -> int:
        """Return how many traces match, counting no further than `at_most`."""
        ...

    def open_traces(self, writer: str) -> tuple[str, ...]:
        """Return OpenTelemetry ids of the traces that this spool writer began and nobody has ended."""
        ...

    def content(self, sha256: str) -> str | None:
        """Return the text with this hash (64 hex digits), or None if it is unknown or was erased."""
        ...

    def records_using(
        self, sha256: str, *, kinds: Sequence[str] = (), trace: str | None = None, limit: int = 100
    ) -> tuple[Record, ...]:
        """Return the records that refer to a text, the last to arrive first; of these kinds and this trace, if given.

        They are found whether the text is there, was erased, or never arrived.
        """
        ...

    def erase_content(self, sha256: str) -> bool:
        """Remove a text for good; False if it was not there. Delivered again, it stays erased."""
        ...

    def findings(self, where: FindingFilter = EVERY_FINDING, *, limit: int = 100) -> tuple[StoredFinding, ...]:
        """Return matching findings, newest first; of each occurrence what was said of it last.

        One that was taken back (said again with a count of 0) is left out, unless it is asked for.
        """
        ...

    def finding(self, some_id: str) -> StoredFinding | None:
        """Return a finding by the id of its record or of its occurrence (32 hex digits)."""
        ...

    def problems(
        self, where: ProblemFilter = EVERY_PROBLEM, *, limit: int = 100, cursor: str | None = None
    ) -> Page[Problem]:
        """Return matching problems, the one seen last first; none whose findings were all taken back."""
        ...

    def problem(self, some_id: str) -> Problem | None:
        """Return a problem by its id, or by an unambiguous beginning of it (at least four digits)."""
        ...

    def digest(self, trace: str) -> RunDigest | None:
        """Return what a run was like, by its OpenTelemetry id; None where nobody has looked at it yet."""
        ...

    def digests(
        self, where: DigestFilter = EVERY_DIGEST, *, newest_first: bool = False, limit: int | None = None
    ) -> Iterator[RunDigest]:
        """Yield what runs were like, in order of their start (or the reverse), from one consistent view."""
        ...

    def undigested(self, where: TraceFilter = EVERY_TRACE, *, limit: int = 1000) -> tuple[str, ...]:
        """Return OpenTelemetry ids of ended traces that have no digest; the newest first."""
        ...

    def activity(self, where: ActivityFilter = EVERY_ACTIVITY) -> tuple[Activity, ...]:
        """Return what each component did within a window, from roll-ups; the busiest first.

        What no component said counts for its stage, and what lies in none for "". What whence itself says does not count
        (kinds of `model.record.OF_OURS`, components `whence` and `whence.…`).
        """
        ...

    def activity_by_minute(self, where: ActivityFilter) -> tuple[Activity, ...]:
        """Return the same minute by minute, in order of time; minutes in which nothing happened are left out."""
        ...

    def vector(self, sha256: str) -> bytes | None:
        """Return a packed vector (32-bit floats, little end first) by its hash."""
        ...

    def search(self, text: str, *, limit: int = 20, cursor: str | None = None) -> Page[Hit]:
        """Return records whose name, message or kept text holds all the words, newest first.

        Any text is a valid query; its last word may be the beginning of one (from PREFIX_FROM characters on), and case
        and accents do not count. The words are looked for in the record itself, or in one text that it refers to.
        """
        ...

    def totals(self, where: TraceFilter = EVERY_TRACE) -> Totals:
        """Return sums over traces; only project, intent, domain, report_type and the window of the filter count."""
        ...

    def totals_by(self, dimension: str, where: TraceFilter = EVERY_TRACE) -> tuple[GroupTotals, ...]:
        """Return totals per value of a dimension (DIMENSIONS), the most runs first; hour and day in order of time.

        The project of a trace is its project_name, else its project_id, else the `project` of its records; an hour is
        2026-01-31T17:00Z, a day 2026-01-31. Raises BadInput on any other dimension.
        """
        ...

    def principle_patterns(
        self, *, min_runs: int = 3, where: TraceFilter = EVERY_TRACE
    ) -> tuple[PrinciplePattern, ...]:
        """Return principles that failed in at least `min_runs` complete traces, the most failures first."""
        ...

    def rebuild_rollups(self) -> None:
        """Make every roll-up anew from records and traces. The numbers must not change."""
        ...

    def sync(self) -> None:
        """Bring every accepted batch to the disk itself, so that a power cut loses none of it. Needs the drain lock."""
        ...

    def stats(self) -> dict[str, Any]:
        """Return counts per table, bytes on disk, schema version, and when the last record arrived (`last_ts_ns`)."""
        ...

    def close(self) -> None:
        """Let go of files and memory; a closed store raises StoreUnreachable."""
        ...
