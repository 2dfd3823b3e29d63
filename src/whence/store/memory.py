"""A store in dicts and lists: for tests, for short-lived programs, and as the reference that others are compared with.

Everything derived is computed when it is asked for, straight from the records. Slow over many, and plainly right.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from whence.clock import SystemClock, iso_utc
from whence.errors import BadFrame, BadInput, StoreUnreachable
from whence.model import record as kinds
from whence.model.digest import RunDigest, sorted_runs
from whence.model.filters import (
    ActivityFilter,
    DigestFilter,
    FindingFilter,
    Page,
    ProblemFilter,
    RecordFilter,
    TraceFilter,
)
from whence.model.finding import Problem
from whence.model.record import Record
from whence.model.trace import COMPLETE, IN_PROGRESS, TraceSummary
from whence.sink import Accepted
from whence.store import cursor as cursors
from whence.store import derive, findings, matching
from whence.store import memory_diagnosis as diagnosis
from whence.store.findings import short_id
from whence.store.interface import (
    DIMENSIONS,
    EVERY_ACTIVITY,
    EVERY_DIGEST,
    EVERY_FINDING,
    EVERY_PROBLEM,
    EVERY_TRACE,
    Activity,
    GroupTotals,
    Hit,
    PrinciplePattern,
    StoredFinding,
    Totals,
)
from whence.store.memory_totals import key_of, totals_of


class MemoryStore:
    """Keeps the promises of `whence.store.interface` for as long as the process lives.

    Args:
        now_ns: Unix time for created_at and updated_at.
    """

    def __init__(self, *, now_ns: Callable[[], int] | None = None) -> None:
        self._now_ns = now_ns or SystemClock().now_ns
        self._lock = threading.RLock()
        self._closed = False
        self._records: list[Record] = []  # the place in the list is the arrival number
        self._known: set[tuple[str, str]] = set()  # (project, record id)
        self._traces: dict[str, TraceSummary] = {}
        self._contents: dict[str, str | None] = {}  # None: erased
        self._vectors: dict[str, bytes] = {}
        self._digests: dict[str, RunDigest] = {}
        self.quarantine: list[tuple[str, bytes]] = []  # (reason, data)

    def _open(self) -> threading.RLock:
        if self._closed:
            raise StoreUnreachable("this store is closed; open a new one")
        return self._lock

    # -- writing -------------------------------------------------------------------------------------------------

    def accept(self, batch: Sequence[bytes]) -> Accepted:
        with self._open():
            first, duplicates, quarantined = len(self._records), 0, 0
            beside = dict.fromkeys((kinds.CONTENT, kinds.VECTOR, kinds.DIGEST), 0)
            for data in batch:
                try:
                    record = derive.checked(data)
                    if record.kind in beside:
                        self._keep_beside(record)
                        beside[record.kind] += 1
                        continue
                except BadFrame as exc:
                    self.quarantine.append((str(exc), data))
                    quarantined += 1
                    continue
                if (record.project, record.record_id) in self._known:
                    duplicates += 1
                    continue
                self._known.add((record.project, record.record_id))
                self._records.append(record)
            touched = dict.fromkeys(record.trace for record in self._records[first:] if record.trace)
            for trace in touched:
                self._derive(trace)
            return Accepted(
                stored=len(self._records) - first,
                duplicates=duplicates,
                contents=beside[kinds.CONTENT],
                vectors=beside[kinds.VECTOR],
                digests=beside[kinds.DIGEST],
                quarantined=quarantined,
                ended=tuple(trace for trace in touched if self._traces[trace].status != IN_PROGRESS),
            )

    def _keep_beside(self, record: Record) -> None:
        """Keep what is no record of the stream. Raises BadFrame when it is malformed."""
        if record.kind == kinds.CONTENT:
            sha256, text = derive.content_of(record)
            self._contents.setdefault(sha256, text)
        elif record.kind == kinds.VECTOR:
            sha256, packed = derive.vector_of(record)
            self._vectors[sha256] = packed
        else:
            new = derive.digest_of(record)
            known = self._digests.get(new.trace)
            if known is None or (new.records, new.last_record) >= (known.records, known.last_record):
                self._digests[new.trace] = new

    def _derive(self, trace: str) -> None:
        """Put the row of a trace in place of the one before."""
        records = [record for record in self._records if record.trace == trace]
        counts = derive.Counts(
            len(records), sum(r.kind == kinds.DECISION for r in records), sum(map(derive.is_llm_call, records))
        )
        row = derive.ended_row(trace, records, counts)
        if row.status == IN_PROGRESS:
            own = [record for record in records if record.kind in kinds.SPANS_OF_THE_TRACE]
            row = derive.open_row(trace, records[0], own, counts)
        if any(other.trace_id == row.trace_id and other.id != trace for other in self._traces.values()):
            row = msgspec.structs.replace(row, trace_id=derive.FALLBACK + trace)
        now, before = iso_utc(self._now_ns()), self._traces.get(trace)
        created = before.created_at if before is not None else now
        self._traces[trace] = msgspec.structs.replace(row, created_at=created, updated_at=now)

    def erase_content(self, sha256: str) -> bool:
        with self._open():
            there = self._contents.get(sha256.lower()) is not None
            if there:
                self._contents[sha256.lower()] = None
            return there

    def rebuild_rollups(self) -> None:
        """Nothing to do: there are none."""

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._records, self._known, self._traces, self._contents = [], set(), {}, {}
            self._vectors, self._digests = {}, {}

    # -- records -------------------------------------------------------------------------------------------------

    def record(self, record_id: str) -> Record | None:
        with self._open():
            wanted = derive.bare_id(record_id)
            return next((record for record in self._records if record.record_id == wanted), None)

    def records(
        self, where: RecordFilter, *, limit: int = 100, cursor: str | None = None, newest_first: bool = False
    ) -> Page[Record]:
        derive.check_limit(limit)
        derive.check_conditions(where.where)
        of = "records, newest first" if newest_first else "records"
        after = cursors.read(of, cursor)[0] if cursor is not None else None
        with self._open():
            found = [(n, r) for n, r in enumerate(self._records, 1) if matching.record_matches(r, where)]
            if newest_first:
                found.reverse()
            if after is not None:
                found = [(n, r) for n, r in found if (n < after if newest_first else n > after)]
            more = cursors.write(of, found[limit - 1][0]) if len(found) > limit else None
            return Page(tuple(record for _, record in found[:limit]), more)

    def trace_records(self, trace: str) -> Iterator[Record]:
        with self._open():
            wanted = derive.bare_id(trace)
            return iter([record for record in self._records if record.trace == wanted])

    # -- traces --------------------------------------------------------------------------------------------------

    def trace(self, trace_id: str) -> TraceSummary | None:
        with self._open():
            otel = derive.bare_id(trace_id)
            if otel is not None:
                return self._traces.get(otel)
            return next((row for row in self._traces.values() if row.trace_id == trace_id.strip()), None)

    def traces_like(self, prefix: str, *, limit: int = 5) -> tuple[str, ...]:
        derive.check_limit(limit)
        with self._open():
            rows = self._newest_first()
            return tuple(row.trace_id for row in rows if prefix in row.trace_id or prefix in row.id)[:limit]

    def _newest_first(self) -> list[TraceSummary]:
        return sorted(self._traces.values(), key=lambda row: (row.started_ns, row.id), reverse=True)

    def traces(self, where: TraceFilter, *, limit: int = 50, cursor: str | None = None) -> Page[TraceSummary]:
        derive.check_limit(limit)
        after = cursors.read("traces", cursor) if cursor is not None else None
        with self._open():
            found = [row for row in self._newest_first() if matching.trace_matches(row, where)]
            if after is not None:
                found = [row for row in found if (row.started_ns, row.id) < after]
            last = found[limit - 1] if len(found) > limit else None
            more = cursors.write("traces", last.started_ns, last.id) if last is not None else None
            return Page(tuple(found[:limit]), more)

    def count_traces(self, where: TraceFilter, *, at_most: int = 1000) -> int:
        with self._open():
            return min(at_most, sum(matching.trace_matches(row, where) for row in self._traces.values()))

    def open_traces(self, writer: str) -> tuple[str, ...]:
        with self._open():
            rows = reversed(self._newest_first())
            return tuple(row.id for row in rows if row.writer == writer and row.status == IN_PROGRESS)

    # -- contents, findings, full text ---------------------------------------------------------------------------

    def content(self, sha256: str) -> str | None:
        with self._open():
            return self._contents.get(sha256.lower())

    def records_using(
        self, sha256: str, *, kinds: Sequence[str] = (), trace: str | None = None, limit: int = 100
    ) -> tuple[Record, ...]:
        derive.check_limit(limit)
        wanted, of = sha256.lower(), derive.bare_id(trace) or trace if trace is not None else None
        with self._open():
            found = (
                each
                for each in reversed(self._records)
                if (not kinds or each.kind in kinds)
                and (of is None or each.trace == of)
                and wanted.encode() in bytes(each.payload).lower()
                and wanted in matching.contents_of(each)
            )
            return tuple(islice(found, limit))

    def findings(self, where: FindingFilter = EVERY_FINDING, *, limit: int = 100) -> tuple[StoredFinding, ...]:
        derive.check_limit(limit)
        with self._open():
            return tuple(diagnosis.findings_in(self._records, where)[:limit])

    def finding(self, some_id: str) -> StoredFinding | None:
        with self._open():
            return diagnosis.finding_in(self._records, derive.bare_id(some_id))

    def problems(
        self, where: ProblemFilter = EVERY_PROBLEM, *, limit: int = 100, cursor: str | None = None
    ) -> Page[Problem]:
        with self._open():
            return diagnosis.page_of_problems(diagnosis.problems_in(self._records), where, limit=limit, cursor=cursor)

    def problem(self, some_id: str) -> Problem | None:
        wanted = short_id(some_id)
        with self._open():
            found = [each for each in diagnosis.problems_in(self._records) if wanted and each.id.startswith(wanted)]
            return found[0] if len(found) == 1 else None

    def digest(self, trace: str) -> RunDigest | None:
        with self._open():
            return self._digests.get(derive.bare_id(trace) or "")

    def digests(
        self, where: DigestFilter = EVERY_DIGEST, *, newest_first: bool = False, limit: int | None = None
    ) -> Iterator[RunDigest]:
        with self._open():
            found = sorted_runs([each for each in self._digests.values() if diagnosis.digest_matches(each, where)])
            return iter((found[::-1] if newest_first else found)[:limit])

    def undigested(self, where: TraceFilter = EVERY_TRACE, *, limit: int = 1000) -> tuple[str, ...]:
        derive.check_limit(limit)
        with self._open():
            ended = (row for row in self._newest_first() if row.status != IN_PROGRESS)
            found = (row for row in ended if row.id not in self._digests and matching.trace_matches(row, where))
            return tuple(row.id for row in islice(found, limit))

    def activity(self, where: ActivityFilter = EVERY_ACTIVITY) -> tuple[Activity, ...]:
        with self._open():
            return diagnosis.activity_in(self._records, where)

    def activity_by_minute(self, where: ActivityFilter) -> tuple[Activity, ...]:
        with self._open():
            return diagnosis.minutes_in(self._records, where)

    def vector(self, sha256: str) -> bytes | None:
        with self._open():
            return self._vectors.get(sha256.lower())

    def search(self, text: str, *, limit: int = 20, cursor: str | None = None) -> Page[Hit]:
        derive.check_limit(limit)
        before = cursors.read("search", cursor)[0] if cursor is not None else None
        wanted = matching.words(text)
        with self._open():
            found: list[tuple[int, Hit]] = []
            for n, record in reversed(list(enumerate(self._records, 1))):
                if before is not None and n >= before:
                    continue
                kept = (self._contents.get(each) for each in matching.contents_of(record))
                texts = [matching.searched_text(record), *(t[: matching.TEXT_CHARS] for t in kept if t is not None)]
                holding = next((each for each in texts if matching.holds_words(each, wanted)), None)
                if holding is not None:
                    row = self._traces.get(record.trace)
                    name = row.trace_id if row is not None else ""
                    hit = Hit(record=record, trace_id=name, snippet=matching.marked(holding, wanted))
                    found.append((n, hit))
            more = cursors.write("search", found[limit - 1][0]) if len(found) > limit else None
            return Page(tuple(hit for _, hit in found[:limit]), more)

    # -- aggregates ----------------------------------------------------------------------------------------------

    def _in_window(self, where: TraceFilter) -> list[TraceSummary]:
        since, until = derive.window(where.since_ns, where.until_ns)
        only = TraceFilter(
            project=where.project,
            intent=where.intent,
            domain=where.domain,
            report_type=where.report_type,
            since_ns=since,
            until_ns=until,
        )
        return [row for row in self._traces.values() if matching.trace_matches(row, only)]

    def totals(self, where: TraceFilter = EVERY_TRACE) -> Totals:
        with self._open():
            return totals_of(self._in_window(where), where)

    def totals_by(self, dimension: str, where: TraceFilter = EVERY_TRACE) -> tuple[GroupTotals, ...]:
        if dimension not in DIMENSIONS:
            raise BadInput(f"cannot group by {dimension!r}; use one of {', '.join(DIMENSIONS)}")
        with self._open():
            groups: dict[str, list[TraceSummary]] = {}
            for row in self._in_window(where):
                groups.setdefault(key_of(dimension, row), []).append(row)
        found = [GroupTotals(key=key, totals=totals_of(groups[key], where)) for key in sorted(groups)]
        if dimension not in ("hour", "day"):
            found.sort(key=lambda group: -group.totals.total_runs)
        return tuple(found)

    def principle_patterns(
        self, *, min_runs: int = 3, where: TraceFilter = EVERY_TRACE
    ) -> tuple[PrinciplePattern, ...]:
        with self._open():
            scores: dict[str, list[float]] = {}
            for row in self._in_window(where):
                if row.status == COMPLETE:
                    for principle, score in row.principle_scores.items():
                        scores.setdefault(principle, []).append(score)
        found = [
            PrinciplePattern(
                principle_id=principle,
                fail_count=sum(score < derive.FAILED_BELOW for score in of),
                avg_score=sum(derive.scaled(score, 1e6, 1e6) for score in of) / len(of) / 1e6,
                total_runs=len(of),
            )
            for principle, of in sorted(scores.items())
        ]
        return tuple(sorted((p for p in found if p.fail_count >= min_runs), key=lambda p: -p.fail_count))

    def sync(self) -> None:
        """Memory has no disk to bring anything to."""

    def stats(self) -> dict[str, Any]:
        with self._open():
            return {
                "records": len(self._records),
                "traces": len(self._traces),
                "contents": sum(text is not None for text in self._contents.values()),
                "findings": sum(findings.seen_of(record) is not None for record in self._records),
                "problems": len(diagnosis.problems_in(self._records)),
                "vectors": len(self._vectors),
                "digests": len(self._digests),
                "quarantine": len(self.quarantine),
                "bytes": 0,
                "schema_version": 0,
                "last_ts_ns": self._records[-1].ts_ns if self._records else None,
            }
