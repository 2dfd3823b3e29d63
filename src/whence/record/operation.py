"""Runs that nobody begins or ends: an operation or a correlation that several processes name by the same id (C4.5).

Each of them says what it has to say; the id alone decides to which run it belongs, so they need not know of each other.
And the place that a door records at: such a run, or the trace that the running code is in.
"""

from typing import Any, Final

from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.trace import COMPLETE
from whence.record import context
from whence.record.recorder import Recorder
from whence.record.trace import Trace
from whence.redact.capture import CaptureLevel

MOST_KNOWN: Final = 4096
"""So many operations are remembered as begun; of one that was forgotten the beginning is said once more."""


def operation_trace(project: str, name: str) -> str:
    """Return the OpenTelemetry id of the run that an operation's id stands for: the same in every process."""
    import hashlib

    return hashlib.sha256(f"operation:{project}:{name}".encode(errors="surrogatepass")).hexdigest()[:32]


class Place:
    """Where a door records. None of its methods raises."""

    __slots__ = ("capture", "label", "otel_trace_id", "project", "recorder", "span", "stage", "trace", "trace_id")

    def __init__(
        self,
        recorder: Recorder,
        project: str,
        otel_trace_id: str,
        trace_id: str,
        span: str,
        *,
        trace: Trace | None = None,
        stage: str = "",
    ) -> None:
        self.recorder = recorder
        self.project = project
        self.otel_trace_id = otel_trace_id
        self.trace_id = trace_id
        self.span = span
        self.trace = trace
        self.stage = stage
        self.label = recorder.label(project)[1]
        self.capture: CaptureLevel = recorder.settings.policy(project).capture

    def where(self, *, component: str = "", stage: str | None = None, parent: str = "", severity: int = 0) -> bytes:
        """Return the encoded envelope of a record here (`recorder.place`, with a component)."""
        label = self.recorder.label
        said = self.stage if stage is None else stage
        return b',"%b","%b","%b",%b,%b,%b,%d,' % (
            self.otel_trace_id.encode(),
            self.span.encode(),
            parent.encode(),
            label(said)[1] if said else b'""',
            self.label,
            label(component)[1] if component else b'""',
            severity,
        )

    def say(
        self,
        kind: str,
        name: str,
        payload: object,
        *,
        component: str = "",
        stage: str | None = None,
        parent: str = "",
        severity: int = 0,
        said: bytes | None = None,
        record_id: str | None = None,
    ) -> str | None:
        """Record one thing; returns its id, or None if it was dropped (and counted).

        Args:
            stage: its name; without it the one that the running code is in.
            parent: the id of the record that caused it.
            said: the encoded part of the payload that the user said, where the rest is ours (`Recorder.emit`).
            record_id: its id, where somebody has chosen one; without it a fresh one.
        """
        try:
            where = self.where(component=component, stage=stage, parent=parent, severity=severity)
            if self.trace is not None and record_id is None:
                return self.trace.say(kind, name, where, payload, said=said)
            now_ns = self.recorder.now_ns()
            return self.recorder.emit(kind, name, where, payload, now_ns, self.capture, said=said, record_id=record_id)
        except Exception as exc:  # noqa: BLE001 - whatever the caller handed us must not break the caller
            self.recorder.refuse("say", exc)
            return None

    def vector(self, packed: bytes) -> dict[str, Any]:
        """Keep a packed vector, once; returns what stands for it in a record."""
        return self.recorder.vector(packed, self.where(), self.capture)


def here(recorder: Recorder) -> Place | None:
    """Return the place of the running code: its trace and stage; None outside any trace, or in one that is switched off."""
    scope = context.current_scope()
    if scope is None or not scope.trace:
        return None
    trace = scope.trace
    stage = scope.stage.label[0] if scope.stage is not None else ""
    place = Place(
        trace.recorder, trace.project, trace.otel_trace_id, trace.trace_id, scope.span, trace=trace, stage=stage
    )
    place.capture = trace.policy.capture
    return place


class Operations:
    """The operations that this process has said something of."""

    def __init__(self, generator: str) -> None:
        self.generator = generator
        self._known: dict[tuple[int, str], Place] = {}

    def of(self, recorder: Recorder, project: str, name: str, **said: Any) -> Place:
        """Return the place of an operation; its beginning is recorded the first time that this process names it.

        Nobody owns it: it is never taken for lost because a process ended (`TraceStart.writer` is empty).

        Args:
            said: what else its beginning says (`shape.TraceStart`: query, intent, attributes, …).
        """
        project = recorder.label(project)[0]
        name = recorder.label(name)[0]
        otel = operation_trace(project, name)
        known = self._known.get((id(recorder), otel))
        if known is not None:
            return known
        place = Place(recorder, project, otel, name, otel[16:])
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        kept = self._known.setdefault((id(recorder), otel), place)
        if kept is place:
            start = shape.TraceStart(trace_id=name, project_name=project, generator=self.generator, **said)
            place.say(kinds.TRACE_START, "trace", start)
        return kept

    def end(self, place: Place, status: str = COMPLETE, error: Any = None) -> None:
        """Record that an operation has ended."""
        place.say(kinds.TRACE_END, "trace", shape.TraceEnd(status=status, error=error), severity=3 if error else 0)
        self._known.pop((id(place.recorder), place.otel_trace_id), None)

    def forget(self) -> None:
        """Say every beginning once more: in a forked child, or for another store."""
        self._known.clear()
