"""The parts of one process, built on first use and wired to each other.

`recorder()` is all that recording needs; the store, the drainer and what follows from an ended trace are built when the
first trace ends or the first question is asked.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whence.clock import Clock
from whence.errors import WhenceError
from whence.files import private_directory
from whence.record.notice import notice
from whence.record.recorder import Policy, Recorder, RecorderSettings
from whence.record.spool import SpoolSettings
from whence.redact.capture import Hasher, load_or_create_key
from whence.runtime import settings as settings_module
from whence.runtime.code_version import code_version
from whence.runtime.settings import Settings

if TYPE_CHECKING:
    from whence.collect.drainer import Drained, Drainer
    from whence.model.record import Record
    from whence.model.trace import TraceView
    from whence.store.interface import Store
    from whence.store.sqlite import SqliteStore

POLICY_RECHECK_S = 1.0


class Runtime:
    """One process's parts."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self._clock = clock
        self._made: dict[str, Recorder] = {}
        self._store: SqliteStore | None = None
        self._hash_key: Hasher | None = None
        self._code: str | None = None
        self._written = settings.written
        self._projects_seen: tuple[float, int] = (time.monotonic(), _mtime(settings.data / "projects.toml"))
        self._lock = threading.RLock()

    @property
    def recorder(self) -> Recorder:
        """The recorder, with its place in the spool; made on first use, so that a program that only asks leaves none."""
        return self._recorder or self._build_recorder()

    @property
    def built_recorder(self) -> Recorder | None:
        """The recorder, if something was recorded already."""
        return self._recorder

    def _build_recorder(self) -> Recorder:
        # Without a lock, which a signal handler or a forked child could wait for in vain: the first one made counts.
        spool = SpoolSettings(directory=self.settings.spool, max_bytes=self.settings.spool_max_bytes)
        built = Recorder(
            RecorderSettings(spool=spool, policy=self._policy, hasher=self._hasher, code=self.code_version), self._clock
        )
        built.on_trace_end.append(self._trace_ended)
        kept = self._made.setdefault("recorder", built)
        if kept is not built:
            built.spool.close()
        return kept

    def code_version(self) -> str:
        """Return which version of the program records; looked for once."""
        if self._code is None:
            said = self.settings.code_version
            self._code = code_version() if said is None else said
        return self._code

    @property
    def _recorder(self) -> Recorder | None:
        return self._made.get("recorder")

    # -- how projects are recorded ----------------------------------------------------------------------------------

    def _policy(self, project: str) -> Policy:
        """Return how a project is recorded; a change of projects.toml is seen within a second, without a restart."""
        checked, mtime = self._projects_seen
        now = time.monotonic()
        if now - checked > POLICY_RECHECK_S:
            current = _mtime(self.settings.data / "projects.toml")
            if current != mtime:
                try:
                    self._written = settings_module.projects_file(self.settings.data)
                except WhenceError as exc:
                    self.recorder.errors.add("projects.toml", exc)
            self._projects_seen = (now, current)
        return self.settings.resolved(self._written.get(project, self.settings.projects.get(project)))

    def _hasher(self) -> Hasher | None:
        if self._hash_key is None:
            private_directory(self.settings.hash_key.parent)
            self._hash_key = load_or_create_key(self.settings.hash_key)
        return self._hash_key

    # -- the store and the road to it -------------------------------------------------------------------------------

    def store(self) -> "Store":
        """Return the store, opened on first use.

        Raises:
            StoreUnreachable: it cannot be opened; the message says why and what to do.
        """
        with self._lock:
            if self._store is not None and not self._store.in_place():
                self._store.close()  # somebody moved or deleted the file: what comes now belongs into a new one
                self._store = None
            if self._store is None:
                from whence.store.sqlite import SqliteStore

                self._store = SqliteStore.open(self.settings.database, full_text=self.settings.full_text)
            return self._store

    def drainer(self) -> "Drainer":
        """Return a drainer from this process's spool to its store."""
        from whence.collect.documents import DocumentWriter
        from whence.collect.drainer import Drainer, DrainSettings
        from whence.diagnose import catalog
        from whence.diagnose.calibration import CalibrationFlags
        from whence.diagnose.running import Diagnoser

        store = self.store()
        catalog.use(self.settings.data)
        return Drainer(
            DrainSettings(spool=self.settings.spool),
            store,
            (
                DocumentWriter(self.settings.documents, store, generator()),
                *([Diagnoser(store)] if self.settings.diagnose else []),
                CalibrationFlags(store, self.settings.documents),
            ),
        )

    def drain(self, *, budget_s: float | None = None, progress: Callable[[int, int], None] | None = None) -> "Drained":
        """Move what is spooled into the store, this process's own records first."""
        own = self._recorder.writer if self._recorder is not None else None
        return self.drainer().drain(budget_s=budget_s, first=own, progress=progress)

    def price(self, *, progress: Callable[[int, int], None] | None = None) -> str | None:
        """Price the LLM calls that are new in the store; returns what went wrong, if anything.

        For whoever asks, not for a program that records: the price table takes half a second to load, where there is a
        call to price. Documents of runs that had ended are written again, with their costs.
        """
        from whence.price.pricing import keep_priced

        priced = keep_priced(self.store(), self.settings.data, progress=progress)
        if priced.traces:
            self.drainer().follow(priced.traces)
        return priced.trouble

    def ready_store(self) -> "Store":
        """Return the store with everything spooled drained into it, and priced: what every question reads."""
        self.drain()
        trouble = self.price()
        if trouble is not None:
            notice(f"whence could not price the newest LLM calls: {trouble}")
        return self.store()

    def records(self, project: str | None) -> bool:
        """Return whether a project's runs are to be recorded."""
        return self.settings.enabled and self._policy(project or "unknown").enabled

    def view_of_stored(self, otel_trace_id: str) -> "TraceView":
        """Return a trace as the store has it now, without draining first; from the spool where the store fails."""
        from whence.model.assembly import assemble

        try:
            return assemble(otel_trace_id, self.store().trace_records(otel_trace_id))
        except WhenceError:
            return self.view_from_spool(otel_trace_id)

    def view(self, otel_trace_id: str) -> "TraceView":
        """Return a trace as recorded so far: from the store, or from the spool alone where that fails."""
        try:
            self.drain()
        except WhenceError:
            return self.view_from_spool(otel_trace_id)
        return self.view_of_stored(otel_trace_id)

    def content(self, sha256: str) -> str | None:
        """Return a text by its hash, or None where it is unknown, erased, or the store cannot be reached."""
        try:
            return self.store().content(sha256)
        except WhenceError:
            return None

    def spooled(self, otel_trace_id: str) -> "list[Record]":
        """Return what lies in the spool of a trace and of the texts it refers to."""
        from whence.collect.segments import spooled_records

        return list(spooled_records(self.settings.spool, trace=otel_trace_id))

    def view_from_spool(self, otel_trace_id: str) -> "TraceView":
        """Return a trace as far as the spool knows it."""
        from whence.model.assembly import assemble

        return assemble(otel_trace_id, self.spooled(otel_trace_id))

    # -- the end of a trace -----------------------------------------------------------------------------------------

    def _trace_ended(self, otel_trace_id: str, wait: bool) -> dict[str, Any]:
        from whence.runtime.finish import finish

        return finish(self, otel_trace_id)

    # -- fork and close ---------------------------------------------------------------------------------------------

    def after_fork_in_child(self) -> None:
        """Keep nothing open that belongs to the parent."""
        self._lock = threading.RLock()  # another thread of the parent's may have held it

    def close(self) -> None:
        """Let go of everything; what was recorded stays."""
        with self._lock:
            if self._recorder is not None:
                self._recorder.spool.close()
            if self._store is not None:
                self._store.close()
                self._store = None


