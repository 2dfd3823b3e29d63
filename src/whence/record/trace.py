"""A trace being recorded: what a pipeline holds in its hand while it runs.

It keeps no records, only what is needed to write the next one (which stages are open, how many attempts), so a run of
a hundred thousand decisions takes no more memory than one of ten. What has been recorded is read back from the store.
"""

import os
from itertools import count
from types import TracebackType
from typing import Any, Literal

import msgspec

from whence.clock import trace_id_of
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.trace import COMPLETE, FAILED, IN_PROGRESS, INCOMPLETE, NOT_ENDED
from whence.record import context, otel, propagation
from whence.record.disabled import NO_STAGE
from whence.record.failure import as_error, describe_error, is_cancellation
from whence.record.guard import guarded
from whence.record.normalise import as_alternatives, as_confidence, as_level, as_object
from whence.record.provenance import Provenance
from whence.record.recorder import STRUCTURE, VITAL, Recorder, encoded, place
from whence.redact.value import Flag

GENERATOR = "whence"
NO_LABEL = ("", b'""')
MOST_COUNTED = 10_000
"""How many stages, by name and component, have their attempts counted; beyond that counting begins anew."""
MOST_RUNNING = 4096
"""How many that are open are known at once: of those the end is said, when a run ends without them."""
_SCALARS = frozenset((str, int, bool, type(None), float))
_plain = _SCALARS.issuperset
_text = frozenset((str,)).issuperset
_UNSET = msgspec.UNSET
_encode = msgspec.json.Encoder().encode
_Decision = shape.Decision
_DECISION = kinds.DECISION
_SpanEnd = shape.SpanEnd
_STAGE, _SPAN_START, _SPAN_END = shape.STAGE, kinds.SPAN_START, kinds.SPAN_END


