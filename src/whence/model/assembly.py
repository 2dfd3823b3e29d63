"""Records of one trace → the trace as a whole → its row. Pure functions; the store, the document and every view use
these, so they cannot disagree."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from whence.clock import iso_utc
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.quality import Quality, derive_quality, number, passed_of
from whence.model.record import Record
from whence.model.trace import (
    COMPLETE,
    FAILED,
    INCOMPLETE,
    Attempt,
    Decision,
    LlmUse,
    SpanUse,
    StageTrace,
    TraceSummary,
    TraceView,
    Use,
)

_S = TypeVar("_S")
_NS = 1e9
_GRAVITY = {COMPLETE: 0, INCOMPLETE: 1, FAILED: 2}
_json = msgspec.json
# What a payload of another shape than its kind's does to code that folds it. Listed, so that bugs of other kinds show.
UNFOLDABLE = (*kinds.UNREADABLE, TypeError, ValueError, AttributeError, KeyError, ArithmeticError)


class _Assembler:
    """Folds records, in order of arrival, into a view. One method per kind of record."""

    def __init__(self, otel_trace_id: str) -> None:
        self.view = TraceView(
            otel_trace_id=otel_trace_id, trace_id="", project="", start=shape.TraceStart(), started_ns=0
        )
        self._attempts: dict[str, Attempt] = {}
        self._homes: dict[int, str] = {}  # attempt -> its stage
        self._took: dict[str, tuple[int, int]] = {}  # stage -> nanoseconds of its attempts, how many of them say so
        self._calls: dict[str, LlmUse] = {}  # by span, and by the record of their end
        self._spans: dict[str, SpanUse] = {}
        self._starts: list[tuple[Record, shape.TraceStart]] = []
        self._ends: list[tuple[Record, shape.TraceEnd]] = []

    def add(self, record: Record) -> None:
        view = self.view
        view.records += 1
        view.decisions += record.kind == kinds.DECISION
        view.last_record = record.record_id
        view.last_ns = max(view.last_ns, record.ts_ns)
        view.project = view.project or record.project
        if not view.started_ns:
            view.started_ns = record.ts_ns
        fold = _FOLDS.get(record.kind)
        if fold is not None:
            try:
                fold(self, record)
            except UNFOLDABLE:
                view.unreadable += 1  # one odd record from an odd writer must not hide the others

    def stage(self, record: Record) -> StageTrace:
        """Return the record's stage, made on first mention (R1.37)."""
        name = record.stage or record.name
        stage = self.view.stages.get(name)
        if stage is None:
            stage = self.view.stages[name] = StageTrace(name=name, started_at=iso_utc(record.ts_ns))
        return stage

    def trace_start(self, record: Record) -> None:
        self._starts.append((record, _json.decode(record.payload, type=shape.TraceStart)))

    def trace_end(self, record: Record) -> None:
        self._ends.append((record, _json.decode(record.payload, type=shape.TraceEnd)))

    def conclude(self) -> None:
        """Say what the trace as a whole was, and how it ended: several processes may each have begun and ended a part."""
        root = self._root()
        if root is not None:
            self._begun(*root)
        speaker = self._speaker(root)
        if root is not None and speaker is not None:
            record, start = speaker
            self.view.start = msgspec.structs.replace(start, trace_id=root[1].trace_id)
            self.view.project = record.project or self.view.project
        spans = {each[0].span for each in (root, speaker) if each is not None}
        ours = [each for each in self._ends if root is None or each[0].span in spans]
        spoken = [each for each in ours if each[1].reason != "process_lost"]
        if not ours:
            return
        # An owner that was taken for lost spoke for itself after all. Of the run and the request around it, the worse
        # outcome is that of the trace; of one owner, what it said last.
        of_span = {record.span: (record, end) for record, end in spoken or ours[:1]}
        worst = max(_GRAVITY.get(end.status, 1) for _, end in of_span.values())
        graver = [each for each in of_span.values() if _GRAVITY.get(each[1].status, 1) == worst]
        by_speaker = [each for each in graver if speaker is not None and each[0].span == speaker[0].span]
        self._ended(*(by_speaker or graver)[0], max(record.ts_ns for record, _ in of_span.values()))

    def _root(self) -> tuple[Record, shape.TraceStart] | None:
        """Return the start of the whole; of processes that all went on with somebody else's trace, that of the first."""
        own = [each for each in self._starts if not each[0].parent]
        return min(own or self._starts, key=lambda each: each[0].ts_ns, default=None)

    def _speaker(self, root: tuple[Record, shape.TraceStart] | None) -> tuple[Record, shape.TraceStart] | None:
        """Return the run within a request that OpenTelemetry has begun: it knows the question, the project, the outcome."""
        if root is None or root[1].generator != shape.OPENTELEMETRY:
            return None
        runs = [each for each in self._starts if each[1].generator != shape.OPENTELEMETRY]
        return min(runs, key=lambda each: each[0].ts_ns, default=None)

    def _begun(self, record: Record, start: shape.TraceStart) -> None:
        view = self.view
        view.project = record.project or view.project
        view.start = start
        view.trace_id = start.trace_id
        view.started_ns = record.ts_ns
        view.start_record = record.record_id

    def _ended(self, record: Record, end: shape.TraceEnd, completed_ns: int) -> None:
        view = self.view
        view.end = end
        view.status = end.status if end.status in (COMPLETE, FAILED, INCOMPLETE) else INCOMPLETE
        view.completed_ns = completed_ns
        view.error = end.error
        view.end_record = record.record_id

    def trace_document(self, record: Record) -> None:
        document = _json.decode(record.payload, type=shape.Document)
        self.view.document_path, self.view.document_error = document.path, document.error

    def trace_flag(self, record: Record) -> None:
        flag = _json.decode(record.payload, type=shape.TraceFlag)
        self.view.flagged_for_review, self.view.review_notes = flag.flagged, flag.notes

    def span_start(self, record: Record) -> None:
        start = _json.decode(record.payload, type=shape.SpanStart)
        if start.type == shape.LLM:
            use = self._call(record, start.attributes)
            use.attributes = {**start.attributes, **use.attributes}  # where it comes after the end, that counts
            use.start_record = record.record_id
        elif start.type != shape.STAGE:
            self._span(record, start.type, start.attributes).start_record = record.record_id
        else:
            attempt = Attempt(start.attempt, record.span, record.ts_ns, start_record=record.record_id)
            attempt.component, attempt.attributes = record.component, start.attributes
            self._attempts[record.span] = attempt
            stage = self.stage(record)
            self._tried(stage, attempt)
            stage.completed_at = None  # open again

    def _call(self, record: Record, attributes: dict[str, Any]) -> LlmUse:
        """Return the LLM call of a span, made on first mention."""
        use = self._calls.get(record.span)
        if use is None:
            begun = self._spans.pop(record.span, None)  # OpenTelemetry tells at its end only what a span was
            if begun is not None:
                spans = self.view.spans
                at = next(at for at in range(len(spans) - 1, -1, -1) if spans[at] is begun)  # most began just now
                del spans[at]
            use = LlmUse(record.name, record.stage, record.record_id, record.ts_ns, None, attributes)
            use.span, use.parent, use.component, use.open = record.span, record.parent, record.component, True
            use.start_record = begun.start_record if begun is not None else ""
            self._calls[record.span] = use
            self.view.llm_calls.append(use)
        return use

    def _span(self, record: Record, type_: str, attributes: dict[str, Any]) -> SpanUse:
        use = self._spans.get(record.span)
        if use is None:
            use = SpanUse(
                *(record.name, type_, record.stage, record.component, record.span, record.parent, record.ts_ns)
            )
            self._spans[record.span] = use
            self.view.spans.append(use)
            outer = self._attempts.get(record.parent)
            if outer is not None:  # what is decided in it was decided in that attempt
                self._attempts[record.span] = outer
        use.attributes = {**use.attributes, **attributes}
        return use

    def span_end(self, record: Record) -> None:
        end = _json.decode(record.payload, type=shape.SpanEnd)
        if end.type == shape.LLM:
            use = self._call(record, {})
            use.attributes = {**use.attributes, **end.attributes}
            use.record_id, use.ts_ns, use.open = record.record_id, record.ts_ns, False
            use.duration_ns, use.error = end.duration_ns, end.error
            self._calls[record.record_id] = use
        elif end.type == shape.STAGE:
            self._stage_end(record, end)
        else:
            span = self._span(record, end.type, end.attributes)
            span.type, span.name, span.component = end.type, record.name, record.component or span.component
            span.ended_ns, span.duration_ns, span.end_record = record.ts_ns, end.duration_ns, record.record_id
            span.outputs, span.error = end.outputs, end.error
            if not span.start_record:
                span.started_ns -= end.duration_ns or 0

    def _stage_end(self, record: Record, end: shape.SpanEnd) -> None:
        stage = self.stage(record)
        attempt = self._attempts.get(record.span)
        if attempt is None:  # its start was dropped: what is known of it is still shown
            attempt = Attempt(end.attempt, record.span, record.ts_ns - (end.duration_ns or 0))
            attempt.component = record.component
            self._attempts[record.span] = attempt
            self._tried(stage, attempt)
        self._lasted(attempt, end.duration_ns)
        attempt.ended_ns, attempt.duration_ns = record.ts_ns, end.duration_ns
        attempt.outputs, attempt.error, attempt.end_record = end.outputs, end.error, record.record_id
        stage.completed_at = iso_utc(record.ts_ns)
        took, known = self._took.get(stage.name, (0, 0))
        stage.duration_seconds = took / _NS if known else None
        if isinstance(end.outputs, dict):
            stage.outputs.update(end.outputs)
        stage.error = end.error  # of the last attempt: an error that a later attempt mended is in `attempts`

    def _tried(self, stage: StageTrace, attempt: Attempt) -> None:
        stage.attempts.append(attempt)
        self._homes[id(attempt)] = stage.name

    def _lasted(self, attempt: Attempt, duration_ns: int | None) -> None:
        """Count what an attempt took, in place of what it was said to take before: a stage may have 100,000 of them."""
        home = self._homes.get(id(attempt), "")
        took, known = self._took.get(home, (0, 0))
        for said, sign in ((attempt.duration_ns, -1), (duration_ns, 1)):
            if said is not None:
                took, known = took + sign * said, known + sign
        self._took[home] = took, known

    def transform(self, record: Record) -> None:
        self.view.transforms.append(_use(record, _json.decode(record.payload, type=shape.Transform)))

    def check(self, record: Record) -> None:
        self.view.checks.append(_use(record, _json.decode(record.payload, type=shape.Check)))

    def file(self, record: Record) -> None:
        self.view.files.append(_use(record, _json.decode(record.payload, type=shape.FileWrite)))

    def cost(self, record: Record) -> None:
        cost = _json.decode(record.payload, type=shape.Cost)
        use = self._calls.get(record.parent)
        if use is not None:
            said = msgspec.to_builtins(cost)
            known = (
                {"cost_usd": cost.usd} if cost.usd is not None else {}
            )  # what was given stays, if it is all there is
            use.attributes = {**use.attributes, **known, "cost": said}

    def decision(self, record: Record) -> None:
        made = _json.decode(record.payload, type=shape.Decision)
        stage = self.stage(record)
        attempt = self._attempts.get(record.span)
        stage.decisions.append(
            Decision(
                decision=record.name,
                what=made.what,
                why=made.why,
                confidence=made.confidence,
                alternatives_considered=made.alternatives,
                inputs=made.inputs,
                timestamp=iso_utc(record.ts_ns),
                record_id=record.record_id,
                ts_ns=record.ts_ns,
                stage=stage.name,
                attempt=attempt.attempt if attempt else max(1, len(stage.attempts)),
                flags=record.flags,
                given=made.given if isinstance(made.given, dict) else None,
                attributes=made.attributes if isinstance(made.attributes, dict) else None,
            )
        )

    def event(self, record: Record) -> None:
        self.view.events += 1

    def evidence(self, record: Record) -> None:
        self.stage(record).evidence.update(_object(record))

    def prompts(self, record: Record) -> None:
        self.stage(record).prompts.update(_object(record))

    def attempt(self, record: Record) -> None:
        data = _object(record)
        self.view.iterations.append(data)
        self.view.iteration_records.append((record.record_id, record.ts_ns))
        if passed_of(data) is False:
            self.view.quality_gate_failures += 1

    def outputs(self, record: Record) -> None:
        self.view.outputs.update(_object(record))  # merged, never replaced (C1.8)

    def child(self, record: Record) -> None:
        child = _object(record)
        known = next((c for c in self.view.child_traces if c.get("trace_id") == child.get("trace_id")), None)
        if known is None:
            self.view.child_traces.append(child)
        else:
            known.update({key: value for key, value in child.items() if value is not None})


