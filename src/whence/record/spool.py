"""The write-through spool: one `os.write` of one frame per record into this process's own segment (DESIGN §4.3).

What has been written is in the page cache, so SIGKILL, `os._exit`, a crash of the interpreter or `execv` lose nothing
of it. A thread that only calls `fdatasync` once a second bounds what a crash of the whole machine can take.

Files of a spool directory (docs/formats/spool.md): `<writer>-<number>.seg` segments, each held under `flock` while it
may still be written; `<writer>.live`, held for as long as the process lives, with its counters inside.
"""

import errno
import fcntl
import os
import socket
import stat
import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from zlib import crc32

import msgspec

from whence.files import private_directory
from whence.record.counters import Drops
from whence.wire import frames

_pack_head = frames.HEAD.pack
_pack_crc = frames.CRC.pack
_write = os.write
_MAGIC = frames.MAGIC
_MAX_PAYLOAD = frames.MAX_PAYLOAD
_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter

LIVE_BYTES = 4096
_LOCK_TRIES = 50


class SpoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much the spool may hold, and how long a broken one rests."""

    directory: Path
    segment_bytes: int = 16 * 1024 * 1024
    max_bytes: int = 4 * 1024 * 1024 * 1024
    """Of all segments together. At 80 % text is dropped, at 95 % structure too; the rest is for the vital records."""
    retry_s: float = 1.0
    sync_s: float = 1.0


class LiveFile(msgspec.Struct, frozen=True):
    """What `<writer>.live` says (padded with spaces to 4 KiB, written in place)."""

    writer: str
    pid: int
    host: str
    emitted: int
    dropped: dict[str, dict[str, int]]
    state: str
    updated_ns: int


class SpoolWriter:
    """This process's place in the spool. `append` may be called from any thread and any signal handler."""

    def __init__(self, settings: SpoolSettings) -> None:
        self.settings = settings
        self.state = "not opened"
        self._reset()
        self._open()

    def _reset(self) -> None:
        """Begin as a new writer: at start, and in a forked child."""
        self.writer = os.urandom(8).hex()
        self._pid = os.getpid()
        self._host = socket.gethostname()
        self.drops = Drops()
        self._sequence = count()
        self._next = self._sequence.__next__
        self._fd = -1
        self._parked = -1  # a descriptor whose file failed: its number is kept, so that the host cannot get it
        self._live_fd = -1
        self._retired: list[int] = []  # full segments on their way to the disk
        self._number = 0
        self._bytes = 0
        self._full_at = self.settings.segment_bytes
        self._allowed = 2  # the lowest class that is still written
        self._retry_at = 0.0
        self._why = "io_error"
        self._turn = threading.Lock()  # opening and rotating
        self._holder = 0  # the thread that has the turn: a signal handler inside it must not wait for it
        self._dirty = False
        self._told = 0  # what was emitted when `.live` was written last
        self._syncer: threading.Thread | None = None
        self._stopped = False
        self._bell = threading.Event()

    # -- the hot path -------------------------------------------------------------------------------------------

    def append(self, payload: bytes, priority: int) -> bool:
        """Write one record; False means it was dropped and counted. Never raises."""
        sequence = self._next()
        fd = self._fd
        if fd < 0:
            fd = self._open()
            if fd < 0:
                return self._drop(self._why, priority)
        if priority > self._allowed:
            return self._drop("spool_full", priority)
        if len(payload) > _MAX_PAYLOAD:  # no reader would take it
            return self._drop("too_large", priority)
        try:
            head = _pack_head(_MAGIC, len(payload), sequence)
            frame = head + _pack_crc(crc32(payload, crc32(head))) + payload
            try:
                written = _write(fd, frame)
            except OSError as exc:
                if exc.errno != errno.EBADF or self._fd == fd:
                    raise
                fd = self._open()  # `close` came in between
                if fd < 0:
                    return self._drop(self._why, priority)
                written = _write(fd, frame)
        except OSError as exc:
            self._broken(exc)
            return self._drop(self._why, priority)
        except Exception:  # noqa: BLE001 - no memory for the frame; whoever records must not notice
            return self._drop("internal_error", priority)
        if written != len(frame):
            # A torn frame stays: truncating a file that other threads append to would cut their records.
            self._broken(OSError(errno.ENOSPC, "short write"))
            return self._drop(self._why, priority)
        self._dirty = True
        self._bytes += written
        if self._bytes > self._full_at:
            self._rotate()
        return True

    def refuse(self, reason: str, priority: int) -> None:
        """Count a record that failed before there was anything to append, as one that was emitted and dropped."""
        self._next()
        self._drop(reason, priority)

    def skip(self, reason: str, priority: int) -> None:
        """Count a record that is left out on purpose; the counters reach the disk within the second.

        Not as `refuse`, at once: to leave out must cost less than to record.
        """
        self._next()
        self.drops.add(reason, priority)

    def _drop(self, reason: str, priority: int) -> bool:
        self.drops.add(reason, priority)
        # At once, not within the second: the process may be killed, and then nobody else knows of this drop.
        self.write_live()
        return False

    # -- opening, rotating, breaking ------------------------------------------------------------------------------

    def _open(self) -> int:
        """Return a descriptor to write to, or -1 while there is none; tries at most once per `retry_s`."""
        if time.monotonic() < self._retry_at or self._holder == threading.get_ident():
            return self._fd
        # Two threads of a forked child may come here at once: the second waits for the first (well under a
        # millisecond), for its record would be lost otherwise.
        if not self._turn.acquire(timeout=0.05):
            return self._fd
        self._holder = threading.get_ident()
        try:
            if self._fd < 0:
                self._open_live()
                fresh = self._new_segment()
                parked, self._parked = self._parked, -1
                self._fd = self._in_place_of(parked, fresh)
                self.state = "open"
                self._start_syncer()
        except OSError as exc:
            self._broken(exc)
        finally:
            self._holder = 0
            self._turn.release()
        return self._fd

    @staticmethod
    def _in_place_of(number: int, fresh: int) -> int:
        """Put a fresh file under a descriptor number in use, in one step, and return the number.

        A thread that has read the number writes to the old file or to the new one, and never to a file of the host
        that got the number in between.
        """
        if number < 0:
            return fresh
        os.dup2(fresh, number, inheritable=False)
        os.close(fresh)
        return number

    def _open_live(self) -> None:
        directory = self.settings.directory
        private_directory(directory)
        if stat.S_ISLNK(os.lstat(directory).st_mode):
            raise OSError(errno.ELOOP, "the spool directory is a symbolic link", str(directory))
        if self._live_fd >= 0 and os.fstat(self._live_fd).st_nlink:
            return
        path = directory / f"{self.writer}.live"
        fd = _locked(path)
        if hasattr(os, "posix_fallocate"):  # so that the counters can be written when the disk is full
            os.posix_fallocate(fd, 0, LIVE_BYTES)
        old, self._live_fd = self._live_fd, fd
        if old >= 0:
            os.close(old)
        self.write_live()

    def _new_segment(self) -> int:
        """Create the next segment, with its header; raises OSError and leaves nothing open."""
        number = self._number + 1
        path = self.settings.directory / f"{self.writer}-{number:06d}.seg"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(path, flags, 0o600)
        try:
            head = frames.SegmentHeader(
                format=frames.FORMAT_VERSION,
                writer=self.writer,
                number=number,
                pid=self._pid,
                host=self._host,
                started_ns=time.time_ns(),
            )
            fcntl.flock(fd, fcntl.LOCK_EX)  # given up by the kernel when the last write has ended
            data = frames.pack(msgspec.json.encode(head), 0)
            if _write(fd, data) != len(data):
                raise OSError(errno.ENOSPC, "no space for a segment header", str(path))
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self._number = number
        self._bytes = len(data)
        self._allowed = self._room()
        return fd

    def _rotate(self) -> None:
        """Go on in a new segment, or with a new thread. Other threads keep writing meanwhile."""
        if not self._turn.acquire(blocking=False):
            return
        self._holder = threading.get_ident()
        try:
            if self._syncer is None:
                self._full_at = self.settings.segment_bytes
                self._start_syncer()
            if self._bytes > self._full_at and self._fd >= 0:
                if not os.fstat(self._fd).st_nlink:  # deleted under us: the thread saves what is in it first
                    self._bytes = 0
                    self._bell.set()
                    return
                fresh = self._new_segment()
                if self._syncer is not None:
                    with suppress(OSError):  # no descriptor left: then it is unlocked now, and not synced
                        self._retired.append(os.dup(self._fd))  # synced, closed and thereby unlocked by the thread
                self._in_place_of(self._fd, fresh)
                self._bell.set()
        except Exception as exc:  # noqa: BLE001 - the record that led here is written
            # The segment at hand may be as good as before (no more descriptors, say): it goes on, and if it is not,
            # the next write tells. Another attempt comes after as many bytes again.
            self._bytes = 0
            self.state = f"not rotated: {exc}"
        finally:
            self._holder = 0
            self._turn.release()

    def _room(self) -> int:
        """Return the lowest class that the spool still has room for."""
        used = 0
        with os.scandir(self.settings.directory) as entries:
            for entry in entries:
                if entry.name.endswith(".seg"):
                    try:
                        used += entry.stat(follow_symlinks=False).st_size
                    except FileNotFoundError:  # drained and unlinked meanwhile
                        continue
        share = (used + self.settings.segment_bytes) / self.settings.max_bytes
        if share > 1:
            return -1
        return 0 if share > 0.95 else 1 if share > 0.8 else 2

    def _broken(self, exc: OSError) -> None:
        """Rest for `retry_s`; what comes meanwhile is counted, not tried."""
        self.state = f"{errno.errorcode.get(exc.errno or 0, 'EIO')}: {exc.strerror or exc} ({self.settings.directory})"
        self._why = "disk_full" if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "io_error"
        self._retry_at = time.monotonic() + self.settings.retry_s
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._parked = fd

    @property
    def segment(self) -> str:
        """The name of the segment that is written to."""
        return f"{self.writer}-{self._number}"

    # -- durability and accounts ----------------------------------------------------------------------------------

    def sync(self) -> bool:
        """Bring everything written so far to the disk itself; True if that succeeded."""
        fd = self._fd
        if fd < 0:
            return False
        self._dirty = False
        try:
            _sync_data(fd)
        except OSError as exc:
            self.state = f"fdatasync: {exc}"
            return False
        if self._fd >= 0:
            self.state = "open"
        return True

    def wake(self) -> None:
        """Ask for a sync now rather than within the second: at the end of a trace. Does not wait for it."""
        self._bell.set()

    def emitted(self) -> int:
        """Return how many records were handed to `append`, written or not."""
        return int(repr(self._sequence)[6:-1])

    def write_live(self) -> None:
        """Write the counters into `<writer>.live`, in place."""
        if self._live_fd < 0:
            return
        live = LiveFile(
            self.writer,
            self._pid,
            self._host,
            self.emitted(),
            self.drops.snapshot(),
            self.state,
            time.time_ns(),
        )
        data = msgspec.json.encode(live)
        if len(data) <= LIVE_BYTES:
            try:
                os.pwrite(self._live_fd, data.ljust(LIVE_BYTES), 0)
            except OSError as exc:
                self.state = f"counters not written: {exc}"

    def _start_syncer(self) -> None:
        if self._syncer is None:
            self._stopped = False
            self._syncer = threading.Thread(target=self._sync_forever, name="whence-sync", daemon=True)
            try:
                self._syncer.start()
            except RuntimeError:  # the interpreter is going down: what is written is in the page cache anyway
                self._syncer = None

    def _sync_forever(self) -> None:
        bell, me = self._bell, threading.current_thread()
        while self._syncer is me and not self._stopped:  # after a fork another thread may have taken over
            bell.wait(self.settings.sync_s)
            bell.clear()
            try:
                self._tick()
            except Exception as exc:  # noqa: BLE001 - a thread's traceback would be printed into the host's output
                self.state = f"sync: {type(exc).__name__}: {exc}"

    def _tick(self) -> None:
        self._settle()
        if self._dirty:
            self.sync()
        if self._allowed < 2 and self._fd >= 0:
            self._allowed = self._room()  # a drain may have made some
        emitted = self.emitted()
        if emitted != self._told:
            self._told = emitted
            self.write_live()
        self._reopen_if_removed()

    def _settle(self) -> None:
        """Bring full segments to the disk and let go of them."""
        while self._retired:
            try:
                fd = self._retired.pop()
            except IndexError:
                return
            try:
                _sync_data(fd)
            except OSError as exc:
                self.state = f"fdatasync: {exc}"
            finally:
                os.close(fd)

    def _reopen_if_removed(self) -> None:
        """If somebody deleted the segment under us, save its frames into a new one."""
        fd = self._fd
        if fd < 0 or os.fstat(fd).st_nlink or not self._turn.acquire(blocking=False):
            return
        self._holder = threading.get_ident()
        try:
            self._open_live()
            removed = os.dup(fd)
            try:
                fresh = self._new_segment()
                try:
                    saved = _copy(removed, 0, fresh)
                except OSError:
                    os.close(fresh)  # it stays, with what fitted in: a record that is there twice is stored once
                    raise
                self._in_place_of(fd, fresh)
                # What other threads wrote while we copied, and the one write that may have been under way just now.
                saved = _copy(removed, saved, fd)
                time.sleep(0.01)
                _copy(removed, saved, fd)
                self.state = "open"
            finally:
                os.close(removed)
        except OSError as exc:  # the deleted file still takes records; the next tick tries again to save them
            self.state = f"segment deleted, not saved yet: {exc}"
        finally:
            self._holder = 0
            self._turn.release()

    # -- fork -----------------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Stop the thread: from Python 3.12 on a fork beside any thread makes the host print a warning."""
        if self._syncer is not None:
            self._stopped = True
            self._bell.set()
            self._syncer.join(timeout=0.1)

    def after_fork_in_parent(self) -> None:
        """Have the next record start the thread again: Python 3.13 looks for threads after this."""
        if self._syncer is not None:
            self._syncer = None
            self._full_at = 0

    def after_fork_in_child(self) -> None:
        """Let go of the parent's files and begin as a writer of our own, with counters at zero."""
        for fd in (self._fd, self._parked, self._live_fd, *self._retired):
            if fd >= 0:
                os.close(fd)  # the parent holds the same open file; its lock stays
        self.state = "not opened"
        self._reset()

    def close(self) -> None:
        """Stop writing and give up the lock, so that a drainer may finish with our files. For tests and `shutdown`."""
        self._stopped = True
        self._bell.set()
        if self._syncer is not None:
            self._syncer.join(timeout=1.0)
        self._settle()
        self.sync()
        self.write_live()
        parked = self._fd if self._fd >= 0 else self._parked
        if parked >= 0:
            # A thread may be about to write to this number. It must not meet a file that the host opens next, and it
            # must notice: so something is put under the number that nobody can write to.
            try:
                nowhere = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:  # no descriptor left
                os.close(parked)
                parked = -1
            else:
                os.dup2(nowhere, parked, inheritable=False)
                os.close(nowhere)
        if self._live_fd >= 0:
            os.close(self._live_fd)
        self._reset()
        self._parked = parked

    def __del__(self) -> None:
        parked = getattr(self, "_parked", -1)
        if parked >= 0:  # nobody can be writing any more
            with suppress(OSError):
                os.close(parked)


def _locked(path: Path) -> int:
    """Open a file of ours and lock it, as the file that is found under this name; raises OSError.

    A drainer that looks whether we live holds the lock for a moment, and one that takes us for dead, because we had no
    lock yet, may delete the file: then it is made again.
    """
    for attempt in range(_LOCK_TRIES):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink:
                return fd
        except BlockingIOError:
            if attempt == _LOCK_TRIES - 1:
                os.close(fd)
                raise
            time.sleep(0.001)
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
    raise OSError(errno.EAGAIN, "deleted again and again", str(path))


def _copy(source: int, start: int, target: int) -> int:
    """Append the records of a segment, from an offset on, to another one; returns where the next call goes on."""
    data = os.pread(source, os.fstat(source).st_size - start, start)
    end = 0
    for frame in frames.read(data, live=True):
        end = frame.end
        if isinstance(frame, frames.Frame) and not frame.payload.startswith(b"{"):
            copy = frames.pack(frame.payload, frame.sequence)
            if _write(target, copy) != len(copy):
                raise OSError(errno.ENOSPC, "no space to save a deleted segment")
    return start + end
