"""Files on their way in: JSON lines of an export, OTLP JSON of a collector. In batches, with flat memory.

Lines of whence's own are taken as they are: they were redacted when they were recorded. What comes from OpenTelemetry
goes the road of everything that is recorded, redaction included. Reading a file twice changes nothing.
"""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import BufferedIOBase

import msgspec

from whence.collect.drainer import Drained, Drainer
from whence.errors import BadFrame, BadInput
from whence.model import record as kinds
from whence.record.foreign import Foreign
from whence.store.derive import content_of
from whence.store.interface import Store
from whence.wire import lines, records
from whence.wire.otlp.outgoing import span_id_of
from whence.wire.otlp.spans import OtelLog, OtelSpan

BATCH_RECORDS = 10_000
BATCH_BYTES = 4 * 1024 * 1024
SPANS_AT_ONCE = 20_000
BLOCK = 256 * 1024

Tick = Callable[[], None]


class Imported(msgspec.Struct, kw_only=True):
    """What an import did."""

    records: int = 0  # read
    stored: int = 0
    duplicates: int = 0  # known before
    contents: int = 0
    spans: int = 0
    logs: int = 0
    traces: int = 0
    skipped: list[str] = []  # lines that could not be read, the first hundred
    skipped_total: int = 0


MOST_SKIPPED = 100
MOST_TRACES = 1_000
"""Of so many traces it is remembered what of them was stored before."""
_CONTENT = f'","{kinds.CONTENT}","'.encode()
_KIND_SLICE = slice(34, 34 + len(_CONTENT))


class Stored:
    """What a store has of a trace already, for a file that may say it again (`record.foreign.Known`)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._traces: dict[str, tuple[str | None, frozenset[str]]] = {}

    def project(self, trace: str) -> str | None:
        """Return the project of a trace that is stored, or None."""
        return self._look(trace)[0]

    def has_span(self, trace: str, span: str) -> bool:
        """Return whether the end of a span was stored before this import, whoever recorded it."""
        return span in self._look(trace)[1]

    def has_record(self, record_id: str) -> bool:
        """Return whether a record is stored."""
        return self._store.record(record_id) is not None

    def _look(self, trace: str) -> tuple[str | None, frozenset[str]]:
        known = self._traces.get(trace)
        if known is None:
            row = self._store.trace(trace)
            spans: set[str] = set()
            for record in self._store.trace_records(trace) if row is not None else ():
                if record.kind in (kinds.SPAN_END, kinds.TRACE_END):
                    spans.add(record.span)
                elif record.kind == kinds.TRANSFORM:
                    spans.add(span_id_of(record.record_id))
            if len(self._traces) >= MOST_TRACES:
                self._traces.pop(next(iter(self._traces)))
            known = self._traces[trace] = (None if row is None else row.project, frozenset(spans))
        return known


def json_lines(file: Iterable[bytes], drainer: Drainer, *, tick: Tick = lambda: None) -> Imported:
    """Take the lines of an export into the store.

    A damaged line is skipped and named; the others are taken. Raises BadInput where the file is none of ours.

    Args:
        drainer: into which store, and what follows from the end of a trace. Findings are in the file already, made of
            what was known then: whoever looks for them anew finds others.
        tick: called after each batch.
    """
    done = Imported()
    drained = Drained()
    batch: list[bytes] = []
    size = 0
    headed = False
    for number, line in enumerate(file, 1):
        if number == 1 and lines.is_header(line):
            headed = True
            continue
        if not line.strip():
            continue
        try:
            data = lines.decode(line)
            _verify(data)
        except BadInput as exc:
            if done.records == 0 and not headed:
                raise BadInput(f"line {number}: {exc}; accepted: what `whence export` wrote, OTLP JSON") from None
            _skip(done, f"line {number}: {exc}")
            continue
        done.records += 1
        batch.append(data)
        size += len(data)
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            drainer.take(batch, drained)
            batch, size = [], 0
            tick()
    if batch:
        drainer.take(batch, drained)
    done.stored, done.duplicates, done.contents = drained.stored, drained.duplicates, drained.contents
    _skip_many(done, drained.quarantined)
    return done


def _verify(data: bytes) -> None:
    """Refuse, with BadInput, a text that is not the one its hash stands for: every step that refers to it would lie."""
    if data[_KIND_SLICE] != _CONTENT:
        return
    try:
        sha256, text = content_of(records.decode(data))
    except BadFrame as exc:
        raise BadInput(str(exc)) from None
    if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != sha256:
        raise BadInput(f"the text is not the one of its hash {sha256}; it was changed")


def is_json_lines(first: bytes) -> bool:
    """Return whether a file that begins with this line is an export of whence's own (`json_lines`)."""
    return lines.is_header(first) or b'"record_id"' in first


