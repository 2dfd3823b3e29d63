"""Calls of the `openai` library as llm calls: chat completions, responses, completions, embeddings; sync, async, streamed.

    from whence.instrument import openai
    openai.install()            # or install(client), for one client only; remove() takes it out again

Also for servers that speak OpenAI's language, and for Azure's client. A call is recorded in the trace that its code runs
in, in the stage that it runs in; **outside any trace it goes through untouched and nothing is recorded**. The start is
recorded before the request is sent, so a call that hangs is seen. Of a stream that was closed early, broke, was cancelled
or never read, what is known is recorded, `finish_reason` `incomplete` or `error`, and `interrupted` says how it ended.

The client behaves as without us: the same objects, exceptions, laziness and closing (`whence.instrument._client` says where
we look on). No API key and no header is read into a record. Where a span of OpenTelemetry tells
of the same call and is recorded (`whence.instrument.opentelemetry`), nothing is recorded here: a call is one call.
"""

from typing import Any, TypedDict

import msgspec

from whence.instrument._client import Asked, Described, Door, plain, server_of
from whence.instrument._underway import Reply
from whence.model.llm import tokens_of
from whence.wire.otlp import messages as shape

_NOT_PARAMETERS = frozenset(
    (
        *("model", "messages", "input", "instructions", "prompt", "conversation"),
        *("tools", "functions", "stream", "stream_options", "response_format", "text"),
        *("user", "safety_identifier", "prompt_cache_key"),
    )
)
_PROVIDERS = {  # by the end of the host asked; OpenTelemetry's names
    "azure.com": "azure.ai.openai",
    "deepseek.com": "deepseek",
    "groq.com": "groq",
    "mistral.ai": "mistral_ai",
    "perplexity.ai": "perplexity",
    "x.ai": "x_ai",
    "googleapis.com": "gcp.gemini",
}


def install(client: Any = None) -> None:
    """Record the calls of every client of `openai`, or of this one; doing it twice changes nothing.

    A client made from this one (`client.with_options(…)`) is another.

    Raises:
        BadInput: `openai` is not installed, or of a version that is not known; or `client` is none of its.
    """
    _door.install(client)


def remove() -> None:
    """Record no more calls; the library's classes are again as they were."""
    _door.remove()


def _classes() -> tuple[type, type]:
    import openai

    return openai.OpenAI, openai.AsyncOpenAI


def _describe(asked: Asked) -> Described | None:
    read = next((read for ending, read in _READ.items() if asked.path.endswith(ending)), None)
    if read is None:
        return None
    operation, reply, fields = read(asked.body)
    parameters = {name: plain(value) for name, value in asked.body.items() if name not in _NOT_PARAMETERS}
    wanted = asked.body.get("response_format") or (asked.body.get("text") or {}).get("format")
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if isinstance(kind, str):
        parameters["response_format"] = kind
    common = {
        "provider": _provider(asked.client),
        "operation": operation,
        "server": server_of(asked.client),
        "stream": True if asked.stream else None,
        "parameters": parameters or None,
        "tools": shape.tools(plain(asked.body.get("tools") or asked.body.get("functions"))),
    }
    return Described({**common, **fields}, reply)


def _provider(client: Any) -> str:
    if "Azure" in type(client).__name__:
        return "azure.ai.openai"
    host = getattr(getattr(client, "base_url", None), "host", None) or ""
    return next((name for end, name in _PROVIDERS.items() if host == end or host.endswith("." + end)), "openai")


def _chat(body: dict[str, Any]) -> tuple[str, Reply, dict[str, Any]]:
    return "chat", _Chat(), _conversation(body.get("messages"))


def _completion(body: dict[str, Any]) -> tuple[str, Reply, dict[str, Any]]:
    return "text_completion", _Chat(), {"prompt": plain(body.get("prompt"))}


def _embeddings(body: dict[str, Any]) -> tuple[str, Reply, dict[str, Any]]:
    return "embeddings", _Embeddings(), {"prompt": plain(body.get("input"))}


def _responses(body: dict[str, Any]) -> tuple[str, Reply, dict[str, Any]]:
    given = body.get("input")
    fields = _conversation([{"role": "user", "content": given}] if isinstance(given, str) else given)
    if isinstance(body.get("instructions"), str):
        fields["system"] = "\n".join(filter(None, (body["instructions"], fields.get("system"))))
    conversation = plain(body.get("conversation"))
    fields["conversation_id"] = conversation.get("id") if isinstance(conversation, dict) else conversation
    return "chat", _Response(), fields


def _conversation(said: Any) -> dict[str, Any]:
    system, rest = shape.split_system(shape.messages(plain(said)) or [])
    return {"system": system, "messages": rest or None}


_READ = {
    "/chat/completions": _chat,  # before /completions, which is its end
    "/completions": _completion,
    "/embeddings": _embeddings,
    "/responses": _responses,
}
"""By the end of the path asked: the one thing that every resource and every server has in common."""


_GROWING = (("content", "texts"), ("refusal", "texts"), ("reasoning_content", "reasons"), ("reasoning", "reasons"))
"""Of a message or a delta; the last two are other servers' that speak OpenAI's language."""


def _usage(usage: Any) -> dict[str, Any]:
    return {"usage": usage, **tokens_of(usage)} if isinstance(usage, dict) else {}


