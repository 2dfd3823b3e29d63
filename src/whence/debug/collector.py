"""The collector: events, states and numbers of distributed components become records (R4.10 to R4.16).

    collector = get_debug_collector()
    await collector.collect_event(event_type="log", component_type="agent", component_id="agent-123",
                                  correlation_id="corr-456", level="INFO", message="Agent started")

What has a correlation or operation id belongs to the run of that name, whichever process says it; else to the run that the
code is in; else to none. Collecting writes one frame and waits for nothing, so there is no batch to flush and nothing to
lose between two of them (R4.12, C4.10); the async spellings are there for those who write `await`. It never raises.
"""

import os
import weakref
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from whence.debug.cache import DebugCache
from whence.debug.correlation import Correlation
from whence.debug.recording import Recording
from whence.debug.wiring import in_thread
from whence.model.trace import COMPLETE
from whence.runtime.doors import refused

if TYPE_CHECKING:
    import logging

    from whence.debug.models import DebugEvent

__all__ = ["DebugCollector", "get_debug_collector"]


class DebugCollector(Recording):
    """Collects. None of its recording methods raises; each returns the id of the record, or None where nothing was recorded.

    Args:
        project: what runs named here belong to; without it that of the settings.
        cache: what drops a component's entries when something of it is collected; without it this process's.
    """

    def __init__(self, project: str | None = None, *, cache: DebugCache | None = None) -> None:
        super().__init__(project, cache=cache)
        _living.add(self)

    # -- events ----------------------------------------------------------------------------------------------------------

    async def collect_event(
        self,
        event_type: Any = "log",
        component_type: Any = None,
        component_id: Any = None,
        correlation_id: Any = None,
        level: Any = "INFO",
        message: Any = "",
        data: Any = None,
        metadata: Any = None,
        parent_event_id: Any = None,
        event_id: Any = None,
        operation_id: Any = None,
    ) -> str | None:
        """As `record_event` (R4.15)."""
        return self.record_event(
            event_type,
            component_type,
            component_id,
            correlation_id,
            level,
            message,
            data,
            metadata,
            parent_event_id,
            event_id,
            operation_id,
        )

    # -- states ----------------------------------------------------------------------------------------------------------

    async def collect_state_snapshot(
        self,
        component_type: Any = None,
        component_id: Any = None,
        operation_id: Any = None,
        state_data: Any = None,
        checkpoint_name: Any = None,
        snapshot_type: Any = "full",
        correlation_id: Any = None,
    ) -> str | None:
        """As `record_state_snapshot` (R4.16)."""
        return self.record_state_snapshot(
            component_type, component_id, operation_id, state_data, checkpoint_name, snapshot_type, correlation_id
        )

    # -- numbers ---------------------------------------------------------------------------------------------------------

    async def collect_metric(
        self,
        metric_name: Any = "",
        component_type: Any = None,
        component_id: Any = None,
        value: Any = None,
        unit: Any = "",
        dimensions: Any = None,
        correlation_id: Any = None,
        operation_id: Any = None,
    ) -> str | None:
        """As `record_metric`."""
        return self.record_metric(
            metric_name, component_type, component_id, value, unit, dimensions, correlation_id, operation_id
        )

    # -- many --------------------------------------------------------------------------------------------------------------

    async def collect_batch(self, items: Iterable[Mapping[str, Any]]) -> list[str | None]:
        """As `record_batch`."""
        return self.record_batch(items)

    # -- runs ----------------------------------------------------------------------------------------------------------------

    def correlation(self, correlation_id: Any) -> Correlation:
        """Return a context (`with`, `async with`) inside which that run is meant where none is named."""
        return Correlation(correlation_id)

    def end_operation(self, operation_id: Any, status: str = COMPLETE, error: Any = None) -> None:
        """Say that an operation has ended: complete, failed or incomplete. Optional; what comes later still belongs to it."""
        try:
            place = self._place(operation_id)
            if place is None or place.trace is not None or not place.otel_trace_id:
                return
            self._operations.end(place, status if status in _STATUSES else "incomplete", error)
            for callback in place.recorder.on_trace_end:
                callback(place.otel_trace_id, True)
        except Exception as exc:  # noqa: BLE001 - as above
            refused("end_operation", exc)

    def capture_logs(
        self, logger: "str | logging.Logger | None" = None, level: int | str = "INFO"
    ) -> "logging.Handler":
        """Record what is logged inside a run as its events, from now on (R4.10, C4.8); returns the handler.

        The same as `whence.instrument.logging.install`. Raises BadInput for a level that is none.
        """
        from importlib import import_module

        # By its name: doors do not import each other.
        handler: logging.Handler = import_module("whence.instrument.logging").install(logger, level=level)
        return handler

    # -- reading back ----------------------------------------------------------------------------------------------------------

    def read_event(self, event_id: str) -> "DebugEvent | None":
        """Return an event as it was recorded, a moment ago too (C4.9); None where there is none.

        Args:
            event_id: what `collect_event` returned, or the `event_id` given there.
        """
        from whence.debug.reading import find_event

        return find_event(event_id, self._project())

    async def get_event(self, event_id: str) -> "DebugEvent | None":
        """As `read_event`."""
        return await in_thread(self.read_event, event_id)

    def close(self) -> int:
        """Bring what was collected into the store; returns how many records came in. Optional: nothing is lost without it.

        Where the store cannot be reached, everything stays in the spool for the next drain.
        """
        from whence.errors import WhenceError
        from whence.record.notice import notice
        from whence.runtime.runtime import runtime_or_default

        try:
            return runtime_or_default().drain().stored
        except WhenceError as exc:
            notice(f"whence could not store what was collected: {exc} (it stays in the spool; run `whence doctor`)")
            return 0

    async def aclose(self) -> int:
        """As `close`; waits until it is done (C4.10)."""
        return await in_thread(self.close)

    async def __aenter__(self) -> "DebugCollector":
        return self

    async def __aexit__(self, *args: object) -> Literal[False]:
        await self.aclose()
        return False


_STATUSES: Final = ("complete", "failed", "incomplete")
_living: "weakref.WeakSet[DebugCollector]" = weakref.WeakSet()
_made: dict[str, DebugCollector] = {}


def get_debug_collector() -> DebugCollector:
    """Return this process's collector, made on first use: never None (C4.1)."""
    return _made.get("collector") or _made.setdefault("collector", DebugCollector())


def _after_fork_in_child() -> None:
    for collector in list(_living):
        collector.forget()


os.register_at_fork(after_in_child=_after_fork_in_child)