class Stage(Provenance):
    """One attempt of a stage, or another timed part. A context manager: an exception that leaves it is recorded and
    goes on."""

    __slots__ = (
        "_base",
        "_rest",
        "_scope",
        "_started",
        "attempt",
        "component",
        "label",
        "name",
        "open",
        "outputs",
        "own",
        "parent",
        "span",
        "tail",
        "trace",
        "type",
        "where",
    )

    def __init__(
        self,
        trace: "Trace",
        name: str,
        label: tuple[str, bytes],
        attempt: int,
        parent: str,
        span: str,
        started: int,
        component: str = "",
        type_: str = _STAGE,
    ) -> None:
        self.trace = trace
        self.name = name
        self.label = label  # of the stage that it is, or lies in
        self.attempt = attempt
        self.parent = parent
        self.span = span
        self.component = component
        self.type = type_
        self.tail = trace.tail_of(component) if component else trace.tail
        self._base = trace.lead + span.encode()
        self._rest = b'",' + label[1] + self.tail
        self.where = self._base + b'","' + self._rest + b"0,"
        self.own = self._base + b'","' + parent.encode() + self._rest + b"0,"  # where its start and its end are said
        self.outputs: dict[str, Any] = {}
        self.open = False
        self._started = started
        self._scope: context.Scope | None = None

    def place(self, parent: str, severity: int = 0) -> bytes:
        """Return the encoded envelope of a record in this stage: what `recorder.place` returns, from parts made before."""
        return b'%b","%b%b%d,' % (self._base, parent.encode(), self._rest, severity)

    def _spot(self, stage: str | None = None) -> tuple["Trace", "Stage | None"]:
        return (self.trace, self) if stage is None else self.trace._spot(stage)

    def decision(
        self,
        name: str,
        what: Any = None,
        why: Any = "",
        confidence: Any = None,
        alternatives: Any = (),
        inputs: Any = None,
        **attributes: Any,
    ) -> str | None:
        """Record what was decided, why, how sure (0 to 1), what else was considered, from what; returns its id."""
        return self.trace.decide(self.where, name, what, why, confidence, alternatives, inputs, attributes)

    @guarded
    def event(self, name: str, message: Any = "", *, level: Any = 0, **attributes: Any) -> str | None:
        """Record that something happened, at a level from `info` to `critical`; returns its id."""
        return self.trace.happened(self, name, message, level, attributes)

    def end(self, outputs: Any = None, error: Any = None, *, plain: bool | None = None) -> str | None:
        """Record the end of this attempt with what it gave, or how it failed. Ending twice is ignored.

        Args:
            plain: the caller has seen that there is no error and the outputs are `recorder.is_plain`.
        """
        if not self.open:
            return None
        self.open = False
        trace = self.trace
        trace.running.pop(self.span, None)
        try:  # as `guarded`, whose call this spares
            if outputs is None:
                outputs = self.outputs or None
            took = trace.monotonic_ns() - self._started if self.span else None
            if error is not None:
                error = as_error(error)
            ended = _SpanEnd(self.type, self.attempt, took, outputs, error)
            if plain is None:
                plain = error is None and (
                    outputs is None
                    or (type(outputs) is dict and _text(map(type, outputs)) and _plain(map(type, outputs.values())))
                )
            # A duration of a millisecond has seven digits, which look like something to look at twice: it is ours.
            said = _encode(outputs) if plain and took is not None and took > 999_999 else None
            where = self.own if error is None else self.place(self.parent, 3 if error else 0)
            return trace.say(_SPAN_END, self.name, where, ended, 0, said, plain)
        except Exception as exc:  # noqa: BLE001 - as `guarded` says
            trace.refused("end", exc)
            return None

    def __enter__(self) -> "Stage":
        self._enter()
        return self

    @guarded
    def _enter(self) -> None:
        self._scope = context.enter(self.trace, self)

    @guarded
    def _leave(self, error: BaseException | None) -> None:
        if self._scope is not None:
            context.leave(self._scope)
        self.end(error=describe_error(error) if error is not None else None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        self._leave(error)
        return False

    async def __aenter__(self) -> "Stage":
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        return self.__exit__(kind, error, tb)


class Trace(Provenance):
    """One end-to-end run being recorded. Made by `whence.trace` or `TraceContext.start`; every method never raises.

    Leaving it as a context manager ends it: with an exception as `failed` (which goes on, unchanged), when cancelled
    as `incomplete`, else as what it was marked, or `unmarked` (C1.15).
    """

    unmarked = COMPLETE

    def __init__(
        self,
        recorder: Recorder,
        *,
        project_id: object = None,
        project_name: object = None,
        query: Any = None,
        intent: object = None,
        domain: object = None,
        report_type: object = None,
        research_type: object = None,
        parent_trace_id: str | None = None,
        traceparent: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        self.recorder = recorder
        self._now_ns = recorder.now_ns
        self._emit = recorder.emit
        now = recorder.now_ns()
        self.monotonic_ns = recorder.clock.monotonic_ns

        def label(value: object) -> str | None:
            return None if value is None else recorder.label(value)[0]

        self.project_id = label(project_id)
        self.project_name = label(project_name)
        self.project = self.project_name or self.project_id or "unknown"
        self.policy = recorder.settings.policy(self.project)
        self._level = self.policy.capture
        self.query = query
        self.intent, self.domain = label(intent), label(domain)
        self.report_type, self.research_type = label(report_type), label(research_type)
        self.status = IN_PROGRESS
        self.error: Any = None
        self.iteration_count = 1
        self.quality_gate_failures = 0
        self.overhead_ns = 0
        self.started_ns = now
        self.ended = False
        self._started = self.monotonic_ns()
        self._iterations = 0
        self._ended_ns: int | None = None
        self._stages: dict[str, Stage] = {}  # the last one of each name
        self._attempts: dict[tuple[str, str], count[int]] = {}
        self.running: dict[str, Stage] = {}  # by span: what has begun and not ended
        self.checked: dict[str, list[dict[str, Any]]] = {}  # by content: the last checks of it (`record.provenance`)
        self._dropped = 0
        self._pid = os.getpid()

        around = context.current_scope()
        if parent_trace_id is None and around is not None and around.trace:
            parent_trace_id = around.trace.trace_id  # a run inside a run is its child, with an id of its own (R1.27)
        remote = propagation.parse_traceparent(traceparent) or otel.active_span()
        if remote is not None and around is not None and remote.span == around.span:
            remote = None  # the run around this one has put itself there: nothing of the host's is split
        # The first run inside a foreign trace joins it. A second one must not: two runs would be one in the store. It
        # has an id of its own, and leaves the host's OpenTelemetry context alone, whose trace it would split.
        self.joins_otel = remote is None or recorder.bind(remote.trace)
        if remote is not None and self.joins_otel:
            self.otel_trace_id = remote.trace
        else:
            self.otel_trace_id = recorder.clock.otel_trace_id(now)
            recorder.bind(self.otel_trace_id)
        self.trace_id: str = trace_id_of(self.otel_trace_id, now)
        self.parent_trace_id = parent_trace_id
        self.span: str = recorder.clock.span_id()
        self._parent_span = remote.span if remote is not None and self.joins_otel else ""
        self.encoded_project = recorder.label(self.project)[1]
        self.lead = b',"%b","' % self.otel_trace_id.encode()
        self.tail = self.tail_of("")
        self.where = self._envelope("")
        self.start_record = self.say(
            kinds.TRACE_START,
            "trace",
            self._envelope(self._parent_span),
            shape.TraceStart(
                trace_id=self.trace_id,
                project_id=self.project_id,
                project_name=self.project_name,
                query=query,
                intent=self.intent,
                domain=self.domain,
                report_type=self.report_type,
                research_type=self.research_type,
                parent_trace_id=label(parent_trace_id),
                writer=recorder.writer,
                pid=self._pid,
                host=recorder.host,
                generator=GENERATOR,
                code=recorder.settings.code(),
                attributes=attributes or {},
            ),
            said=encoded((query, attributes)),
        )
        self._scope = context.enter(self)

    def tail_of(self, component: str) -> bytes:
        """Return the encoded part of an envelope that names project and component."""
        return b",%b,%b," % (self.encoded_project, self.recorder.label(component)[1] if component else b'""')

    def _spot(self, stage: str | None = None) -> tuple["Trace", "Stage | None"]:
        return self, self._stage_here(stage)

    def span_of(self, stage: "Stage | None") -> str:
        """Return the span that what is said in a stage, or in none, lies in."""
        return stage.span if stage is not None else self.span

    def place_in(
        self, stage: "Stage | None", span: str, parent: str, component: str | None = None, severity: int = 0
    ) -> bytes:
        """Return the encoded envelope of a record in a stage, or in none, with a component of its own if it has one."""
        tail = self.tail_of(component) if component else stage.tail if stage is not None else self.tail
        encoded = stage.label[1] if stage is not None else b'""'
        return b'%b%b","%b",%b%b%d,' % (self.lead, span.encode(), parent.encode(), encoded, tail, severity)

    def _envelope(self, parent: str, severity: int = 0, stage: bytes = b'""') -> bytes:
        return place(self.otel_trace_id, self.span, parent, stage, self.encoded_project, severity)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Trace {self.trace_id} {self.status}>"

    # -- recording ----------------------------------------------------------------------------------------------

    def refused(self, where: str, exc: BaseException, priority: int = STRUCTURE) -> None:
        """Count a record of this trace that could not be made."""
        self.recorder.refuse(where, exc, priority)
        self._dropped += 1

    def say(
        self,
        kind: str,
        name: str,
        where: bytes,
        payload: object,
        flags: int = 0,
        said: bytes | None = None,
        plain: bool = False,
        ready: bytes | None = None,
    ) -> str | None:
        """Record one thing of this trace (see `Recorder.emit`); returns its id, or None if it was dropped and counted."""
        try:  # as `guarded`, whose call this spares
            now = self._now_ns
            ts_ns = now()
            record_id = self._emit(kind, name, where, payload, ts_ns, self._level, flags, said, plain, ready)
            if record_id is None:
                self._dropped += 1
            self.overhead_ns += now() - ts_ns
            return record_id
        except Exception as exc:  # noqa: BLE001 - as `guarded` says
            self.refused("say", exc)
            return None

    def decide(
        self,
        where: bytes,
        name: str,
        what: Any,
        why: Any,
        confidence: Any,
        alternatives: Any,
        inputs: Any,
        attributes: dict[str, Any] | None,
    ) -> str | None:
        """Record a decision at an encoded place, normalising what was given: `whence.record.normalise` says how."""
        try:  # as in `say`, which a call spares: decisions are what is recorded most
            flags = 0
            given: Any = _UNSET
            if type(confidence) is not float or not 0.0 <= confidence <= 1.0:
                confidence, odd = as_confidence(confidence)
                if odd is not None:
                    flags, given = int(Flag.CLAMPED), {"confidence": odd}
            if type(alternatives) is not list:
                alternatives = as_alternatives(alternatives)
            if type(inputs) is not dict:
                inputs = as_object(inputs)
            plain = (
                not attributes
                and type(inputs) is dict
                and type(what) in _SCALARS
                and type(why) is str
                and _plain(map(type, alternatives))
                and _plain(map(type, inputs.values()))
                and _text(map(type, inputs))
                and given is _UNSET
            )
            decision = _Decision(what, why, confidence, alternatives, inputs, given, attributes or _UNSET)
            now = self._now_ns
            ts_ns = now()
            record_id = self._emit(_DECISION, name, where, decision, ts_ns, self._level, flags, None, plain)
            if record_id is None:
                self._dropped += 1
            self.overhead_ns += now() - ts_ns
            return record_id
        except Exception as exc:  # noqa: BLE001 - as `guarded` says
            self.refused("decide", exc, VITAL)
            return None

    @guarded
    def decision(
        self,
        name: str,
        what: Any = None,
        why: Any = "",
        confidence: Any = None,
        alternatives: Any = (),
        inputs: Any = None,
        *,
        stage: str | None = None,
        **attributes: Any,
    ) -> str | None:
        """Record a decision in the current stage, or the named one; returns its id."""
        where = self._place(stage)
        return self.decide(where, name, what, why, confidence, alternatives, inputs, attributes)

    @guarded
    def event(
        self, name: str, message: Any = "", *, level: Any = 0, stage: str | None = None, **attributes: Any
    ) -> str | None:
        """Record that something happened, in the current stage or the named one; returns its id.

        Args:
            level: info, low, medium, high, critical, or what `logging` calls them; see `whence.model.severity`.
        """
        return self.happened(self._stage_here(stage), name, message, level, attributes)

    def happened(
        self, stage: "Stage | None", name: str, message: Any, level: Any, attributes: dict[str, Any]
    ) -> str | None:
        """Record an event in a stage, or in none."""
        severity, odd = as_level(level)
        if odd is not None:
            attributes = {**attributes, "given": {"level": odd}}
        where = stage.place("", severity) if stage is not None else self._envelope("", severity)
        flags = int(Flag.CLAMPED) if odd is not None else 0
        return self.say(kinds.EVENT, name, where, shape.Event(message, attributes), flags)

    def stage(
        self, name: str, component: str | None = None, attributes: dict[str, Any] | None = None, *, plain: bool = False
    ) -> Stage:
        """Begin a stage, or its next attempt, and return it: `with trace.stage("collection") as stage: …`.

        Args:
            component: who acts in it, or what is being made; stages and records inside it have the same, unless told.
            attributes: what is known when it begins.
            plain: the caller has seen that the attributes are `recorder.is_plain`.
        """
        recorder = self.recorder
        try:  # as `guarded`, whose call this spares
            started = self.monotonic_ns()
            label = recorder.label(name)
            scope = context.current_scope()
            inside = scope.stage if scope is not None and scope.trace is self else None
            who = recorder.label(component)[0] if component else inside.component if inside is not None else ""
            counts, key = self._attempts, (label[0], who)
            if key not in counts:
                if len(counts) >= MOST_COUNTED:
                    counts.clear()
                counts.setdefault(key, count(1))
            attempt = next(counts.get(key) or count(1))  # one step: threads cannot get the same number
            parent = inside.span if inside is not None else self.span
            stage = Stage(self, label[0], label, attempt, parent, recorder.clock.span_id(), started, who)
            self._stages[label[0]] = stage
            self._begin(stage, attributes, plain)
            return stage
        except Exception as exc:  # noqa: BLE001 - as `guarded` says
            self.refused("stage", exc)
            return NO_STAGE  # type: ignore[return-value]

    def _begin(self, stage: Stage, attributes: dict[str, Any] | None, plain: bool) -> None:
        stage.open = True
        if len(self.running) < MOST_RUNNING:
            self.running[stage.span] = stage
        if attributes or stage.type != _STAGE:
            start = shape.SpanStart(stage.type, stage.attempt, attributes or {})
            self.say(_SPAN_START, stage.name, stage.own, start, 0, None, plain)
        else:
            body = b"{}" if stage.attempt == 1 else b'{"attempt":%d}' % stage.attempt  # without what is default
            self.say(_SPAN_START, stage.name, stage.own, None, 0, None, True, body)

    def timed(
        self, name: str, type: str = shape.SPAN, component: str | None = None, attributes: dict[str, Any] | None = None
    ) -> Stage:
        """Begin a timed part that is no stage of the pipeline's own (a tool call, an agent, a retrieval); as `stage`."""
        recorder = self.recorder
        try:
            if type == _STAGE:
                return self.stage(name, component, attributes)
            started = self.monotonic_ns()
            _, inside = self._spot()
            who = recorder.label(component)[0] if component else inside.component if inside is not None else ""
            label = inside.label if inside is not None else NO_LABEL
            parent = inside.span if inside is not None else self.span
            part = Stage(
                *(self, recorder.label(name)[0], label, 1, parent, recorder.clock.span_id(), started, who),
                recorder.label(type)[0],
            )
            self._begin(part, attributes, False)
            return part
        except Exception as exc:  # noqa: BLE001 - as `guarded` says
            self.refused("timed", exc)
            return NO_STAGE  # type: ignore[return-value]

    @guarded
    def keep(self, kind: str, stage: str | None, data: Any) -> str | None:
        """Record an object of the kinds evidence, prompts, attempt, outputs or child."""
        return self.say(kind, kind, self._place(stage) if stage else self.where, shape.Data(data))

    @guarded
    def child_trace(self, trace_id: str, output_type: str, path: str | None = None) -> str | None:
        """Record that another trace made one of this trace's outputs (R1.27)."""
        return self.keep(kinds.CHILD, None, {"trace_id": trace_id, "output_type": output_type, "path": path})

    # -- stages by name, as the seed records ----------------------------------------------------------------------

    def _stage_here(self, name: str | None) -> Stage | None:
        """Return the stage of that name, or the one the running code is in."""
        if name is not None:
            return self._named(name)
        scope = context.current_scope()
        return scope.stage if scope is not None and scope.trace is self else None

    def _named(self, name: str) -> Stage:
        """Return the stage of that name; one that was never started is made, without a start of its own (R1.37)."""
        label = self.recorder.label(name)
        stage = self._stages.get(label[0])
        if stage is None:
            stage = Stage(self, label[0], label, 1, self.span, "", self.monotonic_ns())
            stage.open = True  # its end may be recorded, though nobody recorded its start
            self._stages[label[0]] = stage
        return stage

    def _place(self, name: str | None) -> bytes:
        if name is not None:
            return self._named(name).where
        here = self._stage_here(None)
        return here.where if here is not None else self.where

    # -- the end --------------------------------------------------------------------------------------------------

    @guarded
    def mark(self, status: str, error: Any = None) -> None:
        """Say how the run went (complete, failed, incomplete); recorded when the trace ends."""
        self.status = status if status in (COMPLETE, FAILED, INCOMPLETE) else INCOMPLETE
        self._ended_ns = self.monotonic_ns()
        if error is not None:
            self.error = as_error(error)

    @property
    def duration_ns(self) -> int:
        """Time from the start to the mark, or to now."""
        return (self._ended_ns if self._ended_ns is not None else self.monotonic_ns()) - self._started

    def end(self, reason: str | None = None) -> None:
        """Record the end of the trace and restore what was current before it. The second time nothing happens.

        A forked child that leaves its parent's block only restores the context: the run is the parent's to end.
        """
        if self.ended:
            return
        self.ended = True
        self._leave()
        if os.getpid() == self._pid:
            self._end_stages()
            self._say_end(reason)

    @guarded
    def _leave(self) -> None:
        context.leave(self._scope)

    @guarded
    def _end_stages(self) -> None:
        if self.status != COMPLETE:
            for stage in tuple(self.running.values()):  # a copy: other threads may begin one meanwhile
                if stage.open and stage.span:
                    # Not with the run's error: this stage may have had nothing to do with it.
                    stage.end(error=NOT_ENDED)

    @guarded
    def _say_end(self, reason: str | None) -> None:
        if self.status == IN_PROGRESS:
            self.mark(INCOMPLETE)
            reason = reason or "not_marked"
        self.say(
            kinds.TRACE_END,
            "trace",
            self._envelope("", 3 if self.status == FAILED else 0),
            shape.TraceEnd(
                status=self.status,
                error=self.error,
                reason=None if reason is None else self.recorder.label(reason)[0],
                duration_ns=self.duration_ns,
                overhead_ns=self.overhead_ns,
                dropped=self._dropped,
            ),
        )
        self.recorder.spool.wake()

    @property
    def telemetry_persisted(self) -> bool:
        """False as soon as one record of this trace was dropped."""
        return self._dropped == 0

    @guarded
    def close(self, error: BaseException | None) -> str | None:
        """Take the exception that ends the block into account; returns the reason to record, if any."""
        if error is None:
            if self.status == IN_PROGRESS and self.unmarked != IN_PROGRESS:
                self.mark(self.unmarked)
            return None
        if isinstance(error, KeyboardInterrupt | GeneratorExit) or is_cancellation(error):
            self.mark(INCOMPLETE, describe_error(error))
            return "cancelled"
        if isinstance(error, SystemExit) and not error.code:
            self.close(None)
            return None
        self.mark(FAILED, describe_error(error))
        return None

    def announce(self, wait: bool = True) -> dict[str, Any]:
        """Tell whoever registered that this trace has ended; returns what they did."""
        result: dict[str, Any] = {}
        for callback in self.recorder.on_trace_end:
            try:
                result.update(callback(self.otel_trace_id, wait))
            except Exception as exc:  # noqa: BLE001 - the host's run is over and good; our trouble is counted
                self.recorder.errors.add("on_trace_end", exc)
        return result

    def __enter__(self) -> "Trace":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        self.end(self.close(error))
        self.announce()
        return False

    async def __aenter__(self) -> "Trace":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        self.end(self.close(error))
        await self.announce_off_loop()
        return False

    async def announce_off_loop(self) -> dict[str, Any]:
        """As `announce`, in a thread, so that the event loop goes on."""
        import asyncio  # late: a program without an event loop need not load it

        try:
            running = asyncio.get_running_loop().run_in_executor(None, self.announce)
        except RuntimeError:  # the loop's executor is shut down: the program is ending, nobody else waits
            return self.announce()
        return await asyncio.shield(running)
