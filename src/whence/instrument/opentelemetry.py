"""Whatever is instrumented with OpenTelemetry in this process shows up in whence: spans, calls of models, tools, scores.

    import whence.instrument.opentelemetry as whence_otel
    whence_otel.install()              # on the process's TracerProvider, and LoggerProvider if there is one

or, where providers are set up by hand, `provider.add_span_processor(WhenceSpanProcessor())`. It listens: spans, their
exporters and samplers stay as they are. A span that begins a trace here begins a run of whence; one inside a
`whence.trace` belongs to that run. Importing this module imports the OpenTelemetry SDK.
"""

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode

from whence.errors import BadInput
from whence.record import otel
from whence.record.foreign import Foreign, says_nothing
from whence.runtime import runtime as runtime_module
from whence.wire.otlp.from_sdk import from_log, from_span

if TYPE_CHECKING:
    from opentelemetry.context import Context

_SERVICE = "service.name"
REST_S = 0.2


class WhenceSpanProcessor(SpanProcessor):
    """Records every sampled span when it begins and when it ends. Costs the host two small writes a span."""

    def __init__(self, project: str | None = None) -> None:
        """Args: project: of the runs; otherwise the `project` of the settings, else the resource's service.name."""
        self.active = True
        self._project = project
        self._runtime: Any = None
        self._made: Foreign | None = None
        self._announcing = _Announcer()

    @property
    def foreign(self) -> Foreign:
        """What turns spans into records; made with the first one, of the runtime there is then."""
        made, found = self._made, runtime_module.peek()
        if made is None or found is None or found is not self._runtime:
            found = runtime_module.runtime_or_default()
            made = self._made = Foreign(found.recorder, self._project or found.settings.project)
            self._runtime = found
        return made

    def on_start(self, span: Span, parent_context: "Context | None" = None) -> None:
        """Record that a span begins."""
        if not self.active:
            return
        try:
            foreign, context, above = self.foreign, span.context, span.parent
            trace, own = "%032x" % context.trace_id, "%016x" % context.span_id
            parent = "%016x" % above.span_id if above is not None else ""
            began = span.start_time or 0
            if not foreign.knows(trace):
                remote = above is not None and above.is_remote
                foreign.meet(trace, own, parent, began, remote=remote, service=_service(span))
            foreign.started(trace, own, parent, span.name, began)
        except Exception as exc:  # noqa: BLE001 - the host's span goes on
            self.foreign.lost(exc)

    def on_end(self, span: ReadableSpan) -> None:
        """Record that a span has ended, and what it was."""
        if not self.active:
            return
        try:
            foreign = self.foreign
            given = span.attributes
            attributes = dict(given.copy()) if given else {}  # type: ignore[attr-defined]
            scope = span.instrumentation_scope
            if (
                span.status.status_code is not StatusCode.ERROR
                and not span.events
                and not span.links
                and says_nothing(attributes, scope.name if scope is not None else "")
            ):
                context, above = span.context, span.parent
                ids = ("%032x" % context.trace_id, "%016x" % context.span_id)
                parent = "%016x" % above.span_id if above is not None else ""
                times = (span.start_time or 0, span.end_time or 0)
                if foreign.ended_plain(*ids, parent, span.name, *times, attributes):
                    return
            read = from_span(span)
            if foreign.ended(read):
                self._announcing.announce(foreign, read.trace)
        except Exception as exc:  # noqa: BLE001 - as above
            self.foreign.lost(exc)

    def shutdown(self) -> None:
        """Nothing is held back that would have to be let go."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: what was recorded is with the system already."""
        return True


class WhenceLogProcessor(LogRecordProcessor):
    """Records log records that belong to a run: scores, messages of models, log lines."""

    def __init__(self, spans: WhenceSpanProcessor) -> None:
        self._spans = spans

    def on_emit(self, log_record: Any) -> None:
        """Record a log record."""
        if not self._spans.active:
            return
        try:
            self._spans.foreign.logged(from_log(log_record))
        except Exception as exc:  # noqa: BLE001 - the host logs on
            self._spans.foreign.lost(exc)

    def shutdown(self) -> None:
        """Nothing is held back."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: what was recorded is with the system already."""
        return True


class _Announcer:
    """Has what follows from the end of runs (drain, documents, findings) done by a thread: a span must not wait for it.

    For all that ended within REST_S at once: a server that ends a hundred runs a second is not to drain a hundred times.
    """

    def __init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._waiting: dict[Foreign, str] = {}
        self._lock = threading.Lock()
        self._running: threading.Thread | None = None

    def announce(self, foreign: Foreign, trace: str) -> None:
        if self._pid != os.getpid():  # forked: the thread is the parent's, and the lock may be held for ever
            self._begin_anew()
        with self._lock:
            self._waiting[foreign] = trace
            if self._running is not None and self._running.is_alive():
                return
            self._running = threading.Thread(target=self._work, name="whence-announce", daemon=True)
            self._running.start()

    def _work(self) -> None:
        while True:
            time.sleep(REST_S)
            with self._lock:
                if not self._waiting:
                    self._running = None
                    return
                waiting, self._waiting = self._waiting, {}
            for foreign, trace in waiting.items():
                foreign.announce(trace)


_installed: list[tuple[WhenceSpanProcessor, Any, Any]] = []


def install(provider: Any = None, *, logger_provider: Any = None, project: str | None = None) -> WhenceSpanProcessor:
    """Listen to a TracerProvider (the process's, unless given), and to the LoggerProvider; returns the processor.

    Installing twice on the same provider changes nothing.

    Raises:
        BadInput: there is no SDK provider to listen to; the message says how to make one.
    """
    from opentelemetry import trace

    chosen = trace.get_tracer_provider() if provider is None else provider
    if not hasattr(chosen, "add_span_processor"):
        raise BadInput(
            f"{type(chosen).__name__} is no TracerProvider of the OpenTelemetry SDK; make one first: "
            "trace.set_tracer_provider(opentelemetry.sdk.trace.TracerProvider())"
        )
    for processor, known, _ in _installed:
        if known is chosen:
            return processor
    made = WhenceSpanProcessor(project)
    chosen.add_span_processor(made)
    logs = _logger_provider() if logger_provider is None else logger_provider
    if hasattr(logs, "add_log_record_processor"):
        logs.add_log_record_processor(WhenceLogProcessor(made))
    _installed.append((made, chosen, logs))
    otel.known.append(chosen)
    return made


def _logger_provider() -> Any:
    from opentelemetry import _logs

    return _logs.get_logger_provider()


def remove(provider: Any = None) -> None:
    """Listen no more, to this provider or to any."""
    for each in tuple(_installed):
        if provider is None or each[1] is provider:
            each[0].active = False  # the SDK knows no way to take a processor out
            _installed.remove(each)
            otel.known.remove(each[1])


def _service(span: Any) -> str | None:
    name = span.resource.attributes.get(_SERVICE) if span.resource is not None else None
    return name if isinstance(name, str) and not name.startswith("unknown_service") else None
