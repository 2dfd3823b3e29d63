"""The drainer: spool → store.

One at a time per spool, by a file lock. Each step is repeated after a crash rather than left out: records are stored,
then what follows from an ended trace (its document, its findings) is made and stored, then the cursor is written, then
closed segments are unlinked. Ids make every repetition harmless.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

import msgspec

from whence.clock import derived_id
from whence.collect import segments as spool
from whence.collect.ended import Ended, Room
from whence.collect.segments import Segment
from whence.errors import StoreBusy, StoreUnreachable, WhenceError
from whence.files import private_directory, write_whole
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.record import Record
from whence.model.trace import INCOMPLETE
from whence.record.spool import LiveFile
from whence.sink import Accepted
from whence.store.interface import Store
from whence.wire import frames, records

AfterTrace = Callable[[Sequence[Ended]], Sequence[bytes]]
"""Given traces that ended, does what follows and returns the records that say so."""

MOST_TOGETHER = 64
"""So many ended traces are followed up at a time, and what is read of them is kept for so long."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in the spool at the start)."""

_END_MARK = f'","{kinds.TRACE_END}","'.encode()
_END_SLICE = slice(34, 34 + len(_END_MARK))


class DrainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much at a time, and how long to wait for another drainer."""

    spool: Path
    batch_records: int = 10_000
    batch_bytes: int = 16 * 1024 * 1024
    wait_s: float = 2.0
    quarantine_bytes: int = 64 * 1024 * 1024


class Drained(msgspec.Struct, kw_only=True):
    """What a drain did."""

    frames: int = 0
    stored: int = 0
    duplicates: int = 0
    contents: int = 0
    vectors: int = 0
    digests: int = 0  # that came with the records: of an import
    quarantined: int = 0
    derived: int = 0  # records that the drain itself added: documents, flags, lost owners
    skipped_bytes: int = 0  # damage
    segments_removed: int = 0
    lost_owners: int = 0  # traces marked incomplete
    failed: int = 0  # times a processor failed on an ended trace; the trace itself is stored
    last_failure: str = ""
    complete: bool = True  # False: stopped by the time budget, or another drainer is at work; the rest stays
    busy: bool = False


class Cursor(msgspec.Struct, kw_only=True):
    """How far a writer has been drained; `<writer>.cursor`."""

    offsets: dict[str, int] = {}  # segment number -> bytes
    frames: int = 0
    max_sequence: int = -1
    skipped_bytes: int = 0
    damaged: list[str] = []  # numbers of segments, not removed yet, in which bytes were skipped
    lost: list[str] = []  # traces that the writer left open, while what follows from their end is being done
    check: int = 0  # CRC-32 of the cursor with 0 here: a changed digit would skip records, and nobody would know


class Ledger(msgspec.Struct, kw_only=True):
    """The accounts of writers that are gone: emitted = drained + dropped, per the sequence numbers; `ledger.json`."""

    writers: int = 0
    emitted: int = 0
    drained: int = 0
    dropped: dict[str, dict[str, int]] = {}
    last: str = ""  # the writer that was added last, so that it is not added twice after a crash
    unexplained: int = 0
    """Missing sequence numbers without a reason in the writer's last counters: it was killed while dropping."""


