"""Records of a trace → OpenTelemetry spans and log records, so that every other backend shows them.

| record | becomes |
| --- | --- |
| trace, stage, tool and other spans | a span; `component.name` is its component |
| LLM call | a span with the GenAI attributes of semantic conventions 1.37 |
| transform | a span of its own, with both hashes (`whence.transform.*`) |
| decision | an event `whence.decision` of the span it was made in |
| check, file | an event `whence.check`, `whence.file`; a score also `gen_ai.evaluation.result` |
| event | a log record |

Structures become JSON text: most backends show text and numbers only. What has not ended ends with the last thing known,
and has `whence.unfinished`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.content import CONTENT_KEY, resolve
from whence.model.record import Record
from whence.wire.otlp import own
from whence.wire.otlp.spans import CLIENT, ERROR, INTERNAL, OK, OtelEvent, OtelLog, OtelSpan

SCOPE: Final = "whence"
Lookup = Callable[[str], str | None]
"""Returns a text by its hash, or None."""
_SEVERITY: Final = (9, 9, 13, 17, 21)
"""OpenTelemetry's severity number for each of our levels, from info to critical."""
_PRIMITIVE: Final = (str, bool, int, float)
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError)

_REQUEST: Final = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}
_LLM: Final = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "request_model": "gen_ai.request.model",
    "model": "gen_ai.response.model",
    "response_id": "gen_ai.response.id",
    "conversation_id": "gen_ai.conversation.id",
    "prompt_name": "gen_ai.prompt.name",
    "prompt_version": "gen_ai.prompt.version",
    "time_to_first_chunk_s": "gen_ai.response.time_to_first_chunk",
    "stream": "gen_ai.request.stream",
    "system": "gen_ai.system_instructions",
    "tools": "gen_ai.tool.definitions",
    "server": "server.address",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "cost_usd": "whence.cost_usd",
}


class Outgoing(NamedTuple):
    """A trace as OpenTelemetry has it."""

    spans: list[OtelSpan]
    logs: list[OtelLog]


def outgoing(records: Iterable[Record], content: Lookup = lambda sha256: None) -> Outgoing:
    """Return the spans and logs of one trace.

    Args:
        records: of the trace, in order of arrival.
        content: looks up large texts; without it their references are sent.
    """
    made = _Outgoing(content)
    for record in records:
        made.add(record)
    return made.done()


