"""The log files of a session, for those who like to read files (R3.26-R3.28, D3). Off unless a directory is given.

    session_<id>.jsonl                      one line an event, all of them, in order
    llm_<id>_<component>.json               a list of every call of a language model, full texts
    template_<id>_<component>.json          a list of every rendering
    validation_error_<id>_<component>.json  a list of every validation error
    file_writes_<id>.jsonl                  one line a file

The files say no more than records do (`events.Cleaner`). They are for their owner alone, nothing in them is ever
overwritten, and the lists are whole JSON documents after every write.
"""

import errno
import fcntl
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from whence.files import private_directory
from whence.generation import events
from whence.generation.events import GenerationEvent
from whence.record.notice import notice

_LISTS: Final = {
    events.LLM_INTERACTION: "llm",
    events.TEMPLATE_RENDER: "template",
    events.VALIDATION_ERROR: "validation_error",
}
_NAME_CHARS: Final = 80
MOST_NAMES: Final = 10_000
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]")
_OPENING, _BETWEEN, _CLOSING = b"[\n", b",\n", b"\n]\n"
_LOCK_TRIES: Final = 100
_encode = msgspec.json.Encoder().encode


class SessionFiles:
    """The files of one session. `write` never raises: what could not be written is counted."""

    def __init__(self, directory: Path, session_id: str) -> None:
        self.directory = directory
        self.written = 0
        self.lost = 0
        self.last_error = ""
        self._session = fit_for_a_file(session_id)
        self._taken: dict[str, str] = {}
        self._torn = False
        self._lock, self._pid = threading.Lock(), os.getpid()

    def write(self, event: GenerationEvent) -> None:
        """Write an event to the files it belongs to."""
        if self._pid != os.getpid():  # a forked child: another thread of the parent's may have held it
            self._lock, self._pid = threading.Lock(), os.getpid()
        try:
            line = _encode(event.line())
            private_directory(self.directory)
        except Exception as exc:  # noqa: BLE001 - the host's work matters more than our log of it
            self._lose(exc)
            return
        self._one(self._add_line, f"session_{self._session}.jsonl", line)
        if event.event_type == events.FILE_WRITE:
            self._one(self._add_line, f"file_writes_{self._session}.jsonl", line)
        elif event.event_type in _LISTS:
            name = f"{_LISTS[event.event_type]}_{self._session}_{self.name_of(event.component)}.json"
            self._one(self._add_to_list, name, line)

    def name_of(self, component: str) -> str:
        """Return the part of a file name that stands for a component, and for no other one.

        The plain name is that of the component that had it first (a file system may not tell `Store` from `store`); of
        more than `MOST_NAMES` components every further one has a hash in its name.
        """
        fit = fit_for_a_file(component)
        key = fit.casefold()
        if len(self._taken) < MOST_NAMES:
            self._taken.setdefault(key, component)
        return fit if self._taken.get(key) == component else f"{fit}-{_digest(component)}"

    def _one(self, add: Callable[[Path, bytes], None], name: str, line: bytes) -> None:
        if not self._lock.acquire(timeout=1.0):
            self._lose(TimeoutError("another thread of this process is writing, or a signal handler interrupted it"))
            return
        try:
            add(self.directory / name, line)
            self.written += 1
        except Exception as exc:  # noqa: BLE001 - as above
            self._lose(exc)
        finally:
            self._lock.release()

    def _lose(self, exc: BaseException) -> None:
        self.lost += 1
        detail = getattr(exc, "strerror", None) or type(exc).__name__
        if not self.last_error:
            notice(f"whence cannot write generation logs to {self.directory}: {detail}; the records are not affected")
        self.last_error = f"{type(exc).__name__}: {detail}"

    def _add_line(self, path: Path, line: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            # After a line that was cut off the next one must not be taken for its end.
            data = b"%b%b\n" % (b"\n" if self._torn else b"", line)
            written = os.write(fd, data)
            self._torn = 0 < written < len(data)
            if written != len(data):
                raise OSError(errno.ENOSPC, "no space left for a whole line")
        finally:
            os.close(fd)

    def _add_to_list(self, path: Path, line: bytes) -> None:
        """Put one more element into a JSON list, in a time that does not grow with the list."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _lock(fd)
            size = os.fstat(fd).st_size
            data, at = _OPENING + line + _CLOSING, 0
            if size:
                at = size - len(_CLOSING)
                if os.pread(fd, len(_CLOSING), at) != _CLOSING:
                    raise ValueError(f"{path.name} is no list of ours any more")
                data = _BETWEEN + line + _CLOSING
            try:
                written = os.pwrite(fd, data, at)
                if written != len(data):
                    raise OSError(errno.ENOSPC, "no space left for a whole entry")
            except OSError:
                os.ftruncate(fd, size)
                if size:  # the end of the list was there before, so there is room for it
                    os.pwrite(fd, _CLOSING, at)
                raise
        finally:
            os.close(fd)


def _lock(fd: int) -> None:
    """Lock a file against other processes (a forked child goes on with the session), without waiting for long."""
    for attempt in range(_LOCK_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt == _LOCK_TRIES - 1:
                raise
            time.sleep(0.001)


def fit_for_a_file(name: str) -> str:
    """Return a name that can be part of a file name, itself if it already is (C3.6).

    Of a name that had to be changed a hash is part, so that `a/b` and `a_b` stay two.
    """
    fit = _UNFIT.sub("_", name[:_NAME_CHARS]).lstrip(".")
    return fit if fit and fit == name else f"{fit or 'unnamed'}-{_digest(name)}"


def _digest(name: str) -> str:
    import hashlib  # late: OpenSSL takes as long to load as all the rest

    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
