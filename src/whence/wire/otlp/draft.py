"""What the attributes and events of a span say, sorted by the tables of `names`, before it is weighed.

Whatever is taken out of a draft counts as understood; what is left goes back among the attributes as it was (`rest`).
"""

from collections.abc import Mapping
from typing import Any, Final

from whence.wire.otlp import flat
from whence.wire.otlp.messages import message
from whence.wire.otlp.names import GEN_AI, GEN_AI_136, OF_SCOPE, RULES, SAID, TOKENS, Rule
from whence.wire.otlp.spans import OtelEvent
from whence.wire.otlp.values import MISS, number, parsed, same, text

_PREFIXES: Final = ("gen_ai.usage.", "llm.token_count.", "llm.usage.", "ai.usage.", "decision.token_count.")
_SHORT: Final = {
    name: next(name[len(start) :] for start in _PREFIXES if name.startswith(start))
    for name, rule in RULES.items()
    if rule.bucket == TOKENS
}
"""A count's name as it is kept in `usage`."""

MESSAGES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
"""Events that are one message of the request, to its role (up to 1.36)."""
CHOICE: Final = "gen_ai.choice"
EVALUATION: Final = "gen_ai.evaluation.result"
DETAILS: Final = "gen_ai.client.inference.operation.details"
_CONTENTS: Final = ("gen_ai.content.prompt", "gen_ai.content.completion")
_FIRST_CHUNK: Final = ("First Token Stream Event", "ai.stream.firstChunk")
_CHUNK: Final = "gen_ai.content.completion.chunk"
_ABOUT_THE_EVENT: Final = ("gen_ai.system", "gen_ai.provider.name", "event.name", "gen_ai.message.index")

_SCORE: Final = {
    "gen_ai.evaluation.name": ("name", text),
    "gen_ai.evaluation.score.value": ("score", number),
    "gen_ai.evaluation.score.label": ("label", text),
    "gen_ai.evaluation.explanation": ("explanation", text),
    "gen_ai.response.id": ("response_id", text),
    "error.type": ("error", text),
}


