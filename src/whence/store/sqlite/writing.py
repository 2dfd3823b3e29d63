"""Taking a batch: records, and everything derived from them, in one transaction."""

from collections.abc import Sequence
from operator import methodcaller
from typing import Any, Final

import apsw
import msgspec

from whence.clock import iso_utc
from whence.errors import BadFrame
from whence.model import record as kinds
from whence.model.record import Record
from whence.model.trace import IN_PROGRESS, TraceSummary
from whence.sink import Accepted
from whence.store import derive
from whence.store.sqlite import rows
from whence.store.sqlite.queries import sql

QUARANTINE_BYTES: Final = 4096
QUARANTINE_ROWS: Final = 10_000
CATCH_UP: Final = 20_000
"""How many older records a batch may bring into the full-text index, after a time without one."""

_batch = msgspec.json.Decoder(list[Record])
_REFUSED = (apsw.ConstraintError, apsw.MismatchError, apsw.SQLError, apsw.TooBigError)


class Taken:
    """What became of the members of a batch."""

    __slots__ = ("contents", "members", "quarantined", "stored")

    def __init__(self, members: int) -> None:
        self.members = members
        self.stored = self.contents = self.quarantined = 0


def take(connection: apsw.Connection, batch: Sequence[bytes], *, now_ns: int, full_text: bool) -> Accepted:
    """Store a batch within a transaction, with everything that follows from it."""
    taken = Taken(len(batch))
    before = int(connection.execute(sql("last_n")).get)
    if not _take_whole(connection, batch, taken):
        _take_one_by_one(connection, batch, taken, now_ns)
    ended: tuple[str, ...] = ()
    if taken.stored:
        new = {"before": before}
        if _mention(batch, b'"content_sha256"'):
            connection.execute(sql("link_contents"), new)
        if _mention(batch, b'"finding"'):
            _project_findings(connection, before)
        connection.execute(sql("roll_up_records"), new)
        connection.execute(sql("roll_up_hours"), new)
        ended = _derive_traces(connection, before, iso_utc(now_ns))
    if full_text and (taken.stored or taken.contents):
        _index(connection, taken.stored)
    return Accepted(
        stored=taken.stored,
        duplicates=taken.members - taken.stored - taken.contents - taken.quarantined,
        contents=taken.contents,
        quarantined=taken.quarantined,
        ended=ended,
    )


def _mention(batch: Sequence[bytes], word: bytes) -> bool:
    """Return whether the word may be in the batch: a cheap look that spares most batches a query."""
    return any(map(methodcaller("__contains__", word), batch))


def _take_whole(connection: apsw.Connection, batch: Sequence[bytes], taken: Taken) -> bool:
    """Store the batch by one statement; False, and nothing stored, when a member may be no record.

    The decoding here only checks (half a microsecond a record); SQLite reads the same bytes by itself.
    """
    data = b"[" + b",".join(batch) + b"]"
    try:
        if len(_batch.decode(data)) != len(batch):
            return False
        bound = {"batch": data.decode()}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    connection.execute("SAVEPOINT whole")
    try:
        contents = 0
        if b'"content"' in data:
            contents, fit = connection.execute(sql("count_contents"), bound).get
            if contents != fit:
                connection.execute("RELEASE whole")
                return False
            if contents:
                connection.execute(sql("insert_contents"), bound)
        connection.execute(sql("insert_records"), bound)
        taken.stored, taken.contents = connection.changes(), contents
    except _REFUSED as exc:
        connection.execute("ROLLBACK TO whole")
        connection.execute("RELEASE whole")
        _only_of_data(exc)
        return False
    connection.execute("RELEASE whole")
    return True


def _take_one_by_one(connection: apsw.Connection, batch: Sequence[bytes], taken: Taken, now_ns: int) -> None:
    """Store the members that are records, and put the others aside with the reason."""
    for data in batch:
        try:
            record = derive.checked(data)
            content = derive.content_of(record) if record.kind == kinds.CONTENT else None
            bound = {"batch": f"[{data.decode()}]"}
            if content is not None:
                connection.execute(sql("insert_contents"), bound)
                taken.contents += 1
            else:
                connection.execute(sql("insert_records"), bound)
                taken.stored += connection.changes()
        except (BadFrame, *_REFUSED) as exc:
            _only_of_data(exc)
            connection.execute(sql("quarantine"), (now_ns, str(exc), data[:QUARANTINE_BYTES]))
            taken.quarantined += 1
    if taken.quarantined:
        connection.execute(sql("shorten_quarantine"), {"most": QUARANTINE_ROWS})


def _only_of_data(exc: Exception) -> None:
    """Raise again what is not the fault of the data: a broken statement must not put good records aside."""
    if isinstance(exc, apsw.SQLError) and "JSON" not in str(exc):
        raise exc


def _project_findings(connection: apsw.Connection, before: int) -> None:
    found = []
    for n, record_id, ts_ns, trace, project, payload in connection.execute(sql("new_findings"), {"before": before}):
        finding = derive.finding_of(payload)
        if finding is not None:
            row = (finding.code, finding.severity, finding.fingerprint, payload.decode())
            found.append((n, record_id, ts_ns, trace, project, *row))
    if found:
        connection.executemany(sql("insert_finding"), found)


