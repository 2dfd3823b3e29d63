"""Whatever a span holds, it is read; and what is not understood is kept as it was."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.otlp.seen import plain_span
from whence.wire.otlp import flat
from whence.wire.otlp.dialects import read
from whence.wire.otlp.logs import joined, read_log
from whence.wire.otlp.names import OF_SCOPE, RULES
from whence.wire.otlp.patterns import PATTERNS, TAILS
from whence.wire.otlp.spans import OtelEvent, OtelLog

KNOWN = sorted({*RULES, *(name for names in OF_SCOPE.values() for name in names)})
FLATTENED = [pattern.replace("*", "{}") for pattern in sorted(PATTERNS)]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
json_like = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["role", "content", "parts", "type", "id", "name", "function", "tool_calls", "arguments"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
odd = st.sampled_from(
    [
        '[{"role": "user", "parts": [{"type": "tool_call", "name": {}}]}]',
        '{"choices": [{"message": {"content": [1]}}]}',
        '[{"role": ["user"], "content": {"a": 1}, "tool_calls": {"function": 1}}]',
        '{"messages": [[], 1, null, {"parts": 1}]}',
        '[{"type": "function_call", "call_id": {}, "name": "f"}]',
        "[" * 5000,
        '[{"role":"user","content":' + "[" * 500 + "]" * 500 + "}]",
        "{",
        "\ud800",
        '["\ud800"]',
        "\0",
    ]
)
anything = scalars | json_like | json_like.map(lambda value: msgspec.json.encode(value).decode()) | odd
numbers = st.integers(min_value=0, max_value=3)
flattened = st.builds(lambda name, i, j: name.format(i, j), st.sampled_from(FLATTENED), numbers, numbers)
names = st.sampled_from(KNOWN) | flattened | st.text(max_size=20)
attributes = st.dictionaries(names, anything, max_size=12)
events = st.lists(
    st.builds(
        OtelEvent,
        name=st.sampled_from(
            [
                *("exception", "gen_ai.choice", "gen_ai.user.message", "gen_ai.evaluation.result"),
                *("gen_ai.content.prompt", "gen_ai.client.inference.operation.details", "other"),
            ]
        ),
        attributes=st.dictionaries(
            names | st.sampled_from(["content", "message", "tool_calls", "id", "gen_ai.event.content"]),
            anything,
            max_size=4,
        ),
    ),
    max_size=3,
)
scopes = st.sampled_from(["", "pydantic-ai"])


def is_known(name: str, scope: str) -> bool:
    return name in RULES or name in OF_SCOPE.get(scope, {}) or flat.place(name) is not None  # names are short here


@settings(max_examples=400, deadline=None)
@given(attributes, events, scopes, st.integers(0, 2))
def test_every_span_is_read_and_keeps_what_is_unknown(
    said: dict[str, Any], happened: list[OtelEvent], scope: str, status: int
) -> None:
    reading = read(plain_span(said, events=happened, scope=scope, status=status))

    unknown = {name: value for name, value in said.items() if not is_known(name, scope)}
    assert {name: value for name, value in reading.attributes.items() if name in unknown} == unknown
    others = [event for event in happened if event.name == "other"]
    assert [event for event in reading.events if event.name == "other"] == others


@settings(deadline=None)
@given(attributes)
def test_counts_and_texts_are_what_they_should_be(said: dict[str, Any]) -> None:
    call = read(plain_span(said)).llm

    for key in ("input_tokens", "output_tokens", "cache_read_tokens", "total_tokens"):
        assert isinstance(call.get(key, 0), int)
        assert call.get(key, 0) >= 0
    for key in ("model", "request_model", "provider", "operation", "finish_reason", "response_id", "reasoning"):
        assert isinstance(call.get(key, ""), str)
    for message in call.get("messages", []):
        assert isinstance(message["role"], str)
        assert "content" in message
    for each in (*call.get("tool_calls", []), *call.get("tools", [])):
        assert isinstance(each["name"], str)


@settings(max_examples=300, deadline=None)
@given(
    anything,
    attributes,
    st.integers(-5, 99),
    st.sampled_from(
        ["", "gen_ai.choice", "gen_ai.tool.message", "gen_ai.evaluation.result", "gen_ai.client.operation.exception"]
    ),
)
def test_every_log_record_is_read_and_keeps_what_is_unknown(
    body: Any, said: dict[str, Any], severity: int, name: str
) -> None:
    reading = read_log(OtelLog(body=body, attributes=said, severity=severity, event_name=name))

    assert reading.level in ("debug", "info", "notice", "warning", "error", "fatal")
    unknown = {name: value for name, value in said.items() if flat.place(name) is None and "." not in name}
    unknown = {name: value for name, value in unknown.items() if name not in KNOWN}
    if unknown:
        assert {key: value for key, value in reading.attributes.items() if key in unknown} == unknown
    joined({}, [reading, reading])


def test_every_pattern_and_every_beginning_is_found() -> None:
    for pattern in PATTERNS:
        where = flat.place(pattern.replace("*", "3", 1).replace("*", "4"))
        assert where is not None
        assert where.item == 3
    for start, *_ in TAILS:
        assert flat.place(f"{start}x") is not None


def test_a_name_of_any_length_is_kept_and_not_remembered() -> None:
    long = "llm.input_messages.0.message.role" + "x" * 1_000_000
    flat.place.cache_clear()

    assert read(plain_span({long: 1})).attributes == {long: 1}
    assert flat.place.cache_info().currsize == 0
