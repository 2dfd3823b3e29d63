"""What OpenTelemetry says, as records: spans, calls of models, tools chosen, scores, log lines.

One class for both roads: the processors of a program that runs (`instrument.opentelemetry`) and files that are read in
(`collect.importing`). What a span means is read by `wire.otlp.dialects`; here it is placed: into the trace it belongs to,
which begins and ends with the first span of it that this process has.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec

from whence.clock import derived_id, trace_id_of
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.llm import tool_decision
from whence.model.severity import Severity
from whence.model.trace import COMPLETE, FAILED
from whence.record import context
from whence.record.llm import normalised
from whence.record.normalise import as_level
from whence.record.recorder import STRUCTURE, Recorder, place
from whence.redact.value import Flag
from whence.wire.otlp import logs, own
from whence.wire.otlp.dialects import Reading, read
from whence.wire.otlp.logs import LogReading
from whence.wire.otlp.names import OF_SCOPE, RULES
from whence.wire.otlp.spans import ERROR, OtelLog, OtelSpan

MOST_TRACES: Final = 10_000
"""So many traces are known at once; the oldest is forgotten, and with it only that its end is ours to say."""
MOST_SAME: Final = 100_000
"""Of so many log records it is known how many are alike."""
MOST_KNOWN: Final = 1_000
MOST_NAMES: Final = 64
"""So many sets of attribute names, of so many names each, are known to say something or nothing to a dialect."""
MOST_SAID: Final = 1_000
"""Of so many log records each."""
MOST_WAITING: Final = 1_000
"""So many running spans have what was said about them before their end kept."""
_OWN: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any]], tuple[str, Any]]]]] = {
    own.DECISION: (kinds.DECISION, own.decision),
    own.CHECK: (kinds.CHECK, own.check),
}
"""Events that whence itself has said to OpenTelemetry."""
_PREFIXES: Final = ("gen_ai.", "llm.", "whence.", "traceloop.", "ai.", "openinference.")
"""How names begin that are flattened lists, of which the tables of the dialects know only the beginning."""
_encode: Final = msgspec.json.Encoder().encode
_plain: Final = frozenset((str, int, bool, type(None), float)).issuperset
_text: Final = frozenset((str,)).issuperset
_SPAN_BEGUN: Final = b'{"type":"span"}'


class Known(Protocol):
    """What is stored already."""

    def project(self, trace: str) -> str | None:
        """Return the project of a trace, or None."""
        ...

    def has_span(self, trace: str, span: str) -> bool:
        """Return whether the end of a span is stored."""
        ...

    def has_record(self, record_id: str) -> bool:
        """Return whether a record is stored."""
        ...


class _Joined:
    """A trace as this process knows it."""

    __slots__ = ("lead", "level", "outer", "own", "project", "recorded", "root")

    def __init__(self, label: tuple[str, bytes], level: Any, recorded: bool, root: str, own: bool) -> None:
        self.project, self.lead = label  # as a text, and as an envelope has it
        self.level = level
        self.recorded = recorded  # False: the project is switched off
        self.root = root  # the span that it began with here
        self.outer: str | None = None  # the run that it began within
        self.own = own  # False: a trace of whence's own is around these spans, which begins and ends it


class Foreign:
    """Turns what OpenTelemetry says into records. Every method may be called from any thread; none raises.

    Args:
        recorder: where the records go.
        project: of traces whose resource names no service.
        stored: for spans that may come a second time (a file that is read twice, a run that was exported): what is
            there already, and stays as it is. Ids are then derived from what is said. `known` counts what was there.
    """

    def __init__(
        self,
        recorder: Recorder,
        project: str | None = None,
        *,
        stored: "Known | None" = None,
    ) -> None:
        self.recorder = recorder
        self.project = project
        self.stored = stored
        self.again = stored is not None
        self.known = 0
        self._same: dict[str, int] = {}
        self.spans = 0
        self._joined: dict[str, _Joined] = {}
        self._said_before: dict[str, list[LogReading]] = {}  # by span: what log records say of a call that runs

    # -- spans ----------------------------------------------------------------------------------------------------

    def knows(self, trace: str) -> bool:
        """Return whether a span of the trace has been seen."""
        return trace in self._joined

    def meet(self, trace: str, span: str, parent: str, ts_ns: int, *, remote: bool, service: str | None) -> None:
        """Make a trace known that begins with this span, as far as this process is concerned.

        Args:
            remote: the parent is a span of another process.
            service: service.name of the resource, if it names one.
        """
        try:
            self._join(trace, span, parent if remote else "", ts_ns, service, root=remote or not parent)
        except Exception as exc:  # noqa: BLE001 - nothing of ours may fail in the host's spans
            self.recorder.refuse("otel.meet", exc)

    def started(self, trace: str, span: str, parent: str, name: str, ts_ns: int) -> None:
        """Record that a span of a known trace begins, so that one that never ends is seen."""
        try:
            joined = self._joined.get(trace)
            if joined is not None and joined.recorded:
                where = b',"%b","%b","%b","",%b,"",0,' % (trace.encode(), span.encode(), parent.encode(), joined.lead)
                self.recorder.emit(kinds.SPAN_START, name, where, None, ts_ns, plain=True, ready=_SPAN_BEGUN)
        except Exception as exc:  # noqa: BLE001 - as above
            self.recorder.refuse("otel.start", exc)

    def ended_plain(
        self, trace: str, span: str, parent: str, name: str, start_ns: int, end_ns: int, attributes: dict[str, Any]
    ) -> bool:
        """As `ended`, for most of all spans: neither failed nor said in a dialect, so that nothing needs to be read."""
        try:
            joined = self._joined.get(trace)
            if joined is None or not joined.recorded or (joined.own and joined.root == span):
                return False
            self.spans += 1
            end = shape.SpanEnd(shape.SPAN, 1, end_ns - start_ns, None, None, attributes)
            where = b',"%b","%b","%b","",%b,"",0,' % (trace.encode(), span.encode(), parent.encode(), joined.lead)
            plain = _text(map(type, attributes)) and _plain(map(type, attributes.values()))
            # A duration of a millisecond has seven digits, which look like something to look at twice: it is ours.
            said = _encode(attributes) if plain and end_ns - start_ns > 999_999 else None
            self.recorder.emit(kinds.SPAN_END, name, where, end, end_ns, joined.level, 0, said, plain)
            return True
        except Exception as exc:  # noqa: BLE001 - as above
            self.recorder.refuse("otel.end", exc)
            return True

    def ended(self, span: OtelSpan) -> bool:
        """Record a span that has ended; True if the trace has ended with it."""
        try:
            self.spans += 1
            if self.stored is not None and self.stored.has_span(span.trace, span.span):
                self.known += 1
                return False
            reading = read(span)
            joined = self._joined.get(span.trace)
            if joined is None:  # its start was not seen: a file, or a processor that came late
                root = not span.parent
                said = own.run(span.attributes)
                joined = self._join(span.trace, span.span, "", span.start_ns, reading.project, root=root, said=said)
            if not joined.recorded:
                return False
            if not span.parent and not joined.own and not self.recorder.is_bound(span.trace):
                joined.own, joined.root = True, span.span  # in a file, children come first
                self._begin(span.trace, span.span, "", span.start_ns, joined, own.run(span.attributes))
            self._span(span, reading, joined)
            return joined.own and joined.root == span.span and self._end(span, reading, joined)
        except Exception as exc:  # noqa: BLE001 - as above
            self.recorder.refuse("otel.end", exc)
            return False

    def _join(
        self,
        trace: str,
        span: str,
        parent: str,
        ts_ns: int,
        service: str | None,
        *,
        root: bool,
        said: Mapping[str, Any] | None = None,
    ) -> _Joined:
        """Make a trace known, and record its beginning where that is ours to say."""
        outer = None if self.again else context.current_trace()  # a thread of a program that is recorded as a whole
        stored = self.stored.project(trace) if self.stored is not None else None
        project = stored or self.project or (outer.project if outer else None) or service or "unknown"
        policy = self.recorder.settings.policy(project)
        ours = root and not self.recorder.is_bound(trace)
        joined = _Joined(self.recorder.label(project), policy.capture, policy.enabled, span, ours)
        joined.outer = outer.trace_id if outer else None
        # Without a lock, which a forked child could wait for in vain: the first of two threads begins the trace.
        kept = self._joined.setdefault(trace, joined)
        if kept is not joined:
            return kept
        if len(self._joined) > MOST_TRACES:
            self._joined.pop(next(iter(tuple(self._joined))), None)
        if ours and joined.recorded:
            self._begin(trace, span, parent, ts_ns, joined, said or {})
        return joined

    def _begin(self, trace: str, span: str, parent: str, ts_ns: int, joined: _Joined, said: Mapping[str, Any]) -> None:
        start = shape.TraceStart(
            trace_id=trace_id_of(trace, ts_ns),
            project_name=joined.project,
            query=said.get("query"),
            intent=self._label(said.get("intent")),
            domain=self._label(said.get("domain")),
            parent_trace_id=joined.outer,
            writer="" if self.again else self.recorder.writer,
            pid=0 if self.again else os.getpid(),
            host="" if self.again else self.recorder.host,
            generator=shape.OPENTELEMETRY,
        )
        where = place(trace, span, parent, b'""', joined.lead)
        self._say(kinds.TRACE_START, "trace", where, start, ts_ns, joined, trace + span)

    def _end(self, span: OtelSpan, reading: Reading, joined: _Joined) -> bool:
        failed = span.status == ERROR
        ended_ns = span.end_ns or span.start_ns
        end = shape.TraceEnd(
            status=FAILED if failed else COMPLETE,
            error=reading.error,
            duration_ns=max(0, ended_ns - span.start_ns),
        )
        where = place(span.trace, span.span, "", b'""', joined.lead, int(Severity.HIGH) if failed else 0)
        self._say(kinds.TRACE_END, "trace", where, end, ended_ns, joined, span.trace + span.span)
        self._joined.pop(span.trace, None)
        return True

    def rootless(self, trace: str, span: str, ts_ns: int, ended_ns: int, service: str | None) -> None:
        """Record beginning and end of a trace whose root is not among the spans that were read.

        Args:
            span: the earliest of those that were; it stands for the root.
        """
        try:
            if self.stored is not None and self.stored.project(trace) is not None:
                return  # it is stored, with a beginning of its own
            joined = self._joined.get(trace) or self._join(trace, span, "", ts_ns, service, root=False)
            if not joined.recorded:
                return
            self._begin(trace, span, "", ts_ns, joined, {})
            end = shape.TraceEnd(status=COMPLETE, reason="root_not_seen", duration_ns=max(0, ended_ns - ts_ns))
            where = place(trace, span, "", b'""', joined.lead)
            self._say(kinds.TRACE_END, "trace", where, end, ended_ns, joined, trace + span)
        except Exception as exc:  # noqa: BLE001 - as above
            self.recorder.refuse("otel.trace", exc)

    def _span(self, span: OtelSpan, reading: Reading, joined: _Joined) -> None:
        who = reading.component or own.component(span.attributes)
        component = self.recorder.label(who)[1] if who else b'""'
        ended_ns = span.end_ns or span.start_ns
        seed = span.trace + span.span

        attempt = own.attempt(span.attributes)
        stage = self.recorder.label(reading.name)[1] if attempt is not None else b'""'

        def where(span_id: str, parent: str, severity: int = 0) -> bytes:
            ids = (span.trace.encode(), span_id.encode(), parent.encode())
            return b',"%b","%b","%b",%b,%b,%b,%d,' % (*ids, stage, joined.lead, component, severity)

        llm: dict[str, Any] = {}
        flags = 0
        type_ = reading.type
        if type_ == "embedding" and reading.llm.get("model"):  # a call of a model like others, whoever tells of it
            type_ = shape.LLM
        if type_ == shape.LLM:
            llm = logs.joined(reading.llm, self._said_before.pop(span.span, ()))
            attributes, changed = normalised(llm)
            flags = int(Flag.CLAMPED) if changed else 0
            if reading.attributes:
                attributes["otel"] = reading.attributes
            outputs = None
        else:
            attributes, outputs = _of_other(reading)
        end = shape.SpanEnd(
            type=type_ if attempt is None else shape.STAGE,
            attempt=attempt or 1,
            duration_ns=max(0, ended_ns - span.start_ns),
            outputs=outputs,
            error=reading.error or attributes.pop("error", None),
            attributes=attributes,
        )
        severity = int(Severity.HIGH) if span.status == ERROR else 0
        envelope = where(span.span, span.parent, severity)
        said = self._say(kinds.SPAN_END, reading.name, envelope, end, ended_ns, joined, seed, flags)
        for number, event in enumerate(reading.events):
            if event.name in _OWN:
                kind, meaning = _OWN[event.name]
                name, said_then = meaning(event.attributes)
                there = where(
                    span.span, "", int(Severity.HIGH) if kind == kinds.CHECK and said_then.passed is False else 0
                )
                self._say(kind, name, there, said_then, event.ts_ns or ended_ns, joined, f"{seed}e{number}")
                continue
            happened = shape.Event(event.name, event.attributes)
            self._say(
                kinds.EVENT,
                event.name,
                where(span.span, ""),
                happened,
                event.ts_ns or ended_ns,
                joined,
                f"{seed}e{number}",
            )
        made = tool_decision(llm)
        if made is not None:
            decided = shape.Decision(**made, attributes={"derived_from": "llm_call"})
            self._say(kinds.DECISION, "tool", where(span.parent, said or ""), decided, ended_ns, joined, seed)
        self._scores(reading.scores, where(span.span, said or ""), ended_ns, joined, seed)

    def _scores(self, scores: Iterable[dict[str, Any]], where: bytes, ts_ns: int, joined: _Joined, seed: str) -> None:
        for number, each in enumerate(scores):
            score = shape.Check(
                type="score",
                score=each.get("score"),
                label=each.get("label"),
                explanation=each.get("explanation"),
                error=each.get("error"),
                attributes={
                    k: v for k, v in each.items() if k not in ("name", "score", "label", "explanation", "error")
                },
            )
            name = str(each.get("name") or "score")
            self._say(kinds.CHECK, name, where, score, ts_ns, joined, f"{seed}s{number}")

    # -- log records ----------------------------------------------------------------------------------------------

    def logged(self, log: OtelLog) -> None:
        """Record a log record: a score, something about an LLM call that is still running, or an event."""
        try:
            joined = self._joined.get(log.trace)
            if joined is None:
                if not self.recorder.is_bound(log.trace) and not self.again:
                    return  # it belongs to no trace of ours, so nobody would ever see it
                joined = self._join(log.trace, log.span, "", log.ts_ns, None, root=False)
            if not joined.recorded:
                return
            if self.stored is not None and self.stored.has_record(str(log.attributes.get(own.RECORD))):
                self.known += 1
                return
            reading = logs.read_log(log)
            if reading.kind in (logs.MESSAGE, logs.CALL) and log.span:
                self._remember(log.span, reading)
                return
            level = as_level(reading.level)[0]
            where = place(log.trace, log.span, "", b'""', joined.lead, level)
            seed = self._seed_of(log) if self.again else ""
            if reading.score is not None:
                about = {"response_id": reading.response_id} if reading.response_id else {}
                self._scores([{**reading.score, **about, "error": reading.error}], where, log.ts_ns, joined, seed)
                return
            known = {"body": reading.body, "error": reading.error, "response_id": reading.response_id or None}
            kept = {**reading.attributes, **{key: value for key, value in known.items() if value is not None}}
            happened = shape.Event(reading.message, kept)
            self._say(kinds.EVENT, log.event_name or log.scope or "log", where, happened, log.ts_ns, joined, seed)
        except Exception as exc:  # noqa: BLE001 - as above
            self.recorder.refuse("otel.log", exc)

    def _seed_of(self, log: OtelLog) -> str:
        """Return what a log record is, in words; of equal ones the second is another one, in the order of the file."""
        seed = f"{log.trace}{log.span}{log.ts_ns}{log.event_name}{log.severity}{log.body!r}{log.attributes!r}"
        if len(self._same) >= MOST_SAME:
            self._same.clear()
        number = self._same[seed] = self._same.get(seed, 0) + 1
        return f"{seed}#{number}"

    def _remember(self, span: str, said: LogReading) -> None:
        """Keep what a log record says of an LLM call for the end of its span."""
        known = self._said_before.get(span)
        if known is None:
            if len(self._said_before) >= MOST_WAITING:
                self._said_before.pop(next(iter(self._said_before)))
            known = self._said_before[span] = []
        if len(known) < MOST_SAID:
            known.append(said)

    def _label(self, value: object) -> str | None:
        return None if value is None else self.recorder.label(value)[0]

    # -- to the recorder ------------------------------------------------------------------------------------------

    def _say(
        self,
        kind: str,
        name: str,
        where: bytes,
        payload: object,
        ts_ns: int,
        joined: _Joined,
        seed: str,
        flags: int = 0,
        **how: Any,
    ) -> str | None:
        record_id = derived_id(ts_ns, f"{kind}{name}{seed}".encode("utf-8", "surrogatepass")) if self.again else None
        how.setdefault("plain", True)  # `wire.otlp` reads nothing else
        return self.recorder.emit(kind, name, where, payload, ts_ns, joined.level, flags, record_id=record_id, **how)

    def announce(self, trace: str) -> None:
        """Tell whoever registered that a trace has ended (drain, document, findings)."""
        for callback in self.recorder.on_trace_end:
            try:
                callback(trace, True)
            except Exception as exc:  # noqa: BLE001 - what was recorded is safe; our trouble is counted
                self.recorder.errors.add("on_trace_end", exc)

    def lost(self, exc: Exception) -> None:
        """Count something that could not even be read."""
        self.recorder.refuse("otel.read", exc, STRUCTURE)


def says_nothing(attributes: dict[str, Any], scope: str) -> bool:
    """Return whether no dialect has anything to read in a span, by the names of its attributes."""
    names = (scope, *attributes)
    known = _says_nothing.get(names)  # the same line of code names the same attributes each time
    if known is None:
        known = (
            RULES.keys().isdisjoint(attributes)
            and scope not in OF_SCOPE
            and not any(key.startswith(_PREFIXES) for key in attributes)
        )
        if len(names) <= MOST_NAMES:
            if len(_says_nothing) >= MOST_KNOWN:
                _says_nothing.clear()
            _says_nothing[names] = known
    return known


_says_nothing: dict[tuple[str, ...], bool] = {}


def _of_other(reading: Reading) -> tuple[dict[str, Any], Any]:
    """Return attributes and outputs of a span that is no LLM call."""
    attributes = {key: value for key, value in reading.tool.items() if key != "result"}
    if reading.inputs is not None:
        attributes["input"] = reading.inputs
    if reading.llm:  # an agent's: sums over the calls in it, which are counted themselves
        attributes["llm"] = reading.llm
    attributes.update(reading.attributes)
    result = reading.tool.get("result", reading.outputs)
    return attributes, {"result": result} if result is not None else None