class _Change:
    """What a batch changes about a trace: a new row, or counts on top of the one there is."""

    __slots__ = ("counts", "row", "trace")

    def __init__(self, trace: bytes, row: TraceSummary | None, counts: derive.Counts) -> None:
        self.trace, self.row, self.counts = trace, row, counts


def _derive_traces(connection: apsw.Connection, before: int, now: str) -> tuple[str, ...]:
    """Bring the rows of the touched traces up to date; return those that have ended."""
    changes: list[_Change] = []
    ended: list[str] = []
    touched: list[Any] = connection.execute(sql("touched_traces"), {"before": before}).fetchall()
    for trace, *new_counts, ends, own, status, records, decisions, llm_calls in touched:
        new = derive.Counts(*new_counts)
        if ends or status not in (None, IN_PROGRESS):
            row = _ended_row(connection, trace)
            if row.status != IN_PROGRESS:
                changes.append(_Change(trace, row, new))
                ended.append(trace.hex())
                continue
        if status is None or own:
            so_far = derive.Counts(records or 0, decisions or 0, llm_calls or 0)
            total = derive.Counts(*(a + b for a, b in zip(new, so_far, strict=True)))
            changes.append(_Change(trace, _open_row(connection, trace, total), new))
        else:
            changes.append(_Change(trace, None, new))
    if changes:
        _apply(connection, changes, now)
    return tuple(ended)


def _ended_row(connection: apsw.Connection, trace: bytes) -> TraceSummary:
    records, decisions, first, named = connection.execute(sql("trace_facts"), {"trace": trace}).get
    bound = {"trace": trace, "first": first, "named": named}
    relevant = [rows.record_of(row) for row in connection.execute(sql("summary_records"), bound)]
    return derive.ended_row(trace.hex(), relevant, derive.Counts(records, decisions))


def _open_row(connection: apsw.Connection, trace: bytes, counts: derive.Counts) -> TraceSummary:
    opening = [rows.record_of(row) for row in connection.execute(sql("opening_records"), {"trace": trace})]
    own = [record for record in opening if record.kind in kinds.SPANS_OF_THE_TRACE]
    return derive.open_row(trace.hex(), opening[0], own, counts)


def _apply(connection: apsw.Connection, changes: list[_Change], now: str) -> None:
    """Take the old rows out of the roll-ups, put the new rows in place, and add them again."""
    ids = msgspec.json.encode([change.trace.hex() for change in changes]).decode()
    derived = [change for change in changes if change.row is not None]
    ids_derived = msgspec.json.encode([change.trace.hex() for change in derived]).decode()
    _measure(connection, ids, ids_derived, sign=-1)
    counted = [(*change.counts, now, change.trace) for change in changes if change.row is None]
    # In this order the counts go to the row as it is: records, decisions, llm_calls.
    if counted:
        connection.executemany(sql("count_up_trace"), counted)
    if derived:
        connection.execute(sql("drop_principles"), {"ids": ids_derived})
    scores: list[tuple[Any, ...]] = []
    for change in derived:
        assert change.row is not None
        row = msgspec.structs.replace(change.row, created_at=now, updated_at=now)
        if connection.execute(sql("name_taken"), (row.trace_id, change.trace)).get is not None:
            row = msgspec.structs.replace(row, trace_id=f"otel_{row.id}")
        connection.execute(sql("upsert_trace"), rows.row_of(row))
        scores += [(change.trace, principle, score) for principle, score in row.principle_scores.items()]
    if scores:
        connection.executemany(sql("insert_principle"), scores)
    _measure(connection, ids, ids_derived, sign=1)
    connection.execute(sql("drop_empty_traces"))
    connection.execute(sql("drop_empty_principles"))


def _measure(connection: apsw.Connection, ids: str, ids_derived: str, *, sign: int) -> None:
    connection.execute(sql("measure_traces"), {"ids": ids, "sign": sign})
    connection.execute(sql("measure_principles"), {"ids": ids_derived, "sign": sign})


def _index(connection: apsw.Connection, new: int) -> None:
    """Bring the full-text index up to the last record, or nearer to it if it had fallen far behind."""
    from_n, last_n, from_c, last_c = connection.execute(sql("full_text_place")).get
    until_n, until_c = min(last_n, from_n + new + CATCH_UP), min(last_c, from_c + CATCH_UP)
    connection.execute(sql("index_records"), {"after": from_n, "until": until_n})
    if until_c > from_c:
        connection.execute(sql("index_contents"), {"after": from_c, "until": until_c})
    connection.execute(sql("full_text_reached"), (until_n, until_c))


def erase(connection: apsw.Connection, sha256: bytes) -> bool:
    """Take a text out of the table and of the index."""
    place = connection.execute(sql("erased_place"), (sha256,)).get
    if place is None:
        return False
    c, indexed = place
    if indexed:
        connection.execute(sql("unindex_content"), (c,))
    connection.execute(sql("erase_content"), (c,))
    return True