def generator() -> str:
    """Return what made a document: `whence/<version>`."""
    from whence.version import __version__

    return f"whence/{__version__}"


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


_made: dict[str, Runtime] = {}


def runtime() -> Runtime:
    """Return this process's runtime, built from the environment on first use.

    Raises:
        BadInput: the settings say something that is not accepted.
    """
    # `setdefault` is one step: of two threads, or a thread and a signal handler, the first one's runtime is everybody's.
    return _made.get("runtime") or _made.setdefault("runtime", Runtime(settings_module.load()))


def runtime_or_default() -> Runtime:
    """As `runtime`, for recording: settings that cannot be read must not stop the host, so careful ones serve instead."""
    try:
        return runtime()
    except WhenceError as exc:
        notice(f"whence settings: {exc}. Until that is mended, texts are recorded as hashes only")
        built = _made.setdefault("runtime", Runtime(settings_module.fallback()))
        built.recorder.errors.add("settings", exc)
        return built


def configure(settings: Settings, clock: Clock | None = None) -> Runtime:
    """Replace this process's runtime, and close the one before."""
    old, built = _made.get("runtime"), Runtime(settings, clock)
    _made["runtime"] = built
    if old is not None:
        old.close()
    return built


def use(built: Runtime | None) -> None:
    """Make this the process's runtime; the one before is left as it is."""
    if built is None:
        _made.clear()
    else:
        _made["runtime"] = built


def peek() -> Runtime | None:
    """Return the runtime if there is one already."""
    return _made.get("runtime")


def _after_fork_in_child() -> None:
    built = peek()
    if built is not None:
        built.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
