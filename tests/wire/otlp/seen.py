"""What real libraries were seen to send: recorded from them, against a local server that answers as OpenAI and Anthropic do.

One file for each library and way of working, named in its `library`. The same calls in each: `chat_tools` (a system and a
user message, one tool offered and called), `chat_after_tool` (its result goes back), `chat_stream`, `chat_error`,
`embeddings`, `responses`, and with Anthropic's client `messages_tools`, `messages_after_tool`, `messages_stream`,
`messages_thinking`, `messages_error`.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from whence.wire.otlp.spans import OtelEvent, OtelLog, OtelSpan

MATERIAL = Path(__file__).parent / "material"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
RESOURCE = {"service.name": "weather"}
WEATHER = {
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ASKED = [{"role": "user", "content": "Weather in Paris?"}]
PARIS = {"name": "get_weather", "arguments": {"city": "Paris"}}


@cache
def _calls(library: str) -> dict[str, Any]:
    calls: dict[str, Any] = json.loads((MATERIAL / f"{library}.json").read_text())["calls"]
    return calls


def span(library: str, call: str) -> OtelSpan:
    """The span of one call."""
    said = _calls(library)[call]["spans"][0]
    return OtelSpan(
        trace=TRACE,
        span=SPAN,
        name=said["name"],
        kind=said["kind"],
        start_ns=1_000_000_000,
        end_ns=3_000_000_000,
        attributes=said["attributes"],
        events=[OtelEvent(name=e["name"], ts_ns=1_500_000_000, attributes=e["attributes"]) for e in said["events"]],
        status=said["status"],
        status_message=said["status_message"],
        resource=RESOURCE,
        scope=said["scope"].partition("@")[0],
    )


def logs(library: str, call: str) -> list[OtelLog]:
    """The log records made beside that span."""
    return [
        OtelLog(
            trace=TRACE,
            span=SPAN,
            ts_ns=1_000_000_000,
            severity=each["severity"],
            body=each["body"],
            event_name=each["event_name"],
            attributes=each["attributes"],
            resource=RESOURCE,
        )
        for each in _calls(library)[call]["logs"]
    ]


def plain_span(attributes: dict[str, Any], **more: Any) -> OtelSpan:
    """A span with these attributes."""
    return OtelSpan(trace=TRACE, span=SPAN, attributes=attributes, **more)
