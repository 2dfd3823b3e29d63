"""Messages of a conversation in one shape, whoever wrote them: OpenTelemetry, OpenAI, Anthropic, Vercel, OpenInference.

    {role, content, tool_calls?: [{id, name, arguments}], tool_call_id?, name?, reasoning?, …}

`content` is a text, None, or a list of parts where there is more than text. `arguments` are an object where they are
JSON, else the text as it came. A result of a tool is a message of role `tool`, also where it came as a part of another
message. Keys of a message that are not known are kept.
"""

from collections.abc import Iterable
from typing import Any, Final

from whence.wire.otlp.values import parsed

_TEXT: Final = frozenset(("text", "input_text", "output_text"))
_REASONING: Final = frozenset(("reasoning", "thinking", "redacted_thinking"))
_CALL: Final = frozenset(("tool_call", "tool-call", "tool_use", "function_call", "server_tool_call", "server_tool_use"))
_RESULT: Final = frozenset(
    ("tool_call_response", "tool-result", "tool_result", "function_call_output", "server_tool_call_response")
)
"""What the types of parts are called."""

_TEXT_KEYS: Final = ("text", "content", "thinking", "reasoning")
_ID_KEYS: Final = ("id", "tool_use_id", "toolCallId", "call_id", "tool_call_id")
_NAME_KEYS: Final = ("name", "toolName", "tool_name")
_ARGUMENT_KEYS: Final = ("arguments", "args", "input", "server_tool_call")
_RESULT_KEYS: Final = ("response", "result", "content", "output", "server_tool_call_response")

_READ: Final = frozenset(
    (
        *("role", "content", "parts", "contents", "tool_calls", "tool_call_id", "id", "name", "reasoning"),
        *("function_call", "finish_reason", "index", "type", "status", "gen_ai.system", "gen_ai.message.index"),
        *("event.name", "gen_ai.provider.name"),
    )
)
_SYSTEM: Final = ("system", "developer")


def _first(of: dict[str, Any], keys: Iterable[str]) -> Any:
    return next((of[key] for key in keys if of.get(key) is not None), None)


def tool_call(raw: Any) -> dict[str, Any] | None:
    """Return {id, name, arguments} of a call of a tool in any of the shapes, or None."""
    if not isinstance(raw, dict):
        return None
    said = raw.get("function")
    said = said if isinstance(said, dict) else raw
    name = _first(said, _NAME_KEYS)
    if not isinstance(name, str) or not name:
        return None
    known = raw.get("call_id") if raw.get("type") == "function_call" else None  # its `id` is that of the item
    called = known if known is not None else _first(raw, _ID_KEYS)
    return {
        "id": called if isinstance(called, str | int) else None,
        "name": name,
        "arguments": parsed(_first(said, _ARGUMENT_KEYS)),
    }


def tool_calls(raw: Any) -> list[dict[str, Any]]:
    """Return the calls of tools in a list, leaving out what is none."""
    if not isinstance(raw, list | tuple):
        raw = [raw]
    return [call for each in raw if (call := tool_call(each)) is not None]


def text_of(value: Any) -> Any:
    """Return the text of a list of text parts, one to a line; any other value as it is."""
    if isinstance(value, list | tuple) and value:
        lines = [each.get("text", each.get("content")) if isinstance(each, dict) else each for each in value]
        known = [line for line in lines if isinstance(line, str)]
        if len(known) == len(lines):
            return "\n".join(known)
    return value


def message(raw: Any, role: str = "user") -> list[dict[str, Any]]:
    """Return one message in the one shape: several where results of tools were part of it.

    Args:
        raw: an object or a text.
        role: where the message does not say it.
    """
    if not isinstance(raw, dict):
        return [{"role": role, "content": raw}]
    said = raw.get("role")
    kind = raw.get("type")
    if isinstance(kind, str) and said is None and (kind in _CALL or kind in _RESULT):  # an item of OpenAI's responses
        raw = {"parts": [raw]}
        role = "assistant" if kind in _CALL else "tool"
    made: dict[str, Any] = {"role": said if isinstance(said, str) and said else role}
    parts = next((raw[key] for key in ("parts", "contents") if isinstance(raw.get(key), list | tuple)), None)
    content = raw.get("content")
    if parts is None and isinstance(content, list | tuple):
        parts, content = content, None
    results: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = tool_calls(raw["tool_calls"]) if raw.get("tool_calls") else []
    if raw.get("function_call"):
        calls.extend(tool_calls(raw["function_call"]))
    reasoning = raw.get("reasoning")
    if parts is not None:
        made["content"], thought = _parts(parts, calls, results)
        reasoning = reasoning or thought
        if content and made["content"] is None:
            made["content"] = content
    else:
        made["content"] = content
    if calls:
        made["tool_calls"] = calls
    if reasoning:
        made["reasoning"] = reasoning
    if isinstance(raw.get("name"), str):
        made["name"] = raw["name"]
    answers = raw.get("tool_call_id")
    if answers is None and made["role"] == "tool":
        answers = raw.get("id")
    if answers is not None:
        made["tool_call_id"] = answers
    for key, value in raw.items():
        if key not in _READ and value:
            made.setdefault(key, value)
    if results and made["content"] is None and not calls and not reasoning:
        return results
    return [*results, made]