class _Chat(Reply):
    """An answer of chat completions, or of completions: choices, whole or in deltas."""

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def settled(self) -> bool:
        return self.complete or any(choice.get("finish_reason") for choice in self._choices.values())

    def whole(self, said: dict[str, Any]) -> None:
        self.event(said)

    def event(self, said: dict[str, Any]) -> None:
        for name in ("id", "model", "usage", "system_fingerprint", "service_tier"):
            if said.get(name) is not None:
                self._top[name] = said[name]
        for choice in said.get("choices") or ():
            known = self._choices.setdefault(choice.get("index") or 0, {"texts": [], "reasons": [], "calls": {}})
            if choice.get("finish_reason"):
                known["finish_reason"] = choice["finish_reason"]
            part = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
            for name, into in _GROWING:
                if isinstance(part.get(name), str):
                    known[into].append(part[name])
            calls = part.get("tool_calls") or (
                [{"function": part["function_call"]}] if part.get("function_call") else []
            )
            for position, call in enumerate(calls):
                self._call(known["calls"], call, position)

    @staticmethod
    def _call(calls: dict[int, dict[str, Any]], said: dict[str, Any], position: int) -> None:
        call = calls.setdefault(said.get("index", position), {"function": {}})
        if said.get("id"):
            call["id"] = said["id"]
        for name, value in (said.get("function") or said.get("custom") or {}).items():
            if isinstance(value, str):
                call["function"][name] = value if name == "name" else call["function"].get(name, "") + value

    def fields(self) -> dict[str, Any]:
        choices = [self._choices[index] for index in sorted(self._choices)]
        outputs = [
            made
            for choice in choices
            for made in shape.message(
                {
                    "role": "assistant",
                    "content": "".join(choice["texts"]) or None,
                    "reasoning": "".join(choice["reasons"]),
                    "tool_calls": list(choice["calls"].values()),
                }
            )
        ]
        top = self._top
        return {
            **({"model": top["model"]} if top.get("model") else {}),
            "response_id": top.get("id"),
            **shape.answer(outputs, choices=True),
            "finish_reason": next((c["finish_reason"] for c in choices if c.get("finish_reason")), None),
            "system_fingerprint": top.get("system_fingerprint"),
            "service_tier": top.get("service_tier"),
            **_usage(top.get("usage")),
        }


class _Vectors(TypedDict, total=False):
    model: str
    usage: dict[str, Any]
    data: list[msgspec.Raw]


class _Embeddings(Reply):
    """An answer of embeddings; the vectors themselves are neither decoded nor kept."""

    def __init__(self) -> None:
        self._said: dict[str, Any] = {}

    def read(self, content: bytes) -> Any:
        return msgspec.json.decode(content, type=_Vectors)

    def whole(self, said: dict[str, Any]) -> None:
        self._said = said

    def event(self, said: dict[str, Any]) -> None:
        raise TypeError("embeddings come in one document, not as a stream")  # counted, as all that cannot be read

    def fields(self) -> dict[str, Any]:
        said = self._said
        vectors = said.get("data")
        return {
            **({"model": said["model"]} if said.get("model") else {}),
            "embeddings": len(vectors) if isinstance(vectors, list) else None,
            **_usage(said.get("usage")),
        }


class _Response(Reply):
    """An answer of the responses API: one document, that comes again at the end of a stream."""

    def __init__(self) -> None:
        self._said: dict[str, Any] = {}
        self._texts: list[str] = []
        self._items: list[Any] = []

    def whole(self, said: dict[str, Any]) -> None:
        self._said = said
        self.failure = said.get("error") or None

    def event(self, said: dict[str, Any]) -> None:
        kind = said.get("type")
        if kind == "error":
            self.failure = {"type": said.get("code"), "message": said.get("message")}
        elif kind == "response.output_text.delta" and isinstance(said.get("delta"), str):
            self._texts.append(said["delta"])
        elif kind == "response.output_item.done":
            self._items.append(said.get("item"))
        elif isinstance(said.get("response"), dict):
            self.whole(said["response"])
            self.complete = kind in ("response.completed", "response.incomplete", "response.failed")

    def fields(self) -> dict[str, Any]:
        said = self._said
        items = [each for each in said.get("output") or self._items if isinstance(each, dict)]
        texts = [part for item in items if item.get("type") == "message" for part in item.get("content") or ()]
        text = "".join(each.get("text") or each.get("refusal") or "" for each in texts) or "".join(self._texts)
        reasons = [
            part["text"]
            for item in items
            if item.get("type") == "reasoning"
            for part in (*(item.get("summary") or ()), *(item.get("content") or ()))
        ]
        status = said.get("status")
        why = said.get("incomplete_details")
        if isinstance(why, dict) and why.get("reason"):
            status = why["reason"]
        return {
            **({"model": said["model"]} if said.get("model") else {}),
            "response_id": said.get("id"),
            "response": text or None,
            "reasoning": "\n".join(reasons) or None,
            "tool_calls": shape.tool_calls([each for each in items if each.get("type") == "function_call"]) or None,
            "finish_reason": status if status != "in_progress" else None,
            "service_tier": said.get("service_tier"),
            **_usage(said.get("usage")),
        }


_door = Door("openai", _classes, _describe)