class Drainer:
    """Moves what lies in a spool into a store. Synchronous; may be called from any thread and any process."""

    def __init__(self, settings: DrainSettings, store: Store, after_trace: Sequence[AfterTrace] = ()) -> None:
        self.settings = settings
        self.store = store
        self.after_trace = tuple(after_trace)
        self._deadline: float | None = None

    def drain(
        self, *, budget_s: float | None = None, first: str | None = None, progress: Progress | None = None
    ) -> Drained:
        """Drain until nothing is left or the time is up.

        Args:
            first: the writer to begin with (this process's own, at the end of its trace).

        Raises:
            StoreUnreachable: the store, or the spool itself, failed; everything not yet stored stays in the spool.
        """
        try:
            return self._drain(budget_s, first, progress)
        except OSError as exc:
            raise StoreUnreachable(
                f"the spool {self.settings.spool} cannot be read or written ({exc}); mend that, then drain again"
            ) from exc

    def _drain(self, budget_s: float | None, first: str | None, progress: Progress | None) -> Drained:
        done = Drained()
        deadline = self._deadline = None if budget_s is None else time.monotonic() + budget_s
        directory = self.settings.spool
        if not directory.is_dir():
            return done
        with self._turn(deadline) as ours:
            if not ours:
                done.complete, done.busy = False, True
                return done
            todo = spool.segments(directory)
            todo.sort(key=lambda each: each.writer != first)  # stable: the others keep their order
            total = sum(each.bytes for each in todo)
            newest = {each.writer: each.number for each in todo}
            read = 0
            for each in todo:
                closed = not spool.locked(each.path) and (
                    each.number < newest[each.writer] or not self._alive(each.writer)
                )
                if not self._segment(each, closed, deadline, done):
                    done.complete = False
                    return done
                read += each.bytes
                if progress is not None:
                    progress(read, total)
            for writer in sorted(spool.writers(directory)):
                if deadline is not None and time.monotonic() > deadline:
                    done.complete = False
                    return done
                if not self._alive(writer) and not any(each.writer == writer for each in spool.segments(directory)):
                    self._bury(writer, done)
        return done

    # -- one drainer at a time ------------------------------------------------------------------------------------

    @contextmanager
    def _turn(self, deadline: float | None) -> Iterator[bool]:
        """Yield whether we are the drainer now; waits for another one up to `wait_s`."""
        give_up = time.monotonic() + self.settings.wait_s
        if deadline is not None:
            give_up = min(give_up, deadline)
        path = self.settings.spool / "drain.lock"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise StoreUnreachable(f"cannot lock the spool: {exc}; make {str(path.parent)!r} writable") from exc
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= give_up:
                        yield False
                        return
                    time.sleep(0.005)
            yield True
        finally:
            os.close(fd)

    def _alive(self, writer: str) -> bool:
        return spool.locked(spool.live_path(self.settings.spool, writer))

    # -- one segment ----------------------------------------------------------------------------------------------

    def _segment(self, segment: Segment, closed: bool, deadline: float | None, done: Drained) -> bool:
        """Store what is new in a segment; False if the time ran out before its end."""
        cursor = self._cursor(segment.writer)
        key = str(segment.number)
        base = max(0, cursor.offsets.get(key, 0))
        try:
            with segment.path.open("rb") as file:
                file.seek(base)  # a living owner's segment is looked at again and again: only what is new is read
                data = file.read()
        except FileNotFoundError:
            return True
        at = 0
        while at < len(data):
            found = frames.sound(data, at, self.settings.batch_records, self.settings.batch_bytes)
            batch = [payload for payload in found.payloads if payload.startswith(b"[")]
            if batch:
                self.take(batch, done)
                cursor.frames += len(batch)
                cursor.max_sequence = max(cursor.max_sequence, found.max_sequence)
            if found.payloads:
                at = found.end
            else:
                following = next(frames.read(data, at, live=not closed), None)
                if not isinstance(following, frames.Skipped):
                    break  # the owner is still writing it
                cursor.skipped_bytes += following.end - following.start
                done.skipped_bytes += following.end - following.start
                if key not in cursor.damaged:
                    cursor.damaged.append(key)
                at = following.end
            cursor.offsets[key] = base + at
            self._write_cursor(segment.writer, cursor)
            if deadline is not None and time.monotonic() > deadline:
                return at >= len(data)
        if closed:
            self._remove(segment, damaged=key in cursor.damaged)
            cursor.offsets.pop(key, None)
            cursor.damaged = [each for each in cursor.damaged if each != key]
            self._write_cursor(segment.writer, cursor)
            done.segments_removed += 1
        return deadline is None or time.monotonic() <= deadline

    def _accept(self, batch: Sequence[bytes]) -> Accepted:
        """Hand a batch to the store; one that is busy for a moment is asked again, as long as there is time."""
        give_up = time.monotonic() + self.settings.wait_s
        if self._deadline is not None:
            give_up = min(give_up, self._deadline)
        while True:
            try:
                return self.store.accept(batch)
            except StoreBusy:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(0.005)

    def take(self, batch: Sequence[bytes], done: Drained) -> None:
        """Store a batch of encoded records, and do what follows from the traces that end with it."""
        accepted = self._accept(batch)
        done.frames += len(batch)
        done.stored += accepted.stored
        done.duplicates += accepted.duplicates
        done.contents += accepted.contents
        done.vectors += accepted.vectors
        done.digests += accepted.digests
        done.quarantined += accepted.quarantined
        # Looked for in the batch as well: after a crash the store has the end already, but what follows from it
        # (document, flags) may not have been done.
        ended = [records.decode(each).trace for each in batch if each[_END_SLICE] == _END_MARK]
        self._after(dict.fromkeys([*ended, *accepted.ended]), done)

    def follow(self, traces: Sequence[str]) -> Drained:
        """Do once more what follows from the end of these traces, whose rows have changed since."""
        done = Drained()
        self._after(dict.fromkeys(traces), done)
        return done

    def _after(self, ended: dict[str, None], done: Drained) -> None:
        """Do what follows from the end of traces, one by one: what fails for one of them must not stop the road."""
        traces = list(ended)
        for first in range(0, len(traces) if self.after_trace else 0, MOST_TOGETHER):
            room = Room()
            some = [Ended(trace, self.store, room) for trace in traces[first : first + MOST_TOGETHER]]
            for after in self.after_trace:
                self._follow(after, some, done)

    def _follow(self, after: AfterTrace, ended: Sequence[Ended], done: Drained) -> None:
        said: list[bytes] = []
        for each in ended:
            try:
                said += after((each,))
            except WhenceError:
                raise
            except Exception as exc:  # noqa: BLE001 - a processor's own mistake, counted and shown
                done.failed += 1
                done.last_failure = f"{type(after).__name__}, trace {each.id}: {type(exc).__name__}: {exc}"
        if said:
            done.derived += self._accept(said).stored

    def _remove(self, segment: Segment, *, damaged: bool) -> None:
        """Unlink a segment that is wholly stored; a damaged one is kept aside while there is room."""
        self.store.sync()  # from here on the store alone has these records, so they must survive a power cut there
        quarantine = self.settings.spool / "quarantine"
        if damaged:
            with suppress(OSError):  # no place to keep it: what could be read of it is stored
                private_directory(quarantine)
                held = sum(each.stat().st_size for each in quarantine.iterdir())
                if held + segment.bytes <= self.settings.quarantine_bytes:
                    segment.path.replace(quarantine / segment.path.name)
                    return
        segment.path.unlink(missing_ok=True)

    # -- cursors and accounts -------------------------------------------------------------------------------------

    def _cursor(self, writer: str) -> Cursor:
        try:
            found = msgspec.json.decode((self.settings.spool / f"{writer}.cursor").read_bytes(), type=Cursor)
        except (OSError, msgspec.MsgspecError):
            return Cursor()  # missing or damaged: drain again from the start, the store knows what it has
        return found if found.check == _check_of(found) else Cursor()

    def _write_cursor(self, writer: str, cursor: Cursor) -> None:
        cursor.check = _check_of(cursor)
        write_whole(self.settings.spool / f"{writer}.cursor", msgspec.json.encode(cursor))

    def _bury(self, writer: str, done: Drained) -> None:
        """Close the books of a writer that is gone, and mark what it left open as incomplete."""
        directory = self.settings.spool
        live_path = spool.live_path(directory, writer)
        try:
            grip = os.open(live_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:  # gone, or something else in its place
            grip = -1
        try:
            if grip >= 0:
                # Held until the file is gone: a process that has just made it, and was about to lock it, makes another.
                fcntl.flock(grip, fcntl.LOCK_EX | fcntl.LOCK_NB)
            cursor = self._cursor(writer)
            self._end_lost(writer, cursor, done)
            self._add_to_ledger(writer, cursor, spool.read_live(live_path))
            half_written = directory.glob(f".{writer}.cursor.*.tmp")  # by a drainer that was killed
            for path in (directory / f"{writer}.cursor", live_path, *half_written):
                path.unlink(missing_ok=True)
        except BlockingIOError:
            return  # it lives
        finally:
            if grip >= 0:
                os.close(grip)

    def _end_lost(self, writer: str, cursor: Cursor, done: Drained) -> None:
        """End what the writer left open. Which traces these are is written down first, for after a crash in between
        nobody could tell that their documents and flags are still to be made."""
        opened = self.store.open_traces(writer)
        lost = dict.fromkeys([*cursor.lost, *opened])
        if not lost:
            return
        cursor.lost = list(lost)
        self._write_cursor(writer, cursor)
        if opened:
            done.derived += self._accept([_lost(trace, self.store) for trace in opened]).stored
            done.lost_owners += len(opened)
        self._after(lost, done)

    def _add_to_ledger(self, writer: str, cursor: Cursor, live: LiveFile | None) -> None:
        ledger = read_ledger(self.settings.spool)
        if ledger.last == writer:
            return
        emitted = max(cursor.max_sequence + 1, live.emitted if live is not None else 0)
        dropped = live.dropped if live is not None else {}
        ledger.last = writer
        ledger.writers += 1
        ledger.emitted += emitted
        ledger.drained += cursor.frames
        explained = 0
        for reason, classes in dropped.items():
            for name, number in classes.items():
                ledger.dropped.setdefault(reason, {})[name] = ledger.dropped.get(reason, {}).get(name, 0) + number
                explained += number
        ledger.unexplained += max(0, emitted - cursor.frames - explained)
        write_whole(self.settings.spool / "ledger.json", msgspec.json.encode(ledger))


def _check_of(cursor: Cursor) -> int:
    return crc32(msgspec.json.encode(msgspec.structs.replace(cursor, check=0)))


def read_ledger(directory: Path) -> Ledger:
    """Return the accounts of the writers that are gone."""
    try:
        return msgspec.json.decode((directory / "ledger.json").read_bytes(), type=Ledger)
    except (OSError, msgspec.MsgspecError):
        return Ledger()


def _lost(trace: str, store: Store) -> bytes:
    """Return the `trace.end` that a process that is gone could not write, with the last record it did write."""
    last: Record | None = None
    start: Record | None = None
    for record in store.trace_records(trace):
        last = record
        start = start or (record if record.kind == kinds.TRACE_START else None)
    ts_ns = last.ts_ns if last is not None else 0
    end = shape.TraceEnd(
        status=INCOMPLETE,
        error="the process ended without finishing this trace",
        reason="process_lost",
        duration_ns=ts_ns - start.ts_ns if start is not None else None,
        last_record=last.record_id if last is not None else None,
    )
    return records.encode(
        Record(
            record_id=derived_id(ts_ns, f"lost:{trace}".encode()),
            kind=kinds.TRACE_END,
            name="trace",
            ts_ns=ts_ns,
            trace=trace,
            span=start.span if start is not None else "",
            parent="",
            stage="",
            project=start.project if start is not None else "unknown",
            component="whence",
            level=2,
            flags=0,
            payload=records.payload(end),
        )
    )
