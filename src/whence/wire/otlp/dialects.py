"""What a span means, whichever of the dialects it is written in.

`read` brings a span to one shape: what kind of part it is, who did it, the call of a model as `LlmFields`, the call of a
tool, scores, what failed. Recognised: the GenAI conventions of OpenTelemetry up to 1.36, 1.37 to 1.41 and their own
repository since 1.42, OpenInference, Traceloop, and what Vercel's AI SDK, pydantic_ai, langfuse and MLflow add. The names
are in `names`, the meaning of token counts in `calls`. Nothing is lost: an attribute that is unknown, is not of the type
that its name promises, or says otherwise what another has said, is in `attributes` as it was.

What is not repeated: `input.value` and `output.value` of a model's call, where they are the bodies of a request and an
answer whose messages were read.
"""

import re
from typing import Any, Final

import msgspec

from whence.wire.otlp import flat
from whence.wire.otlp.calls import call
from whence.wire.otlp.draft import Draft
from whence.wire.otlp.meanings import TYPES
from whence.wire.otlp.names import LLM, PARAMETER, TOKENS, TOOL
from whence.wire.otlp.spans import ERROR, OK, OtelEvent, OtelSpan
from whence.wire.otlp.values import parsed, same

_LONGEST_LINE: Final = 2000
_EXCEPTION: Final = frozenset(("exception.type", "exception.message", "exception.stacktrace", "exception.escaped"))
_SAYS_NO_MORE: Final = frozenset(
    (
        *("kind_openinference", "kind_langfuse", "kind_traceloop", "kind_mlflow"),
        *("execute_tool", "invoke_agent", "invoke_workflow", "retrieval", "rerank", "run_guardrail", "evaluate"),
    )
)
"""Kinds, and operations, of which nothing is left to be said once the type of the span is known."""
_QUALIFIED: Final = re.compile(r"[A-Za-z_][\w.]{0,200}\.([A-Za-z_]\w{0,100})")


class Reading(msgspec.Struct, kw_only=True):
    """What a span means."""

    type: str = "span"
    """llm, tool, agent, workflow, retrieval, embedding, rerank, guardrail, evaluator or span."""
    name: str = ""
    component: str = ""
    """The agent, of a tool's span the tool, of a workflow's the workflow; "" where none is named."""
    llm: dict[str, Any] = {}
    """`LlmFields`. Of an agent or a workflow the counts are sums over the calls in it: not to be added to theirs."""
    tool: dict[str, Any] = {}
    """{name, arguments, result, call_id, description, …}, as far as said."""
    scores: list[dict[str, Any]] = []
    """[{name, score, label, explanation, annotator, …}], as far as said."""
    inputs: Any = None
    outputs: Any = None
    """What went in and came out, where that is no call of a model or a tool."""
    error: dict[str, Any] | None = None
    """{type, message, where?, module?, stack?}."""
    attributes: dict[str, Any] = {}
    """What was not understood, as it was."""
    events: list[OtelEvent] = []
    """What was not understood."""
    project: str = ""
    dialect: tuple[str, ...] = ()
    """Those that were recognised, in order of the alphabet."""


def read(span: OtelSpan) -> Reading:
    """Return what a span means. Never raises, whatever is in it."""
    draft = Draft()
    draft.take(span.attributes, span.scope)
    if span.events:
        draft.tell(span.events)
    if not (draft.dialects or draft.exceptions or span.status == ERROR or draft.first_chunk_ns is not None):
        # A span of any other kind, as most are.
        return Reading(name=span.name, attributes=draft.rest, events=draft.events, project=project_of(span.resource))
    type_ = _type(draft)
    if draft.first_chunk_ns is not None and 0 < span.start_ns <= draft.first_chunk_ns:
        draft.buckets[LLM].setdefault("time_to_first_chunk_s", (draft.first_chunk_ns - span.start_ns) / 1e9)
    said = draft.said
    llm = call(draft, type_)
    draft.dialects.discard("")
    made = Reading(
        type=type_,
        name=span.name,
        llm=llm,
        scores=_scores(draft),
        error=_error(span, draft),
        events=draft.events,
        project=project_of(span.resource),
        dialect=tuple(sorted(draft.dialects)),
    )
    made.tool = _tool(draft, type_)
    _input_and_output(draft, made)
    made.component = _component(draft, made)
    said.pop("request_type", None)
    draft.put_back()
    made.attributes = draft.rest
    return made


def project_of(resource: dict[str, Any]) -> str:
    """Return the project a resource belongs to: OpenInference's project, else the service unless it has no name."""
    for key in ("openinference.project.name", "service.name"):
        name = resource.get(key)
        if isinstance(name, str) and name and not name.startswith("unknown_service"):
            return name
    return ""


