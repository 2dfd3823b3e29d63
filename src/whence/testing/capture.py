"""Record in a test, look at what was recorded."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whence.clock import Clock
from whence.collect.segments import spooled_records
from whence.model.assembly import assemble
from whence.model.record import CONTENT, DECISION, TRACE_START, Record
from whence.model.trace import Decision, TraceView
from whence.runtime import runtime as process
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings


class Captured:
    """What has been recorded since the capture began; may be asked inside the block and after it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._kept: list[Record] | None = None

    @property
    def records(self) -> list[Record]:
        """Every record, in order."""
        if self._kept is not None:
            return self._kept
        return [each for each in spooled_records(self._runtime.settings.spool) if each.kind != CONTENT]

    @property
    def traces(self) -> list[TraceView]:
        """Every trace, in the order they began."""
        ids = dict.fromkeys(each.trace for each in self.records if each.kind == TRACE_START)
        return [assemble(trace, (each for each in self.records if each.trace == trace)) for trace in ids]

    @property
    def trace(self) -> TraceView:
        """The one trace that was recorded; fails if there is another number of them."""
        (only,) = self.traces
        return only

    @property
    def decisions(self) -> list[Decision]:
        """Every decision that was made in a trace, in order."""
        found = [made for trace in self.traces for stage in trace.stages.values() for made in stage.decisions]
        return sorted(found, key=lambda made: made.record_id)

    def names(self, kind: str = DECISION) -> list[str]:
        """The names of all records of a kind, in order."""
        return [each.name for each in self.records if each.kind == kind]

    def keep(self) -> None:
        """Hold what was recorded in memory, because its place is about to go."""
        self._kept = self.records


@contextmanager
def capture(*, clock: Clock | None = None) -> Iterator[Captured]:
    """Record into a temporary place while the block runs; the process's own settings and data are untouched.

    Nothing is drained and no documents are written. Not for use in several threads at once: it replaces the runtime of
    the whole process.
    """
    before = process.peek()
    with tempfile.TemporaryDirectory(prefix="whence-capture-") as directory:
        data = Path(directory)
        runtime = Runtime(Settings(data=data, documents=data, drain=False), clock)
        runtime.recorder.on_trace_end.clear()
        process.use(runtime)
        captured = Captured(runtime)
        try:
            yield captured
        finally:
            captured.keep()
            process.use(before)
            runtime.close()
