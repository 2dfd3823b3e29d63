"""The same conversation, recorded three ways, is the same calls: messages, tools, tokens, cost.

By `whence.instrument`, by OpenInference's instrumentation, and by OpenTelemetry's own, whose spans come through
`whence.instrument.opentelemetry`. Each time it is a program of its own, whose real client asks a server over HTTP.

Not the same, because the others do not say it: `retries` and `chunks`, with OpenInference `server`, the fingerprint and
the tier, with its Anthropic instrumentation the time to the first chunk. The raw `usage` is in each one's own words.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

import whence
import whence.instrument
from tests.stubs.llm_server import LlmServer, chat, message, tool_call
from whence.model.filters import TraceFilter
from whence.model.trace import TraceView
from whence.price.pricing import keep_priced
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings

GPT = "gpt-4o-mini"
CLAUDE = "claude-opus-4-5"
SYSTEM = "Be brief."
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CLOCK: Any = {"type": "function", "function": {"name": "clock", "description": "The time."}}

SAME = (
    *("provider", "operation", "request_model", "model", "response_id", "finish_reason"),
    *("system", "messages", "response", "reasoning", "tool_calls", "tools"),
    *("input_tokens", "output_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
    "cost_usd",
)
"""What must be the same."""

ASKED = ("temperature", "top_p", "max_tokens", "seed")
"""Parameters that each way names."""

CONTENT = {
    "both": {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"},
    "opentelemetry": {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"},
    "openinference": {"ANTHROPIC_OPEN_TELEMETRY": "false"},  # the client's own spans, on top of OpenInference's
    "the client itself": {"ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE": "content"},
}
"""The environment of the program: who follows OpenTelemetry leaves out what was said, unless told otherwise."""


# -- the program: python -m tests.acceptance.test_same_calls WAY LIBRARY URL --------------------------------------


def instrument(way: str, library: str) -> None:
    """Have a library's calls recorded one way, as a program does when it starts."""
    if way in ("whence", "both"):
        whence.instrument.install(library)
        if way == "whence":
            return
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())
    whence.instrument.install("opentelemetry")
    instrumentor: Any
    if way == "the client itself":
        return
    if way in ("opentelemetry", "both"):
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as OfOpenTelemetry

        instrumentor = OfOpenTelemetry()
    elif library == "openai":
        from openinference.instrumentation.openai import OpenAIInstrumentor

        instrumentor = OpenAIInstrumentor()
    else:
        from openinference.instrumentation.anthropic import AnthropicInstrumentor

        instrumentor = AnthropicInstrumentor()
    instrumentor.instrument()


def talk_openai(url: str) -> None:
    """A question, a tool that is called, its result, and an answer that is streamed."""
    asked: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Good morning!"}]
    with openai.OpenAI(api_key="sk-of-the-test", base_url=f"{url}/v1") as client:
        create = client.chat.completions.create
        create(model=GPT, messages=asked, temperature=0.2, max_tokens=99, top_p=0.9, seed=7)
        asked = [asked[0], {"role": "user", "content": "And the weather in Łódź?"}]
        first = create(model=GPT, messages=asked, tools=[WEATHER, CLOCK])
        made: Any = first.choices[0].message.model_dump(exclude_none=True)
        asked += [made, {"role": "tool", "tool_call_id": "call_1", "content": "rain, sun"}]
        create(model=GPT, messages=asked, tools=[WEATHER, CLOCK])
        asked += [{"role": "assistant", "content": "Rain, then sun."}, {"role": "user", "content": "What time is it?"}]
        options: Any = {"include_usage": True}
        stream = create(model=GPT, messages=asked, tools=[WEATHER, CLOCK], stream=True, stream_options=options)
        assert len(list(stream)) > 3


