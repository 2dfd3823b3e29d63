"""Stored text made safe to show: what a pipeline recorded is hostile to the terminal it is shown on.

Escape sequences could recolour, retitle, link or answer back; direction marks could make a text read as another one.
None of it is ever needed to understand a decision, so it goes.
"""

import re
from typing import Any

import msgspec

from whence.model.content import CONTENT_KEY

_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC: titles, links
    r"|\x1b[ -/]*[0-~]?"  # the others; an unfinished one loses its beginning and is text from there on
)
_UNSEEN = (
    "\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_STRIPPED = re.compile(f"[\x00-\x08\x0b-\x1f\ud800-\udfff{_UNSEEN}]")
_ESCAPED = re.compile(f"[{_UNSEEN}]")
_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def text(value: Any) -> str:
    """Return a stored value as text of one or more lines, without anything that a terminal would obey."""
    shown = _SEQUENCES.sub("", _as_text(value))
    return _STRIPPED.sub("", _BREAKS.sub("\n", shown)).expandtabs(4)


def line(value: Any, limit: int | None = None) -> str:
    """Return a stored value as one line, cut to `limit` characters; a list is cut between its items."""
    shown = " ".join(text(value).split())
    if limit is None or len(shown) <= limit:
        return shown
    if isinstance(value, list | tuple) and len(value) > 1:
        return _first_items(value, limit)
    if isinstance(value, dict) and CONTENT_KEY in value:
        length = f"… ({value.get('chars', '?')} characters)"
        return line(value.get("preview", ""), max(limit - len(length), 10)).removesuffix("…") + length
    if isinstance(value, dict) and len(value) > 1 and not set(value) >= {"type", "message"}:
        return _first_items([f"{key}: {line(each, limit // 2)}" for key, each in value.items()], limit)
    return shown[: limit - 1].rstrip() + "…"


def _first_items(items: "list[Any] | tuple[Any, ...]", limit: int) -> str:
    """Return as many items as there is room for, the first one at least, and how many more there are."""
    shown = line(items[0], limit - 10)
    for count, item in enumerate(items[1:], 1):
        longer = f"{shown}, {line(item)}"
        more = f", … {len(items) - count:,} more"
        if len(longer) + len(more) > limit:
            return shown + more
        shown = longer
    return shown


def json(value: Any) -> str:
    """Return a value as an indented JSON document that is safe on a terminal: what it would obey is escaped."""
    return _escaped(msgspec.json.format(msgspec.json.encode(value), indent=2))


def json_line(value: Any) -> str:
    """As `json`, in one line."""
    return _escaped(msgspec.json.encode(value))


def _escaped(data: bytes) -> str:
    # Outside strings JSON has none of these characters, so an escape is what each of them becomes.
    return _ESCAPED.sub(lambda found: _escape(ord(found[0])), data.decode())


def _escape(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        if CONTENT_KEY in value:
            return _preview(value)
        if set(value) >= {"type", "message"}:  # an exception
            return f"{value['type']}: {value['message']}" if value["message"] else str(value["type"])
    if isinstance(value, list | tuple) and value:
        items = _readable(value)
        if all(isinstance(each, str) for each in items):
            return ", ".join(items)
    return msgspec.json.encode(_readable(value)).decode()


def _readable(value: Any) -> Any:
    """Return a value in which references to texts are their previews."""
    if isinstance(value, dict):
        return _preview(value) if CONTENT_KEY in value else {key: _readable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(each) for each in value]
    return value


def _preview(reference: "dict[str, Any]") -> str:
    return f"{reference.get('preview', '')}… ({reference.get('chars', '?')} characters)"
