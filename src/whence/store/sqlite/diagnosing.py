"""Questions to the tables of diagnosis: findings, problems, digests, vectors, activity. As in `reading`, each function takes a
connection and returns values of the model."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import apsw
import msgspec

from whence.model.digest import RunDigest
from whence.model.filters import (
    ActivityFilter,
    DigestFilter,
    FindingFilter,
    Page,
    ProblemFilter,
    TraceFilter,
)
from whence.model.finding import Finding, Problem
from whence.store import cursor as cursors
from whence.store import derive
from whence.store.findings import short_id
from whence.store.interface import Activity, StoredFinding
from whence.store.sqlite import filters
from whence.store.sqlite.queries import filtered, sql

DECODED: Final = 256
"""Digests that are kept decoded, of two projects with a history each; a some tens of kilobytes each, of long runs more."""
DECODED_BYTES: Final = 128 * 1024
"""Text of a digest that is kept at all."""
DECODED_AT_ONCE: Final = 128
_NO_HOUR = -1
_digest = msgspec.json.Decoder(RunDigest)
_components = msgspec.json.Decoder(tuple[str, ...])


def findings(connection: apsw.Connection, where: FindingFilter, *, limit: int) -> tuple[StoredFinding, ...]:
    """Return matching findings."""
    derive.check_limit(limit)
    found = filters.of_findings(where)
    got = connection.execute(filtered("findings", found.fragments), (*found.values, limit))
    return tuple(_finding_of(row) for row in got)


def finding(connection: apsw.Connection, some_id: str) -> StoredFinding | None:
    """Return a finding by the id of its record or of its occurrence."""
    wanted = derive.bare_id(some_id)
    row = connection.execute(sql("finding"), {"id": bytes.fromhex(wanted)}).fetchone() if wanted else None
    return _finding_of(row) if row is not None else None


def _finding_of(row: tuple[Any, ...]) -> StoredFinding:
    record_id, ts_ns, trace, project, occurrence, data = row
    return StoredFinding(
        record_id=record_id.hex(),
        ts_ns=ts_ns,
        trace=trace.hex(),
        project=project,
        finding=msgspec.json.decode(data, type=Finding),
        occurrence=occurrence,
    )


def problems(connection: apsw.Connection, where: ProblemFilter, *, limit: int, cursor: str | None) -> Page[Problem]:
    """Return matching problems."""
    derive.check_limit(limit)
    found = filters.of_problems(where)
    if cursor is not None:
        found.add("problem_after", *cursors.read("problems", cursor))
    got = connection.execute(filtered("problems", found.fragments), (*found.values, limit + 1)).fetchall()
    page = tuple(_problem_of(row) for row in got[:limit])
    more = cursors.write("problems", page[-1].last_ns, page[-1].id) if len(got) > limit else None
    return Page(page, more)


def problem(connection: apsw.Connection, some_id: str) -> Problem | None:
    """Return a problem by the beginning of its id, if only one begins so."""
    wanted = short_id(some_id)
    if wanted is None:
        return None
    got = connection.execute(sql("problem"), (wanted, wanted + "g")).fetchall()  # "g": after every hex digit
    return _problem_of(got[0]) if len(got) == 1 else None


def _problem_of(row: tuple[Any, ...]) -> Problem:
    values = dict(zip(Problem.__struct_fields__, row, strict=True))
    return Problem(**{**values, "components": _components.decode(values["components"])})


def vector(connection: apsw.Connection, sha256: bytes | None) -> bytes | None:
    """Return a packed vector."""
    row = connection.execute(sql("vector"), (sha256,)).fetchone()
    return row[0] if row is not None else None


def digest(connection: apsw.Connection, trace: str) -> RunDigest | None:
    """Return what a run was like."""
    wanted = derive.bare_id(trace)
    row = connection.execute(sql("digest"), (bytes.fromhex(wanted),)).fetchone() if wanted else None
    return _digest.decode(row[0]) if row is not None else None


class Decoded:
    """Digests that were decoded lately, each beside the text it was decoded from; for a history that is read run after run.

    To decode the hundred runs before each that ends takes longer than anything else that is done with it; to compare texts
    takes a tenth of that, and is never wrong, whoever wrote another text meanwhile.
    """

    def __init__(self) -> None:
        # No lock: a child that is forked while one is held could never read a history. Each step below is one of C's.
        self._known: OrderedDict[bytes, tuple[bytes, RunDigest]] = OrderedDict()  # that used last is the last

    def decode(self, trace: bytes, data: bytes) -> RunDigest:
        """Return what a text says."""
        known = self._known.get(trace)
        if known is not None and known[0] == data:
            with suppress(KeyError):  # another thread has just dropped it
                self._known.move_to_end(trace)
            return known[1]
        digest = _digest.decode(data)
        if len(data) <= DECODED_BYTES:
            self._known[trace] = (data, digest)
            if len(self._known) > DECODED:
                with suppress(KeyError):
                    self._known.popitem(last=False)
        return digest


def digests(
    connection: apsw.Connection, where: DigestFilter, *, newest_first: bool, limit: int | None, decoded: Decoded
) -> Iterator[RunDigest]:
    """Yield what runs were like."""
    found = filters.of_digests(where)
    query = filtered("digests_newest_first" if newest_first else "digests", found.fragments)
    few = limit is not None and limit <= DECODED_AT_ONCE  # many at once would push out those that are asked for again
    for trace, data in connection.execute(query, (*found.values, -1 if limit is None else limit)):
        yield decoded.decode(trace, data) if few else _digest.decode(data)


def undigested(connection: apsw.Connection, where: TraceFilter, *, limit: int) -> tuple[str, ...]:
    """Return the ended traces that nobody has looked at since their last record."""
    derive.check_limit(limit)
    found = filters.of_traces(where)
    got = connection.execute(filtered("undigested", found.fragments), (*found.values, limit))
    return tuple(trace.hex() for (trace,) in got)


def activity(connection: apsw.Connection, where: ActivityFilter) -> tuple[Activity, ...]:
    """Return what components did: from whole hours, and from minutes at the edges of the window."""
    since, until = derive.minutes(where.since_ns, where.until_ns)
    edges = {
        "since": since,
        "until": until,
        "first_hour": -(-since // derive.HOUR_NS) * derive.HOUR_NS,
        "last_hour": derive.hour_of(until),
        "hour_before": derive.hour_of(since) if since % derive.HOUR_NS else _NO_HOUR,
        "hour_after": derive.hour_of(until) if until % derive.HOUR_NS else _NO_HOUR,
    }
    return tuple(
        Activity(
            component=component,
            records=records,
            errors=errors,
            spans=spans,
            failed=failed,
            duration_ms=duration_ms,
            first_ns=first_ns,
            last_ns=last_ns,
        )
        for component, records, errors, spans, failed, duration_ms, first_ns, last_ns in _activity(
            connection, "activity", where, edges
        )
    )


def activity_by_minute(connection: apsw.Connection, where: ActivityFilter) -> tuple[Activity, ...]:
    """Return what components did minute by minute."""
    since, until = derive.minutes(where.since_ns, where.until_ns)
    window = {"since": since, "until": until, "since_hour": derive.hour_of(since)}
    return tuple(
        Activity(
            component=component,
            minute_ns=minute_ns,
            records=records,
            errors=errors,
            spans=spans,
            failed=failed,
            duration_ms=duration_ms,
            first_ns=minute_ns,
            last_ns=minute_ns,
        )
        for component, minute_ns, records, errors, spans, failed, duration_ms in _activity(
            connection, "activity_by_minute", where, window
        )
    )


def _activity(connection: apsw.Connection, name: str, where: ActivityFilter, bound: dict[str, Any]) -> Any:
    of = "minute" if name == "activity_by_minute" else "activity"
    given = {"project": where.project, "component": where.component}
    asked = {key: value for key, value in given.items() if value is not None}
    return connection.execute(filtered(name, [f"{of}_{key}" for key in asked]), {**bound, **asked})
