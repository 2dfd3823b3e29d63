"""What a log record of OpenTelemetry means: a score, a message of a model's call, a whole call, an error, or a log line."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from whence.wire.otlp.calls import call
from whence.wire.otlp.dialects import failure, project_of, read
from whence.wire.otlp.draft import CHOICE, DETAILS, EVALUATION, MESSAGES, Draft, event_body, score
from whence.wire.otlp.names import GEN_AI, GEN_AI_136, GEN_AI_142
from whence.wire.otlp.spans import OtelLog, OtelSpan
from whence.wire.otlp.values import parsed

LINE: Final = "line"
SCORE: Final = "score"
MESSAGE: Final = "message"
CALL: Final = "call"
FAILURE: Final = "error"
"""Kinds of log records."""

_FAILURES: Final = ("gen_ai.client.operation.exception", "gen_ai.execute_tool.exception")
_EXCEPTION: Final = ("exception.type", "exception.message", "exception.stacktrace")
_LEVELS: Final = ("debug", "debug", "info", "warning", "error", "fatal")  # of severities 1..4, 5..8, …, 21..24
_TEXTS: Final = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "information": "info",
    "notice": "notice",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "critical": "fatal",
    "fatal": "fatal",
}


class LogReading(msgspec.Struct, kw_only=True):
    """What a log record means. It belongs to its trace and span, or to the call with its `response_id`."""

    kind: str = LINE
    """line, score, message (of the call that is its span), call (all of it, said beside its span), error."""
    level: str = "info"
    """debug, info, notice, warning, error or fatal."""
    message: str = ""
    """The text of a line; the name of anything else."""
    body: Any = None
    """Of a line: its body where that is no text."""
    attributes: dict[str, Any] = {}
    """What was not understood, as it was."""
    score: dict[str, Any] | None = None
    """{name, score, label, explanation}, as far as said."""
    llm: dict[str, Any] = {}
    """`LlmFields`: of a message only what it says."""
    error: dict[str, Any] | None = None
    """{type, message, where?, module?, stack?}."""
    response_id: str = ""
    """Of the call that a score or an error is about."""
    project: str = ""
    dialect: tuple[str, ...] = ()


def read_log(log: OtelLog) -> LogReading:
    """Return what a log record means. Never raises, whatever is in it."""
    named = log.event_name or log.attributes.get("event.name")
    name = named if isinstance(named, str) else ""
    made = LogReading(level=_level(log), message=name, project=project_of(log.resource))
    if name in MESSAGES or name == CHOICE:
        _message(log, name, made)
    elif name == EVALUATION:
        made.kind, made.dialect = SCORE, (GEN_AI,)
        said, made.attributes = score({**_object(log.body), **log.attributes})
        made.response_id = said.pop("response_id", "")
        made.score = said
    elif name == DETAILS:
        reading = read(OtelSpan(trace=log.trace, span=log.span, attributes={**_object(log.body), **log.attributes}))
        made.kind, made.llm, made.error, made.dialect = CALL, reading.llm, reading.error, reading.dialect
        made.attributes = {key: value for key, value in reading.attributes.items() if key != "event.name"}
        made.response_id = reading.llm.get("response_id", "")
    else:
        _line(log, name, made)
    return made


def _object(body: Any) -> dict[str, Any]:
    said = parsed(body)
    return said if isinstance(said, dict) else {}


def _message(log: OtelLog, name: str, made: LogReading) -> None:
    draft = Draft()
    draft.take(
        {key: value for key, value in log.attributes.items() if key not in ("event.name", "gen_ai.event.content")}
    )
    body = parsed(log.body)
    if not isinstance(body, dict):
        body = event_body(log.attributes) if body is None else {"content": body}
    draft.speak(name, body)
    made.kind = MESSAGE
    made.llm = call(draft, "llm")
    made.llm.pop("operation", None)
    draft.put_back()
    made.attributes = draft.rest
    made.dialect = tuple(sorted({GEN_AI_136, *draft.dialects}))


def _line(log: OtelLog, name: str, made: LogReading) -> None:
    attributes = log.attributes
    if not any(key in attributes for key in _EXCEPTION):
        made.attributes = attributes
    else:
        made.attributes = {key: value for key, value in attributes.items() if key not in _EXCEPTION}
        made.error = failure(*(attributes.get(key) for key in _EXCEPTION))
    if name in _FAILURES:
        made.kind, made.dialect = FAILURE, (GEN_AI_142,)
        if made.error is None:
            made.error = failure(attributes.get("error.type"), None, None)
        identity = attributes.get("gen_ai.response.id")
        made.response_id = identity if isinstance(identity, str) else ""
    elif isinstance(log.body, str):
        made.message = log.body
        return
    made.body = log.body


def _level(log: OtelLog) -> str:
    if 0 < log.severity <= 24:
        return _LEVELS[(log.severity - 1) // 4]
    return _TEXTS.get(log.severity_text.strip().lower(), "info")


def joined(llm: dict[str, Any], logs: Iterable[LogReading]) -> dict[str, Any]:
    """Return the fields of a call with what was said of it in log records, in the order in which these were made.

    What its span says counts before what a record says; messages said one by one come together.
    """
    spoken: dict[str, Any] = {}
    for each in logs:
        for key, value in each.llm.items():
            before = spoken.get(key)
            if each.kind == MESSAGE and key in ("messages", "tool_calls", "tools") and before:
                spoken[key] = [*before, *value]
            elif each.kind == MESSAGE and key == "system" and before and isinstance(value, str):
                spoken[key] = f"{before}\n{value}"
            else:
                spoken.setdefault(key, value)
    return {**spoken, **llm}
