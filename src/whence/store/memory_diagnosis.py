"""What `MemoryStore` says of findings, problems, digests and activity: computed from the records whenever it is asked for."""

from collections.abc import Callable, Iterable

import msgspec

from whence.model import record as kinds
from whence.model.digest import RunDigest
from whence.model.filters import ActivityFilter, DigestFilter, FindingFilter, Page, ProblemFilter
from whence.model.finding import Problem
from whence.model.record import Record
from whence.store import cursor as cursors
from whence.store import derive, findings
from whence.store.findings import Seen
from whence.store.interface import Activity, StoredFinding
from whence.store.matching import within


def findings_in(records: Iterable[Record], where: FindingFilter) -> list[StoredFinding]:
    """Return the matching findings among records, the last to arrive first; of each occurrence the newest."""
    seen = [each for each in map(findings.seen_of, records) if each is not None]
    counting = {id(each) for each in findings.current(seen)}
    found = (each for each in reversed(seen) if id(each) in counting and _finding_matches(each, where))
    return [_stored(each) for each in found]


def finding_in(records: Iterable[Record], some_id: str | None) -> StoredFinding | None:
    """Return the finding with this id of its record, else the newest with this id of its occurrence."""
    seen = [each for each in map(findings.seen_of, records) if each is not None]
    by_record = [each for each in seen if each.record_id == some_id]
    said = [each for each in seen if each.occurrence == some_id]
    if by_record:
        return _stored(by_record[0])
    return _stored(max(said, key=lambda each: (each.ts_ns, each.record_id))) if said else None


def _stored(seen: Seen) -> StoredFinding:
    return StoredFinding(
        record_id=seen.record_id,
        ts_ns=seen.ts_ns,
        trace=seen.trace,
        project=seen.project,
        finding=seen.finding,
        occurrence=seen.occurrence,
    )


def _finding_matches(seen: Seen, where: FindingFilter) -> bool:
    wanted = derive.bare_id(where.trace) or where.trace if where.trace is not None else None
    fingerprint = None if where.fingerprint is None else derive.fingerprint_of(where.fingerprint)
    code = seen.finding.code
    return (
        (seen.live or where.withdrawn)
        and (wanted is None or seen.trace == wanted)
        and (where.project is None or seen.project == where.project)
        and (where.code is None or code == where.code)
        and (not where.codes or code in where.codes)
        and (fingerprint is None or seen.fingerprint == fingerprint)
        and (where.component is None or where.component in seen.finding.components)
        and (where.min_severity <= 0 or seen.severity >= where.min_severity)
        and within(seen.ts_ns, where.since_ns, where.until_ns)
    )


def problems_in(records: Iterable[Record]) -> list[Problem]:
    """Return every problem that records make, the one seen last first."""
    records = list(records)
    seen = (each for each in map(findings.seen_of, records) if each is not None)
    said = (each for each in map(findings.said_of, records) if each is not None)
    return sorted(findings.problems_of(seen, said), key=lambda each: (each.last_ns, each.id), reverse=True)


def page_of_problems(found: list[Problem], where: ProblemFilter, *, limit: int, cursor: str | None) -> Page[Problem]:
    """Return the matching ones of these problems, cut to a page."""
    derive.check_limit(limit)
    after = cursors.read("problems", cursor) if cursor is not None else None
    found = [each for each in found if _problem_matches(each, where)]
    if after is not None:
        found = [each for each in found if (each.last_ns, each.id) < after]
    last = found[limit - 1] if len(found) > limit else None
    return Page(tuple(found[:limit]), cursors.write("problems", last.last_ns, last.id) if last is not None else None)


def _problem_matches(problem: Problem, where: ProblemFilter) -> bool:
    return (
        problem.count > 0
        and (where.project is None or problem.project == where.project)
        and (where.code is None or problem.code == where.code)
        and (not where.states or problem.state in where.states)
        and (where.component is None or where.component in problem.components)
        and (where.min_severity <= 0 or problem.severity >= where.min_severity)
        and within(problem.last_ns, where.since_ns, where.until_ns)
    )


def digest_matches(digest: RunDigest, where: DigestFilter) -> bool:
    """Return whether every given field of the filter holds."""
    return (
        (where.project is None or digest.project == where.project)
        and within(digest.started_ns, where.since_ns, where.until_ns)
        and (where.ended_before_ns is None or 0 < digest.ended_ns < where.ended_before_ns)
    )


def activity_in(records: Iterable[Record], where: ActivityFilter) -> tuple[Activity, ...]:
    """Return what each component did, the busiest first."""
    found = _summed(records, where, lambda record: (0, derive.who(record)))
    return tuple(sorted(found.values(), key=lambda each: (-each.records, each.component)))


def minutes_in(records: Iterable[Record], where: ActivityFilter) -> tuple[Activity, ...]:
    """Return the same minute by minute, in order of time."""
    found = _summed(records, where, lambda record: (_minute(record), derive.who(record)))
    return tuple(msgspec.structs.replace(found[key], minute_ns=key[0]) for key in sorted(found))


def _minute(record: Record) -> int:
    return record.ts_ns - record.ts_ns % derive.MINUTE_NS


def _summed(
    records: Iterable[Record], where: ActivityFilter, key: Callable[[Record], tuple[int, str]]
) -> dict[tuple[int, str], Activity]:
    since, until = derive.minutes(where.since_ns, where.until_ns)
    found: dict[tuple[int, str], Activity] = {}
    for record in records:
        who = derive.who(record)
        if (
            derive.is_ours(record)
            or not since <= _minute(record) < until
            or (where.project is not None and record.project != where.project)
            or (where.component is not None and who != where.component)
        ):
            continue
        ended = record.kind == kinds.SPAN_END
        payload = derive.payload_of(record) if ended else {}
        place = key(record)
        sums, minute = found.get(place), _minute(record)
        before = sums if sums is not None else Activity(component=who, first_ns=minute, last_ns=minute)
        found[place] = Activity(
            component=who,
            records=before.records + 1,
            errors=before.errors + (record.level >= derive.HIGH or payload.get("error") is not None),
            spans=before.spans + ended,
            failed=before.failed + (payload.get("error") is not None),
            duration_ms=before.duration_ms + derive.milliseconds_of(payload.get("duration_ns")),
            first_ns=min(before.first_ns, minute),
            last_ns=max(before.last_ns, minute),
        )
    return found
