"""What callers of the logger say, in the shapes of records (`model.payload`) and of events (D3)."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from whence.generation import events
from whence.generation.events import Cleaner
from whence.record.failure import describe_error
from whence.record.normalise import as_number

OF_EVENT: Final = ("self", "name", "message", "level", "stage")
_OF_CALL: Final = ("self", "name", "component", "stage")
_OF_TRANSFORM: Final = (
    *("self", "name", "source", "result", "action", "component", "materials", "using", "because"),
    *("duration_s", "error"),
)
_OF_CHECK: Final = (
    *("self", "name", "passed", "type", "content", "failures", "component", "subject", "duration_s", "error"),
    *("traceback", "score", "label", "explanation", "expected", "actual"),
)
_ORDER: Final = ("component_name", "prompt", "response", "model", "tokens_in", "tokens_out", "duration_ms", "error")
_INDENTS: Final = 20


def renamed(given: Mapping[str, Any], reserved: Iterable[str]) -> dict[str, Any]:
    """Return keywords of the caller's; one that means something else where they go has an underscore after it."""
    taken = tuple(reserved)
    return {f"{key}_" if key in taken else key: value for key, value in given.items()}


def whose(component: str) -> str | None:
    """Return a component to name in a record; None where it is not known, and then the stage's counts."""
    return None if component == events.UNKNOWN else component


def described(error: Any) -> tuple[str, str]:
    """Return (type, message) of an exception or a text."""
    if isinstance(error, BaseException):
        about = describe_error(error)
        return about["type"], about["message"] or about["type"]
    return "Error", text_of(error) or "Error"


def text_of(value: Any) -> str | None:
    """Return a text for anything, without running its code."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, BaseException):
        kind, message = described(value)
        return f"{kind}: {message}"
    from whence.redact.value import clean

    cleaned, _ = clean(value)
    return cleaned if isinstance(cleaned, str) else msgspec.json.encode(cleaned).decode()


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, str | bytes | list | dict) else None


class Interaction(NamedTuple):
    """A call of a language model."""

    component: Any
    fields: dict[str, Any]
    data: dict[str, Any]
    duration_ms: float | None
    error: str | None


def interaction(
    positional: tuple[Any, ...], named: Mapping[str, Any], metadata: object, meta: Mapping[str, Any]
) -> Interaction:
    """Return a call of a language model, in whichever of its forms it was said.

    The forms: keywords; positions in the order of D3; prompt, response and a dict of metadata (R3.12).
    """
    given = {key: value for key, value in named.items() if value is not None}
    if len(positional) == 3 and isinstance(positional[2], Mapping):
        given.update(prompt=positional[0], response=positional[1])
        metadata = {**positional[2], **(metadata if isinstance(metadata, Mapping) else {})}
    elif len(positional) == 2 and isinstance(metadata, Mapping) and "prompt" not in given:
        given.update(prompt=positional[0], response=positional[1])
    else:
        given.update(zip(_ORDER, positional, strict=False))
        meta = {**meta, "positional": list(positional[len(_ORDER) :])} if len(positional) > len(_ORDER) else meta
    more: dict[str, Any] = dict(meta)
    if isinstance(metadata, Mapping):
        for key, value in metadata.items():
            if key in _ORDER:
                given.setdefault(key, value)
            else:
                more.setdefault(key if isinstance(key, str) else str(type(key).__name__), value)
    elif metadata is not None:
        more["metadata"] = metadata
    took = as_number(given.get("duration_ms")) if given.get("duration_ms") is not None else None
    error = given.get("error")
    fields = renamed(more, _OF_CALL)
    for key, name in (("tokens_in", "input_tokens"), ("tokens_out", "output_tokens")):
        if key in given:
            fields[name] = given[key]
    for key in ("model", "prompt", "response"):
        if key in given:
            fields[key] = given[key]
    if took is not None:
        fields["duration_s"] = took / 1000
    if error is not None:
        kind, message = described(error)
        fields["error"] = {"type": kind, "message": message}
    data = {
        **more,
        "model": given.get("model"),
        "prompt": given.get("prompt"),
        "response": given.get("response"),
        "prompt_length": _length(given.get("prompt")),
        "response_length": _length(given.get("response")),
        "tokens_in": given.get("tokens_in", more.get("input_tokens")),
        "tokens_out": given.get("tokens_out", more.get("output_tokens")),
    }
    return Interaction(given.get("component_name"), fields, data, took, text_of(error))


class Rendering(NamedTuple):
    """A template that was rendered."""

    output: str | bytes | None
    fields: dict[str, Any]
    data: dict[str, Any]
    duration_ms: float | None
    error: str | None


def rendering(template_name: Any, input_data: Any, output: Any, meta: Mapping[str, Any]) -> Rendering:
    """Return a rendering. Texts that went in, the template's own and each variable that is one, are its materials."""
    template, name = meta.get("template"), text_of(template_name) or ""
    rest = {key: value for key, value in meta.items() if key not in ("template", "duration_ms", "error")}
    took = as_number(meta["duration_ms"]) if meta.get("duration_ms") is not None else None
    error = meta.get("error")
    materials: list[dict[str, Any]] = []
    if isinstance(template, str):
        materials.append({"role": "template", "name": name, "content": template})
    if isinstance(input_data, Mapping):
        materials += [
            {"role": "variable", "name": key, "content": value}
            for key, value in input_data.items()
            if isinstance(key, str) and isinstance(value, str) and "\n" in value
        ]
    result = output if output is None or isinstance(output, str | bytes) else text_of(output)
    fields: dict[str, Any] = {
        "action": "render",
        "materials": materials,
        "using": {"template": name, "variables": input_data},
        **renamed(rest, _OF_TRANSFORM),
    }
    if took is not None:
        fields["duration_s"] = took / 1000
    if error is not None:
        kind, message = described(error)
        fields["error"] = {"type": kind, "message": message}
    data = {**rest, "template_name": name, "input": input_data, "output": output, "output_length": _length(output)}
    if isinstance(template, str):
        data["template"] = template
    if isinstance(output, str):
        data["indentation"] = indentation(output)
    return Rendering(result, fields, data, took, text_of(error))