def _type(draft: Draft) -> str:
    said = draft.said
    found = ""
    for key, known in TYPES.items():
        value = said.get(key)
        if value is None:
            continue
        meant = known.get(value) or known.get(value.strip('"'))  # MLflow writes its attributes as JSON
        if meant is None:
            continue
        if key == "kind_openinference" and value == "DECISION":
            said.setdefault("operation", "decision")
        found = found or meant
        if meant != found or meant == "span":
            continue
        if key in _SAYS_NO_MORE or value in _SAYS_NO_MORE:
            del said[key]
    if found:
        return found
    if "name" in draft.buckets[TOOL]:
        return "tool"
    if "agent" in said and ("history" in said or draft.sources.get("agent") == "agent_name"):
        return "agent"  # pydantic_ai's, before it said the operation
    if "model" in said or "model_asked" in said or "input" in draft.buckets[TOKENS]:
        return "llm"
    if "documents" in draft.lists:
        return "retrieval"
    if draft.asked or draft.replied:
        return "llm"
    return "agent" if "agent" in said and not draft.buckets[PARAMETER] else "span"


def _tool(draft: Draft, type_: str) -> dict[str, Any]:
    made = draft.buckets[TOOL]
    if type_ != "tool":
        return made
    said = draft.said
    for field, keys in (("arguments", ("inputs", "input_value")), ("result", ("outputs", "output_value"))):
        for key in keys:
            if key in said and (field not in made or same(made[field], parsed(said[key]))):
                made[field] = parsed(said.pop(key))
    if "name" not in made and "entity" in said:
        made["name"] = said.pop("entity")
    return made


def _input_and_output(draft: Draft, made: Reading) -> None:
    said = draft.said
    documents = draft.pop_list("documents")
    if documents:
        made.outputs = flat.objects(documents)
    candidates = draft.pop_list("candidates")
    if candidates:
        draft.rest["reranker.input_documents"] = flat.objects(candidates)
    embedded = draft.pop_list("embedded")
    if embedded:
        texts = flat.contents(embedded)
        made.inputs = texts[0] if len(texts) == 1 else texts
        if isinstance(parsed(said.get("input_value")), dict):
            del said["input_value"]  # the request, and below the answer, whose vectors are attributes as well
        if any(name.startswith("embedding.embeddings.") for name in draft.rest if isinstance(name, str)):
            said.pop("output_value", None)
    for field, keys in (("inputs", ("inputs", "input_value")), ("outputs", ("outputs", "output_value"))):
        for key in keys:
            if key in said and getattr(made, field) is None:
                setattr(made, field, parsed(said.pop(key)))
    for key, value in (("input_type", "input_value"), ("output_type", "output_value")):
        if value not in said:
            said.pop(key, None)


def _component(draft: Draft, made: Reading) -> str:
    said = draft.said
    if made.type == "tool":
        name = made.tool.get("name")
        if isinstance(name, str):
            return name
    key = "workflow" if made.type == "workflow" and "workflow" in said else "agent"
    if key not in said and made.type in ("agent", "workflow") and "entity" in said:
        key = "entity"
    name = said.pop(key, "")
    return name if isinstance(name, str) else ""


def _scores(draft: Draft) -> list[dict[str, Any]]:
    made = draft.scores
    for family in ("annotations", "evaluations"):
        items = draft.pop_list(family)
        for each in flat.objects(items) if items else ():
            annotator = each.get("annotator")
            made.append({**each, "annotator": annotator.lower()} if isinstance(annotator, str) else each)
    return made


def _error(span: OtelSpan, draft: Draft) -> dict[str, Any] | None:
    """Return what failed. An exception that a span only noted, and went on, stays among its events."""
    said = draft.said
    type_ = said.get("error_type")
    last = draft.exceptions[-1].attributes if draft.exceptions else {}
    escaped = last.get("exception.escaped") in (True, "True", "true") and span.status != OK
    if span.status != ERROR and type_ is None and not escaped:
        draft.events.extend(draft.exceptions)
        return None
    more = [*draft.exceptions[:-1], *(each for each in draft.exceptions[-1:] if each.attributes.keys() - _EXCEPTION)]
    draft.events.extend(more)
    said_otherwise = said.get("error_message")
    message = last.get("exception.message") or span.status_message or said_otherwise
    made = failure(last.get("exception.type", type_), message, last.get("exception.stacktrace"))
    if type_ is not None and made["type"] in (type_, type_.rpartition(".")[2]):
        del said["error_type"]
    if said_otherwise is not None and said_otherwise == message:
        del said["error_message"]
    return made


def failure(type_: Any, message: Any, stack: Any) -> dict[str, Any]:
    """Return {type, message, where?, module?, stack?}: the last name of a qualified type, as Python's own errors are told."""
    made: dict[str, Any] = {
        "type": type_ if isinstance(type_, str) else "",
        "message": message if isinstance(message, str) else "",
    }
    qualified = _QUALIFIED.fullmatch(made["type"])
    if qualified is not None:
        made["module"] = made["type"][: qualified.start(1) - 1]
        made["type"] = qualified[1]
    if isinstance(stack, str) and stack:
        where = where_of(stack)
        if where:
            made["where"] = where
        made["stack"] = stack
    return made


def where_of(stack: str) -> str:
    """Return `file:line in function` of the innermost frame of a Python stack, or "" for another language's."""
    at = stack.rfind('\n  File "')
    if at < 0:
        return ""
    line = stack[at + 9 : at + 9 + _LONGEST_LINE].split("\n", 1)[0]
    path, quote, tail = line.partition('", line ')
    number, _, function = tail.partition(", in ")
    return f"{path}:{number} in {function}" if quote and number.isdigit() else ""