def talk_anthropic(url: str) -> None:
    """The same to the other one, with what its cache reads and writes."""
    tools: Any = [
        {"name": "weather", "description": "The weather of a city.", "input_schema": WEATHER["function"]["parameters"]},
        {"name": "clock", "description": "The time.", "input_schema": {"type": "object"}},
    ]
    asked: list[Any] = [{"role": "user", "content": "Good morning!"}]
    call: Any = {"model": CLAUDE, "max_tokens": 99, "system": SYSTEM}
    with anthropic.Anthropic(api_key="sk-of-the-test", base_url=url) as client:
        client.messages.create(**call, messages=asked)
        asked = [{"role": "user", "content": "And the weather in Łódź?"}]
        first = client.messages.create(**call, messages=asked, tools=tools)
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain, sun"}
        said = [block.model_dump(exclude_none=True) for block in first.content]
        asked += [{"role": "assistant", "content": said}, {"role": "user", "content": [result]}]
        client.messages.create(**call, messages=asked, tools=tools)
        asked += [{"role": "assistant", "content": "Rain, then sun."}, {"role": "user", "content": "What time is it?"}]
        stream = client.messages.create(**call, messages=asked, tools=tools, stream=True)
        assert len(list(stream)) > 3


def main(way: str, library: str, url: str) -> None:
    """Record the conversation as a run."""
    instrument(way, library)
    with whence.trace("same") as trace:
        print(trace.otel_trace_id)
        (talk_openai if library == "openai" else talk_anthropic)(url)


# -- the test -----------------------------------------------------------------------------------------------------


def answer_openai(server: LlmServer) -> None:
    """What the server answers, in order."""
    called = tool_call("weather", {"city": "Łódź", "days": [1, 2]})
    again = tool_call("clock", {}, id="call_2")
    dated = f"{GPT}-2024-07-18"
    server.say(
        chat("Good morning.", tokens=(1_234, 56), cached=1_024, reasoning=32, model=dated, id="chatcmpl-a"),
        chat(None, calls=(called,), tokens=(2_000, 40), model=dated, id="chatcmpl-b"),
        chat("Rain, then sun.", tokens=(2_500, 12), cached=2_048, model=dated, id="chatcmpl-c"),
        chat("Let me see.", calls=(again,), tokens=(3_000, 33), cached=1_024, model=dated, id="chatcmpl-d"),
    )


def answer_anthropic(server: LlmServer) -> None:
    """What the other server answers."""
    called = tool_call("weather", {"city": "Łódź", "days": [1, 2]}, id="toolu_1")
    again = tool_call("clock", {}, id="toolu_2")
    server.say(
        message("Good morning.", tokens=(210, 56), cache_read=1_024, cache_write=512, id="msg_a"),
        message("I shall look.", calls=(called,), tokens=(100, 40), cache_write=2_048, id="msg_b"),
        message("Rain, then sun.", tokens=(77, 12), cache_read=2_048, id="msg_c"),
        message(
            "Let me see.",
            thought="What do they want?",
            calls=(again,),
            tokens=(99, 33),
            cache_read=3_000,
            cache_write=5,
            id="msg_d",
        ),
    )


def record(way: str, library: str, data: Path) -> TraceView:
    """Run the program; return what the store has of it, priced."""
    with LlmServer() as server:
        (answer_openai if library == "openai" else answer_anthropic)(server)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", __name__, way, library, server.url],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **CONTENT.get(way, {}), "WHENCE_DATA": str(data)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    runtime = Runtime(Settings(data=data, documents=data))
    try:
        runtime.drain()
        store = runtime.store()
        assert keep_priced(store, data).trouble is None
        assert store.count_traces(TraceFilter()) == 1  # whoever recorded the calls, they lie in the run
        return runtime.view_of_stored(done.stdout.strip())
    finally:
        runtime.close()


