"""The rows of traces, brought up to date after new records, with what hangs on them.

A fixed number of statements per batch, whatever it holds: each time SQLite hands something over, this thread waits for
Python's lock, beside a busy host for milliseconds. So traces and their records come and go as JSON texts.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import apsw
import msgspec

from whence.model import record as kinds
from whence.model.record import Record
from whence.model.trace import IN_PROGRESS, TraceSummary
from whence.store import derive
from whence.store.sqlite.queries import sql

RECORDS_AT_ONCE: Final = 20_000
"""About how many records of ended traces are looked at in one go, to bound memory."""


class _Touched(msgspec.Struct, frozen=True, array_like=True):
    """A trace with new records: how many, of what, and what its row says so far (None: there is no row)."""

    trace: str
    records: int
    decisions: int
    llm_calls: int
    ends: int
    own: int  # whether any is about the trace as a whole
    status: str | None
    known_records: int | None
    known_decisions: int | None
    known_llm_calls: int | None

    @property
    def counts(self) -> derive.Counts:
        """Counts over all its records."""
        return derive.Counts(
            self.records + (self.known_records or 0),
            self.decisions + (self.known_decisions or 0),
            self.llm_calls + (self.known_llm_calls or 0),
        )


_touched = msgspec.json.Decoder(list[_Touched])
_facts = msgspec.json.Decoder(list[tuple[str, int, int]])
_records = msgspec.json.Decoder(list[Record])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def derive_traces(connection: apsw.Connection, before: int, now: str) -> tuple[str, ...]:
    """Bring the rows of the traces of new records up to date.

    Args:
        connection: in the transaction that took the records.
        before: the number of the last record before them.
        now: when, for created_at and updated_at.

    Returns:
        The traces among them that have ended, in order of arrival.
    """
    touched = _touched.decode(connection.execute(sql("touched_traces"), {"before": before}).get)
    may_have_ended = [each for each in touched if each.ends or each.status not in (None, IN_PROGRESS)]
    rows = dict(_ended_rows(connection, may_have_ended))
    ended = tuple(each.trace for each in touched if each.trace in rows)
    still_open = [each for each in touched if each.trace not in rows]
    rows.update(_open_rows(connection, [each for each in still_open if each.status is None or each.own]))
    counted = [each for each in still_open if each.trace not in rows]
    if touched:
        known = [each.trace for each in touched if each.status is not None]
        _apply(connection, [rows[each.trace] for each in touched if each.trace in rows], counted, known, now)
    return ended


def _ended_rows(connection: apsw.Connection, touched: Sequence[_Touched]) -> Iterator[tuple[str, TraceSummary]]:
    """Yield the rows of those traces that have indeed ended."""
    for some in _portions(touched):
        bound = {"traces": _json([each.trace for each in some])}
        facts, found = connection.execute(sql("records_of_ended"), bound).get
        records = _by_trace(found)
        for trace, total, decisions in _facts.decode(facts):
            row = derive.ended_row(trace, records[trace], derive.Counts(total, decisions))
            if row.status != IN_PROGRESS:  # else its end cannot be read
                yield trace, row


def _open_rows(connection: apsw.Connection, touched: Sequence[_Touched]) -> Iterator[tuple[str, TraceSummary]]:
    if not touched:
        return
    found = connection.execute(sql("records_of_open"), {"traces": _json([each.trace for each in touched])}).get
    records = _by_trace(found)
    for each in touched:
        first = records[each.trace][0]
        own = [record for record in records[each.trace] if record.kind in kinds.SPANS_OF_THE_TRACE]
        yield each.trace, derive.open_row(each.trace, first, own, each.counts)


def _portions(touched: Sequence[_Touched]) -> Iterator[list[_Touched]]:
    portion: list[_Touched] = []
    size = 0
    for each in touched:
        portion.append(each)
        size += each.counts.records
        if size >= RECORDS_AT_ONCE:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _by_trace(found: str) -> dict[str, list[Record]]:
    records: dict[str, list[Record]] = {}
    for record in _records.decode(found):
        records.setdefault(record.trace, []).append(record)
    return records


def _apply(
    connection: apsw.Connection, rows: list[TraceSummary], counted: list[_Touched], known: list[str], now: str
) -> None:
    """Take the rows that there are out of the roll-ups, put the new ones in place, and add them again."""
    if known:
        _measure(connection, known, sign=-1)
        connection.execute(sql("drop_principles"), {"ids": _json([row.id for row in rows])})
    if counted:
        counts = _json([(each.trace, each.records, each.decisions, each.llm_calls) for each in counted])
        connection.execute(sql("count_up_traces"), {"counts": counts, "now": now})
    if rows:
        _upsert(connection, [msgspec.structs.replace(row, created_at=now, updated_at=now) for row in rows])
        connection.execute(sql("insert_principles"), {"ids": _json([row.id for row in rows])})
    _measure(connection, [*(row.id for row in rows), *(each.trace for each in counted)], sign=1)
    if known:
        connection.execute(sql("drop_empty_traces"))
        connection.execute(sql("drop_empty_principles"))


def _measure(connection: apsw.Connection, traces: list[str], *, sign: int) -> None:
    bound = {"ids": _json(traces), "sign": sign}
    connection.execute(sql("measure_traces"), bound)
    connection.execute(sql("measure_principles"), bound)


def _upsert(connection: apsw.Connection, rows: list[TraceSummary]) -> None:
    if not _names_clash(connection, rows):
        _put(connection, rows)
        return
    for row in rows:  # one after the other, so that the first to claim a name has it
        clashes = _names_clash(connection, [row])
        _put(connection, [msgspec.structs.replace(row, trace_id=derive.FALLBACK + row.id) if clashes else row])


def _names_clash(connection: apsw.Connection, rows: list[TraceSummary]) -> bool:
    if len({row.trace_id for row in rows}) < len(rows):
        return True
    names = _json([(row.id, row.trace_id) for row in rows])
    return bool(connection.execute(sql("names_taken"), {"names": names}).get)


def _put(connection: apsw.Connection, rows: Iterable[TraceSummary]) -> None:
    connection.execute(sql("upsert_traces"), {"rows": _json([msgspec.structs.astuple(row) for row in rows])})