_FOLDS: Mapping[str, Callable[[_Assembler, Record], None]] = {
    kinds.TRACE_START: _Assembler.trace_start,
    kinds.TRACE_END: _Assembler.trace_end,
    kinds.TRACE_DOCUMENT: _Assembler.trace_document,
    kinds.TRACE_FLAG: _Assembler.trace_flag,
    kinds.SPAN_START: _Assembler.span_start,
    kinds.SPAN_END: _Assembler.span_end,
    kinds.DECISION: _Assembler.decision,
    kinds.EVENT: _Assembler.event,
    kinds.EVIDENCE: _Assembler.evidence,
    kinds.PROMPTS: _Assembler.prompts,
    kinds.ATTEMPT: _Assembler.attempt,
    kinds.OUTPUTS: _Assembler.outputs,
    kinds.CHILD: _Assembler.child,
    kinds.TRANSFORM: _Assembler.transform,
    kinds.CHECK: _Assembler.check,
    kinds.FILE: _Assembler.file,
    kinds.COST: _Assembler.cost,
}


def _use(record: Record, said: _S) -> Use[_S]:
    return Use(
        record.name,
        record.stage,
        record.component,
        record.record_id,
        record.ts_ns,
        record.span,
        record.parent,
        record.flags,
        said,
    )


