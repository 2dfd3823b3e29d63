"""The call of a model that a span tells of, as `LlmFields` (whence.model.llm).

**Tokens.** `input_tokens` includes what went through the provider's cache, `output_tokens` includes reasoning:
OpenTelemetry's meaning, and that of every current instrumentation seen. Some (raw Anthropic counts passed through) leave
the cache out. That can be told where the counts contradict the inclusive meaning: the input is smaller than the cache
parts, or the total said is the sum of all of them. It cannot be told where an exclusive input happens to be at least as
large as the cache parts and no such total is said: the count is then taken as inclusive, as the conventions have it, and
is too low by the cache. The same holds for reasoning. The counts as they were said are in `usage`.
"""

from typing import Any, Final

from whence.wire.otlp import flat
from whence.wire.otlp.draft import CHOICE, MESSAGES, Draft
from whence.wire.otlp.meanings import OPERATIONS, provider
from whence.wire.otlp.messages import answer, message, messages, split_system, text_of, tool_calls, tools
from whence.wire.otlp.names import LLM, PARAMETER, TOKENS
from whence.wire.otlp.values import count, number, parsed, same

MODELS: Final = ("llm", "embedding", "rerank")
"""Types of spans that are a call of a model."""

_OF_A_CALL: Final = (
    *("input_messages", "output_messages", "system_instructions", "history"),
    *("model_asked", "model_answered", "model", "provider"),
)
_LISTS: Final = ("input", "output", "tools", "prompts", "choices", "usage", "costs", "variables")
_DETAILS: Final = {
    "input": ("input", "input_tokens", "prompt_tokens"),
    "output": ("output", "output_tokens", "completion_tokens"),
    "total": ("total", "total_tokens"),
    "cache_read": ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read"),
    "cache_write": ("cache_creation_input_tokens", "input_cache_creation"),
    "reasoning": ("output_reasoning_tokens", "reasoning_tokens", "output_reasoning"),
}
"""Langfuse's names of counts."""


def call(draft: Draft, type_: str) -> dict[str, Any]:
    """Return what is known of the call; {} for a span that says nothing of any."""
    made = draft.buckets[LLM]
    if type_ not in MODELS and not _tells(draft):
        return {}
    _names(draft, made, type_)
    parameters = _parameters(draft, made)
    _tokens(draft, made)
    _cost(draft, made)
    _tools(draft, made)
    _request(draft, made, type_)
    _reply(draft, made, type_, choices=parameters.get("n", 1) != 1)
    if type_ in MODELS:
        _operation(draft, made, type_)
        _server(draft, made)
    if draft.chunks:
        made.setdefault("chunks", draft.chunks)
    return made


def _tells(draft: Draft) -> bool:
    """Whether a span that is no call of a model says something of one: an agent's model, a workflow's messages."""
    if any(draft.buckets[bucket] for bucket in (LLM, PARAMETER, TOKENS)) or draft.asked or draft.replied:
        return True
    return any(key in draft.said for key in _OF_A_CALL) or any(name in draft.lists for name in _LISTS)


def _names(draft: Draft, made: dict[str, Any], type_: str) -> None:
    said = draft.said
    answered, asked, either = said.pop("model_answered", None), said.pop("model_asked", None), said.pop("model", None)
    model = answered or either or asked
    if model:
        made["model"] = model
    if asked:
        made["request_model"] = asked
    if either and either not in (model, asked):
        draft.keep("model")
    name, system = said.pop("provider", None), said.pop("system_name", None)
    if name or system:
        made["provider"] = provider(name or system)
        if name and system and provider(system) != made["provider"]:
            draft.keep("system_name")


def _parameters(draft: Draft, made: dict[str, Any]) -> dict[str, Any]:
    parameters = draft.buckets[PARAMETER]
    given = draft.said.pop("invocation", None)
    if given is not None:
        parameters = {key: value for key, value in given.items() if key not in ("model", "stream")} | parameters
        if isinstance(given.get("stream"), bool):
            made.setdefault("stream", given["stream"])
        if isinstance(given.get("model"), str):
            made.setdefault("request_model", given["model"])
            made.setdefault("model", given["model"])
    if parameters:
        made["parameters"] = parameters
    items = draft.pop_list("variables")
    if items:
        kept = made.get("variables")
        made["variables"] = {**(kept if isinstance(kept, dict) else {}), **items[0]}
    return parameters


def _tokens(draft: Draft, made: dict[str, Any]) -> None:
    counts = draft.buckets[TOKENS]
    usage = draft.usage
    items = draft.pop_list("usage")
    if items:
        usage.update({key: value for key, value in items[0].items() if key not in usage})
    details = draft.said.pop("usage_details", None)
    if details is not None:
        usage = usage or details
        for key, names in _DETAILS.items():
            found = next((n for name in names if isinstance(n := count(details.get(name)), int)), None)
            if found is not None:
                counts.setdefault(key, found)
    if usage:
        made["usage"] = usage
    made.update(inclusive(counts))