Recorded = Callable[[str, str], TraceView]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Each way and library, recorded once."""
    known: dict[tuple[str, str], TraceView] = {}

    def get(way: str, library: str) -> TraceView:
        if (way, library) not in known:
            known[way, library] = record(way, library, tmp_path_factory.mktemp("data"))
        return known[way, library]

    return get


def told(view: TraceView) -> list[dict[str, Any]]:
    """Return what was told of each call."""
    return [
        {
            **{name: call.attributes.get(name) for name in SAME},
            **{name: call.attributes.get("parameters", {}).get(name) for name in ASKED},
            "streamed": bool(call.attributes.get("stream")),
            "error": call.error,
        }
        for call in view.llm_calls
    ]


def chosen(view: TraceView) -> list[tuple[Any, ...]]:
    """Return the tools that were chosen, and from what."""
    made = sorted((each for stage in view.stages.values() for each in stage.decisions), key=lambda each: each.ts_ns)
    return [(each.what, each.why, each.alternatives_considered, each.inputs) for each in made]


def test_ours_says_what_was_said(recorded: Recorded) -> None:
    plain, tool, after, streamed = told(recorded("whence", "openai"))
    counts = ("input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens")
    assert [[each[name] for name in counts] for each in (plain, tool, after, streamed)] == [
        [1_234, 56, 1_024, 32],
        [2_000, 40, None, None],
        [2_500, 12, 2_048, None],
        [3_000, 33, 1_024, None],
    ]
    called = {"id": "call_1", "name": "weather", "arguments": {"city": "Łódź", "days": [1, 2]}}
    assert (plain["system"], plain["response"], plain["max_tokens"]) == (SYSTEM, "Good morning.", 99)
    assert tool["tool_calls"] == [called]
    assert after["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "content": "rain, sun", "tool_call_id": "call_1"},
    ]
    assert (streamed["streamed"], streamed["response"]) == (True, "Let me see.")
    assert streamed["tool_calls"] == [{"id": "call_2", "name": "clock", "arguments": {}}]
    assert [each["finish_reason"] for each in (plain, tool, after, streamed)] == [
        *("stop", "tool_calls", "stop", "tool_calls")
    ]


def test_the_cache_of_the_other_is_counted_once(recorded: Recorded) -> None:
    counts = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "total_tokens")
    assert [[each[name] for name in counts] for each in told(recorded("whence", "anthropic"))] == [
        [210 + 1_024 + 512, 56, 1_024, 512, 1_802],
        [100 + 2_048, 40, None, 2_048, 2_188],
        [77 + 2_048, 12, 2_048, None, 2_137],
        [99 + 3_000 + 5, 33, 3_000, 5, 3_137],
    ]


@pytest.mark.parametrize(
    ("library", "way"),
    [("openai", "openinference"), ("openai", "opentelemetry"), ("anthropic", "openinference")],
)
def test_the_same_calls_whoever_recorded_them(recorded: Recorded, library: str, way: str) -> None:
    ours, theirs = recorded("whence", library), recorded(way, library)
    assert len(ours.llm_calls) == 4
    assert told(theirs) == told(ours)
    assert all(each["cost_usd"] > 0 for each in told(ours))
    assert chosen(theirs) == chosen(ours)
    assert [each[0] for each in chosen(ours)] == ["weather", "clock"]


def test_a_call_that_both_see_is_recorded_once(recorded: Recorded) -> None:
    """Our adapter of the client keeps still where a span of OpenTelemetry, which is recorded too, tells of the call."""
    assert told(recorded("both", "openai")) == told(recorded("whence", "openai"))


def test_the_spans_that_a_client_writes_itself_count_the_same(recorded: Recorded) -> None:
    """Anthropic's does; of what it offered and streamed it tells nothing, so there are no decisions."""
    ours, theirs = recorded("whence", "anthropic"), recorded("the client itself", "anthropic")
    untold = ("finish_reason", "tools", "tool_calls", "response", "reasoning")
    for our, their in zip(told(ours), told(theirs), strict=True):
        assert {**our, **dict.fromkeys(untold)} == {**their, **dict.fromkeys(untold)}


if __name__ == "__main__":
    main(*sys.argv[1:])