def _object(record: Record) -> dict[str, Any]:
    data = _json.decode(record.payload, type=shape.Data).data
    return data if isinstance(data, dict) else {"value": data}


def assemble(otel_trace_id: str, records: Iterable[Record]) -> TraceView:
    """Return the trace that the records tell of.

    Args:
        otel_trace_id: 32 hex digits.
        records: of this trace, in order of arrival; a trace without a `trace.start` (dropped, or not yet here) is
            assembled from what there is, under its OpenTelemetry id.
    """
    assembler = _Assembler(otel_trace_id)
    for record in records:
        assembler.add(record)
    assembler.conclude()
    view = assembler.view
    view.trace_id = view.trace_id or f"otel_{otel_trace_id}"
    view.quality = _quality(view)
    return view


def _quality(view: TraceView) -> Quality:
    """Return the gate's last word. If its last attempt says anything of quality, no earlier attempt is heard."""
    gate = view.stages.get("quality_gate")
    iteration = view.iterations[-1:]
    if gate is None:
        return derive_quality(*iteration)
    last = gate.attempts[-1] if gate.attempts else None
    said = [d.attributes for d in reversed(gate.decisions) if d.attributes and (not last or d.attempt == last.attempt)]
    own = [last.outputs] if last is not None and isinstance(last.outputs, dict) else []
    if last is not None and derive_quality(*own, *said) != Quality():
        return derive_quality(*own, *said, gate.evidence, *iteration)
    return derive_quality(gate.outputs, gate.evidence, *said, *iteration)


