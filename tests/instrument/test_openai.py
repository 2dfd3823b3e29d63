"""The real `openai` client, recorded: every call as one llm call, and the client none the wiser."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

import whence
from tests.instrument.calls import only, said
from tests.stubs.llm_server import (
    LlmServer,
    chat,
    completion,
    embeddings,
    response,
    tool_call,
)
from whence.errors import BadInput
from whence.instrument import openai as adapter
from whence.testing import capture
from whence.testing.capture import Captured

GPT = "gpt-4o-mini"
ASKED: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello 7"}]
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "description": "of a city", "parameters": {"type": "object"}},
}
CLOCK: Any = {"type": "function", "function": {"name": "clock"}}
CALLED = tool_call("weather", {"city": "Łódź"})


@pytest.fixture
def installed() -> Iterator[None]:
    adapter.install()
    yield
    adapter.remove()


# -- what is recorded ---------------------------------------------------------------------------------------------


def test_a_chat_completion(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    server.say(chat("Hello.", tokens=(20, 9), cached=5, reasoning=2, model="gpt-4o-mini-2024-07-18"))
    with whence.trace("p") as trace, trace.stage("ask"):
        gpt.chat.completions.create(
            model=GPT,
            messages=ASKED,
            temperature=0.5,
            max_tokens=64,
            top_p=0.9,
            seed=3,
            stop=["\n"],
            response_format={"type": "json_object"},
            user="someone@example.com",
        )

    call = only(recorded)
    attributes = call.attributes
    assert (call.name, call.stage, call.error) == ("chat", "ask", None)
    assert attributes["provider"] == "openai"
    assert attributes["operation"] == "chat"
    assert (attributes["request_model"], attributes["model"]) == (GPT, "gpt-4o-mini-2024-07-18")
    assert attributes["system"] == "Be brief."
    assert attributes["messages"] == [{"role": "user", "content": "Say hello 7"}]
    assert attributes["parameters"] == {
        "temperature": 0.5,
        "max_tokens": 64,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["\n"],
        "response_format": "json_object",
    }
    assert attributes["response"] == "Hello."
    assert (attributes["finish_reason"], attributes["response_id"]) == ("stop", "chatcmpl-1")
    assert (attributes["input_tokens"], attributes["output_tokens"], attributes["total_tokens"]) == (20, 9, 29)
    assert (attributes["cache_read_tokens"], attributes["reasoning_tokens"]) == (5, 2)
    assert attributes["usage"]["prompt_tokens_details"] == {"cached_tokens": 5, "audio_tokens": 0}
    assert attributes["server"] == server.url.removeprefix("http://")
    assert attributes["retries"] == 0
    assert "stream" not in attributes


def test_a_call_of_a_tool_is_a_decision_with_alternatives(
    server: LlmServer, gpt: openai.OpenAI, recorded: Captured
) -> None:
    server.say(chat("I look out.", calls=(CALLED,)), chat("Rain."))
    with whence.trace("p"):
        first = gpt.chat.completions.create(model=GPT, messages=ASKED, tools=[WEATHER, CLOCK])
        answered = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
        gpt.chat.completions.create(model=GPT, messages=[*ASKED, first.choices[0].message, answered])  # type: ignore[list-item]

    asked, told = recorded.trace.llm_calls
    made = {"id": "call_1", "name": "weather", "arguments": {"city": "Łódź"}}
    assert asked.attributes["tools"] == [
        {"name": "weather", "description": "of a city", "parameters": {"type": "object"}},
        {"name": "clock"},
    ]
    assert asked.attributes["tool_calls"] == [made]
    assert asked.attributes["finish_reason"] == "tool_calls"
    assert told.attributes["messages"][1:] == [
        {"role": "assistant", "content": "I look out.", "tool_calls": [made]},
        {"role": "tool", "content": "rain", "tool_call_id": "call_1"},
    ]
    (decision,) = recorded.decisions
    assert (decision.what, decision.why, decision.alternatives_considered) == ("weather", "I look out.", ["clock"])


@pytest.mark.parametrize("pieces", [None, 1, 7], ids=["by_event", "by_byte", "by_seven_bytes"])
def test_a_stream_is_one_call_however_it_is_cut(
    server: LlmServer, gpt: openai.OpenAI, recorded: Captured, pieces: int | None
) -> None:
    server.say(chat("It rains.", calls=(CALLED,), tokens=(20, 9), cached=5, pieces=pieces))
    with whence.trace("p"):
        stream = gpt.chat.completions.create(
            model=GPT, messages=ASKED, tools=[WEATHER], stream=True, stream_options={"include_usage": True}
        )
        assert isinstance(stream, openai.Stream)
        chunks = list(stream)

    attributes = said(recorded)
    assert attributes["response"] == "It rains."
    assert attributes["tool_calls"] == [{"id": "call_1", "name": "weather", "arguments": {"city": "Łódź"}}]
    assert (attributes["input_tokens"], attributes["output_tokens"], attributes["cache_read_tokens"]) == (20, 9, 5)
    assert attributes["finish_reason"] == "tool_calls"
    assert attributes["stream"] is True
    assert attributes["chunks"] == len(chunks)
    assert 0 < attributes["time_to_first_chunk_s"] < 60


def test_without_usage_in_the_stream_the_counts_are_unknown(gpt: openai.OpenAI, recorded: Captured) -> None:
    with whence.trace("p"):
        list(gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True))
    attributes = said(recorded)
    assert (attributes["response"], attributes["finish_reason"]) == ("Say hello 7", "stop")
    assert not {"usage", "input_tokens", "output_tokens", "total_tokens"} & attributes.keys()


def test_several_choices(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    server.say(chat(texts=("one", "two")))
    with whence.trace("p"):
        gpt.chat.completions.create(model=GPT, messages=ASKED, n=2)
    attributes = said(recorded)
    assert attributes["response"] == "one"
    assert [each["content"] for each in attributes["outputs"]] == ["one", "two"]


def test_the_responses_api(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    answer = response("Rain.", thought="I look out.", calls=(CALLED,), tokens=(20, 9), cached=5, reasoning=2)
    server.say(answer, answer)
    given: Any = [{"role": "user", "content": [{"type": "input_text", "text": "weather?"}]}]
    tools: Any = [{"type": "function", "name": "weather", "parameters": {}}, {"type": "web_search"}]
    with whence.trace("p"):
        gpt.responses.create(model="gpt-5", instructions="Be brief.", input=given, tools=tools, max_output_tokens=99)
        with gpt.responses.stream(model="gpt-5", instructions="Be brief.", input=given, tools=tools) as stream:
            assert stream.get_final_response().output_text == "Rain."

    whole, streamed = (call.attributes for call in recorded.trace.llm_calls)
    for each in (whole, streamed):
        assert each["operation"] == "chat"
        assert (each["system"], each["messages"]) == ("Be brief.", [{"role": "user", "content": "weather?"}])
        assert (each["response"], each["reasoning"], each["finish_reason"]) == ("Rain.", "I look out.", "completed")
        assert each["tool_calls"] == [{"id": "call_1", "name": "weather", "arguments": {"city": "Łódź"}}]
        assert [tool["name"] for tool in each["tools"]] == ["weather", "web_search"]
        assert (each["input_tokens"], each["output_tokens"]) == (20, 9)
        assert (each["cache_read_tokens"], each["reasoning_tokens"]) == (5, 2)
    assert whole["parameters"]["max_output_tokens"] == 99
    assert streamed["chunks"] > 5


def test_a_response_that_was_cut_off_says_why(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    server.say(response("Ra", status="incomplete"))
    with whence.trace("p"):
        list(gpt.responses.create(model="gpt-5", input="weather?", stream=True))
    assert (said(recorded)["response"], said(recorded)["finish_reason"]) == ("Ra", "max_output_tokens")


def test_embeddings_and_completions(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    server.say(embeddings([0.5], [0.25], tokens=8), completion("there", tokens=(4, 2)))
    with whence.trace("p"):
        gpt.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=1)
        gpt.completions.create(model="gpt-3.5-turbo-instruct", prompt="hello", max_tokens=5)

    vectors, text = (call.attributes for call in recorded.trace.llm_calls)
    assert (vectors["operation"], vectors["prompt"], vectors["embeddings"]) == ("embeddings", ["a", "b"], 2)
    assert (vectors["input_tokens"], vectors["parameters"]["dimensions"]) == (8, 1)
    assert (text["operation"], text["prompt"], text["response"]) == ("text_completion", "hello", "there")
    assert (text["input_tokens"], text["output_tokens"], text["finish_reason"]) == (4, 2, "stop")


def test_neither_key_nor_header_is_recorded(
    server: LlmServer, gpt: openai.OpenAI, recorded: Captured, data: Any
) -> None:
    with whence.trace("p"):
        gpt.chat.completions.create(model=GPT, messages=ASKED, extra_headers={"x-mine": "header-of-mine"})
    written = repr(recorded.records)
    assert server.received[0].headers["authorization"] == "Bearer sk-of-the-test"
    assert "of-the-test" not in written
    assert "header-of-mine" not in written
    assert "req_1" not in written


def test_what_the_caller_changes_later_changes_nothing(gpt: openai.OpenAI, recorded: Captured) -> None:
    messages = [{"role": "user", "content": "as it was 1"}]
    with whence.trace("p"):
        stream = gpt.chat.completions.create(model=GPT, messages=messages, stream=True)  # type: ignore[arg-type]
        messages[0]["content"] = "changed"
        list(stream)
    assert said(recorded)["messages"] == [{"role": "user", "content": "as it was 1"}]


# -- the client is as it was --------------------------------------------------------------------------------------


class Weather(BaseModel):
    city: str


def test_every_way_to_ask_keeps_working_and_is_recorded(
    server: LlmServer, gpt: openai.OpenAI, recorded: Captured
) -> None:
    completions = gpt.chat.completions
    with whence.trace("p"):
        server.say(chat('{"city": "Łódź"}'))
        parsed = completions.parse(model=GPT, messages=ASKED, response_format=Weather)
        assert parsed.choices[0].message.parsed == Weather(city="Łódź")

        raw = completions.with_raw_response.create(model=GPT, messages=ASKED)
        assert raw.http_response.status_code == 200
        assert raw.parse().choices[0].message.content == "Say hello 7"

        with completions.with_streaming_response.create(model=GPT, messages=ASKED) as streaming:
            assert json.loads("".join(streaming.iter_text()))["id"] == "chatcmpl-7"

        with completions.with_streaming_response.create(model=GPT, messages=ASKED, stream=True) as streaming:
            lines = list(streaming.iter_lines())
            assert lines[0].startswith("data: ")

        raw_stream = completions.with_raw_response.create(model=GPT, messages=ASKED, stream=True).parse()
        assert isinstance(raw_stream, openai.Stream)
        assert len(list(raw_stream)) == 5

        with completions.stream(model=GPT, messages=ASKED) as events:
            assert events.get_final_completion().choices[0].message.content == "Say hello 7"

        with completions.create(model=GPT, messages=ASKED, stream=True) as stream:
            assert next(stream).object == "chat.completion.chunk"
            assert len(list(stream)) == 4

    calls = recorded.trace.llm_calls
    assert [call.attributes["response"] for call in calls] == ['{"city": "Łódź"}', *["Say hello 7"] * 6]
    assert [call.attributes["finish_reason"] for call in calls] == ["stop"] * 7
    assert calls[0].attributes["parameters"]["response_format"] == "json_schema"


async def test_every_async_way_as_well(server: LlmServer, async_gpt: openai.AsyncOpenAI, recorded: Captured) -> None:
    completions = async_gpt.chat.completions
    async with whence.trace("p") as trace, trace.stage("ask"):
        assert (await completions.create(model=GPT, messages=ASKED)).id == "chatcmpl-7"

        stream = await completions.create(model=GPT, messages=ASKED, stream=True)
        assert isinstance(stream, openai.AsyncStream)
        assert len([chunk async for chunk in stream]) == 5

        async with completions.stream(model=GPT, messages=ASKED) as events:
            assert (await events.get_final_completion()).choices[0].message.content == "Say hello 7"

        raw = await completions.with_raw_response.create(model=GPT, messages=ASKED)
        assert raw.parse().id == "chatcmpl-7"

        async with completions.with_streaming_response.create(model=GPT, messages=ASKED, stream=True) as streaming:
            assert len([line async for line in streaming.iter_lines() if line]) == 6

        server.say(chat('{"city": "Łódź"}'))
        parsed = await completions.parse(model=GPT, messages=ASKED, response_format=Weather)
        assert parsed.choices[0].message.parsed == Weather(city="Łódź")

        async with async_gpt.responses.stream(model="gpt-5", input="hello 2") as answers:
            assert (await answers.get_final_response()).output_text == "hello 2"

        assert (await async_gpt.embeddings.create(model="e", input="x 3", encoding_format="float")).data

    calls = recorded.trace.llm_calls
    assert len(calls) == 8
    assert not any(call.open or call.error for call in calls)
    assert {call.stage for call in calls} == {"ask"}
    assert {call.attributes["finish_reason"] for call in calls[:6]} == {"stop"}


def test_an_answer_whose_parsing_fails_is_recorded_with_the_failure(
    server: LlmServer, gpt: openai.OpenAI, recorded: Captured
) -> None:
    server.say(chat('{"city": ', finish_reason="length"))
    with whence.trace("p"), pytest.raises(openai.LengthFinishReasonError):
        gpt.chat.completions.parse(model=GPT, messages=ASKED, response_format=Weather)
    call = only(recorded)
    assert (call.attributes["response"], call.attributes["input_tokens"]) == ('{"city": ', 12)
    assert call.attributes["finish_reason"] == "length"
    assert call.error["type"] == "LengthFinishReasonError"


def test_outside_any_trace_nothing_is_recorded(gpt: openai.OpenAI, recorded: Captured) -> None:
    assert gpt.chat.completions.create(model=GPT, messages=ASKED).id == "chatcmpl-7"
    stream = gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True)
    assert type(stream.response.stream).__module__.startswith("httpx")  # not even looked at
    stream.close()
    assert recorded.records == []


def test_in_a_trace_that_is_switched_off_nothing_is_recorded(gpt: openai.OpenAI, recorded: Captured) -> None:
    with whence.trace("p", enabled=False):
        gpt.chat.completions.create(model=GPT, messages=ASKED)
    assert recorded.records == []


def test_other_requests_are_none_of_ours(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    server.say(embeddings())
    with whence.trace("p"):
        gpt.moderations.create(model="m", input="x")
    assert recorded.trace.llm_calls == []


# -- in and out ---------------------------------------------------------------------------------------------------


def _inside() -> dict[str, Any]:
    classes = [openai.OpenAI.__mro__[1], openai.AsyncOpenAI.__mro__[1]]
    names = ("request", "_sleep_for_retry", "_process_response")
    return {f"{each.__name__}.{name}": vars(each)[name] for each in classes for name in names}


def test_removing_puts_back_exactly_what_was_there() -> None:
    before = _inside()
    adapter.install()
    adapter.install()
    during = _inside()
    assert all(during[name] is not before[name] for name in before)
    assert inspect.iscoroutinefunction(during["AsyncAPIClient.request"])
    assert inspect.signature(during["SyncAPIClient.request"]) == inspect.signature(before["SyncAPIClient.request"])
    adapter.remove()
    adapter.remove()
    after = _inside()
    assert all(after[name] is before[name] for name in before)


def test_what_another_library_put_on_top_stays(gpt: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    base = openai.OpenAI.__mro__[1]
    before = vars(base)["request"]
    adapter.install()
    ours = vars(base)["request"]

    def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
        return ours(self, *args, **kwargs)

    monkeypatch.setattr(base, "request", theirs)
    adapter.remove()
    assert vars(base)["request"] is theirs
    with capture() as records, whence.trace("p"):
        gpt.chat.completions.create(model=GPT, messages=ASKED)
    assert records.trace.llm_calls == []  # ours is underneath, and does nothing

    adapter.install()
    with capture() as records, whence.trace("p"):
        gpt.chat.completions.create(model=GPT, messages=ASKED)
    assert len(records.trace.llm_calls) == 1
    monkeypatch.undo()
    adapter.remove()
    assert vars(base)["request"] is before


def test_one_client_only(server: LlmServer, gpt: openai.OpenAI) -> None:
    adapter.install(gpt)
    adapter.install(gpt)
    try:
        with (
            openai.OpenAI(api_key="k", base_url=server.openai_url) as other,
            capture() as records,
            whence.trace("p"),
        ):
            other.chat.completions.create(model=GPT, messages=[{"role": "user", "content": "other 1"}])
            gpt.chat.completions.create(model=GPT, messages=[{"role": "user", "content": "this 2"}])
        assert [call.attributes["response"] for call in records.trace.llm_calls] == ["this 2"]
    finally:
        adapter.remove()
    with pytest.raises(BadInput, match="no client of openai"):
        adapter.install(object())
