"""`SqliteStore`: one file that keeps the promises of `whence.store.interface`."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from whence.clock import SystemClock, iso_utc
from whence.errors import StoreUnreachable
from whence.files import private_directory
from whence.model.digest import RunDigest
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
from whence.model.trace import TraceSummary
from whence.sink import Accepted
from whence.store import derive
from whence.store.interface import (
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
from whence.store.sqlite import diagnosing, reading, schema, writing
from whence.store.sqlite.connections import ACCEPT_BUSY_S, Connections, explained
from whence.store.sqlite.queries import sql

_PAGES_AT_ONCE = 1000


class SqliteStore:
    """Records in one SQLite file, in WAL mode. Made by `open`.

    When `accept` returns, the batch survives the death of the process. A power cut may take the batches since the log
    was last synced (synchronous=NORMAL), whole ones from the end; the file stays sound.
    """

    def __init__(self, connections: Connections, *, full_text: bool, now_ns: Callable[[], int]) -> None:
        self._connections = connections
        self._full_text = full_text
        self._now_ns = now_ns
        self._decoded = diagnosing.Decoded()

    @classmethod
    def open(
        cls, path: Path, *, read_only: bool = False, full_text: bool = True, now_ns: Callable[[], int] | None = None
    ) -> "SqliteStore":
        """Open a store, making or upgrading the file if it is to be written.

        Args:
            path: the file; its folder is made if need be, for its owner only.
            read_only: change nothing, in any way; works in a folder that cannot be written.
            full_text: keep the full-text index. A store that went without catches up over the batches that follow.
            now_ns: Unix time, for when rows were made and changed.

        Raises:
            StoreUnreachable: the path leads to nothing that can be used, and the message says why.
            StoreTooNew: a newer whence wrote the file; nothing was changed.
            StoreBusy: another process kept it locked.
        """
        path, now_ns = Path(path).absolute(), now_ns or SystemClock().now_ns
        _check_place(path, read_only)
        connections = _for_reading(path) if read_only else _for_writing(path, iso_utc(now_ns()))
        connections.in_place()  # from here on this file, and no other of the same name, is the store
        return cls(connections, full_text=full_text, now_ns=now_ns)

    @property
    def path(self) -> Path:
        """The file."""
        return self._connections.path

    def in_place(self) -> bool:
        """Return whether the file that is open is still the one under its name: it may be moved away or deleted."""
        return self._connections.in_place()

    # -- writing -------------------------------------------------------------------------------------------------

    def accept(self, batch: Sequence[bytes]) -> Accepted:
        if not batch:
            return Accepted()
        if not self.in_place():  # what is written to a deleted file is lost
            raise StoreUnreachable(f"{self.path} was moved or deleted while it was open; nothing was taken, try again")
        # Not for long: at the end of a trace the host waits for us, and the drainer asks again while it has time.
        with self._connections.transaction(busy_s=ACCEPT_BUSY_S) as connection:
            return writing.take(connection, batch, now_ns=self._now_ns(), full_text=self._full_text)

    def erase_content(self, sha256: str) -> bool:
        key = _sha256(sha256)
        if key is None:
            return False
        with self._connections.transaction() as connection:
            erased = writing.erase(connection, key)
        if erased:
            self.checkpoint()  # the log still has the text as it was
        return erased

    def rebuild_rollups(self) -> None:
        with self._connections.transaction() as connection:
            connection.execute(sql("rebuild_rollups"))

    # -- reading -------------------------------------------------------------------------------------------------

    def record(self, record_id: str) -> Record | None:
        with self._connections.reader() as connection:
            return reading.record(connection, record_id)

    def records(
        self, where: RecordFilter, *, limit: int = 100, cursor: str | None = None, newest_first: bool = False
    ) -> Page[Record]:
        with self._connections.reader() as connection, _one_view(connection):
            return reading.records(connection, where, limit=limit, cursor=cursor, newest_first=newest_first)

    def trace_records(self, trace: str) -> Iterator[Record]:
        with self._connections.reader() as connection:
            yield from reading.trace_records(connection, trace)

    def trace(self, trace_id: str) -> TraceSummary | None:
        with self._connections.reader() as connection:
            return reading.trace(connection, trace_id)

    def traces_like(self, prefix: str, *, limit: int = 5) -> tuple[str, ...]:
        derive.check_limit(limit)
        with self._connections.reader() as connection:
            found = connection.execute(sql("traces_like"), {"text": prefix, "limit": limit})
            return tuple(name for (name,) in found)

    def traces(self, where: TraceFilter, *, limit: int = 50, cursor: str | None = None) -> Page[TraceSummary]:
        with self._connections.reader() as connection:
            return reading.traces(connection, where, limit=limit, cursor=cursor)

    def count_traces(self, where: TraceFilter, *, at_most: int = 1000) -> int:
        with self._connections.reader() as connection:
            return reading.count_traces(connection, where, at_most=at_most)

    def open_traces(self, writer: str) -> tuple[str, ...]:
        with self._connections.reader() as connection:
            return tuple(trace.hex() for (trace,) in connection.execute(sql("open_traces"), (writer,)))

    def content(self, sha256: str) -> str | None:
        key = _sha256(sha256)
        with self._connections.reader() as connection:
            found = connection.execute(sql("content"), (key,)).fetchone()
        return found[0] if found is not None else None

    def records_using(
        self, sha256: str, *, kinds: Sequence[str] = (), trace: str | None = None, limit: int = 100
    ) -> tuple[Record, ...]:
        with self._connections.reader() as connection:
            return reading.records_using(connection, _sha256(sha256), kinds=kinds, trace=trace, limit=limit)

    def findings(self, where: FindingFilter = EVERY_FINDING, *, limit: int = 100) -> tuple[StoredFinding, ...]:
        with self._connections.reader() as connection:
            return diagnosing.findings(connection, where, limit=limit)

    def finding(self, some_id: str) -> StoredFinding | None:
        with self._connections.reader() as connection:
            return diagnosing.finding(connection, some_id)

    def problems(
        self, where: ProblemFilter = EVERY_PROBLEM, *, limit: int = 100, cursor: str | None = None
    ) -> Page[Problem]:
        with self._connections.reader() as connection:
            return diagnosing.problems(connection, where, limit=limit, cursor=cursor)

    def problem(self, some_id: str) -> Problem | None:
        with self._connections.reader() as connection:
            return diagnosing.problem(connection, some_id)

    def digest(self, trace: str) -> RunDigest | None:
        with self._connections.reader() as connection:
            return diagnosing.digest(connection, trace)

    def digests(
        self, where: DigestFilter = EVERY_DIGEST, *, newest_first: bool = False, limit: int | None = None
    ) -> Iterator[RunDigest]:
        with self._connections.reader() as connection:
            yield from diagnosing.digests(
                connection, where, newest_first=newest_first, limit=limit, decoded=self._decoded
            )

    def undigested(self, where: TraceFilter = EVERY_TRACE, *, limit: int = 1000) -> tuple[str, ...]:
        with self._connections.reader() as connection:
            return diagnosing.undigested(connection, where, limit=limit)

    def activity(self, where: ActivityFilter = EVERY_ACTIVITY) -> tuple[Activity, ...]:
        with self._connections.reader() as connection:
            return diagnosing.activity(connection, where)

    def activity_by_minute(self, where: ActivityFilter) -> tuple[Activity, ...]:
        with self._connections.reader() as connection:
            return diagnosing.activity_by_minute(connection, where)

    def vector(self, sha256: str) -> bytes | None:
        with self._connections.reader() as connection:
            return diagnosing.vector(connection, _sha256(sha256))

    def search(self, text: str, *, limit: int = 20, cursor: str | None = None) -> Page[Hit]:
        with self._connections.reader() as connection, _one_view(connection):
            return reading.search(connection, text, limit=limit, cursor=cursor)

    def totals(self, where: TraceFilter = EVERY_TRACE) -> Totals:
        with self._connections.reader() as connection:
            return reading.totals(connection, where)

    def totals_by(self, dimension: str, where: TraceFilter = EVERY_TRACE) -> tuple[GroupTotals, ...]:
        with self._connections.reader() as connection:
            return reading.totals_by(connection, dimension, where)

    def principle_patterns(
        self, *, min_runs: int = 3, where: TraceFilter = EVERY_TRACE
    ) -> tuple[PrinciplePattern, ...]:
        with self._connections.reader() as connection:
            return reading.principle_patterns(connection, min_runs=min_runs, where=where)

    def stats(self) -> dict[str, Any]:
        with self._connections.reader() as connection:
            found = reading.stats(connection)
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return {**found, "bytes": sum(file.stat().st_size for file in files if file.exists())}

    # -- care of the file ----------------------------------------------------------------------------------------

    def backup(self, path: Path, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Copy the store to a new file while it is in use.

        Args:
            path: a file that does not exist yet.
            progress: called with (pages copied, pages in all).
        """
        _check_place(path, read_only=False)
        if path.exists():
            raise StoreUnreachable(f"{path} exists already; name a new file for the backup")
        _make_private(path)
        with self._connections.reader() as source, explained(path):
            target = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                with target.backup("main", source, "main") as copying:
                    while not copying.done:
                        copying.step(_PAGES_AT_ONCE)
                        if progress is not None:
                            progress(copying.page_count - copying.remaining, copying.page_count)
            finally:
                target.close()

    def vacuum(self) -> None:
        """Write the file anew, without the room that erased texts left."""
        with self._connections.writer() as connection:
            connection.execute("VACUUM")
        self.checkpoint()

    def integrity(self) -> list[str]:
        """Return what SQLite finds wrong with the file; empty when it is sound."""
        with self._connections.reader() as connection:
            try:
                found = [text for (text,) in connection.execute("PRAGMA integrity_check")]
            except apsw.CorruptError as exc:  # so damaged that the check itself cannot go on
                return [str(exc)]
        return [] if found == ["ok"] else found

    def sync(self) -> None:
        """Bring every accepted batch to the disk itself; a batch is only in the page cache until then."""
        with self._connections.writer() as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def checkpoint(self) -> bool:
        """Move the log into the file and empty it; False if a reader needed the log for longer than BUSY_S."""
        with self._connections.writer() as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").get
        return not busy

    def close(self) -> None:
        self._connections.close()


