"""The real `anthropic` client, recorded: every call as one llm call, and the client none the wiser."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

import whence
from tests.instrument.calls import only, said
from tests.stubs.llm_server import LlmServer, chat, error, hang, message, stream_error, tool_call
from whence.collect.segments import spooled_records
from whence.errors import BadInput
from whence.instrument import anthropic as adapter
from whence.model.record import SPAN_START
from whence.runtime.runtime import Runtime
from whence.testing import capture
from whence.testing.capture import Captured

ASKED: list[Any] = [{"role": "user", "content": "Say hello 7"}]
WEATHER: Any = {"name": "weather", "description": "of a city", "input_schema": {"type": "object"}}
CLOCK: Any = {"name": "clock", "input_schema": {"type": "object"}}
CALLED = tool_call("weather", {"city": "Łódź"}, id="toolu_1")
CALL: dict[str, Any] = {"model": "claude-x-1", "max_tokens": 64, "messages": ASKED}


@pytest.fixture
def installed() -> Iterator[None]:
    adapter.install()
    yield
    adapter.remove()


# -- what is recorded ---------------------------------------------------------------------------------------------


def test_a_message_with_cache_thinking_and_a_tool(
    server: LlmServer, claude: anthropic.Anthropic, recorded: Captured
) -> None:
    server.say(message("Rain?", thought="Look out.", calls=(CALLED,), tokens=(20, 9), cache_read=100, cache_write=10))
    with whence.trace("p") as trace, trace.stage("ask"):
        claude.messages.create(
            **CALL,
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            tools=[WEATHER, CLOCK],
            thinking={"type": "enabled", "budget_tokens": 1024},
            extra_body={"temperature": 1.0},
            stop_sequences=["END"],
            metadata={"user_id": "someone"},
        )

    call = only(recorded)
    attributes = call.attributes
    assert (call.name, call.stage, call.error) == ("chat", "ask", None)
    assert (attributes["provider"], attributes["operation"]) == ("anthropic", "chat")
    assert attributes["request_model"] == attributes["model"] == "claude-x-1"
    assert (attributes["system"], attributes["messages"]) == ("Be brief.", ASKED)
    assert attributes["parameters"] == {
        "max_tokens": 64,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "temperature": 1.0,
        "stop_sequences": ["END"],
    }
    assert attributes["tools"][0] == {"name": "weather", "description": "of a city", "parameters": {"type": "object"}}
    assert attributes["tool_calls"] == [{"id": "toolu_1", "name": "weather", "arguments": {"city": "Łódź"}}]
    assert (attributes["response"], attributes["reasoning"]) == ("Rain?", "Look out.")
    assert (attributes["finish_reason"], attributes["response_id"]) == ("tool_use", "msg_1")
    assert (attributes["input_tokens"], attributes["output_tokens"], attributes["total_tokens"]) == (130, 9, 139)
    assert (attributes["cache_read_tokens"], attributes["cache_write_tokens"]) == (100, 10)
    assert attributes["usage"]["input_tokens"] == 20  # as it was sent
    assert attributes["server"] == server.url.removeprefix("http://")

    (decision,) = recorded.decisions
    assert (decision.what, decision.why, decision.alternatives_considered) == ("weather", "Look out.", ["clock"])


@pytest.mark.parametrize("pieces", [None, 1, 11], ids=["by_event", "by_byte", "by_eleven_bytes"])
def test_a_stream_says_the_same_as_the_whole(
    server: LlmServer, claude: anthropic.Anthropic, recorded: Captured, pieces: int | None
) -> None:
    answer = message(
        "Rain?",
        thought="Look out.",
        calls=(CALLED,),
        tokens=(20, 9),
        cache_read=100,
        cache_write=10,
        pieces=pieces,
    )
    server.say(answer, answer, answer)
    with whence.trace("p"):
        claude.messages.create(**CALL, tools=[WEATHER])
        stream = claude.messages.create(**CALL, tools=[WEATHER], stream=True)
        assert isinstance(stream, anthropic.Stream)
        events = list(stream)
        with claude.messages.stream(**CALL, tools=[WEATHER]) as helper:
            assert "".join(helper.text_stream) == "Rain?"
            assert helper.get_final_message().usage.output_tokens == 9

    whole, *streams = (call.attributes for call in recorded.trace.llm_calls)
    same = ("response", "reasoning", "tool_calls", "finish_reason", "usage", "input_tokens", "output_tokens")
    for each in streams:
        assert {name: each[name] for name in same} == {name: whole[name] for name in same}
        assert each["chunks"] == len(events)
        assert 0 < each["time_to_first_chunk_s"] < 60
        assert each["stream"] is True


def test_results_of_tools_are_messages_of_their_own(
    server: LlmServer, claude: anthropic.Anthropic, recorded: Captured
) -> None:
    server.say(message("I look.", calls=(CALLED,)), message("Rain."))
    with whence.trace("p"):
        first = claude.messages.create(**CALL, tools=[WEATHER])
        result: Any = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}
        claude.messages.create(
            **{
                **CALL,
                "messages": [
                    *ASKED,
                    {"role": "assistant", "content": first.content},
                    {"role": "user", "content": [result]},
                ],
            }
        )
    assert recorded.trace.llm_calls[1].attributes["messages"] == [
        *ASKED,
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [{"id": "toolu_1", "name": "weather", "arguments": {"city": "Łódź"}}],
        },
        {"role": "tool", "content": "rain", "tool_call_id": "toolu_1"},
    ]


def test_neither_key_nor_header_is_recorded(server: LlmServer, claude: anthropic.Anthropic, recorded: Captured) -> None:
    with whence.trace("p"):
        claude.messages.create(**CALL, extra_headers={"x-mine": "header-of-mine"}, metadata={"user_id": "someone"})
    written = repr(recorded.records)
    assert any("sk-of-the-test" in value for value in server.received[0].headers.values())
    assert not [each for each in ("of-the-test", "header-of-mine", "req_1", "someone") if each in written]


# -- the client is as it was --------------------------------------------------------------------------------------


def test_every_way_to_ask_keeps_working_and_is_recorded(claude: anthropic.Anthropic, recorded: Captured) -> None:
    with whence.trace("p"):
        raw = claude.messages.with_raw_response.create(**CALL)
        assert raw.http_response.status_code == 200
        assert raw.parse().id == "msg_7"
        with claude.messages.with_streaming_response.create(**CALL) as streaming:
            assert "msg_7" in "".join(streaming.iter_text())
        with claude.messages.with_streaming_response.create(**CALL, stream=True) as streaming:
            assert "event: message_start" in list(streaming.iter_lines())
        assert claude.beta.messages.create(**CALL).id == "msg_7"
        with claude.beta.messages.stream(**CALL) as helper:
            assert helper.get_final_text() == "Say hello 7"
        assert claude.with_options(max_retries=0).messages.create(**CALL).id == "msg_7"
    calls = recorded.trace.llm_calls
    assert [call.attributes["response"] for call in calls] == ["Say hello 7"] * 6
    assert [call.attributes["finish_reason"] for call in calls] == ["end_turn"] * 6
    assert [call.error for call in calls] == [None] * 6


async def test_every_async_way_as_well(async_claude: anthropic.AsyncAnthropic, recorded: Captured) -> None:
    async with whence.trace("p") as trace, trace.stage("ask"):
        assert (await async_claude.messages.create(**CALL)).id == "msg_7"
        stream = await async_claude.messages.create(**CALL, stream=True)
        assert isinstance(stream, anthropic.AsyncStream)
        assert [event.type async for event in stream][-1] == "message_stop"
        async with async_claude.messages.stream(**CALL) as helper:
            assert await helper.get_final_text() == "Say hello 7"
        raw = await async_claude.messages.with_raw_response.create(**CALL)
        assert raw.http_response.status_code == 200
        async with async_claude.messages.with_streaming_response.create(**CALL, stream=True) as streaming:
            assert "event: message_start" in [line async for line in streaming.iter_lines()]
    calls = recorded.trace.llm_calls
    assert [call.attributes["response"] for call in calls] == ["Say hello 7"] * 5
    assert {call.stage for call in calls} == {"ask"}
    assert not any(call.open or call.error for call in calls)


def test_what_the_clients_own_middleware_answers_was_not_billed(server: LlmServer, recorded: Captured) -> None:
    kept: list[Any] = []

    def remember(request: Any, call_next: Any) -> Any:
        if not kept:
            answer = call_next(request)
            kept.append(answer.parse())
            return answer
        return kept[0]

    with (
        anthropic.Anthropic(api_key="k", base_url=server.url, middleware=[remember]) as claude,
        whence.trace("p"),
    ):
        assert claude.messages.create(**CALL).id == claude.messages.create(**CALL).id == "msg_7"
    asked, remembered = (call.attributes for call in recorded.trace.llm_calls)
    assert len(server.received) == 1
    assert "cache_hit" not in asked
    assert remembered["cache_hit"] is True
    assert asked["response"] == remembered["response"] == "Say hello 7"


def test_outside_any_trace_nothing_is_recorded(claude: anthropic.Anthropic, recorded: Captured) -> None:
    assert claude.messages.create(**CALL).id == "msg_7"
    assert recorded.records == []


def test_other_requests_are_none_of_ours(server: LlmServer, claude: anthropic.Anthropic, recorded: Captured) -> None:
    answer = chat()
    answer.whole = lambda request: {"input_tokens": 5}
    server.say(answer)
    with whence.trace("p"):
        assert claude.messages.count_tokens(model="c", messages=ASKED).input_tokens == 5
    assert recorded.trace.llm_calls == []


def test_removing_puts_back_exactly_what_was_there(claude: anthropic.Anthropic) -> None:
    classes = [anthropic.Anthropic.__mro__[1], anthropic.AsyncAnthropic.__mro__[1]]
    names = ("request", "_sleep_for_retry", "_process_response")
    before = [vars(each)[name] for each in classes for name in names]
    adapter.install(claude)
    adapter.install()
    assert not any(vars(each)[name] in before for each in classes for name in names)
    adapter.remove()
    adapter.remove()
    after = [vars(each)[name] for each in classes for name in names]
    assert all(now is was for now, was in zip(after, before, strict=True))
    with pytest.raises(BadInput, match="no client of anthropic"):
        adapter.install("client")


def test_one_client_only(server: LlmServer, claude: anthropic.Anthropic) -> None:
    adapter.install(claude)
    try:
        with (
            anthropic.Anthropic(api_key="k", base_url=server.url) as other,
            capture() as records,
            whence.trace("p"),
        ):
            other.messages.create(**{**CALL, "messages": [{"role": "user", "content": "other 1"}]})
            claude.messages.create(**CALL)
        assert [call.attributes["response"] for call in records.trace.llm_calls] == ["Say hello 7"]
    finally:
        adapter.remove()


# -- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "BadRequestError"), (429, "RateLimitError"), (529, "OverloadedError")]
)
def test_exceptions_are_the_same_with_and_without_us(
    server: LlmServer, claude: anthropic.Anthropic, status: int, kind: str
) -> None:
    asking = claude.with_options(max_retries=0).messages
    answer = error(status, "no", kind="overloaded_error" if status == 529 else "stub_error")

    def ask() -> tuple[Any, ...]:
        server.say(answer)
        with pytest.raises(anthropic.APIStatusError) as caught:
            asking.create(**CALL)
        exc = caught.value
        return type(exc), str(exc), exc.status_code, exc.body, exc.__cause__, type(exc.__context__)

    plain = ask()
    adapter.install()
    try:
        with capture() as records, whence.trace("p"):
            watched = ask()
    finally:
        adapter.remove()
    assert watched == plain
    call = only(records)
    assert (call.error["type"], call.attributes["finish_reason"]) == (plain[0].__name__, "error")
    assert call.attributes["status_code"] == status
    assert plain[0].__name__ == kind


def test_retries_are_counted(server: LlmServer, claude: anthropic.Anthropic, recorded: Captured) -> None:
    server.say(error(429, retry_after=0.01), error(500, retry_after=0.01), message("at last"))
    with whence.trace("p"):
        claude.messages.create(**CALL)
    assert (said(recorded)["response"], said(recorded)["retries"]) == ("at last", 2)


def test_an_error_told_inside_a_stream(server: LlmServer, claude: anthropic.Anthropic, recorded: Captured) -> None:
    answer = message("Hello")
    answer.events = lambda request: [*message("Hello", cache_read=50).events(request)[:4], stream_error()]
    server.say(answer)
    with whence.trace("p"), pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(claude.messages.create(**CALL, stream=True))
    call = only(recorded)
    assert call.error == {"type": "overloaded_error", "message": "Overloaded"}
    assert (call.attributes["response"], call.attributes["finish_reason"]) == ("Hell", "error")
    assert call.attributes["cache_read_tokens"] == 50  # what the stream began with


def test_a_stream_that_breaks(server: LlmServer, claude: anthropic.Anthropic, recorded: Captured) -> None:
    server.say(message("Hello", break_after=4))
    with whence.trace("p"), pytest.raises(Exception, match=r"peer closed"):
        list(claude.messages.create(**CALL, stream=True))
    call = only(recorded)
    assert (call.attributes["response"], call.attributes["finish_reason"]) == ("Hell", "error")
    assert call.error["type"] == "RemoteProtocolError"


def test_a_stream_closed_early_and_one_never_read(
    server: LlmServer, claude: anthropic.Anthropic, recorded: Captured
) -> None:
    with whence.trace("p"):
        with claude.messages.stream(**CALL) as helper:
            next(helper)
        stream = claude.messages.create(**CALL, stream=True)
        gone = weakref.ref(stream.response)
        assert recorded.trace.llm_calls[1].open
        del stream
        gc.collect()
        assert gone() is None
    closed, dropped = recorded.trace.llm_calls
    assert closed.attributes["interrupted"] == "closed before its end"
    assert dropped.attributes["interrupted"] == "dropped before its end"
    for call in (closed, dropped):
        assert (call.error, call.attributes["finish_reason"], call.open) == (None, "incomplete", False)


def test_a_dropped_stream_goes_at_once_as_without_us(claude: anthropic.Anthropic, recorded: Captured) -> None:
    gc.disable()  # the library takes care that no cycle holds a stream, and so its connection
    try:
        with whence.trace("p"):
            stream = claude.messages.create(**CALL, stream=True)
            next(stream)
            response = stream.response
            gone = weakref.ref(stream)
            del stream
            assert gone() is None
            assert response.is_closed
    finally:
        gc.enable()
    assert said(recorded)["finish_reason"] == "incomplete"


def test_a_call_that_hangs_is_seen_while_it_hangs(
    server: LlmServer, claude: anthropic.Anthropic, installed: None, runtime: Runtime
) -> None:
    server.say(hang())
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            with whence.trace("p"):
                claude.with_options(max_retries=0).messages.create(**CALL)
        except anthropic.APIConnectionError as exc:
            raised.append(exc)

    thread = threading.Thread(target=ask)
    thread.start()
    server.wait_for(1)
    started = [each for each in spooled_records(runtime.settings.spool) if each.kind == SPAN_START]
    assert [each.name for each in started] == ["chat"]
    assert b"Say hello 7" in bytes(started[0].payload)
    server.release()
    thread.join(30)
    assert len(raised) == 1


async def test_twenty_at_once_each_with_its_own_counts_and_place(
    async_claude: anthropic.AsyncAnthropic, recorded: Captured
) -> None:
    async def ask(trace: Any, number: int) -> None:
        with trace.stage(f"stage {number}"):
            call: Any = {**CALL, "messages": [{"role": "user", "content": f"number {number}"}]}
            if number % 2:
                await async_claude.messages.create(**call)
            else:
                async with async_claude.messages.stream(**call) as stream:
                    async for _ in stream:
                        await asyncio.sleep(0)

    async with whence.trace("p") as trace:
        await asyncio.gather(*(ask(trace, number) for number in range(1, 21)))

    calls = recorded.trace.llm_calls
    assert len(calls) == 20
    starts = {each.name: each.span for each in recorded.records if each.kind == SPAN_START and each.name != "chat"}
    for call in calls:
        number = int(call.attributes["messages"][0]["content"].split()[1])
        assert (call.stage, call.parent) == (f"stage {number}", starts[f"stage {number}"])
        assert (call.attributes["input_tokens"], call.attributes["response"]) == (number, f"number {number}")
        assert call.attributes["response_id"] == f"msg_{number}"