class Draft:
    """The sorted contents of one span."""

    __slots__ = (
        "asked",
        "attributes",
        "buckets",
        "chunks",
        "dialects",
        "events",
        "exceptions",
        "first_chunk_ns",
        "listed",
        "lists",
        "offered",
        "replied",
        "rest",
        "said",
        "scores",
        "sources",
        "usage",
    )

    def __init__(self) -> None:
        self.attributes: Mapping[str, Any] = {}
        self.buckets: tuple[dict[str, Any], ...] = ({}, {}, {}, {}, {})
        self.said = self.buckets[SAID]
        self.sources: dict[str, str] = {}  # attribute of each that was said
        self.usage: dict[str, Any] = {}
        self.lists: dict[str, flat.Items] = {}
        self.listed: dict[str, list[str]] = {}  # attributes of each list
        self.rest: dict[str, Any] = {}
        self.dialects: set[str] = set()
        self.asked: list[dict[str, Any]] = []  # messages said as events
        self.replied: list[dict[str, Any]] = []
        self.offered: list[Any] = []  # tools said as an event
        self.scores: list[dict[str, Any]] = []
        self.exceptions: list[OtelEvent] = []
        self.events: list[OtelEvent] = []  # not understood
        self.chunks = 0
        self.first_chunk_ns: int | None = None

    def take(self, attributes: Mapping[str, Any], scope: str = "") -> None:
        """Sort attributes. A name that says again, and otherwise, what another has said is kept as it is."""
        self.attributes = {**self.attributes, **attributes} if self.attributes else attributes
        own = OF_SCOPE.get(scope)
        buckets, sources, saw, rest = self.buckets, self.sources, self.dialects.add, self.rest
        for name, value in attributes.items():
            rule = RULES.get(name)
            if rule is None and own is not None:
                rule = own.get(name)
            if rule is None:
                if not isinstance(name, str) or not self._flattened(name, value):
                    rest[name] = value
                continue
            bucket, key, convert, dialect = rule  # written out here: once for each attribute of each span
            read = convert(value)
            here = buckets[bucket]
            if read is MISS or key in here:
                self._again(name, value, rule, read)
                continue
            here[key] = read
            saw(dialect)
            if bucket == SAID:
                sources[key] = name
            elif bucket == TOKENS:
                self._count(name, read)

    def _again(self, name: str, value: Any, rule: Rule, read: Any) -> None:
        """Keep an attribute that is not of the expected type, or says otherwise what another has said."""
        if read is MISS:
            self.rest[name] = value
        elif rule.bucket == TOKENS:
            self._count(name, read)
        elif not same(self.buckets[rule.bucket][rule.key], read):
            self.rest[name] = value

    def _count(self, name: str, value: Any) -> None:
        if self.usage.setdefault(_SHORT[name], value) != value:
            self.rest[name] = self.attributes[name]

    def _flattened(self, name: str, value: Any) -> bool:
        where = flat.place(name) if len(name) <= flat.LONGEST_NAME else None
        if where is None:
            return False
        read = where.convert(value)
        if read is MISS or not flat.put(self.lists, where, read):
            return False
        self.listed.setdefault(where.family, []).append(name)
        self.dialects.add(where.dialect)
        return True

    def tell(self, events: list[OtelEvent]) -> None:
        """Sort events."""
        for event in events:
            name = event.name
            if name == "exception":
                self.exceptions.append(event)
            elif name in MESSAGES or name == CHOICE:
                self.dialects.add(GEN_AI_136)
                self.speak(name, event_body(event.attributes))
            elif name == EVALUATION:
                self.dialects.add(GEN_AI)
                made, rest = score(event.attributes)
                self.scores.append({**made, "attributes": rest} if rest else made)
            elif name == DETAILS or name in _CONTENTS:
                new = {key: value for key, value in event.attributes.items() if key not in self.attributes}
                self.take(new)
                if any(not same(value, self.attributes[key]) for key, value in event.attributes.items()):
                    self.events.append(event)
            elif name in _FIRST_CHUNK or name == _CHUNK:
                self.chunks += name == _CHUNK
                if self.first_chunk_ns is None:
                    self.first_chunk_ns = event.ts_ns
            else:
                self.events.append(event)

    def speak(self, name: str, body: dict[str, Any]) -> None:
        """Take one message that was said as an event or as a log record."""
        if name == CHOICE:
            said = parsed(body.get("message"))
            raw = dict(said) if isinstance(said, dict) else {"content": said}
            for key in ("tool_calls", "content"):
                if raw.get(key) is None and body.get(key) is not None:
                    raw[key] = parsed(body[key])
            if isinstance(body.get("finish_reason"), str):
                self.said.setdefault("finish_reason", body["finish_reason"])
            self.replied.extend(message(raw, "assistant"))
            return
        content = body.get("content")
        if isinstance(content, dict) and content.keys() == {"tools"} and isinstance(content["tools"], list):
            self.offered.extend(content["tools"])  # Traceloop's Anthropic: the tools offered as a user's message
            return
        if "tool_calls" in body:
            body = {**body, "tool_calls": parsed(body["tool_calls"])}
        self.asked.extend(message(body, MESSAGES[name]))

    def put_back(self) -> None:
        """Return what was sorted and not taken among the rest."""
        for key in self.said:
            if key in self.sources:
                self._restore(self.sources[key])
        for family in self.lists:
            for name in self.listed[family]:
                self._restore(name)

    def keep(self, key: str) -> None:
        """Keep what was said under a key as the attribute that said it."""
        if key in self.sources:
            self._restore(self.sources[key])

    def _restore(self, name: str) -> None:
        if name in self.attributes:
            self.rest[name] = self.attributes[name]

    def pop_list(self, family: str) -> flat.Items | None:
        """Take a list."""
        return self.lists.pop(family, None)

    def keep_list(self, family: str) -> None:
        """Keep a list as the attributes that said it."""
        for name in self.listed.get(family, ()):
            self._restore(name)


def event_body(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a message that is a span's event: under `gen_ai.event.content`, or its attributes."""
    inner = parsed(attributes.get("gen_ai.event.content"))
    if isinstance(inner, dict):
        return inner
    return {key: value for key, value in attributes.items() if key not in _ABOUT_THE_EVENT}


def score(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (the score of an evaluation: {name, score, label, explanation, …}, the attributes that are no part of it)."""
    made: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in attributes.items():
        known = _SCORE.get(name)
        read = known[1](value) if known is not None else MISS
        if known is None or read is MISS:
            if name not in ("event.name", "gen_ai.operation.name"):
                rest[name] = value
        else:
            made[known[0]] = read
    return made, rest