def _parts(parts: Iterable[Any], calls: list[dict[str, Any]], results: list[dict[str, Any]]) -> tuple[Any, str | None]:
    """Return (content, reasoning) of the parts; calls and results of tools are put into the two lists."""
    content: list[Any] = []
    thoughts: list[str] = []
    plain = True
    known = {call["id"] for call in calls}
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            plain = plain and isinstance(part, str)
            content.append(part)
        elif kind in _TEXT and isinstance(said := _first(part, _TEXT_KEYS), str):
            content.append(said)
        elif kind in _REASONING and isinstance(said := _first(part, _TEXT_KEYS), str):
            thoughts.append(said)
        elif kind in _CALL and (call := tool_call(part)) is not None:
            if call["id"] is None or call["id"] not in known:
                calls.append(call)
        elif kind in _RESULT:
            result = {
                "role": "tool",
                "content": text_of(_first(part, _RESULT_KEYS)),
                "tool_call_id": _first(part, _ID_KEYS),
            }
            if isinstance(name := _first(part, _NAME_KEYS), str):
                result["name"] = name
            results.append(result)
        else:
            plain = False
            content.append(part)
    reasoning = "\n".join(thoughts) or None
    if not content:
        return None, reasoning
    if plain:
        return "\n".join(content), reasoning
    return [{"type": "text", "text": each} if isinstance(each, str) else each for each in content], reasoning


def messages(raw: Any, role: str = "user") -> list[dict[str, Any]] | None:
    """Return a conversation in the one shape, or None for what is none (a text that is not JSON, a number)."""
    said = parsed(raw)
    if isinstance(said, dict):
        inner = said.get("messages")
        said = inner if isinstance(inner, list) else [said] if "role" in said or "parts" in said else None
    if not isinstance(said, list | tuple):
        return None
    return [made for each in said for made in message(parsed(each), role)]


def split_system(conversation: list[dict[str, Any]]) -> tuple[str | None, list[dict[str, Any]]]:
    """Return (the text of the leading system messages or None, the rest): OpenAI sends them as messages, others apart."""
    texts: list[str] = []
    for each in conversation:
        if each["role"] not in _SYSTEM or not isinstance(each["content"], str):
            break
        texts.append(each["content"])
    return ("\n".join(texts) if texts else None), conversation[len(texts) :]


def answer(outputs: list[dict[str, Any]], *, choices: bool = False) -> dict[str, Any]:
    """Return {response, tool_calls, reasoning, outputs} of what came back, as far as there are any.

    Args:
        outputs: messages in the one shape.
        choices: they are alternatives to each other; the first one counts. Else they are one answer in several parts.
    """
    made: dict[str, Any] = {}
    thoughts = [each["content"] for each in outputs if each["role"] in _REASONING and isinstance(each["content"], str)]
    spoken = [each for each in outputs if each["role"] not in _REASONING]
    counted = spoken[:1] if choices else spoken
    said = [each["content"] for each in counted if each["content"] not in (None, "")]
    if said:
        made["response"] = said[0]
    elif any(each["content"] == "" for each in counted):
        made["response"] = ""
    calls = [call for each in counted for call in each.get("tool_calls", ())]
    if calls:
        made["tool_calls"] = calls
    thoughts += [each["reasoning"] for each in counted if isinstance(each.get("reasoning"), str)]
    if thoughts:
        made["reasoning"] = "\n".join(thoughts)
    if len(said) > 1 or (choices and len(spoken) > 1):
        made["outputs"] = outputs
    return made


def tools(raw: Any) -> list[dict[str, Any]] | None:
    """Return definitions of tools as [{name, description?, parameters?, type?}], or None for what holds none."""
    said = parsed(raw)
    if isinstance(said, dict):
        said = [said]
    if not isinstance(said, list | tuple):
        return None
    made = [definition for each in said if (definition := _definition(parsed(each))) is not None]
    return made or None


def _definition(raw: Any) -> dict[str, Any] | None:
    if not isinstance(raw, dict):
        return None
    said = raw.get("function")
    said = said if isinstance(said, dict) else raw
    kind = raw.get("type")
    name = said.get("name") or (kind if isinstance(kind, str) else None)  # {type: web_search}: the provider's own tool
    if not isinstance(name, str) or not name:
        return None
    made: dict[str, Any] = {"name": name}
    if said.get("description"):
        made["description"] = said["description"]
    schema = _first(said, ("parameters", "input_schema", "inputSchema", "parameters_json_schema", "json_schema"))
    if schema is not None:
        made["parameters"] = parsed(schema)
    if isinstance(kind, str) and kind not in ("function", name, "custom"):
        made["type"] = kind
    return made
