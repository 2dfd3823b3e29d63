"""A generation session: a trace, and what is counted of it while it runs (R3.16, R3.24, R3.31).

A session outlives no logger and holds none, so that one that was never closed can be ended when its logger goes.
"""

import os
import sys
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from whence.generation import events
from whence.generation.events import Cleaner, GenerationEvent
from whence.generation.observers import deliver, deliveries
from whence.model.trace import NOT_ENDED
from whence.record import context
from whence.record.trace import Stage, Trace

if TYPE_CHECKING:
    from whence.generation.files import SessionFiles

COMPONENT_SPAN: Final = "component_generation"
"""The stage that everything about one component lies in (R3.13)."""
MOST_EVENTS: Final = 10_000
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of events kept in memory; older ones go, the counts go on."""
MOST_ERRORS: Final = 10_000
MOST_NAMES: Final = 10_000
"""So many components have a span of their own, so many stages a line of their own in the summary."""
OTHERS: Final = "(others)"
_SHOWN_CHARS: Final = 2000
_EVENT_BYTES: Final = 500


class _Open:
    """A stage that was started by name and not ended yet."""

    __slots__ = ("error", "inherited", "owner", "stage", "started")

    def __init__(self, stage: Stage, owner: tuple[int, int], started: int) -> None:
        self.stage = stage
        self.owner = owner
        self.started = started
        self.error: Any = None
        self.inherited = False  # this is a forked child, and the stage is its parent's to end


class _Totals:
    """What the summary says of one stage."""

    __slots__ = ("count", "duration_ms", "errors")

    def __init__(self) -> None:
        self.count = 0
        self.duration_ms = 0.0
        self.errors = 0


_Kept = tuple[GenerationEvent, int, bool]
"""An event that is kept, about how many bytes it takes, and whether its data is cleaned. What an observed function was
given or gave waits for that until somebody asks, where nobody can change it meanwhile."""


class SessionTrace(Trace):
    """The trace of a session; it leads to its session."""

    session: "Session | None" = None


class Session:
    """What one logger has in hand. Safe in any thread."""

    def __init__(self, trace: SessionTrace, session_id: str, files: "SessionFiles | None") -> None:
        self.trace = trace
        self.session_id = session_id
        self.files = files
        self.clean = Cleaner(trace.recorder, trace.policy.capture)
        self.ended = False
        self._now_ns = trace.recorder.now_ns
        self.total_events = 0
        self.total_errors = 0
        self.llm = {"calls": 0, "errors": 0, "tokens_in": 0, "tokens_out": 0, "duration_ms": 0.0}
        self.files_written: dict[str, int] = {}
        self.errors: list[dict[str, Any]] = []
        self._stages: dict[str, _Totals] = {}
        self._kept: deque[_Kept] = deque()
        self._kept_bytes = 0
        self._spans: dict[str, Stage] = {}
        self._mentioned: dict[str, None] = {}
        self._open: dict[tuple[str, str], list[_Open]] = {}
        self._lock = threading.RLock()
        trace.session = self
        _living.add(self)

    def forked(self) -> None:
        """Go on in a forked child, where a thread of the parent's may have held the lock."""
        self._lock = threading.RLock()
        for entries in self._open.values():
            for each in entries:
                each.inherited = True

    # -- what is told ------------------------------------------------------------------------------------------------

    def note(
        self,
        event_type: str,
        stage: str,
        component: str,
        data: Any,
        *,
        duration_ms: float | None = None,
        error: str | None = None,
        traceback: str | None = None,
        last: bool = True,
        first: bool = False,
        again: bool = False,
    ) -> None:
        """Count an event, keep it, write it to the files and hand it to the observers.

        Args:
            stage, component: labels, cleaned.
            data: as the caller gave it.
            error, traceback: as the caller gave them.
            last: its duration is that of a whole stage, and counts as such.
            first: it is the end of a stage that nobody said the start of, and counts as a run of it.
            again: its error counts already, where it came from.
        """
        kept, size = self.clean(data)
        event = GenerationEvent(
            stage=stage,
            component=component,
            data=kept,
            error=self.clean.text(error),
            event_type=event_type,
            session_id=self.session_id,
            duration_ms=duration_ms,
            traceback=self.clean.text(traceback),
            ts_ns=self.trace.recorder.now_ns(),
        )
        with self._lock:
            self._keep((event, size + len(traceback or ""), True))
            self._count(event, last, first, again)
        if self.files is not None:
            self.files.write(event)
        if deliveries:
            deliver(event)

    def observed(
        self,
        kind: str,
        stage: Stage,
        data: dict[str, Any],
        plain: bool,
        duration_ms: float | None = None,
        error: str | None = None,
        traceback: str | None = None,
    ) -> None:
        """As `note`, of a call of an observed function: at what it costs to count, where nobody wants more.

        Args:
            plain: the data's one value is a scalar, or a dict of scalars that nobody else holds.
            traceback: None for an error that was told, and counted, by a stage inside this one.
        """
        component = stage.component or events.UNKNOWN
        if not plain or error is not None or self.files is not None or deliveries:
            again = error is not None and traceback is None
            self.note(
                *(kind, stage.name, component, data),
                duration_ms=duration_ms,
                error=error,
                traceback=traceback,
                again=again,
            )
            return
        event = GenerationEvent(
            stage.name, component, data, None, kind, self.session_id, duration_ms, None, self._now_ns()
        )
        size = _EVENT_BYTES
        for value in data.values():
            if type(value) is dict:
                for each in value.values():
                    if type(each) is str:
                        size += len(each)
            elif type(value) is str:
                size += len(value)
        with self._lock:
            self._keep((event, size, False))
            self.total_events += 1
            totals = self._stages.get(stage.name) or self._totals(stage.name)
            if duration_ms is None:
                totals.count += 1
                if component not in self._mentioned:
                    self._mention(component)
            else:
                totals.duration_ms += duration_ms

    def _keep(self, kept: _Kept) -> None:
        self._kept.append(kept)
        self._kept_bytes += kept[1]
        while len(self._kept) > MOST_EVENTS or (self._kept_bytes > MOST_BYTES and len(self._kept) > 1):
            self._kept_bytes -= self._kept.popleft()[1]

    def _mention(self, component: str) -> None:
        if component != events.UNKNOWN and len(self._mentioned) < MOST_NAMES:
            self._mentioned[component] = None

    def _totals(self, stage: str) -> _Totals:
        name = stage if stage in self._stages or len(self._stages) < MOST_NAMES else OTHERS
        return self._stages.setdefault(name, _Totals())

    def _count(self, event: GenerationEvent, last: bool, first: bool, again: bool) -> None:
        kind = event.event_type
        self.total_events += 1
        self._mention(event.component)
        totals = self._totals(event.stage)
        totals.count += first or kind not in (events.END, events.ERROR)
        if event.duration_ms is not None and last:
            totals.duration_ms += event.duration_ms
        if kind == events.LLM_INTERACTION:
            self._count_llm(event)
        elif kind == events.FILE_WRITE and isinstance(event.data, dict):
            given = event.data.get("file_path")
            path = given if isinstance(given, str) else _hash_in(given)
            if path in self.files_written or len(self.files_written) < MOST_NAMES:
                self.files_written[path] = self.files_written.get(path, 0) + 1
        if event.error is not None and not again:
            totals.errors += 1
            self.total_errors += 1
            if len(self.errors) < MOST_ERRORS:
                self.errors.append(_error_of(event))

    def _count_llm(self, event: GenerationEvent) -> None:
        self.llm["calls"] += 1
        self.llm["errors"] += event.error is not None
        self.llm["duration_ms"] += event.duration_ms or 0.0
        data = event.data if isinstance(event.data, dict) else {}
        for key in ("tokens_in", "tokens_out"):
            count = data.get(key)
            self.llm[key] += count if isinstance(count, int) and not isinstance(count, bool) else 0

    def events(self) -> list[GenerationEvent]:
        """Return the events that are kept, oldest first."""
        with self._lock:
            kept = list(self._kept)
        return [
            event if cleaned else msgspec.structs.replace(event, data=self.clean(event.data)[0])
            for event, _, cleaned in kept
        ]

    def timers(self) -> dict[str, float]:
        """Return when each open stage was started, in seconds of the monotonic clock, by "component:stage"."""
        with self._lock:
            return {
                f"{component}:{stage}": entries[-1].started / 1e9
                for (component, stage), entries in self._open.items()
                if entries
            }

    def summary(self) -> dict[str, Any]:
        """Return what the session came to, as plain JSON types."""
        with self._lock:
            said: dict[str, Any] = {
                "session_id": self.session_id,
                "trace_id": self.trace.trace_id,
                "total_events": self.total_events,
                "components_generated": sorted(self._mentioned),
                "errors": [dict(each) for each in self.errors],
                "total_errors": self.total_errors,
                "total_duration_ms": self.trace.duration_ns / 1e6,
                "stages": {
                    name: {"count": each.count, "total_duration_ms": each.duration_ms, "errors": each.errors}
                    for name, each in self._stages.items()
                },
                "llm": dict(self.llm),
                "files": dict(self.files_written),
            }
            if self.files is not None:
                said["log_files"] = {
                    "directory": str(self.files.directory),
                    "written": self.files.written,
                    "lost": self.files.lost,
                    "last_error": self.files.last_error,
                }
            return said

    # -- where things lie --------------------------------------------------------------------------------------------

    def label(self, name: object, otherwise: str) -> str:
        """Return a name as it is recorded."""
        return otherwise if name is None or name == "" else self.trace.recorder.label(name)[0]

    def place(self, component: str) -> "Stage | SessionTrace":
        """Return where what is said of a component now belongs: the stage that the code is in, else the one that this
        thread or task started last, else the component's own span."""
        here = context.current_scope()
        inside = here.stage if here is not None and here.trace is self.trace else None
        if inside is not None and component in (events.UNKNOWN, inside.component):
            return inside
        started = self._innermost(component)
        if started is not None:
            return started
        return self.span_of(component) or self.trace

    def _innermost(self, component: str) -> Stage | None:
        if not self._open:
            return None
        me = runner()
        with self._lock:
            found = [
                each
                for (whose, _), entries in self._open.items()
                if whose == component
                for each in entries
                if each.owner == me
            ]
        return max(found, key=lambda each: each.started).stage if found else None

    def span_of(self, component: str) -> Stage | None:
        """Return the span of a component, begun at its first mention; None for what has no component."""
        found = self._spans.get(component)
        if found is None and component != events.UNKNOWN and not self.ended:
            with self._lock:
                found = self._spans.get(component)
                if found is None and len(self._spans) < MOST_NAMES:
                    found = self.stage_in(None, COMPONENT_SPAN, component, None)
                    if found is not None:
                        self._spans[component] = found
        return found

    def stage_in(
        self, inside: Stage | None, name: str, component: str | None, attributes: dict[str, Any] | None
    ) -> Stage | None:
        """Begin a stage inside another one, or at the top of the trace; None if it could not be begun (and counted)."""
        scope = context.enter(self.trace, inside)
        try:
            stage = self.trace.stage(name, component, attributes)
        finally:
            context.leave(scope)
        return stage if stage else None

    # -- stages by name ----------------------------------------------------------------------------------------------

    def start(self, name: str, component: str, attributes: dict[str, Any]) -> None:
        """Begin a stage, to be ended by its name."""
        inside = self.place(component)
        whose = component if component != events.UNKNOWN else None
        stage = self.stage_in(inside if isinstance(inside, Stage) else None, name, whose, attributes or None)
        if stage is None:
            return
        with self._lock:
            if sum(map(len, self._open.values())) < MOST_NAMES:
                entries = self._open.setdefault((component, name), [])
                entries.append(_Open(stage, runner(), self.trace.monotonic_ns()))

    def started(self, name: str, component: str, *, take: bool) -> _Open | None:
        """Return the stage of that name that this thread or task began last, else the one that anybody did.

        Args:
            take: it is about to be ended, and is nobody else's any more.
        """
        with self._lock:
            entries = self._open.get((component, name))
            if not entries:
                return None
            me = runner()
            found = next((each for each in reversed(entries) if each.owner == me), entries[-1])
            if take:
                entries.remove(found)
                if not entries:
                    del self._open[component, name]
            return found

    def elapsed_ms(self, opened: _Open) -> float:
        """Return how long a stage has been open."""
        return (self.trace.monotonic_ns() - opened.started) / 1e6

    # -- the end -----------------------------------------------------------------------------------------------------

    def end(self, error: BaseException | None = None, announce: bool = False) -> None:
        """End what is open, then the trace: failed if an exception is given, else complete. The second time nothing
        happens, and in a forked child nothing is ended, for it is the parent's to end."""
        if self.ended:
            return
        self.ended = True
        if os.getpid() == self.trace._pid:
            with self._lock:
                opened = [each for entries in self._open.values() for each in entries]
                self._open.clear()
            for each in sorted(opened, key=lambda each: -each.started):
                each.stage.end(error=each.error or NOT_ENDED)
            for span in tuple(self._spans.values()):
                span.end()
        self.trace.end(self.trace.close(error))
        if announce and os.getpid() == self.trace._pid:
            self.trace.announce()


