"""What every store derives from findings and from what people say of them: which occurrence a finding is, and the row of
a problem. Pure functions of the set of records: neither the order of arrival nor the batches matter."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from whence.model import record as kinds
from whence.model.finding import SAID, SURE, Finding, FindingState, Problem, problem_id, standing
from whence.model.record import Record
from whence.store.derive import MAX_INT, finding_of, fingerprint_of, occurrence_of


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as it was said once."""

    record_id: str
    ts_ns: int
    trace: str
    project: str
    finding: Finding
    occurrence: str  # 32 hex digits
    fingerprint: str  # cut
    severity: int  # within 64 bits
    sure: bool
    live: bool  # not taken back
    first_ns: int  # of the evidence, else the time of the record
    last_ns: int


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said of a problem once."""

    record_id: str
    ts_ns: int
    project: str
    fingerprint: str  # cut
    state: str
    by: str
    note: str


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """What the row of a problem follows from."""

    project: str
    fingerprint: str
    count: int  # occurrences that were not taken back
    severity: int  # the worst
    sure: int  # whether any of them is
    first_ns: int
    last_ns: int
    record_id: str  # from here on of the newest finding
    trace: str
    code: str
    title: str
    confidence: float | None
    components: tuple[str, ...]
    said: str | None = None  # the last thing somebody said
    said_ns: int | None = None
    by: str = ""
    note: str = ""
    n: int = 0  # the number of the newest finding, where a store counts


def seen_of(record: Record) -> Seen | None:
    """Return the finding in a record; None when it is of another kind, or holds none: a record like any other."""
    finding = finding_of(record.payload) if record.kind == kinds.FINDING else None
    if finding is None:
        return None
    occurrence = occurrence_of(record.project, record.trace, finding.fingerprint, finding.anchor)
    return Seen(
        record_id=record.record_id,
        ts_ns=record.ts_ns,
        trace=record.trace,
        project=record.project,
        finding=finding,
        occurrence=occurrence if finding.fingerprint else record.record_id,
        fingerprint=fingerprint_of(finding.fingerprint),
        severity=max(-MAX_INT, min(finding.severity, MAX_INT)),
        sure=finding.basis in SURE,
        live=finding.count > 0,
        first_ns=_time(finding.first_ns, record.ts_ns),
        last_ns=_time(finding.last_ns, record.ts_ns),
    )


def _time(given: int, otherwise: int) -> int:
    return min(given, MAX_INT) if given > 0 else otherwise


def said_of(record: Record) -> Said | None:
    """Return what a record says of a problem; None when it is of another kind, or says nothing that counts."""
    if record.kind != kinds.FINDING_STATE or not record.name:
        return None
    try:
        given = msgspec.json.decode(record.payload, type=FindingState)
    except kinds.UNREADABLE:
        return None
    if given.state not in SAID:
        return None
    return Said(
        record_id=record.record_id,
        ts_ns=record.ts_ns,
        project=record.project,
        fingerprint=fingerprint_of(record.name),
        state=given.state,
        by=given.by,
        note=given.note,
    )


def current(seen: Iterable[Seen]) -> list[Seen]:
    """Return of each occurrence what was said of it last (by time, then by id of the record)."""
    newest: dict[tuple[str, str], Seen] = {}
    for each in seen:
        known = newest.get((each.project, each.occurrence))
        if known is None or (each.ts_ns, each.record_id) > (known.ts_ns, known.record_id):
            newest[each.project, each.occurrence] = each
    return list(newest.values())


def facts_of(occurrences: Sequence[Seen], said: Iterable[Said]) -> Facts:
    """Return what the row of one problem follows from.

    Args:
        occurrences: its current findings, at least one.
        said: whatever was said of it.
    """
    live = [each for each in occurrences if each.live]
    count = len(live)
    occurrences = live or occurrences
    newest = max(occurrences, key=lambda each: (each.last_ns, each.record_id))
    last = max(said, key=lambda each: (each.ts_ns, each.record_id), default=None)
    words: dict[str, Any] = {}
    if last is not None:
        words = {"said": last.state, "said_ns": last.ts_ns, "by": last.by, "note": last.note}
    return Facts(
        newest.project,
        newest.fingerprint,
        count,
        max(each.severity for each in occurrences),
        max(each.sure for each in occurrences),
        min(each.first_ns for each in occurrences),
        newest.last_ns,
        newest.record_id,
        newest.trace,
        newest.finding.code,
        newest.finding.title,
        newest.finding.confidence,
        newest.finding.components,
        **words,
    )


def problem_of(facts: Facts) -> Problem:
    """Return the row of a problem."""
    return Problem(
        id=problem_id(facts.project, facts.fingerprint),
        project=facts.project,
        fingerprint=facts.fingerprint,
        code=facts.code,
        title=facts.title,
        severity=facts.severity,
        state=standing(
            count=facts.count, sure=bool(facts.sure), last_ns=facts.last_ns, said=facts.said, said_ns=facts.said_ns
        ),
        count=facts.count,
        first_ns=facts.first_ns,
        last_ns=facts.last_ns,
        confidence=facts.confidence,
        components=facts.components,
        trace=facts.trace,
        record_id=facts.record_id,
        changed_ns=facts.said_ns,
        by=facts.by,
        note=facts.note,
    )


def problems_of(seen: Iterable[Seen], said: Iterable[Said]) -> list[Problem]:
    """Return every problem that these findings are, in no order."""
    groups: dict[tuple[str, str], list[Seen]] = {}
    for each in current(seen):
        if each.fingerprint:
            groups.setdefault((each.project, each.fingerprint), []).append(each)
    words: dict[tuple[str, str], list[Said]] = {}
    for word in said:
        words.setdefault((word.project, word.fingerprint), []).append(word)
    return [problem_of(facts_of(group, words.get(key, ()))) for key, group in groups.items()]


SHORTEST_ID: Final = 4
_DIGITS: Final = frozenset("0123456789abcdef")


def short_id(some_id: str) -> str | None:
    """Return the beginning of a problem's id in its plain form; None if it is none, or too short to mean one."""
    plain = some_id.strip().lower()
    return plain if len(plain) >= SHORTEST_ID and _DIGITS.issuperset(plain) else None
