"""Lists that were flattened into names, put together again: `llm.input_messages.0.message.role`, `gen_ai.prompt.0.content`."""

from functools import lru_cache
from typing import Any, Final

from whence.wire.otlp.patterns import PATTERNS, TAILS, Place
from whence.wire.otlp.values import parsed

LONGEST_NAME: Final = 200
"""A longer name is none of ours, and is not looked up."""
_MOST_DIGITS: Final = 6

Items = dict[int, dict[str, Any]]
"""The items of one list by their number: fields, and under the name of each inner list its items by number."""


@lru_cache(maxsize=8192)  # the names of a program are few and come again
def place(name: str) -> Place | None:
    """Return where the value of a flattened name belongs, or None for a name that is none.

    Names are kept: ask for none longer than LONGEST_NAME.
    """
    if "." not in name:
        return None
    numbers: list[int] = []
    segments = name.split(".")
    for at, segment in enumerate(segments):
        if segment.isascii() and segment.isdigit() and len(segment) <= _MOST_DIGITS:
            numbers.append(int(segment))
            segments[at] = "*"
    if numbers:
        known = PATTERNS.get(".".join(segments))
        if known is not None:
            family, group, key, convert, dialect = known
            return Place(family, numbers[0], group, numbers[-1], key, convert, dialect)
    for start, family, convert, dialect in TAILS:
        if name.startswith(start):
            return Place(family, 0, "", 0, name[len(start) :], convert, dialect)
    return None


def put(lists: dict[str, Items], where: Place, value: Any) -> bool:
    """Put a value where it belongs; False if something is there already."""
    item = lists.setdefault(where.family, {}).setdefault(where.item, {})
    if where.group:
        item = item.setdefault(where.group, {}).setdefault(where.inner, {})
    if where.key in item:
        return False
    item[where.key] = value
    return True


def _in_order(items: dict[int, Any]) -> list[Any]:
    return [items[index] for index in sorted(items)]


def raw_messages(items: Items) -> list[dict[str, Any]]:
    """Return the messages of a list, as `messages.message` takes them."""
    made = []
    for item in _in_order(items):
        raw = {key: value for key, value in item.items() if key not in ("tool_calls", "contents")}
        name = raw.pop("function_name", None)
        arguments = raw.pop("function_arguments", None)
        if "tool_calls" in item:
            raw["tool_calls"] = _in_order(item["tool_calls"])
        elif name is not None:
            raw["tool_calls"] = [{"name": name, "arguments": arguments}]
        if "contents" in item:
            raw["contents"] = _in_order(item["contents"])
        elif raw.get("content", "")[:2] == "[{":
            content = parsed(raw["content"])  # Traceloop writes a list of parts as JSON
            if isinstance(content, list) and all(isinstance(each, dict) and "type" in each for each in content):
                raw["contents"] = content
                del raw["content"]
        made.append(raw)
    return made


def objects(items: Items) -> list[dict[str, Any]]:
    """Return the items of a list that has no inner lists."""
    return _in_order(items)


def contents(items: Items) -> list[Any]:
    """Return the `content` of each item."""
    return [item["content"] for item in _in_order(items) if "content" in item]
