"""A call of a language model on its way into a record: numbers that are numbers, tokens that mean the same everywhere."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack

from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.llm import COUNTS, LlmFields, tokens_of, tool_decision
from whence.record.failure import as_error
from whence.record.guard import guarded
from whence.record.normalise import as_count, as_nanoseconds, as_number, as_seconds
from whence.redact.value import Flag

if TYPE_CHECKING:
    from whence.record.trace import Stage, Trace

_NUMBERS: Final[Mapping[str, Callable[[object], float | int | None]]] = {
    **dict.fromkeys(COUNTS, as_count),
    "cost_usd": as_number,
    "duration_s": as_seconds,
    "time_to_first_chunk_s": as_seconds,
    "chunks": as_count,
    "retries": as_count,
}
_OF_THE_REQUEST: Final = ("messages", "system", "prompt", "tools", "template", "variables")
"""Said once, when the call begins; the rest of the request is said again at its end, where it is looked for."""
_SUMMED: Final = ("input_tokens", "output_tokens")
_APART: Final = ("anthropic",)
"""Whose raw input count leaves out the cache."""


def normalised(call: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return what is kept of a call's fields, and whether any had to be changed: those are under `given` as they were.

    Counts that are missing are read from the raw usage; the version of a prompt is the hash of its template.
    """
    kept = {key: value for key, value in call.items() if value is not None and key not in _NUMBERS and key != "error"}
    given: dict[str, Any] = {}
    for key, convert in _NUMBERS.items():
        said = call.get(key)
        if said is None:
            continue
        value = convert(said)
        if value is not None:
            kept[key] = value
        else:
            given[key] = said
    usage = call.get("usage")
    if isinstance(usage, Mapping):
        apart = str(call.get("provider") or "").lower() in _APART
        counts = tokens_of(usage, cache_apart=apart)
        _complete(kept, usage, counts)
        for key, count in counts.items():
            if key not in given:
                kept.setdefault(key, count)
    if "total_tokens" not in kept and not given.keys() & _SUMMED:  # half a sum is none
        tokens = [kept[key] for key in _SUMMED if key in kept]
        if tokens:
            kept["total_tokens"] = sum(tokens)
    template = call.get("template")
    if isinstance(template, str) and call.get("prompt_version") is None:
        import hashlib

        kept["prompt_version"] = hashlib.sha256(template.encode("utf-8", "replace")).hexdigest()[:12]
    if given:
        kept["given"] = given
    return kept, bool(given)


def _complete(kept: dict[str, Any], usage: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    """Put the whole input where a count was given that is the provider's own, which leaves out the cache.

    `llm_call(usage=usage, input_tokens=usage["input_tokens"])` says nothing else than `llm_call(usage=usage)`.
    """
    raw, whole = usage.get("input_tokens"), counts.get("input_tokens")
    if type(raw) is not int or whole is None or raw == whole or kept.get("input_tokens", raw) != raw:
        return
    kept["input_tokens"] = whole
    output = kept.get("output_tokens", counts.get("output_tokens"))
    if output is not None and kept.get("total_tokens") == raw + output:
        kept["total_tokens"] = whole + output


def called(
    trace: "Trace", stage: "Stage | None", name: str, component: str | None, call: Mapping[str, Any]
) -> str | None:
    """Record a finished LLM call as one record; returns its id."""
    kept, changed = normalised(call)
    took = as_nanoseconds(kept.pop("duration_s", None))
    ended = shape.SpanEnd(type=shape.LLM, duration_ns=took, error=as_error(call.get("error")), attributes=kept)
    span = trace.recorder.clock.span_id()
    where = trace.place_in(stage, span, trace.span_of(stage), component, 3 if call.get("error") else 0)
    said = trace.say(kinds.SPAN_END, name, where, ended, int(Flag.CLAMPED) if changed else 0)
    _decided(trace, stage, component, call, said)
    return said


def _decided(
    trace: "Trace", stage: "Stage | None", component: str | None, call: Mapping[str, Any], caused_by: str | None
) -> None:
    try:
        made = tool_decision(call)
        if made is None:
            return
        where = trace.place_in(stage, trace.span_of(stage), caused_by or "", component)
        decided = (made["what"], made["why"], None, made["alternatives"], made["inputs"])
        trace.decide(where, "tool", *decided, {"derived_from": "llm_call"})
    except Exception as exc:  # noqa: BLE001 - as `guarded` says; the call itself is recorded
        trace.refused("tool", exc)


class Call:
    """An LLM call that is under way. Its start is recorded at once, so that a call that hangs is seen (DESIGN §4.7)."""

    __slots__ = ("_component", "_fields", "_name", "_request", "_stage", "_started", "open", "span", "trace")

    def __init__(
        self, trace: "Trace", stage: "Stage | None", name: str, component: str | None, request: Mapping[str, Any]
    ) -> None:
        self.trace = trace
        self.open = True
        self.span = trace.recorder.clock.span_id()
        self._stage = stage
        self._name = name
        self._component = component
        self._request = request
        self._fields = dict(request)
        self._started = trace.monotonic_ns()
        kept, changed = normalised({key: value for key, value in request.items() if key != "usage"})
        where = trace.place_in(stage, self.span, trace.span_of(stage), component)
        start = shape.SpanStart(type=shape.LLM, attributes=kept)
        trace.say(kinds.SPAN_START, name, where, start, int(Flag.CLAMPED) if changed else 0)

    def update(self, **fields: Any) -> None:
        """Remember what has become known of the call, for its end."""
        self._fields.update(fields)

    def _is_said(self, key: str, value: Any) -> bool:
        return key in _OF_THE_REQUEST and self._request.get(key) is value

    @guarded
    def end(self, **response: Unpack[LlmFields]) -> str | None:
        """Record how the call ended: LlmFields of the response, `error` if it failed. Ending twice is ignored."""
        if not self.open:
            return None
        self.open = False
        call = {**self._fields, **response}
        kept, changed = normalised(call)
        took = as_nanoseconds(kept.pop("duration_s", None))
        ended = shape.SpanEnd(
            type=shape.LLM,
            duration_ns=self.trace.monotonic_ns() - self._started if took is None else took,
            error=as_error(call.get("error")),
            attributes={key: value for key, value in kept.items() if not self._is_said(key, value)},
        )
        parent = self.trace.span_of(self._stage)
        where = self.trace.place_in(self._stage, self.span, parent, self._component, 3 if call.get("error") else 0)
        said = self.trace.say(kinds.SPAN_END, self._name, where, ended, int(Flag.CLAMPED) if changed else 0)
        _decided(self.trace, self._stage, self._component, call, said)
        return said