def _skip(done: Imported, why: str) -> None:
    done.skipped_total += 1
    if len(done.skipped) < MOST_SKIPPED:
        done.skipped.append(why)


def _skip_many(done: Imported, quarantined: int) -> None:
    if quarantined:
        done.skipped_total += quarantined
        done.skipped.append(f"{quarantined} records that no store can keep (see the quarantine table)")


def otlp(
    read: Callable[[Callable[[BadInput], None]], Iterable[OtelSpan | OtelLog]],
    foreign: Foreign,
    drain: Callable[[], Drained],
) -> Imported:
    """Take spans and log records into the spool, and drain it every so often.

    A trace whose root is not in the file begins with its earliest span, and is `complete` for the reason
    `root_not_seen`. What cannot be read is left out and named.

    Args:
        read: reads the file, given whom to tell of a line that cannot be read (`wire.otlp.otlp_json.read`).

    Raises:
        BadInput: nothing in it can be read.
    """
    done = Imported()

    def drained() -> None:
        some = drain()
        done.stored += some.stored
        done.duplicates += some.duplicates
        done.contents += some.contents

    refused = foreign.recorder.drops.total()
    try:
        _take(read(lambda exc: _skip(done, str(exc))), foreign, drained, done)
    except BadInput as exc:  # a document that is damaged somewhere: what came before it is read
        if not done.spans and not done.logs:
            raise
        _skip(done, str(exc))
        drained()
    done.duplicates += foreign.known
    refused = foreign.recorder.drops.total() - refused
    if refused:
        done.skipped_total += refused
        done.skipped.append(f"{refused} records that could not be made (`whence doctor`)")
    return done


def _take(said: Iterable[OtelSpan | OtelLog], foreign: Foreign, drained: Callable[[], None], done: Imported) -> None:
    rootless: dict[str, tuple[int, str, int, str | None]] = {}
    ended: set[int] = set()
    for each in said:
        if isinstance(each, OtelLog):
            foreign.logged(each)
            done.logs += 1
            continue
        done.spans += 1
        foreign.ended(each)
        _account(each, rootless, ended)
        if done.spans % SPANS_AT_ONCE == 0:
            drained()
    for trace, (start_ns, span, end_ns, service) in rootless.items():
        foreign.rootless(trace, span, start_ns, end_ns, service)
    drained()
    done.traces = len(ended) + len(rootless)


def _account(span: OtelSpan, rootless: dict[str, tuple[int, str, int, str | None]], ended: set[int]) -> None:
    key = int(span.trace[:32] or "0", 16)  # a number takes a third of the memory of its text
    if not span.parent:
        ended.add(key)
        rootless.pop(span.trace, None)
    elif key not in ended:
        service = span.resource.get("service.name")
        end_ns = span.end_ns or span.start_ns
        known = rootless.get(span.trace)
        if known is None:
            rootless[span.trace] = (span.start_ns, span.span, end_ns, service if isinstance(service, str) else None)
        else:
            earliest = (span.start_ns, span.span) if span.start_ns < known[0] else known[:2]
            rootless[span.trace] = (*earliest, max(end_ns, known[2]), known[3])


class Counted:
    """The bytes of a file, telling how many were taken; one that breaks off ends there, and `cut` says so.

    Args:
        file: may be packed.
        on_bytes: called with the bytes read so far.
    """

    def __init__(self, file: BufferedIOBase, on_bytes: Callable[[int], None]) -> None:
        self.cut = ""
        self._file = file
        self._on_bytes = on_bytes
        self._done = 0
        self.head = self._taken(lambda: file.readline(BLOCK))
        """The first line, or its first `BLOCK` bytes; `lines` and `blocks` begin with it."""

    def lines(self) -> Iterator[bytes]:
        """Yield the lines, each whole."""
        line = self.head if self.head.endswith(b"\n") else self.head + self._taken(self._file.readline)
        while line:
            yield line
            line = self._taken(self._file.readline)

    def blocks(self) -> Iterator[bytes]:
        """Yield pieces of at most `BLOCK` bytes, wherever a line ends: one line may be the whole file."""
        block = self.head
        while block:
            yield block
            block = self._taken(lambda: self._file.read1(BLOCK))  # read() would lose what comes before a break

    def _taken(self, read: Callable[[], bytes]) -> bytes:
        if self.cut:
            return b""
        try:
            taken = read()
        except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
            self.cut = f"the file breaks off after {self._done:,} bytes (unpacked): {exc}"
            return b""
        self._done += len(taken)
        self._on_bytes(self._done)
        return taken


def note_cut(done: Imported, cut: str) -> None:
    """Add to what an import did that its file breaks off."""
    if cut:
        _skip(done, cut)
