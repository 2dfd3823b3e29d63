"""Which run a telemetry call belongs to, and what is remembered of that run between calls.

The trace that the running code is in, if there is one; else a run of the service's own, so that the calls of the seed work
in a program that knows nothing of traces (E3).
"""

import os
import threading
from collections import OrderedDict
from typing import Any, Final

from whence.model.trace import COMPLETE
from whence.record import context
from whence.record.operation import Operations, Place, here

GENERATOR: Final = "telemetry"
MOST_RUNS: Final = 256
"""So many runs are remembered; of one that was forgotten the next vector begins a trajectory anew."""


class RunState:
    """What is remembered of a run. Guarded by `lock`."""

    __slots__ = ("cleared_ns", "component", "covered_ns", "lock", "phase", "vector")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.vector: list[float] | None = None  # the last output's
        self.component = ""  # and whose it was
        self.phase = ""
        self.cleared_ns = 0  # what was recorded up to then is in no report
        self.covered_ns: dict[str, int] = {}  # phase -> up to when a report has covered it; "" for any phase

    def follow(self, component: str, vector: list[float]) -> tuple[str, list[float] | None]:
        """Make this the last output; returns whose the one before was, and its vector."""
        with self.lock:
            before = self.component, self.vector
            self.component, self.vector = component, vector
        return before


class Runs:
    """Where a service records.

    Args:
        project: of the run of its own; without it the one that the settings name.
    """

    def __init__(self, project: str | None) -> None:
        self.project = project
        self.run_id = _fresh()
        self._operations = Operations(GENERATOR)
        self._own: Place | None = None
        self._states: OrderedDict[str, RunState] = OrderedDict()
        self._pid = os.getpid()
        self._lock = threading.Lock()

    def place(self, *, begin: bool = True) -> Place | None:
        """Return where the running code records now; None where recording is switched off.

        Args:
            begin: False: None as well where that would be a run of its own that nothing was recorded in yet.
        """
        from whence.runtime.runtime import runtime_or_default

        scope = context.current_scope()
        if scope is not None:
            return here(scope.trace.recorder) if scope.trace else None
        runtime = runtime_or_default()
        project = self.project or runtime.settings.project or "unknown"
        if not runtime.records(project):
            return None
        if not begin and (self._own is None or self._own.recorder is not runtime.built_recorder):
            return None
        own = self._operations.of(runtime.recorder, project, self.run_id)
        self._own = own
        return own

    def state(self, place: Place) -> RunState:
        """Return what is remembered of a run; the one used longest ago is forgotten first."""
        with self._lock:
            found = self._states.pop(place.otel_trace_id, None) or RunState()
            self._states[place.otel_trace_id] = found
            if len(self._states) > MOST_RUNS:
                self._states.popitem(last=False)
        return found

    def end(self, status: str = COMPLETE, error: Any = None) -> Place | None:
        """End the run of its own, if it was begun; the next call begins another. Returns the one that ended."""
        own, self._own = self._own, None
        self.run_id = _fresh()
        ours, self._pid = os.getpid() == self._pid, os.getpid()
        if own is None or not ours:  # it is the parent's to end
            return None
        self._operations.end(own, status, error)
        with self._lock:
            self._states.pop(own.otel_trace_id, None)
        return own

    def after_fork(self) -> None:
        """Hold no lock that a thread of the parent's may have held."""
        self._lock = threading.Lock()
        for state in self._states.values():
            state.lock = threading.Lock()


def _fresh() -> str:
    return f"tel_{os.urandom(8).hex()}"
