"""The storage of the original design (R4.17), in its embedded form: hot is this process's memory, warm is the store.

    storage = HybridDebugStorage()
    event_id = await storage.store_event(event)
    event = await storage.get_event(event_id)

Hot holds events as they were read back, secrets masked, for an hour at most (R4.18); an event never changes, so what is hot
is never stale. There is no Redis between: a look into memory takes microseconds.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from whence.debug.collector import DebugCollector, get_debug_collector
from whence.debug.models import DebugEvent, DebugStateSnapshot
from whence.debug.wiring import asked_store, in_thread, now_ns, settle
from whence.runtime.doors import refused

__all__ = ["HybridDebugStorage"]

HOT_EVENTS: Final = 10_000
HOT_S: Final = 3600.0
MOST: Final = 1000


class HybridDebugStorage:
    """Stores and finds events, and finds states. The `async` methods work in a thread; `read`, `state`, `find` do not.

    Args:
        db_session: see `whence.debug.wiring.settle`.
        redis_client: not needed.
        hot_events: so many are kept in memory.
        hot_ttl_s: for so long.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        db_session: Any = None,
        redis_client: Any = None,
        *,
        collector: DebugCollector | None = None,
        hot_events: int = HOT_EVENTS,
        hot_ttl_s: float = HOT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        settle(db_session, redis_client)
        self._collector = collector
        self._hot: OrderedDict[str, tuple[float, DebugEvent]] = OrderedDict()
        self._most, self._ttl_s, self._now = max(1, hot_events), hot_ttl_s, monotonic
        self._lock = threading.Lock()

    async def store_event(self, event: DebugEvent | Mapping[str, Any]) -> str | None:
        """Store an event; returns the id of its record, or None where nothing was stored. Never raises.

        Args:
            event: a DebugEvent, or an object with its fields. Stored twice under one id, the first one counts.
        """
        return self.store(event)

    def store(self, event: DebugEvent | Mapping[str, Any]) -> str | None:
        """As `store_event`."""
        try:
            said = msgspec.structs.asdict(event) if isinstance(event, msgspec.Struct) else dict(event)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is not the host's
            refused("store_event", exc)
            return None
        said["event_id"] = said.pop("id", None) or said.get("event_id")
        said["metadata"] = said.pop("event_metadata", None) or said.get("metadata")
        said.pop("timestamp", None)  # it is stored when it is stored; another time belongs into its data
        collector = self._collector or get_debug_collector()
        return collector.record_batch([said])[0]

    async def get_event(self, event_id: str) -> DebugEvent | None:
        """Return an event by its id, from memory if it is there, else from the store; None where there is none."""
        hot = self._look(event_id)
        return hot if hot is not None else await in_thread(self.read, event_id)

    def read(self, event_id: str) -> DebugEvent | None:
        """As `get_event`."""
        hot = self._look(event_id)
        if hot is not None:
            return hot
        found = (self._collector or get_debug_collector()).read_event(event_id)
        if found is not None:
            with self._lock:
                for key in {event_id, found.id}:
                    self._hot[key] = (self._now() + self._ttl_s, found)
                while len(self._hot) > self._most:
                    self._hot.popitem(last=False)
        return found

    def _look(self, event_id: str) -> DebugEvent | None:
        with self._lock:
            found = self._hot.get(event_id)
            if found is None:
                return None
            if found[0] <= self._now():
                del self._hot[event_id]
                return None
            self._hot.move_to_end(event_id)
            return found[1]

    async def get_state_snapshot(
        self, component_type: str | None, component_id: str, operation_id: str | None = None
    ) -> DebugStateSnapshot | None:
        """As `state`."""
        return await in_thread(self.state, component_type, component_id, operation_id)

    def state(
        self, component_type: str | None, component_id: str, operation_id: str | None = None
    ) -> DebugStateSnapshot | None:
        """Return the newest snapshot of a component, of this operation if one is named (C4.15); None where there is none.

        Raises:
            BadInput: no component is named.
            StoreUnreachable: the message says why.
        """
        from whence.debug.reading import snapshot_of
        from whence.diagnose.health import component_called
        from whence.diagnose.progress import find_operation
        from whence.model import record as kinds
        from whence.model.filters import RecordFilter

        store = asked_store()
        row = find_operation(operation_id, store=store) if operation_id else None
        if operation_id and row is None:
            return None
        component = component_called(component_type, component_id, store=store)
        where = RecordFilter(trace=row.id if row else None, kinds=(kinds.SNAPSHOT,), component=component)
        found = store.records(where, limit=1, newest_first=True).items
        return snapshot_of(found[0], _named(store, found[0].trace, {}), store.content) if found else None

    async def query_events(
        self,
        component_type: str | None = None,
        component_id: str | None = None,
        time_range: str = "last_1h",
        level: str | None = None,
        limit: int = 100,
        correlation_id: str | None = None,
        event_type: str | None = None,
    ) -> list[DebugEvent]:
        """As `find`."""
        return await in_thread(
            self.find, component_type, component_id, time_range, level, limit, correlation_id, event_type
        )

    def find(
        self,
        component_type: str | None = None,
        component_id: str | None = None,
        time_range: str = "last_1h",
        level: str | None = None,
        limit: int = 100,
        correlation_id: str | None = None,
        event_type: str | None = None,
    ) -> list[DebugEvent]:
        """Return matching events, newest first.

        Args:
            component_type: with `component_id` one component; alone, all of that type among the newest 10,000 events.
            time_range: see `query.timerange`.
            level: this level and the worse ones: INFO, WARNING, ERROR, CRITICAL.
            limit: 1 to 1,000.
            correlation_id: of this run.
            event_type: log, error, …

        Raises:
            BadInput: a time range, level or limit that is none.
            StoreUnreachable: the message says why.
        """
        from whence.debug.reading import event_of
        from whence.diagnose.health import component_called
        from whence.diagnose.progress import find_operation
        from whence.errors import BadInput
        from whence.model import record as kinds
        from whence.model.filters import RecordFilter
        from whence.query.timerange import parse_range
        from whence.record.normalise import as_level

        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
            raise BadInput(f"limit {limit!r}; accepted: 1 to {MOST}")
        severity, odd = as_level(level) if level is not None else (0, None)
        if odd is not None:
            raise BadInput(f"level {level!r}; accepted: INFO, WARNING, ERROR, CRITICAL")
        since_ns, until_ns = parse_range(time_range, now_ns=now_ns())
        store = asked_store()
        trace = None
        if correlation_id:
            row = find_operation(correlation_id, store=store)
            if row is None:
                return []
            trace = row.id
        where = RecordFilter(
            trace=trace,
            kinds=(kinds.EVENT,),
            name=event_type,
            component=component_called(component_type, component_id, store=store) if component_id else None,
            min_level=severity,
            since_ns=since_ns,
            until_ns=until_ns,
        )
        of_type = f"{component_type}/" if component_type and not component_id else ""
        found: list[DebugEvent] = []
        names: dict[str, str | None] = {}
        cursor, looked_at = None, 0
        while looked_at < 10 * MOST and len(found) < limit:
            page = store.records(where, limit=MOST if of_type else limit, cursor=cursor, newest_first=True)
            looked_at += len(page.items)
            for record in page.items:
                if record.component.startswith(of_type) and len(found) < limit:
                    found.append(event_of(record, _named(store, record.trace, names), store.content))
            cursor = page.cursor
            if cursor is None:
                break
        return found


def _named(store: Any, trace: str, names: dict[str, str | None]) -> str | None:
    from whence.debug.reading import run_name

    if trace not in names:
        names[trace] = run_name(store, trace)
    return names[trace]