class _Outgoing:
    def __init__(self, content: Lookup) -> None:
        self._content = content
        self._spans: dict[str, OtelSpan] = {}
        self._logs: list[OtelLog] = []
        self._root = ""
        self._last_ns = 0
        self._costs: dict[str, OtelSpan] = {}  # LLM spans by the record of their end
        self._project = ""

    def add(self, record: Record) -> None:
        """Take one record; what cannot be read is left out, as every reader does."""
        self._last_ns = max(self._last_ns, record.ts_ns)
        self._project = self._project or record.project
        add = _ADD.get(record.kind)
        if add is None:
            return
        try:
            add(self, record)
        except _UNREADABLE:
            return

    def done(self) -> Outgoing:
        """Return what came together; events of spans that were never seen hang on the root."""
        resource = {"service.name": self._project or "unknown", "telemetry.sdk.name": SCOPE}
        for span in self._spans.values():
            span.resource, span.scope = resource, SCOPE
            if span.end_ns is None:
                span.end_ns = max(self._last_ns, span.start_ns)
                span.attributes["whence.unfinished"] = True
        for log in self._logs:
            log.resource, log.scope = resource, SCOPE
        return Outgoing(list(self._spans.values()), self._logs)

    # -- spans ----------------------------------------------------------------------------------------------------

    def _span(self, record: Record) -> OtelSpan:
        """Return the span that a record is about, made on first mention."""
        span = self._spans.get(record.span)
        if span is None:
            span = OtelSpan(
                trace=record.trace,
                span=record.span,
                parent=record.parent if record.kind in _SPANS else self._root if record.span != self._root else "",
                name=record.name,
                kind=INTERNAL,
                start_ns=record.ts_ns,
                attributes={},
                events=[],
            )
            self._spans[record.span] = span
        if record.component:
            span.attributes["component.name"] = record.component
        return span

    def _put(self, span: OtelSpan, named: Mapping[str, Any], prefix: str = "") -> None:
        for key, value in named.items():
            plain = self._plain(value)
            if plain is not None:
                span.attributes[prefix + key] = plain

    def _plain(self, value: Any) -> Any:
        """Return a value as an attribute: primitives as they are, texts that were set apart whole, the rest as JSON."""
        if value is None or value == {} or value == []:
            return None
        if isinstance(value, dict | list):
            value = resolve(value, self._content)
        return value if isinstance(value, _PRIMITIVE) else msgspec.json.encode(value).decode()

    def _fail(self, span: OtelSpan, error: Any) -> None:
        if error is None:
            return
        span.status = ERROR
        said = error if isinstance(error, dict) else {"message": error}
        span.status_message = str(self._plain(said.get("message")) or said.get("type") or "")
        if "type" in said:
            span.attributes["error.type"] = str(said["type"])
            stack = self._plain(said.get("stack") or said.get("where"))
            about = {"exception.type": str(said["type"]), "exception.message": span.status_message}
            if stack:
                about["exception.stacktrace"] = str(stack)
            span.events.append(OtelEvent(name="exception", ts_ns=span.end_ns or span.start_ns, attributes=about))

    def trace_start(self, record: Record) -> None:
        start = msgspec.json.decode(record.payload, type=shape.TraceStart)
        span = self._span(record)
        self._root = self._root or record.span
        if span.name == "trace":
            span.name = record.project or "trace"
        span.parent, span.start_ns = record.parent, record.ts_ns
        named = {"trace_id": start.trace_id, "query": start.query, "intent": start.intent, "domain": start.domain}
        self._put(span, {**named, "project": record.project, "parent_trace_id": start.parent_trace_id}, "whence.")
        self._put(span, start.attributes)

    def trace_end(self, record: Record) -> None:
        end = msgspec.json.decode(record.payload, type=shape.TraceEnd)
        span = self._span(record)
        span.end_ns = max(record.ts_ns, span.start_ns)
        self._put(span, {"status": end.status, "reason": end.reason}, "whence.")
        if end.status == "failed":
            self._fail(span, end.error or end.status)
        elif span.status != ERROR:
            span.status = OK

    def span_start(self, record: Record) -> None:
        start = msgspec.json.decode(record.payload, type=shape.SpanStart)
        span = self._span(record)
        span.start_ns = record.ts_ns
        span.parent = record.parent if record.span != self._root else span.parent
        self._describe(span, record, start.type, start.attempt, start.attributes)

    def span_end(self, record: Record) -> None:
        end = msgspec.json.decode(record.payload, type=shape.SpanEnd)
        known = record.span in self._spans
        span = self._span(record)
        if not known:
            span.start_ns -= end.duration_ns or 0
        span.end_ns, span.name = max(record.ts_ns, span.start_ns), record.name
        self._describe(span, record, end.type, end.attempt, end.attributes)
        if end.type == shape.LLM:
            self._costs[record.record_id] = span
        if end.outputs:
            self._put(span, {"outputs": end.outputs}, "whence.")
        self._fail(span, end.error)

    def _describe(
        self, span: OtelSpan, record: Record, type_: str, attempt: int, attributes: Mapping[str, Any]
    ) -> None:
        if type_ == shape.LLM:
            span.kind = CLIENT
            self._put(span, self._llm(attributes))
            return
        if type_ == shape.STAGE:
            self._put(span, {"whence.stage": record.name, "whence.attempt": attempt})
        elif type_ == shape.TOOL:
            named = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": attributes.get("name") or record.name}
            self._put(span, named)
        elif type_ != shape.SPAN:
            self._put(span, {"whence.type": type_})
        self._put(span, attributes)

    def _llm(self, call: Mapping[str, Any]) -> dict[str, Any]:
        named = {name: call[key] for key, name in _LLM.items() if key in call}
        parameters = call.get("parameters")
        for key, value in (parameters if isinstance(parameters, dict) else {}).items():
            named[_REQUEST.get(key, f"whence.request.{key}")] = value
        messages = call.get("messages")
        if messages is None and call.get("prompt") is not None:
            messages = [{"role": "user", "content": call["prompt"]}]
        if messages is not None:
            named["gen_ai.input.messages"] = (
                [_parts(each) for each in messages] if isinstance(messages, list) else messages
            )
        if call.get("response") is not None or call.get("tool_calls"):
            answer = {"role": "assistant", "content": call.get("response"), "tool_calls": call.get("tool_calls")}
            named["gen_ai.output.messages"] = [{**_parts(answer), "finish_reason": call.get("finish_reason")}]
        if call.get("finish_reason") is not None:
            named["gen_ai.response.finish_reasons"] = [call["finish_reason"]]
        return named

    # -- what happened in spans -----------------------------------------------------------------------------------

    def _event(self, record: Record, name: str, named: Mapping[str, Any]) -> None:
        attributes = {key: plain for key, value in named.items() if (plain := self._plain(value)) is not None}
        if record.component:
            attributes["component.name"] = record.component
        attributes[own.RECORD] = record.record_id
        span = self._spans.get(record.span) or self._spans.get(self._root) or self._span(record)
        span.events.append(OtelEvent(name=name, ts_ns=record.ts_ns, attributes=attributes))

    def decision(self, record: Record) -> None:
        made = msgspec.json.decode(record.payload, type=shape.Decision)
        named = {
            "name": record.name,
            "what": made.what,
            "why": made.why,
            "confidence": made.confidence,
            "alternatives": made.alternatives,
            "inputs": made.inputs,
        }
        self._event(record, "whence.decision", {f"whence.decision.{key}": value for key, value in named.items()})

    def check(self, record: Record) -> None:
        said = msgspec.json.decode(record.payload, type=shape.Check)
        named = {
            "name": record.name,
            "type": said.type,
            "passed": said.passed,
            "subject": said.subject or None,
            "failures": said.failures,
            "content.sha256": _sha256(said.content),
            "phase": said.phase or None,
        }
        self._event(record, "whence.check", {f"whence.check.{key}": value for key, value in named.items()})
        if said.score is not None or said.type == "score":
            about = {"name": record.name, "score.value": said.score, "score.label": said.label}
            scored = {**about, "explanation": said.explanation}
            self._event(
                record, "gen_ai.evaluation.result", {f"gen_ai.evaluation.{key}": value for key, value in scored.items()}
            )

    def file(self, record: Record) -> None:
        said = msgspec.json.decode(record.payload, type=shape.FileWrite)
        named = {
            "file.path": said.path,
            "file.size": said.bytes,
            "file.mode": said.mode,
            "whence.file.sha256": _sha256(said.content),
            "whence.file.verified": said.verified,
            "whence.file.error": said.error,
        }
        self._event(record, "whence.file", named)

    def transform(self, record: Record) -> None:
        done = msgspec.json.decode(record.payload, type=shape.Transform)
        own = msgspec.structs.replace(
            record, kind=kinds.SPAN_END, span=span_id_of(record.record_id), parent=record.span
        )
        span = self._span(own)
        span.end_ns, span.start_ns = record.ts_ns, record.ts_ns - (done.duration_ns or 0)
        named = {
            "action": done.action,
            "subject": done.subject or None,
            "source.sha256": _sha256(done.source),
            "result.sha256": _sha256(done.result),
            "using": done.using,
            "materials": [
                {"role": m.get("role"), "name": m.get("name"), "sha256": _sha256(m.get("content"))}
                for m in done.materials
            ],
            "attempt": done.attempt,
            "output": done.result,
        }
        self._put(span, {"record_id": record.record_id}, "whence.")
        self._put(span, named, "whence.transform.")
        self._put(span, done.attributes)
        self._fail(span, done.error)

    def event(self, record: Record) -> None:
        happened = msgspec.json.decode(record.payload, type=shape.Event)
        attributes = {
            key: plain for key, value in happened.attributes.items() if (plain := self._plain(value)) is not None
        }
        self._logs.append(
            OtelLog(
                trace=record.trace,
                span=record.span,
                ts_ns=record.ts_ns,
                severity=_SEVERITY[min(max(record.level, 0), len(_SEVERITY) - 1)],
                body=self._plain(happened.message),
                event_name=record.name,
                attributes={**attributes, own.RECORD: record.record_id},
            )
        )

    def cost(self, record: Record) -> None:
        said = msgspec.json.decode(record.payload, type=shape.Cost)
        span = self._costs.get(record.parent)
        if span is not None:
            self._put(span, {"cost_usd": said.usd, "cost.billed": said.billed, "cost.version": said.version}, "whence.")


