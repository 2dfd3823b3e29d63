"""Whole runs on their way out: as JSON lines, or as OpenTelemetry has them. In order, a page at a time, nothing held."""

from collections.abc import Iterator, Sequence

import msgspec

from whence.model import record as kinds
from whence.model.content import CONTENT_KEY, references
from whence.model.filters import RecordFilter, TraceFilter
from whence.model.record import Record
from whence.store.interface import Store
from whence.wire import lines
from whence.wire.otlp.outgoing import Outgoing, outgoing

PAGE = 5_000
KNOWN_TEXTS = 100_000
"""So many texts are remembered as written; beyond that one may be written again, which is harmless."""
_OF_THIS_MACHINE = (kinds.TRACE_DOCUMENT,)
"""Says where a file lies here; whoever reads the export writes its own."""
_REFERENCE = CONTENT_KEY.encode()


def json_lines(store: Store, where: RecordFilter, *, generator: str, traces: Sequence[str] = ()) -> Iterator[bytes]:
    """Yield the lines of an export (`wire.lines`), each with its end, in order of arrival.

    Args:
        where: which records; all of them without a condition.
        traces: only of these traces (OpenTelemetry ids), one after the other.
    """
    yield lines.header(generator)
    known: dict[str, None] = {}
    for record in _records(store, where, traces):
        if record.kind in _OF_THIS_MACHINE:
            continue
        if _REFERENCE in bytes(record.payload):
            yield from _texts(store, record, known)
        yield lines.encode(record)


def _records(store: Store, where: RecordFilter, traces: Sequence[str]) -> Iterator[Record]:
    for trace in traces:
        yield from store.trace_records(trace)
    cursor: str | None = None
    while not traces:
        page = store.records(where, limit=PAGE, cursor=cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def _texts(store: Store, record: Record, known: dict[str, None]) -> Iterator[bytes]:
    try:
        payload = msgspec.json.decode(record.payload)
    except (msgspec.MsgspecError, UnicodeError):
        return
    for sha256 in references(payload):
        text = store.content(sha256) if sha256 not in known else None
        if text is None:  # written already; or erased, never stored, or what a user wrote that looks like a reference
            continue
        if len(known) >= KNOWN_TEXTS:
            known.clear()
        known[sha256] = None
        body = msgspec.json.encode({"text": text})
        yield lines.encode(
            msgspec.structs.replace(
                record, kind=kinds.CONTENT, name=sha256, parent="", level=0, payload=msgspec.Raw(body)
            )
        )


def opentelemetry(store: Store, traces: Sequence[str]) -> Iterator[Outgoing]:
    """Yield each of these traces (OpenTelemetry ids) as spans and log records."""
    for trace in traces:
        yield outgoing(store.trace_records(trace), store.content)


def matching(store: Store, where: TraceFilter) -> Iterator[str]:
    """Yield the OpenTelemetry ids of matching traces, newest first."""
    cursor: str | None = None
    while True:
        page = store.traces(where, limit=1_000, cursor=cursor)
        yield from (row.id for row in page.items)
        cursor = page.cursor
        if cursor is None:
            return
