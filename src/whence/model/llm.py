"""One shape for every call of a language model, whoever recorded it: our clients, the user, an OpenTelemetry dialect.

The fields live flat in the `attributes` of a span of type `llm`. None of them is required.

Tokens: `input_tokens` includes what was read from and written to the provider's cache, `output_tokens` includes
reasoning (OpenTelemetry's meaning); Anthropic's raw counts exclude the cache, and are brought to this (peers: cache
tokens counted twice, langfuse#12306, litellm#9812). The raw usage is kept in `usage`.
"""

from collections.abc import Mapping
from typing import Any, Final, TypedDict


class LlmFields(TypedDict, total=False):
    """What is said of an LLM call; any other keyword is kept as it is."""

    provider: str | None  # openai, anthropic, google, …
    operation: str | None  # chat, text_completion, embeddings, …
    model: str | None  # the one that answered, else the one asked
    request_model: str | None  # the one asked
    parameters: dict[str, Any] | None  # temperature, max_tokens, …
    system: Any  # system instructions
    messages: list[Any] | None  # [{role, content, tool_calls?, tool_call_id?, name?}]
    prompt: Any  # where it is one text
    tools: list[Any] | None  # definitions offered: [{name, description?, parameters?}]
    response: Any  # the text that came back
    tool_calls: list[Any] | None  # chosen: [{id, name, arguments}]
    reasoning: Any  # what the model said of its reasons
    finish_reason: str | None
    stream: bool | None
    time_to_first_chunk_s: float | None
    chunks: int | None
    retries: int | None
    cache_hit: bool | None  # answered by the client's own cache: not billed
    response_id: str | None
    conversation_id: str | None
    prompt_name: str | None
    prompt_version: str | None  # as given, else the first 12 digits of the SHA-256 of `template`
    template: Any
    variables: Any
    server: str | None  # host and port asked
    usage: Any  # as the provider said it
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    total_tokens: int | None
    tokens_estimated: bool | None  # True: counted by us or the user, not by the provider
    cost_usd: float | None  # as given by whoever recorded it
    duration_s: float | None  # seconds, or a timedelta
    error: Any


COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "total_tokens",
)
"""The normalised counts."""


def tokens_of(usage: Mapping[str, Any], *, cache_apart: bool = False) -> dict[str, int]:
    """Return the normalised counts in a provider's own usage object, of OpenAI's or Anthropic's shape.

    Args:
        usage: as the provider sent it.
        cache_apart: input_tokens leaves out what went through the cache (Anthropic), and is to be completed. Where the
            shape tells (`prompt_tokens`, or details of the input, include the cache) it is believed instead.
    """
    details = {}
    for key in ("prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details"):
        if isinstance(usage.get(key), Mapping):
            details.update({(key.split("_")[0], name): value for name, value in usage[key].items()})

    def first(*values: Any) -> int | None:
        return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and v >= 0), None)

    read = first(
        usage.get("cache_read_input_tokens"),
        details.get(("prompt", "cached_tokens")),
        details.get(("input", "cached_tokens")),
    )
    write = first(usage.get("cache_creation_input_tokens"))
    input_tokens = first(usage.get("prompt_tokens"), usage.get("input_tokens"))
    anthropic = "cache_read_input_tokens" in usage or "cache_creation_input_tokens" in usage
    inclusive = "prompt_tokens" in usage or any(side in ("prompt", "input") for side, _ in details)
    if input_tokens is not None and (cache_apart or anthropic) and not inclusive:
        input_tokens += (read or 0) + (write or 0)
    output_tokens = first(usage.get("completion_tokens"), usage.get("output_tokens"))
    reasoning = first(details.get(("completion", "reasoning_tokens")), details.get(("output", "reasoning_tokens")))
    counted = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cache_read_tokens": read or None,
        "cache_write_tokens": write or None,
        "reasoning_tokens": reasoning or None,
    }
    return {name: value for name, value in counted.items() if value is not None}


def tool_decision(call: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the decision that an LLM call took when it chose among the tools it was offered; None if it did not.

    The record of a decision that no peer keeps: what (the tools called), alternatives (those offered and not called),
    why (what the model said beside it), inputs (their arguments).
    """
    chosen = _named(call.get("tool_calls"))
    offered = [name for name, _ in _named(call.get("tools"))]
    if not chosen or not offered:
        return None
    names = [name for name, _ in chosen]
    why = call.get("reasoning") or call.get("response") or ""
    return {
        "what": names[0] if len(names) == 1 else names,
        "why": why if isinstance(why, str) else "",
        "alternatives": [name for name in dict.fromkeys(offered) if name not in names],
        "inputs": {"arguments": [each.get("arguments", each.get("input")) for _, each in chosen]},
    }


def _named(tools: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Return tools with their names; of OpenAI's shape, where a tool is inside `function`, what is inside."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for each in tools if isinstance(tools, list | tuple) else ():
        inside = each.get("function") if isinstance(each, dict) else None
        tool = inside if isinstance(inside, dict) else each
        if isinstance(tool, dict) and isinstance(tool.get("name"), str) and tool["name"]:
            found.append((tool["name"], tool))
    return found