def _count(*sources: tuple[Mapping[str, Any], str]) -> int | None:
    for mapping, key in sources:
        value = number(mapping.get(key))
        if value is not None:
            return int(value)
    return None


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):  # a cut or referenced text: its readable part
        for key in ("preview", "truncated", "hash"):
            if isinstance(value.get(key), str):
                return str(value[key])
    return _json.encode(value).decode()


def _paths(outputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Return report, evidence and knowledge paths, and nothing that merely looks like a path (C1.26)."""
    found: list[str] = []
    for key in ("report_path", "evidence_paths", "knowledge_paths"):
        value = outputs.get(key)
        values = value if isinstance(value, list) else [value]
        found += [each for each in values if isinstance(each, str)]
    return tuple(dict.fromkeys(found))


def _sum(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) if known else None


def _tries(stage: StageTrace | None) -> list[dict[str, Any]]:
    """Return the outputs of every attempt of a stage; of one without attempts, what is known of it."""
    if stage is None:
        return []
    found = [attempt.outputs for attempt in stage.attempts if isinstance(attempt.outputs, dict)]
    return found or [stage.outputs]


def _total(view: TraceView, keys: tuple[str, ...]) -> float | None:
    """Return the sum of a figure over all LLM calls and every attempt of the synthesis.

    What an attempt's outputs say counts only where no recorded call of the synthesis says it: else it counted twice.
    """
    of_synthesis = [call.attributes for call in view.llm_calls if call.stage == "synthesis"]
    elsewhere = [call.attributes for call in view.llm_calls if call.stage != "synthesis"]
    if not any(number(each.get(key)) is not None for each in of_synthesis for key in keys):
        tries = _tries(view.stages.get("synthesis"))
        of_synthesis = [{**t, **(t["token_usage"] if isinstance(t.get("token_usage"), dict) else {})} for t in tries]
    return _sum(number(each.get(key)) for each in (*of_synthesis, *elsewhere) for key in keys)


def summarise(view: TraceView) -> TraceSummary:
    """Return the row of `traces` for a trace (R1.42, with C1.10, C1.11, C1.14, C1.25)."""
    start, stages, end = view.start, view.stages, view.end
    synthesis, collection = stages.get("synthesis"), stages.get("collection")
    out = synthesis.outputs if synthesis else {}
    prompts = synthesis.prompts if synthesis else {}
    used = out.get("token_usage")
    usage: Mapping[str, Any] = used if isinstance(used, dict) else {}
    evidence = collection.evidence if collection else {}
    collected = collection.outputs if collection else {}
    of_synthesis = [call.attributes for call in view.llm_calls if call.stage == "synthesis"]
    durations = {name: s.duration_seconds for name, s in stages.items() if s.duration_seconds is not None}

    def of_calls(of: list[dict[str, Any]], key: str) -> float | None:
        return _sum(number(attributes.get(key)) for attributes in of)

    input_tokens = _count((usage, "input_tokens"), (out, "input_tokens"))
    output_tokens = _count((usage, "output_tokens"), (out, "output_tokens"))
    cost = number(out.get("cost_usd"))
    from_calls = of_calls(of_synthesis, "input_tokens"), of_calls(of_synthesis, "output_tokens")
    input_tokens = int(from_calls[0]) if input_tokens is None and from_calls[0] is not None else input_tokens
    output_tokens = int(from_calls[1]) if output_tokens is None and from_calls[1] is not None else output_tokens
    cost = of_calls(of_synthesis, "cost_usd") if cost is None else cost
    total_tokens = _total(view, ("input_tokens", "output_tokens"))
    total_cost = _total(view, ("cost_usd",))
    model = out.get("model") or prompts.get("model") or next((a.get("model") for a in of_synthesis), None)

    duration_ns = end.duration_ns if end is not None else None
    if duration_ns is None and view.completed_ns is not None:
        duration_ns = max(0, view.completed_ns - view.started_ns)
    quality = view.quality
    return TraceSummary(
        id=view.otel_trace_id,
        trace_id=view.trace_id,
        project_id=start.project_id,
        query=_text(start.query),
        intent=start.intent,
        domain=start.domain,
        report_type=start.report_type,
        research_type=start.research_type,
        status=view.status,
        quality_gate_passed=quality.passed,
        overall_quality_score=quality.overall,
        started_at=iso_utc(view.started_ns),
        completed_at=iso_utc(view.completed_ns) if view.completed_ns is not None else None,
        duration_seconds=duration_ns / _NS if duration_ns is not None else None,
        intake_duration=durations.get("intake"),
        rubric_duration=durations.get("rubric"),
        collection_duration=durations.get("collection"),
        synthesis_duration=durations.get("synthesis"),
        quality_gate_duration=durations.get("quality_gate"),
        evidence_collected=_count((evidence, "collected_count"), (collected, "evidence_collected")),
        evidence_passed=_count((collected, "evidence_passed"), (evidence, "evidence_passed")),
        evidence_filtered=_count((collected, "evidence_filtered"), (evidence, "evidence_filtered")),
        synthesis_model=_text(model),
        synthesis_input_tokens=input_tokens,
        synthesis_output_tokens=output_tokens,
        synthesis_cost_usd=cost,
        principle_scores=quality.scores,
        gap_principles=quality.gaps,
        strength_principles=quality.strengths,
        iteration_count=max(1, len(view.iterations)),
        quality_gate_failures=view.quality_gate_failures,
        trace_file_path=view.document_path,
        report_file_path=_text(view.outputs.get("report_path")),
        output_file_paths=_paths(view.outputs),
        flagged_for_review=view.flagged_for_review,
        review_notes=view.review_notes,
        project=view.project,
        project_name=start.project_name,
        parent_trace_id=start.parent_trace_id,
        started_ns=view.started_ns,
        error=_text(view.error),
        reason=end.reason if end is not None else None,
        writer=start.writer,
        stage_durations=durations,
        decisions=view.decisions,
        records=view.records,
        llm_calls=sum(not call.open for call in view.llm_calls),
        total_tokens=int(total_tokens) if total_tokens is not None else None,
        total_cost_usd=total_cost if total_cost is not None else cost,
        tracing_overhead_ms=end.overhead_ns / 1e6 if end is not None and end.overhead_ns is not None else None,
        dropped=end.dropped if end is not None else 0,
        document_error=view.document_error,
    )
