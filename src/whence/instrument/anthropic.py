"""Calls of the `anthropic` library as llm calls: messages, and the older completions; sync, async, streamed.

    from whence.instrument import anthropic
    anthropic.install()         # or install(client), for one client only; remove() takes it out again

Also through Bedrock, Vertex and Foundry. A call is recorded in the trace that its code runs in, in the stage that it runs
in; **outside any trace it goes through untouched and nothing is recorded**. The start is recorded before the request is
sent, so a call that hangs is seen. Of a stream that was closed early, broke, was cancelled or never read, what is known is
recorded, `finish_reason` `incomplete` or `error`, and `interrupted` says how it ended.

Tokens: Anthropic counts what went through its cache apart from `input_tokens`; here `input_tokens` includes it, as for
every provider, and `usage` has the counts as they were sent.

The client behaves as without us: the same objects, exceptions, laziness and closing (`whence.instrument._client` says where
we look on). No API key and no header is read into a record. The library can write OpenTelemetry spans of its own; where
they are recorded (`whence.instrument.opentelemetry`), nothing is recorded here; `open_telemetry=False` at the client ends them.
"""

from typing import Any

from whence.instrument._client import Asked, Described, Door, plain, server_of
from whence.instrument._underway import Reply
from whence.model.llm import tokens_of
from whence.wire.otlp import messages as shape

_NOT_PARAMETERS = frozenset(
    ("model", "messages", "system", "prompt", "tools", "stream", "metadata", "mcp_servers", "output_format")
)


def install(client: Any = None) -> None:
    """Record the calls of every client of `anthropic`, or of this one; doing it twice changes nothing.

    A client made from this one (`client.with_options(…)`) is another.

    Raises:
        BadInput: `anthropic` is not installed, or of a version that is not known; or `client` is none of its.
    """
    _door.install(client)


def remove() -> None:
    """Record no more calls; the library's classes are again as they were."""
    _door.remove()


def _classes() -> tuple[type, type]:
    import anthropic

    return anthropic.Anthropic, anthropic.AsyncAnthropic


def _describe(asked: Asked) -> Described | None:
    body = asked.body
    if asked.path.endswith("/messages"):
        fields = {
            "operation": "chat",
            "system": shape.text_of(plain(body.get("system"))),
            "messages": shape.messages(plain(body.get("messages"))),
            "tools": shape.tools(plain(body.get("tools"))),
        }
        reply: Reply = _Message()
    elif asked.path.endswith("/complete"):
        fields = {"operation": "text_completion", "prompt": plain(body.get("prompt"))}
        reply = _Completion()
    else:
        return None
    parameters = {name: plain(value) for name, value in body.items() if name not in _NOT_PARAMETERS}
    return Described(
        {
            "provider": _provider(asked.client),
            "server": server_of(asked.client),
            "stream": True if asked.stream else None,
            "parameters": parameters or None,
            **fields,
        },
        reply,
    )


def _provider(client: Any) -> str:
    name = type(client).__name__
    return "aws.bedrock" if "Bedrock" in name else "gcp.vertex_ai" if "Vertex" in name else "anthropic"


class _Message(Reply):
    """An answer of messages: one document, or one that grows by events."""

    def __init__(self) -> None:
        self._said: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._written: dict[int, list[str]] = {}  # what deltas added to a block

    def whole(self, said: dict[str, Any]) -> None:
        self._said = said
        self._usage = dict(said.get("usage") or {})
        self._blocks = dict(enumerate(said.get("content") or ()))

    def event(self, said: dict[str, Any]) -> None:
        kind, index = said.get("type"), said.get("index")
        if kind == "message_start":
            self.whole(said.get("message") or {})
        elif kind == "content_block_start" and isinstance(index, int):
            self._blocks[index] = dict(said.get("content_block") or {})
        elif kind == "content_block_delta" and isinstance(index, int):
            delta = said.get("delta") or {}
            added = delta.get("text") or delta.get("thinking") or delta.get("partial_json")
            if isinstance(added, str):
                self._written.setdefault(index, []).append(added)
        elif kind == "message_delta":
            changes = {name: value for name, value in (said.get("delta") or {}).items() if value is not None}
            self._said = {**self._said, **changes}
            # Totals so far, not increments; one that is left out keeps what the message began with.
            self._usage.update({name: value for name, value in (said.get("usage") or {}).items() if value is not None})
        elif kind == "message_stop":
            self.complete = True

    def fields(self) -> dict[str, Any]:
        content = []
        for index in sorted(self._blocks):
            block, added = self._blocks[index], "".join(self._written.get(index, ()))
            grows = {"text": "text", "thinking": "thinking"}.get(block.get("type", ""))
            if grows is not None:
                block = {**block, grows: (block.get(grows) or "") + added}
            elif added:
                block = {**block, "input": added}  # JSON in pieces, or the part of it that came
            content.append(block)
        outputs = shape.message({"role": "assistant", "content": content})
        said = self._said
        return {
            **({"model": said["model"]} if said.get("model") else {}),
            "response_id": said.get("id"),
            **shape.answer(outputs),
            "finish_reason": said.get("stop_reason"),
            "stop_sequence": said.get("stop_sequence"),
            **_counted(self._usage),
        }


class _Completion(Reply):
    """An answer of the older completions."""

    def __init__(self) -> None:
        self._said: dict[str, Any] = {}
        self._texts: list[str] = []

    def settled(self) -> bool:
        return bool(self._said.get("stop_reason"))

    def whole(self, said: dict[str, Any]) -> None:
        self.event(said)

    def event(self, said: dict[str, Any]) -> None:
        if isinstance(said.get("completion"), str):
            self._texts.append(said["completion"])
        self._said = {**self._said, **{name: value for name, value in said.items() if value is not None}}

    def fields(self) -> dict[str, Any]:
        said = self._said
        return {
            **({"model": said["model"]} if said.get("model") else {}),
            "response_id": said.get("id"),
            "response": "".join(self._texts) or None,
            "finish_reason": said.get("stop_reason"),
        }


def _counted(usage: dict[str, Any]) -> dict[str, Any]:
    if not usage:
        return {}
    counts = tokens_of(usage, cache_apart=True)
    details = usage.get("output_tokens_details")
    thinking = details.get("thinking_tokens") if isinstance(details, dict) else None
    if isinstance(thinking, int) and thinking:
        counts["reasoning_tokens"] = thinking
    return {"usage": usage, **counts}


_door = Door("anthropic", _classes, _describe)