_ADD: Final[Mapping[str, Callable[[_Outgoing, Record], None]]] = {
    kinds.TRACE_START: _Outgoing.trace_start,
    kinds.TRACE_END: _Outgoing.trace_end,
    kinds.SPAN_START: _Outgoing.span_start,
    kinds.SPAN_END: _Outgoing.span_end,
    kinds.DECISION: _Outgoing.decision,
    kinds.CHECK: _Outgoing.check,
    kinds.FILE: _Outgoing.file,
    kinds.TRANSFORM: _Outgoing.transform,
    kinds.EVENT: _Outgoing.event,
    kinds.COST: _Outgoing.cost,
}
_SPANS: Final = (kinds.TRACE_START, kinds.TRACE_END, kinds.SPAN_START, kinds.SPAN_END)


def span_id_of(record_id: str) -> str:
    """Return a span id for a record: both halves of its id count, the one has the time, the other the process."""
    return "%016x" % (int(record_id[:16], 16) ^ int(record_id[16:], 16))


def _sha256(reference: Any) -> str | None:
    return reference.get(CONTENT_KEY) if isinstance(reference, dict) else None


def _parts(message: Any) -> dict[str, Any]:
    """Return a message in the GenAI form: role and parts."""
    if not isinstance(message, dict):
        return {"role": "user", "parts": [{"type": "text", "content": message}]}
    parts: list[dict[str, Any]] = []
    role = message.get("role")
    content = message.get("content")
    if role == "tool":
        parts.append({"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content})
    elif content is not None and content != "":
        parts.append({"type": "text", "content": content})
    for call in message.get("tool_calls") or ():
        if isinstance(call, dict):
            parts.append(
                {"type": "tool_call", **{key: call[key] for key in ("id", "name", "arguments") if key in call}}
            )
    return {"role": role, "parts": parts}