def inclusive(counts: dict[str, int]) -> dict[str, int]:
    """Return the counts of `model.llm` from {input, output, cache_read, cache_write, reasoning, total}, as far as said.

    A total that only adds input and output is left out: whoever records the call adds them up.
    """
    got = counts.get
    into, out, read, write = got("input"), got("output"), got("cache_read", 0), got("cache_write", 0)
    reasoning, total = got("reasoning", 0), got("total")
    cached = read + write
    if into is not None and cached and (into < cached or (out is not None and total == into + cached + out)):
        into += cached
    if out is not None and reasoning and (out < reasoning or (into is not None and total == into + out + reasoning)):
        out += reasoning
    made = {
        "input_tokens": into,
        "output_tokens": out,
        "cache_read_tokens": read or None,
        "cache_write_tokens": write or None,
        "reasoning_tokens": reasoning or None,
        "total_tokens": total if total is not None and total > (into or 0) + (out or 0) else None,
    }
    return {name: value for name, value in made.items() if value is not None}


def _cost(draft: Draft, made: dict[str, Any]) -> None:
    items = draft.pop_list("costs")
    details = draft.said.pop("cost_details", None)
    if details is None and items:
        details = items[0]
    if not details:
        return
    made["cost_details"] = details
    total = number(details.get("total"))
    if isinstance(total, int | float):
        made.setdefault("cost_usd", total)
    parts = [number(details.get(key)) for key in ("prompt", "completion")]
    if all(isinstance(part, int | float) for part in parts):
        made.setdefault("cost_usd", sum(parts))


def _tools(draft: Draft, made: dict[str, Any]) -> None:
    said = draft.said
    offered = tools(said["tools"]) if "tools" in said else None
    if offered:
        del said["tools"]
    items = draft.pop_list("tools")
    if items:
        listed = tools([each.get("definition", each) for each in flat.objects(items)])
        if listed is None or (offered and not same(offered, listed)):
            draft.keep_list("tools")
        offered = offered or listed
    if not offered and draft.offered:
        offered = tools(draft.offered)
    parameters = said.get("request_parameters")
    if not offered and parameters is not None:
        own = [parameters.get(key) for key in ("function_tools", "output_tools")]
        offered = tools([each for several in own if isinstance(several, list) for each in several])
        if offered:
            del said["request_parameters"]
    if offered:
        made["tools"] = offered


def _request(draft: Draft, made: dict[str, Any], type_: str) -> None:
    said = draft.said
    asked = messages(said["input_messages"]) if "input_messages" in said else None
    if asked is not None:
        del said["input_messages"]
    items = draft.pop_list("input")
    if items:
        listed = [each for raw in flat.raw_messages(items) for each in message(raw)]
        if asked and not same(asked, listed):
            draft.keep_list("input")
        asked = asked or listed
    asked = asked or draft.asked
    events = said.get("message_events")
    if not asked and events:
        asked = _pydantic(draft, events)
    history = messages(said["history"]) if not asked and "history" in said else None
    if history:
        del said["history"]
        asked = history
    if "prompt" in said and not asked:
        asked = messages(said["prompt"]) or []
        if asked or isinstance(said["prompt"], str):
            prompt = said.pop("prompt")
            if not asked:
                made["prompt"] = prompt
    prompts = draft.pop_list("prompts")
    if prompts:
        texts = flat.contents(prompts)
        made["prompt"] = texts[0] if len(texts) == 1 else texts
    if type_ == "llm":
        asked = _request_body(draft, made, asked)
    system = said.pop("system_instructions", None)
    if system is not None:
        spoken = parsed(system)
        made["system"] = message({"parts": spoken})[0]["content"] if isinstance(spoken, list) else text_of(spoken)
    if asked:
        leading, asked = split_system(asked)
        if leading is not None:
            already = made.get("system")
            made["system"] = leading if already in (None, leading) else f"{already}\n{leading}"
    if asked and type_ == "embedding" and all(isinstance(each["content"], str) for each in asked):
        texts = [each["content"] for each in asked]
        said.setdefault("inputs", texts[0] if len(texts) == 1 else texts)
    elif asked:
        made["messages"] = asked


