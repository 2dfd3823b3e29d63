"""Questions to the tables. Each function takes a connection and returns values of the model."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Final, cast

import apsw
import msgspec

from whence.errors import BadInput
from whence.model.filters import Page, RecordFilter, TraceFilter
from whence.model.record import Record
from whence.model.trace import TraceSummary
from whence.store import cursor as cursors
from whence.store import derive
from whence.store.interface import (
    DIMENSIONS,
    PREFIX_FROM,
    GroupTotals,
    Hit,
    PrinciplePattern,
    Totals,
)
from whence.store.sqlite import filters, rows
from whence.store.sqlite.queries import filtered, sql

_MAX_INT: Final = 2**63 - 1


def record(connection: apsw.Connection, record_id: str) -> Record | None:
    """Return the record with an id."""
    wanted = derive.bare_id(record_id)
    row = connection.execute(sql("record"), (bytes.fromhex(wanted),)).fetchone() if wanted else None
    return rows.record_of(row) if row is not None else None


def records(
    connection: apsw.Connection, where: RecordFilter, *, limit: int, cursor: str | None, newest_first: bool
) -> Page[Record]:
    """Return matching records."""
    derive.check_limit(limit)
    several = (
        [msgspec.structs.replace(where, components=(), component=each) for each in dict.fromkeys(where.components)]
        if filters.by_component(where)
        else [where]
    )
    # Of each component in order, as its index gives them, and then merged.
    got = [
        each
        for only in several
        for each in _numbered(connection, only, limit=limit, cursor=cursor, newest_first=newest_first)
    ]
    if len(several) > 1:
        got.sort(key=itemgetter(0), reverse=newest_first)
    more = cursors.write(_of(newest_first), got[limit - 1][0]) if len(got) > limit else None
    return Page(tuple(record for _, record in got[:limit]), more)


def _of(newest_first: bool) -> str:
    return "records, newest first" if newest_first else "records"


def _numbered(
    connection: apsw.Connection, where: RecordFilter, *, limit: int, cursor: str | None, newest_first: bool
) -> list[tuple[int, Record]]:
    """Return matching records with their numbers, one more than asked for if there are more."""
    found = filters.of_records(where)
    if cursor is not None:
        found.add("before_n" if newest_first else "after_n", cursors.read(_of(newest_first), cursor)[0])
    if where.since_ns is not None or where.until_ns is not None:
        since, until = derive.window(where.since_ns, where.until_ns)
        window = (_hour(since, 0), _hour(until, _MAX_INT))
        first, last = connection.execute(sql("numbers_in_window"), window).get
        if first is None:
            return []
        found.add("numbers", first, last)
    query = filtered("records_newest_first" if newest_first else "records", found.fragments)
    got: list[Any] = connection.execute(query, (*found.values, limit + 1)).fetchall()
    return [(row[0], rows.record_of(row[1:])) for row in got]


def trace_records(connection: apsw.Connection, trace: str) -> Iterator[Record]:
    """Yield the records of a trace."""
    wanted = derive.bare_id(trace)
    if wanted is not None:
        for row in connection.execute(sql("trace_records"), (bytes.fromhex(wanted),)):
            yield rows.record_of(row)


def records_using(
    connection: apsw.Connection, sha256: bytes | None, *, kinds: Sequence[str], trace: str | None, limit: int
) -> tuple[Record, ...]:
    """Return the records that refer to a text."""
    derive.check_limit(limit)
    if sha256 is None:
        return ()
    found = filters.Where()
    if kinds:
        found.add("check_kinds", msgspec.json.encode(list(kinds)).decode())
    if trace is not None:
        found.add("check_trace", bytes.fromhex(derive.bare_id(trace) or ("00" if trace else "")))
    got = connection.execute(filtered("records_using", found.fragments), (sha256, *found.values, limit))
    return tuple(rows.record_of(row) for row in got)


def trace(connection: apsw.Connection, trace_id: str) -> TraceSummary | None:
    """Return the row of a trace."""
    otel = derive.bare_id(trace_id)
    query = ("trace", bytes.fromhex(otel)) if otel is not None else ("trace_by_name", trace_id.strip())
    row = connection.execute(sql(query[0]), (query[1],)).fetchone()
    return rows.trace_of(row) if row is not None else None


def traces(connection: apsw.Connection, where: TraceFilter, *, limit: int, cursor: str | None) -> Page[TraceSummary]:
    """Return matching traces."""
    derive.check_limit(limit)
    found = filters.of_traces(where)
    if cursor is not None:
        at, then = cursors.read("traces", cursor)
        found.add("trace_after", at, bytes.fromhex(derive.bare_id(then) or ""))
    got = connection.execute(filtered("traces", found.fragments), (*found.values, limit + 1)).fetchall()
    page = tuple(rows.trace_of(row) for row in got[:limit])
    more = cursors.write("traces", page[-1].started_ns, page[-1].id) if len(got) > limit else None
    return Page(page, more)


def count_traces(connection: apsw.Connection, where: TraceFilter, *, at_most: int) -> int:
    """Return how many traces match, up to a limit."""
    found = filters.of_traces(where)
    return int(connection.execute(filtered("count_traces", found.fragments), (*found.values, at_most)).get)


def search(connection: apsw.Connection, text: str, *, limit: int, cursor: str | None) -> Page[Hit]:
    """Return records that hold all the words, by themselves or in a text they refer to."""
    derive.check_limit(limit)
    before = cursors.read("search", cursor)[0] if cursor is not None else _MAX_INT
    # FTS5's own tokenizer, so that what is looked for is cut in words exactly as what was indexed.
    tokenizer = connection.fts5_tokenizer("unicode61", ["remove_diacritics", "2"])
    utf8 = text.encode(errors="replace")
    found = cast(list[tuple[str]], tokenizer(utf8, apsw.FTS5_TOKENIZE_QUERY, None, include_offsets=False))
    words = [word for (word,) in found]
    if not words:
        return Page(())
    query = " ".join(f'"{word}"' for word in words)  # letters and digits only: nothing to escape
    if len(words[-1]) >= PREFIX_FROM:
        query += " *"
    bound = {"words": query, "before": before, "limit": limit + 1}
    hits: dict[int, Hit] = {}
    for name in ("search_records", "search_contents"):
        for n, snippet, trace_id, *columns in connection.execute(sql(name), bound):
            hits.setdefault(n, Hit(record=rows.record_of(columns), trace_id=trace_id, snippet=snippet))
    numbers = sorted(hits, reverse=True)
    more = cursors.write("search", numbers[limit - 1]) if len(numbers) > limit else None
    return Page(tuple(hits[n] for n in numbers[:limit]), more)


def totals_by(connection: apsw.Connection, dimension: str, where: TraceFilter) -> tuple[GroupTotals, ...]:
    """Return totals per value of a dimension."""
    if dimension not in DIMENSIONS:
        raise BadInput(f"cannot group by {dimension!r}; use one of {', '.join(DIMENSIONS)}")
    named = {"hour": derive.hour_key, "day": derive.day_key}.get(dimension)
    found = _totals(connection, f"key_{dimension}", where)
    if named is not None:
        return tuple(GroupTotals(key=named(key), totals=totals) for key, totals in found)
    groups = [GroupTotals(key=key, totals=totals) for key, totals in found]
    return tuple(sorted(groups, key=lambda group: -group.totals.total_runs))


def totals(connection: apsw.Connection, where: TraceFilter) -> Totals:
    """Return sums over traces."""
    found = _totals(connection, "key_none", where)
    since, until = derive.window(where.since_ns, where.until_ns)
    return found[0][1] if found else Totals(since_ns=since, until_ns=until)


def _totals(connection: apsw.Connection, key: str, where: TraceFilter) -> list[tuple[Any, Totals]]:
    since, until = derive.window(where.since_ns, where.until_ns)
    found = filters.of_rollups(where)
    return [
        (
            row[0],
            Totals(
                total_runs=row[1],
                in_progress=row[2],
                complete=row[3],
                failed=row[4],
                incomplete=row[5],
                qg_passed=row[6],
                qg_failed=row[7],
                scored=row[9],
                avg_quality=row[8] / row[9] / 1e6 if row[9] else None,
                avg_duration=row[10] / row[11] / 1e3 if row[11] else None,
                avg_cost=row[12] / row[13] / 1e6 if row[13] else None,
                decisions=row[14],
                llm_calls=row[15],
                total_tokens=row[16],
                since_ns=since,
                until_ns=until,
            ),
        )
        for row in connection.execute(filtered("totals", found.fragments, key), tuple(found.values))
    ]


def principle_patterns(
    connection: apsw.Connection, *, min_runs: int, where: TraceFilter
) -> tuple[PrinciplePattern, ...]:
    """Return principles that failed often."""
    found = filters.of_rollups(where)
    got = connection.execute(filtered("principle_patterns", found.fragments), (*found.values, min_runs))
    return tuple(
        PrinciplePattern(principle_id=pid, fail_count=fails, avg_score=score / runs / 1e6, total_runs=runs)
        for pid, fails, score, runs in got
    )


def _hour(hour_ns: int | None, default: int) -> int:
    return default if hour_ns is None else max(-_MAX_INT, min(hour_ns, _MAX_INT))


def stats(connection: apsw.Connection) -> dict[str, Any]:
    """Return how much there is."""
    names = (
        "records",
        "traces",
        "contents",
        "findings",
        "problems",
        "vectors",
        "digests",
        "quarantine",
        "schema_version",
        "last_ts_ns",
    )
    return dict(zip(names, connection.execute(sql("stats")).get, strict=True))