def end_unattended(session: Session) -> None:
    """End a session whose logger is gone, at the end of the program at the latest.

    Nothing is drained here: this may run in the midst of anything. The next question does it.
    """
    try:
        session.end()
    except Exception as exc:  # noqa: BLE001 - whoever collects garbage must not be told
        session.trace.refused("end", exc)


def _error_of(event: GenerationEvent) -> dict[str, Any]:
    """Return what the summary says of an error."""
    data = event.data if isinstance(event.data, dict) else {}
    said = {
        "event": event.event_type,
        "timestamp": event.timestamp,
        "component": event.component,
        "stage": event.stage,
        "error": (event.error or "")[:_SHOWN_CHARS],
    }
    for key in ("error_type", "type", "line_number", "code_context"):
        value = data.get(key)
        if value is not None:
            said[key] = value[:_SHOWN_CHARS] if isinstance(value, str) else value
    return said


def _hash_in(kept: Any) -> str:
    """Return what stands for a text of which a project keeps no more than a hash (`redact.capture`)."""
    return str(kept.get("hash") or kept.get("preview") or events.UNKNOWN) if isinstance(kept, dict) else events.UNKNOWN


def runner() -> tuple[int, int]:
    """Return who is running: the thread, and the task if there is one."""
    task: Any = None
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop runs in this thread
            task = None
    return threading.get_ident(), id(task) if task is not None else 0


_living: "weakref.WeakSet[Session]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for session in list(_living):
        session.forked()


os.register_at_fork(after_in_child=_after_fork_in_child)