@contextmanager
def _one_view(connection: apsw.Connection) -> Iterator[None]:
    """Several questions to a connection see the same state."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _sha256(text: str) -> bytes | None:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if len(key) == 32 else None


def _check_place(path: Path, read_only: bool) -> None:
    """Refuse what is plainly no place for a store, before SQLite says less about it."""
    if path.is_dir():
        raise StoreUnreachable(f"{path} is a folder; name a file in it")
    if not path.exists():
        if read_only:
            raise StoreUnreachable(f"{path} does not exist; record something first, or name another file")
        try:
            private_directory(path.parent)
        except OSError as exc:
            raise StoreUnreachable(f"the folder {path.parent} cannot be made ({exc.strerror}); name another") from exc
    if not read_only:
        place = path if path.exists() else path.parent
        if not os.access(place, os.W_OK) or not os.access(path.parent, os.W_OK):
            raise StoreUnreachable(f"{place} cannot be written; mend its permissions, or open it read-only")
    elif not os.access(path, os.R_OK):
        raise StoreUnreachable(f"{path} cannot be read; mend its permissions")


def _make_private(path: Path) -> None:
    """Make the file for its owner only; SQLite gives the files beside it the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as exc:
        raise StoreUnreachable(f"{path} cannot be made ({exc.strerror}); name another place") from exc


def _for_writing(path: Path, now: str) -> Connections:
    _make_private(path)
    connections = Connections(path, read_only=False)
    with connections.writer() as connection:
        schema.version_of(connection, path)  # a stranger's or a newer file is left as it is
        connection.pragma("journal_mode", "WAL")
        schema.migrate(connection, path, now=now)
    return connections


def _for_reading(path: Path) -> Connections:
    connections = Connections(path, read_only=True)
    try:
        with connections.reader() as connection:
            have = schema.version_of(connection, path)
    except StoreUnreachable as exc:
        # WAL mode wants a file for its index even to read. Where none can be made, and no log is there, nobody is
        # writing: the file can be read as it is.
        log = path.with_name(path.name + "-wal")
        if not isinstance(exc.__cause__, apsw.CantOpenError | apsw.ReadOnlyError) or (
            log.exists() and log.stat().st_size
        ):
            raise
        connections = Connections(path, read_only=True, immutable=True)
        with connections.reader() as connection:
            have = schema.version_of(connection, path)
    if have != schema.newest():
        raise StoreUnreachable(
            f"{path} has schema {have}, this whence reads {schema.newest()}; open it for writing once to upgrade it"
        )
    return connections
