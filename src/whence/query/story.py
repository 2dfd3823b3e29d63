"""The whole story of a line: what the step changed around it, the decision and the prompt behind it, what failed on it
since; and the pieces that other questions about provenance tell as well."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from whence.clock import iso_utc
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.filters import RecordFilter
from whence.model.record import Record
from whence.query.lineage import Call, Lineage, Made, Ref, Sure, decoded, moment_of, ref_of
from whence.query.lines import aligned, unified

MOST_DIFF_LINES: Final = 60
MOST_DECISIONS: Final = 200
"""Among so many decisions and steps, the last ones before a step, the one in the same span is looked for."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """The decision behind a step."""

    record_id: str
    name: str
    what: Any
    why: Any
    confidence: float | None
    alternatives: list[Any]
    sure: Sure  # confirmed: the step names it; inferred: the last thing before it in the same span


class LlmCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a language model, its texts in full."""

    record_id: str
    name: str
    component: str
    stage: str
    trace_id: str
    ts_ns: int
    time: str
    model: str | None
    provider: str | None
    system: Any
    prompt: Any  # one text, or the messages
    response: Any
    reasoning: Any
    tool_calls: Any
    prompt_version: str | None
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    duration_s: float | None
    error: Any
    sure: Sure = "confirmed"


class LineCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A failure of a check on a line, in a version of the text that had it."""

    record_id: str
    check: str
    type: str
    message: str
    line: int | None  # in the version that was checked
    phase: str
    time: str
    sha256: str  # of that version


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What is behind lines that have the same story."""

    first: int  # line of the file, from 1
    last: int
    diff: str = ""  # what the step that put them there changed around them, as unified hunks
    decision: Reason | None = None
    call: LlmCall | None = None
    checks: tuple[LineCheck, ...] = ()  # that failed on them since


def tell(
    lineage: Lineage,
    first: int,
    last: int,
    made: Made | Call | None,
    texts: Sequence[str],
    places: range,
    versions: Sequence[tuple[Ref, int]],
    behind: tuple[Call, Sure] | None = None,
) -> Story:
    """Return the story of lines.

    Args:
        first, last: the lines, as they were asked for.
        made: what put them there.
        texts: the lines themselves.
        places: of the lines in the last recorded content, from 0.
        versions: every version that had them, the first one first, and how far they stand from `places` in it.
        behind: the call whose answer was filled into them, if that is known already, and how sure that is.
    """
    diff, reason, call = "", None, None
    if isinstance(made, Made):
        shift = versions[0][1] if versions else 0
        diff = difference(lineage, made.source, made.result, around=range(places.start + shift, places.stop + shift))
        reason = decision_behind(lineage, made.record)
        asked = _asked_for_it(lineage, made, texts) if behind is None else None
        behind = (asked, "inferred") if asked is not None else behind
        call = call_data(lineage, *behind) if behind is not None else None
    elif isinstance(made, Call):
        reason = decision_behind(lineage, made.record)
        call = call_data(lineage, made)
    checks = tuple(_failed_on(lineage, texts, places, versions))
    return Story(first=first, last=last, diff=diff, decision=reason, call=call, checks=checks)


def difference(
    lineage: Lineage, source: Ref | None, result: Ref | None, *, around: range | None = None, most: int | None = None
) -> str:
    """Return what a step changed, as unified hunks; "" where a text is missing or nothing changed."""
    b = lineage.lines(result)
    if result is None or b is None:
        return ""
    a: list[str] | None = []
    blocks = aligned([], b)
    if source is not None:
        a = lineage.lines(source)
        if a is None:
            return ""
        blocks = lineage.blocks(source, result)
    return unified(a or [], b, blocks, around=around, most=MOST_DIFF_LINES if around is not None else most)


def decision_behind(lineage: Lineage, record: Record) -> Reason | None:
    """Return the decision that a step names as its cause, else the one before it in the same span with no step between.

    One that nobody named must be of the same component, and none that was derived from a model's choice of tools.
    """
    cause = lineage.store.record(record.parent) if len(record.parent) == 32 else None
    if cause is not None and cause.kind == kinds.DECISION:
        return _reason(cause, "confirmed")
    if not record.trace or not record.span or record.kind == kinds.SPAN_END:
        return None
    asked = RecordFilter(trace=record.trace, kinds=(kinds.DECISION, kinds.TRANSFORM), until_ns=record.ts_ns + 1)
    earlier = lineage.store.records(asked, limit=MOST_DECISIONS, newest_first=True).items
    same = [
        each
        for each in earlier
        if (each.span, each.component) == (record.span, record.component)
        and moment_of(record).after(each)
        and not _chose_tools(each)
    ]
    last = max(same, key=lambda each: (each.ts_ns, each.record_id), default=None)
    return _reason(last, "inferred") if last is not None and last.kind == kinds.DECISION else None