def indentation(text: str) -> list[int]:
    """Return the widths by which lines of a text are indented, each once, the smallest first (R3.2)."""
    widths = {len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip()}
    return sorted(widths)[:_INDENTS]


class Validation(NamedTuple):
    """A check that did not pass."""

    fields: dict[str, Any]
    data: dict[str, Any]
    error: str
    traceback: str


def validation(
    error_type: Any, error_message: Any, line_number: Any, code_context: Any, more: Mapping[str, Any]
) -> Validation:
    """Return a failed validation, as a check with one failure."""
    message = text_of(error_message) or ""
    kind = text_of(error_type) or (
        "Error" if not isinstance(error_message, BaseException) else type(error_message).__name__
    )
    stack = more.get("traceback")
    stack = stack if isinstance(stack, str) else events.stack(stack if stack is not None else error_message)
    rest = {key: value for key, value in more.items() if key not in ("traceback", "content")}
    failure = {"type": kind, "message": message, "line": line_number, "context": code_context}
    if "column" in rest:
        failure["column"] = rest["column"]
    family = type_of(kind, message)
    fields: dict[str, Any] = {
        "type": family,
        "failures": [failure],
        "content": more.get("content"),
        "subject": text_of(rest.get("file_path")) or "",
        "traceback": stack,
        **renamed(rest, _OF_CHECK),
    }
    data = {
        **rest,
        "type": family,
        "error_type": kind,
        "error_message": message,
        "line_number": line_number,
        "code_context": code_context,
    }
    return Validation(fields, data, message or kind, stack)


_FAMILIES: Final = (
    ("indentation", ("indent", "taberror")),
    ("import", ("importerror", "import error", "modulenotfound", "no module named", "cannot import")),
    ("syntax", ("syntax", "parse", "token", "unexpected eof", "invalid character")),
)
_KNOWN: Final = ("syntax", "ast", "import", "indentation", "encoding", "logic", "score", "type", "format", "security")


def type_of(error_type: str, message: str = "") -> str:
    """Return the type of check that an error belongs to: syntax, indentation, import (R3.33), else logic.

    The error's type decides; a general one (ValidationError) leaves it to the message.
    """
    lowered = error_type.strip().lower()
    if lowered in _KNOWN:
        return lowered
    for family, words in _FAMILIES:
        if any(word in lowered for word in words):
            return family
    if lowered in ("", "error", "exception", "validation", "validationerror", "validation_error"):
        spoken = message.lower()
        for family, words in _FAMILIES:
            if any(word in spoken for word in words):
                return family
    return "logic"


def path_of(given: Any) -> tuple[str, bool]:
    """Return a path as text, and whether something is there."""
    try:
        path = os.fspath(given)
        path = os.fsdecode(path) if isinstance(path, bytes) else path
        return path, os.path.lexists(path)
    except (TypeError, ValueError):
        return text_of(given) or "unknown", False


def body_of(content: Any, clean: Cleaner) -> str | bytes:
    """Return what was written as text or bytes; anything else as the JSON of what it holds."""
    if isinstance(content, str | bytes):
        return content
    if isinstance(content, bytearray | memoryview):
        return bytes(content)
    return msgspec.json.encode(clean(content)[0]).decode() if content is not None else ""


def size_of(body: str | bytes) -> dict[str, Any]:
    """Return content, bytes and lines of what was written; of bytes that are no text a description."""
    data = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
    try:
        text: Any = body if isinstance(body, str) else body.decode()
    except UnicodeDecodeError:
        text = body
    return {"content": text, "bytes": len(data), "lines": data.count(b"\n") + bool(data and not data.endswith(b"\n"))}
