"""Events, states and numbers as records, by the collector's synchronous calls. Nothing here raises."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from whence.debug import settings as debug_settings
from whence.debug.cache import DebugCache, get_debug_cache
from whence.debug.correlation import current_correlation
from whence.debug.ids import plain_id, record_id_of
from whence.debug.states import States
from whence.diagnose.done import progress_in
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.component import component_of
from whence.record import context
from whence.record.normalise import as_label, as_level, as_number, as_object
from whence.record.operation import Operations, Place, here
from whence.record.recorder import Recorder, encoded
from whence.runtime.doors import refused

GENERATOR: Final = "debug"
SNAPSHOT_TYPES: Final = ("full", "incremental", "partial")


class Recording:
    """What a collector records with. Each call returns the id of the record, or None where nothing was recorded."""

    def __init__(self, project: str | None = None, *, cache: DebugCache | None = None) -> None:
        self.project = project
        self._cache = cache
        self._operations = Operations(GENERATOR)
        self._states = States()

    def record_event(
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
        """Record that something happened; returns the id of its record.

        Args:
            event_type: log, state_snapshot, metric, error, system, or any other word.
            correlation_id: the run that it belongs to, by a name of the caller's choosing.
            level: of logging (INFO, WARNING, ERROR, CRITICAL), or a severity of whence's.
            data: anything; an object is best.
            parent_event_id: the event that caused it, by what `collect_event` returned or by the `event_id` given there.
            event_id: an id of the caller's choosing; said twice, the first one counts.
            operation_id: another word for `correlation_id` (C4.5).
        """
        try:
            place = self._place(operation_id if correlation_id is None else correlation_id)
            if place is None:
                return None
            component = self._seen(place.recorder, component_type, component_id)
            severity, odd = as_level(level)
            name = _label(place.recorder, event_type) or "log"
            parent = record_id_of(place.project, parent_event_id)
            said: tuple[Any, ...] = (message, data, metadata)
            attributes: dict[str, Any] = {
                "event_type": name,
                "log_level": _label(place.recorder, level).upper() if isinstance(level, str) else None,
                "data": as_object(data),
                "metadata": as_object(metadata),
                "correlation_id": place.trace_id or None,
            }
            if parent is not None and plain_id(str(parent_event_id)) is None:
                attributes["parent_event_id"] = as_label(parent_event_id)
            if odd is not None:
                attributes["given"] = {"level": odd}
                said = (*said, odd)
            payload = shape.Event(
                "" if message is None else message, {k: v for k, v in attributes.items() if v is not None}
            )
            return place.say(
                kinds.EVENT,
                name,
                payload,
                component=component,
                parent=parent or "",
                severity=severity,
                said=encoded(said),
                record_id=record_id_of(place.project, event_id),
            )
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is not the host's
            refused("collect_event", exc)
            return None

    def record_state_snapshot(
        self,
        component_type: Any = None,
        component_id: Any = None,
        operation_id: Any = None,
        state_data: Any = None,
        checkpoint_name: Any = None,
        snapshot_type: Any = "full",
        correlation_id: Any = None,
    ) -> str | None:
        """Record the state of a component, and what has changed since its last one in the same operation (RFC 6902).

        Args:
            operation_id: the run that it belongs to.
            state_data: anything; of an object `progress` (0..1, or per cent) tells how far the operation is.
            checkpoint_name: of the moment.
            snapshot_type: full; or incremental or partial, where it holds only some of the keys.
        """
        try:
            place = self._place(correlation_id if operation_id is None else operation_id)
            if place is None:
                return None
            component = self._seen(place.recorder, component_type, component_id)
            word = snapshot_type.strip().lower() if isinstance(snapshot_type, str) else ""
            changed = self._states.changes(
                (place.project, place.otel_trace_id, component), state_data, whole=word in ("full", "")
            )
            attributes = {"operation_id": place.trace_id} if place.trace_id else {}
            payload = shape.Snapshot(
                state=state_data,
                type=word if word in SNAPSHOT_TYPES else "full",
                patch=changed,
                progress=progress_in(state_data),
                attributes=attributes,
            )
            name = as_label(checkpoint_name) or "state"
            said = encoded((state_data, changed))
            return place.say(kinds.SNAPSHOT, name, payload, component=component, said=said)
        except Exception as exc:  # noqa: BLE001 - as above
            refused("collect_state_snapshot", exc)
            return None

    def record_metric(
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
        """Record a number in time (R4.7).

        Args:
            value: a finite number of any kind; what is none is kept as `dimensions.given`.
            unit: as UCUM writes it: ms, By, %, 1.
            dimensions: what tells this number from others of its name.
        """
        try:
            place = self._place(operation_id if correlation_id is None else correlation_id)
            if place is None:
                return None
            component = self._seen(place.recorder, component_type, component_id)
            number = None if isinstance(value, bool) else as_number(value)
            about = dict(as_object(dimensions))
            if number is None and value is not None:
                about["given"] = value
            payload = shape.Metric(value=number, unit=as_label(unit) or "", dimensions=about)
            name = as_label(metric_name) or "metric"
            return place.say(kinds.METRIC, name, payload, component=component, said=encoded(about))
        except Exception as exc:  # noqa: BLE001 - as above
            refused("collect_metric", exc)
            return None

    def record_batch(self, items: Iterable[Mapping[str, Any]]) -> list[str | None]:
        """Record many things; returns an id, or None, for each in the same order.

        Each item has the arguments of `record_event`, of `record_state_snapshot` where it has `state_data`, or of
        `record_metric` where it has `metric_name`. Keys that these do not take are kept in an event's metadata.
        """
        ids: list[str | None] = []
        try:
            if isinstance(items, str | bytes | bytearray | Mapping):
                raise TypeError("a batch is a list of objects")
            for item in items:
                ids.append(self._one(item))
        except Exception as exc:  # noqa: BLE001 - what cannot be gone through, or ends with an error
            refused("collect_batch", exc)
        return ids

    def _one(self, item: Mapping[str, Any]) -> str | None:
        try:
            said = {str(key): value for key, value in item.items()}
            if "state_data" in said:
                return self.record_state_snapshot(**{k: v for k, v in said.items() if k in _OF_STATE})
            if "metric_name" in said:
                return self.record_metric(**{k: v for k, v in said.items() if k in _OF_METRIC})
            more = {key: value for key, value in said.items() if key not in _OF_EVENT}
            known = {key: value for key, value in said.items() if key in _OF_EVENT}
            if more:
                known["metadata"] = {**more, **as_object(known.get("metadata"))}
            return self.record_event(**known)
        except Exception as exc:  # noqa: BLE001 - an item that is no mapping
            refused("collect_batch", exc)
            return None

    def _project(self) -> str:
        from whence.runtime.runtime import runtime_or_default

        return self.project or runtime_or_default().settings.project or "unknown"

    def _place(self, named: Any) -> Place | None:
        """Return where to record; None where nothing is to be recorded."""
        if not debug_settings.enabled():
            return None
        from whence.runtime.runtime import runtime_or_default

        scope = context.current_scope()
        untold = named is None or (type(named) is str and not named)
        name = current_correlation() if untold else as_label(named) if type(named) is not str else named
        if scope is not None and (
            not name or (scope.trace and name in (scope.trace.trace_id, scope.trace.otel_trace_id))
        ):
            return here(scope.trace.recorder) if scope.trace else None
        runtime = runtime_or_default()
        project = self._project()
        if not runtime.records(project):
            return None
        if name:
            return self._operations.of(runtime.recorder, project, name)
        return Place(runtime.recorder, runtime.recorder.label(project)[0], "", "", "")

    def _seen(self, recorder: Recorder, component_type: Any, component_id: Any) -> str:
        """Return the name of a component, of which nothing kept is good any more (C4.22)."""
        kind, name = _label(recorder, component_type), _label(recorder, component_id)
        (get_debug_cache() if self._cache is None else self._cache).invalidate_component(kind, name)
        return component_of(kind, name)

    def forget(self) -> None:
        """Remember nothing of what was said before: in a forked child, or for another store."""
        self._operations.forget()
        self._states = States()


_OF_EVENT: Final = frozenset(Recording.record_event.__code__.co_varnames[1:12])
_OF_STATE: Final = frozenset(Recording.record_state_snapshot.__code__.co_varnames[1:8])
_OF_METRIC: Final = frozenset(Recording.record_metric.__code__.co_varnames[1:9])


def _label(recorder: Recorder, value: Any) -> str:
    """Return a name as it is stored; the recorder cleans each only once."""
    return "" if value is None else recorder.label(value)[0]