def _chose_tools(record: Record) -> bool:
    """Return whether a decision is a model's choice of tools: it is about the tool, not about what happens to a text."""
    said = decoded(record, shape.Decision) if record.kind == kinds.DECISION else None
    attributes = said.attributes if said is not None else None
    return isinstance(attributes, dict) and attributes.get("derived_from") == "llm_call"


def _reason(record: Record, sure: Sure) -> Reason | None:
    said = decoded(record, shape.Decision)
    if said is None:
        return None
    return Reason(
        record_id=record.record_id,
        name=record.name,
        what=said.what,
        why=said.why,
        confidence=said.confidence,
        alternatives=said.alternatives,
        sure=sure,
    )


def _asked_for_it(lineage: Lineage, made: Made, texts: Sequence[str]) -> Call | None:
    """Return the LLM call in the same span as a step whose response holds the lines."""
    wanted = [text.strip() for text in texts if text.strip()]
    for call in lineage.calls_before(moment_of(made.record)) if wanted else ():
        if made.record.span and call.record.parent == made.record.span:
            answered = lineage.text(call.response) or ""
            if all(each in answered for each in wanted):
                return call
    return None


def call_data(lineage: Lineage, call: Call, sure: Sure = "confirmed") -> LlmCall:
    """Return a call with its texts in full."""
    fields, record = call.fields, call.record
    prompt = fields.get("prompt") if fields.get("prompt") is not None else fields.get("messages")

    def number(key: str) -> Any:
        value = fields.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def word(key: str) -> str | None:
        value = fields.get(key)
        return value if isinstance(value, str) else None

    return LlmCall(
        record_id=record.record_id,
        name=record.name,
        component=record.component,
        stage=record.stage,
        trace_id=lineage.trace_name(record.trace),
        ts_ns=record.ts_ns,
        time=iso_utc(record.ts_ns),
        model=word("model") or word("request_model"),
        provider=word("provider"),
        system=lineage.resolved(fields.get("system")),
        prompt=lineage.resolved(prompt),
        response=lineage.resolved(fields.get("response")),
        reasoning=lineage.resolved(fields.get("reasoning")),
        tool_calls=lineage.resolved(fields.get("tool_calls")),
        prompt_version=word("prompt_version"),
        finish_reason=word("finish_reason"),
        input_tokens=number("input_tokens"),
        output_tokens=number("output_tokens"),
        cost_usd=number("cost_usd"),
        duration_s=call.duration_ns / 1e9 if call.duration_ns is not None else None,
        error=lineage.resolved(call.error),
        sure=sure,
    )


def _failed_on(
    lineage: Lineage, texts: Sequence[str], places: range, versions: Sequence[tuple[Ref, int]]
) -> Iterator[LineCheck]:
    """Yield what checks of a version said against lines, by their number there, or by the line itself as context."""
    seen: set[str] = set()
    wanted = {text.strip() for text in texts if text.strip()}
    for ref, shift in versions:
        for record in reversed(lineage.uses(ref, kinds.CHECK)):
            said = decoded(record, shape.Check)
            of = ref_of(said.content) if said is not None else None
            if said is None or of is None or of.key != ref.key or record.record_id in seen:
                continue
            seen.add(record.record_id)
            for each in said.failures:
                line = line_of(each)
                here = line is not None and places.start + shift < line <= places.stop + shift
                if here or (line is None and str(each.get("context") or "").strip() in wanted):
                    yield LineCheck(
                        record_id=record.record_id,
                        check=record.name,
                        type=str(each.get("type") or said.type),
                        message=said_by(each),
                        line=line,
                        phase=said.phase,
                        time=iso_utc(record.ts_ns),
                        sha256=ref.key,
                    )


def line_of(failure: dict[str, Any]) -> int | None:
    """Return the line that a failure is on, from 1."""
    line = failure.get("line")
    return line if isinstance(line, int) and not isinstance(line, bool) else None


def said_by(failure: dict[str, Any]) -> str:
    """Return a failure in words."""
    message = failure.get("message")
    if isinstance(message, dict):
        message = message.get("truncated") or message.get("preview") or message.get("message")
    return str(message) if message is not None else str(failure.get("type") or "failed")
