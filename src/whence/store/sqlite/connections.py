"""Connections to one SQLite file: one that writes, and as many that read as are in use at once."""

import ctypes
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from whence.errors import StoreBusy, StoreUnreachable

BUSY_S: Final = 5.0
ACCEPT_BUSY_S: Final = 0.05
_IDLE_READERS: Final = 8
_WAL_BYTES: Final = 64 * 1024 * 1024
_CHECKPOINT_PAGES: Final = 4000
"""16 MB of log before it is moved into the file: a fifth more records a second than with SQLite's 1000."""
_FLAGS: Final = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_EXRESCODE


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite raises for reasons outside this program into our errors: what, why, what to do."""
    try:
        yield
    except (apsw.BusyError, apsw.LockedError) as exc:
        raise StoreBusy(f"{path} is being written by another process; retry, or let it drain") from exc
    except (apsw.NotADBError, apsw.CorruptError) as exc:
        raise StoreUnreachable(
            f"{path} is damaged or no SQLite database ({exc}); restore a backup, or move it away and drain again"
        ) from exc
    except (apsw.CantOpenError, apsw.PermissionsError, apsw.ReadOnlyError, apsw.AuthError) as exc:
        raise StoreUnreachable(
            f"{path} cannot be opened ({exc}); check that it and its folder are yours to write"
        ) from exc
    except (apsw.FullError, apsw.IOError, apsw.NoLFSError) as exc:
        raise StoreUnreachable(f"{path} cannot be written or read ({exc}); check the disk, then retry") from exc


class Connections:
    """The writer and a pool of readers. Any thread may use them; a forked child gets its own.

    SQLite keeps its books of file locks per process, and a child inherits books that are not true of it. So idle
    connections are closed before a fork, and opened again when they are needed; one that is in use at that moment is
    left alone in the child, neither used nor closed (https://sqlite.org/howtocorrupt.html, section 2.6).

    Args:
        path: the file.
        read_only: never write, not even the schema.
        immutable: the file cannot change, so it is read without locks (a folder where none can be made).
    """

    def __init__(self, path: Path, *, read_only: bool, immutable: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._immutable = immutable
        self._identity: tuple[int, int] | None = None
        self._reset()
        _living.add(self)

    def _reset(self) -> None:
        self._writing = threading.RLock()
        self._guard = threading.Lock()
        self._writer: apsw.Connection | None = None
        self._idle: list[apsw.Connection] = []
        self._used: list[apsw.Connection] = []
        self._closed = False

    def in_place(self) -> bool:
        """Return whether the path still leads to the file that was opened first."""
        try:
            status = self.path.stat()
        except OSError:
            return False
        identity = (status.st_dev, status.st_ino)
        self._identity = self._identity or identity
        return self._identity == identity

    def connect(self, *, writing: bool) -> apsw.Connection:
        """Return a new connection."""
        query = "?mode=rw" if writing else "?immutable=1" if self._immutable else "?mode=ro"
        access = apsw.SQLITE_OPEN_READWRITE if writing else apsw.SQLITE_OPEN_READONLY
        connection = apsw.Connection(f"file:{quote(str(self.path))}{query}", flags=access | _FLAGS)
        connection.set_busy_timeout(int(BUSY_S * 1000))
        if writing:
            # NORMAL: a killed process loses nothing; a power cut may lose the last batches, and nothing is half there.
            connection.pragma("synchronous", "NORMAL")
            connection.pragma("secure_delete", True)
            connection.pragma("foreign_keys", False)  # rows are only ever derived from records in one transaction
            connection.pragma("journal_size_limit", _WAL_BYTES)
            connection.wal_autocheckpoint(_CHECKPOINT_PAGES)
            connection.pragma("cache_size", -32_000)
            connection.pragma("temp_store", "MEMORY")
        else:
            connection.pragma("query_only", True)
            connection.pragma("cache_size", -8_000)
        return connection

    @contextmanager
    def transaction(self, *, busy_s: float = BUSY_S) -> Iterator[apsw.Connection]:
        """Give the writer, in a transaction that is committed at the end or leaves nothing behind.

        Args:
            busy_s: how long to wait for another process that writes.
        """
        with self.writer() as connection:
            connection.set_busy_timeout(int(busy_s * 1000))
            connection.execute("BEGIN IMMEDIATE")
            connection.set_busy_timeout(int(BUSY_S * 1000))
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if not connection.get_autocommit():
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def writer(self) -> Iterator[apsw.Connection]:
        """Give the one connection that writes, to one thread at a time."""
        with self._writing, explained(self.path):
            self._check()
            if self.read_only:
                raise StoreUnreachable(f"{self.path} was opened for reading only; open it without read_only")
            if self._writer is None:
                self._writer = self.connect(writing=True)
            yield self._writer

    @contextmanager
    def reader(self) -> Iterator[apsw.Connection]:
        """Give a connection that nobody else reads from meanwhile."""
        with explained(self.path):
            with self._guard:
                self._check()
                connection = self._idle.pop() if self._idle else None
                used = self._used
            if connection is None:
                connection = self.connect(writing=False)
            used.append(connection)
            try:
                yield connection
            finally:
                self._give_back(connection, used)

    def _give_back(self, connection: apsw.Connection, used: list[apsw.Connection]) -> None:
        with self._guard:
            if used is not self._used:  # a fork lies between: it belongs to the parent
                return
            used.remove(connection)
            if not self._closed and len(self._idle) < _IDLE_READERS:
                self._idle.append(connection)
                return
        connection.close()

    def _check(self) -> None:
        if self._closed:
            raise StoreUnreachable(f"the store {self.path} is closed; open it again")

    def close(self) -> None:
        """Close what is open. Readers in use are closed when they are given back."""
        with self._writing, self._guard:
            self._closed = True
            self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
        if self._writer is not None:  # last, so that it is the one that moves the WAL into the file
            self._writer.close()
            self._writer = None

    def before_fork(self) -> None:
        """Close what no thread is using; never wait for one."""
        if not self._writing.acquire(blocking=False):
            return
        try:
            if self._guard.acquire(blocking=False):
                try:
                    if self._writer is None or self._writer.get_autocommit():
                        self._close_idle()
                finally:
                    self._guard.release()
        except apsw.Error:
            pass  # it stays open, and the child leaves it alone
        finally:
            self._writing.release()

    def after_fork(self) -> None:
        """In the child: let go of the parent's connections without closing them."""
        for connection in (self._writer, *self._idle, *self._used):
            if connection is not None:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))  # never collected, hence never closed
        closed = self._closed
        self._reset()
        self._closed = closed


_living: "weakref.WeakSet[Connections]" = weakref.WeakSet()


def _before_fork() -> None:
    for each in list(_living):
        each.before_fork()


def _after_fork() -> None:
    for each in list(_living):
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