def _request_body(draft: Draft, made: dict[str, Any], asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read the request that was said as a whole; it is dropped where its messages are known in another way."""
    said = draft.said
    if "input_value" not in said:
        return asked
    body = parsed(said["input_value"])
    if isinstance(body, dict | list):
        found = messages(body) if not asked and "prompt" not in made else None
        if asked or found:
            del said["input_value"]
        return asked or found or []
    if asked or "prompt" in made:
        known = [made.get("prompt"), *(each["content"] for each in asked)]
        if any(isinstance(each, str) and each == body for each in known):
            del said["input_value"]
    elif isinstance(body, str):
        made["prompt"] = said.pop("input_value")
    return asked


def _reply(draft: Draft, made: dict[str, Any], type_: str, *, choices: bool) -> None:
    said = draft.said
    outputs: list[dict[str, Any]] | None = None
    raw = parsed(said["output_messages"]) if "output_messages" in said else None
    if raw is not None and (outputs := messages(raw, "assistant")) is not None:
        del said["output_messages"]
        _finish(said, raw)
    items = draft.pop_list("output")
    if items:
        spoken = flat.raw_messages(items)
        listed = [each for one in spoken for each in message(one, "assistant")]
        _finish(said, spoken)
        if outputs and not same(outputs, listed):
            draft.keep_list("output")
        outputs = outputs or listed
    outputs = outputs or draft.replied
    if not outputs and "completion" in said:
        outputs = messages(said["completion"], "assistant") or []
        if outputs or isinstance(said["completion"], str):
            completion = said.pop("completion")
            if not outputs:
                made["response"] = completion
    completions = draft.pop_list("choices")
    if completions:
        outputs = outputs or [{"role": "assistant", "content": each} for each in flat.contents(completions)]
        choices = True
    if type_ == "llm":
        outputs = _reply_body(draft, made, outputs)
    if outputs:
        for key, value in answer(outputs, choices=choices).items():
            made.setdefault(key, value)
    if "response" in said and "response" not in made:
        made["response"] = said.pop("response")
    if "function_call" in said and "tool_calls" not in made:
        calls = tool_calls(parsed(said["function_call"]))
        if calls:
            del said["function_call"]
            made["tool_calls"] = calls
    reasons = said.pop("finish_reasons", None)
    reason = said.pop("finish_reason", None)
    if reasons:
        made.setdefault("finish_reason", reasons[0])
        if len(reasons) > 1:
            made["finish_reasons"] = reasons
    elif isinstance(reason, str):
        made.setdefault("finish_reason", reason)


def _finish(said: dict[str, Any], raw: Any) -> None:
    for each in raw if isinstance(raw, list) else (raw,):
        if isinstance(each, dict) and isinstance(each.get("finish_reason"), str):
            said.setdefault("finish_reason", each["finish_reason"])
            return


def _reply_body(draft: Draft, made: dict[str, Any], outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read the answer that was said as a whole: its id, and what it says where that is not known in another way."""
    said = draft.said
    if "output_value" not in said:
        return outputs
    body = parsed(said["output_value"])
    if isinstance(body, dict) and isinstance(body.get("id"), str):
        made.setdefault("response_id", body["id"])
    known = "response" in made or bool(outputs)
    if isinstance(body, dict | list):
        if not known:
            outputs = _spoken(body)
        if known or outputs:
            del said["output_value"]
    elif known:
        if any(isinstance(each["content"], str) and each["content"] == body for each in outputs):
            del said["output_value"]
    elif isinstance(body, str):
        made["response"] = said.pop("output_value")
    return outputs


def _spoken(body: Any) -> list[dict[str, Any]]:
    """Return the messages in an answer as OpenAI or Anthropic sends it."""
    if isinstance(body, list):
        return messages(body, "assistant") or []
    choices, output = body.get("choices"), body.get("output")
    if isinstance(choices, list):
        said = [each.get("message", each.get("text")) for each in choices if isinstance(each, dict)]
        return [made for each in said if each is not None for made in message(each, "assistant")]
    if isinstance(output, list):
        return [made for each in output for made in message(each, "assistant")]
    return message(body, "assistant") if "role" in body else []


def _pydantic(draft: Draft, events: list[Any]) -> list[dict[str, Any]]:
    """Read pydantic_ai's list of message events."""
    known = [each for each in events if isinstance(each, dict) and each.get("event.name") in (*MESSAGES, CHOICE)]
    if known and len(known) == len(events):
        del draft.said["message_events"]
        for each in known:
            draft.speak(each["event.name"], {key: value for key, value in each.items() if key != "event.name"})
    return draft.asked


def _operation(draft: Draft, made: dict[str, Any], type_: str) -> None:
    said = draft.said
    operation = said.pop("operation", None)
    if not operation:
        asked = draft.said.get("request_type", "")
        if "messages" in made or asked == "chat":
            operation = "chat"  # Traceloop says `completion` of Anthropic's messages
        elif type_ == "embedding":
            operation = "embeddings"
        elif asked:
            operation = OPERATIONS.get(asked, asked)
        elif type_ == "rerank":
            operation = "rerank"
        elif "prompt" in made:
            operation = "text_completion"
    if operation:
        made["operation"] = operation


def _server(draft: Draft, made: dict[str, Any]) -> None:
    address, port = draft.rest.get("server.address"), draft.rest.get("server.port")
    if isinstance(address, str) and address:
        del draft.rest["server.address"]
        made["server"] = address
        if isinstance(port, int) and not isinstance(port, bool):
            del draft.rest["server.port"]
            made["server"] = f"{address}:{port}"
    elif isinstance(base := draft.said.get("base_url"), str):  # and kept: it has a path as well
        host = base.partition("://")[2].partition("/")[0]
        if host:
            made["server"] = host
