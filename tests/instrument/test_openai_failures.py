"""The real `openai` client when things go wrong, or many at once: recorded as it was, raised as without us."""

import asyncio
import gc
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import openai
import opentelemetry.trace
import pytest

import whence
from tests.instrument.calls import only, said
from tests.stubs.llm_server import LlmServer, chat, error, hang
from whence.collect.segments import spooled_records
from whence.instrument import _client
from whence.instrument import openai as adapter
from whence.model.record import SPAN_START
from whence.record import otel
from whence.runtime.runtime import Runtime
from whence.testing import capture
from whence.testing.capture import Captured

GPT = "gpt-4o-mini"
ASKED: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello 7"}]


@pytest.fixture
def installed() -> Iterator[None]:
    adapter.install()
    yield
    adapter.remove()


def _raised(ask: Callable[[], object]) -> BaseException:
    try:
        ask()
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


def _told(exc: BaseException) -> tuple[Any, ...]:
    """Everything of an exception that a caller can tell."""
    cause = exc.__cause__
    innermost = traceback.extract_tb(exc.__traceback__)[-1]
    return (
        type(exc),
        str(exc),
        getattr(exc, "status_code", None),
        getattr(exc, "body", None),
        (type(cause), str(cause)),
        type(exc.__context__),
        exc.__suppress_context__,
        (innermost.filename, innermost.lineno, innermost.name),
    )


FAILURES = {
    "bad_request": (lambda: [error(400, "bad temperature")], "BadRequestError"),
    "rate_limit": (lambda: [error(429, retry_after=0.01)] * 2, "RateLimitError"),
    "server_error": (lambda: [error(500, retry_after=0.01)] * 2, "InternalServerError"),
    "unknown_key": (lambda: [error(401, "Incorrect API key")], "AuthenticationError"),
}


@pytest.mark.parametrize(("answers", "kind"), FAILURES.values(), ids=FAILURES)
def test_exceptions_are_the_same_with_and_without_us(
    server: LlmServer, gpt: openai.OpenAI, answers: Any, kind: str
) -> None:
    asking = gpt.with_options(max_retries=1).chat.completions

    def ask() -> object:
        return asking.create(model=GPT, messages=ASKED)

    server.say(*answers(), *answers())
    plain = _told(_raised(ask))
    adapter.install()
    try:
        with capture() as records, whence.trace("p"):
            watched = _told(_raised(ask))
    finally:
        adapter.remove()
    assert watched == plain
    assert watched[0].__name__ == kind
    call = only(records)
    assert (call.error["type"], call.attributes["finish_reason"]) == (kind, "error")
    assert call.attributes["status_code"] == plain[2]
    assert call.attributes["retries"] == len(answers()) - 1


def test_retries_are_counted(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    server.say(error(429, retry_after=0.01), error(500, retry_after=0.01), chat("at last"))
    with whence.trace("p"):
        gpt.chat.completions.create(model=GPT, messages=ASKED)
    call = only(recorded)
    assert (call.attributes["response"], call.attributes["retries"], call.error) == ("at last", 2, None)
    assert len(server.received) == 3


async def test_retries_are_counted_async(server: LlmServer, async_gpt: openai.AsyncOpenAI, recorded: Captured) -> None:
    server.say(error(429, retry_after=0.01), chat("at last"))
    async with whence.trace("p"):
        await async_gpt.chat.completions.create(model=GPT, messages=ASKED)
    assert (said(recorded)["response"], said(recorded)["retries"]) == ("at last", 1)


def test_a_server_that_is_not_there(recorded: Captured) -> None:
    with openai.OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", max_retries=0) as gpt, whence.trace("p"):
        assert isinstance(
            _raised(lambda: gpt.chat.completions.create(model=GPT, messages=ASKED)), openai.APIConnectionError
        )
    assert only(recorded).error["type"] == "APIConnectionError"


def test_a_stream_that_breaks(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    broken = chat("It rains cats and dogs.", break_after=3)
    adapter.remove()
    server.say(broken, broken)
    plain = _raised(lambda: list(gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True)))
    adapter.install()
    with whence.trace("p"):
        watched = _raised(lambda: list(gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True)))
    assert _told(watched)[:5] == _told(plain)[:5]
    call = only(recorded)
    assert (call.attributes["response"], call.attributes["finish_reason"]) == ("It rains", "error")
    assert call.error["type"] == "RemoteProtocolError"
    assert call.attributes["chunks"] == 3


def test_an_error_told_inside_a_stream(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    answer = chat("Hi")
    told = {"error": {"message": "the model fell over", "type": "server_error"}}
    answer.events = lambda request: [*chat("Hi").events(request)[:2], (None, told)]
    server.say(answer)
    with whence.trace("p"), pytest.raises(openai.APIError, match="fell over"):
        list(gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True))
    call = only(recorded)
    assert (call.attributes["response"], call.attributes["finish_reason"]) == ("Hi", "error")
    assert call.error["message"] == "the model fell over"


def test_a_stream_that_ends_without_its_end(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    answer = chat("Hi")
    answer.events = lambda request: chat("Hi").events(request)[:2]
    server.say(answer)
    with whence.trace("p"):
        list(gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True))
    assert said(recorded)["finish_reason"] == "incomplete"
    assert said(recorded)["interrupted"] == "the stream ended without its last event"


def test_a_stream_that_is_closed_early(gpt: openai.OpenAI, recorded: Captured) -> None:
    with whence.trace("p"):
        with gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True) as stream:
            next(stream)
            next(stream)
        assert stream.response.is_closed
    call = only(recorded)
    assert (call.error, call.attributes["finish_reason"]) == (None, "incomplete")
    assert call.attributes["interrupted"] == "closed before its end"


def test_a_stream_that_is_never_read_ends_when_it_is_dropped(gpt: openai.OpenAI, recorded: Captured) -> None:
    with whence.trace("p"):
        stream = gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True)
        gone = weakref.ref(stream.response)
        (call,) = recorded.trace.llm_calls
        assert call.open
        del stream
        gc.collect()
        assert gone() is None
    call = only(recorded)
    assert (call.attributes["finish_reason"], call.attributes["interrupted"]) == (
        "incomplete",
        "dropped before its end",
    )


def test_a_compressed_answer_is_read(server: LlmServer, gpt: openai.OpenAI, recorded: Captured) -> None:
    server.say(chat("packed", compressed=True), chat("packed", compressed=True))
    with whence.trace("p"):
        gpt.chat.completions.create(model=GPT, messages=ASKED)
        list(gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True))
    assert [call.attributes["response"] for call in recorded.trace.llm_calls] == ["packed", "packed"]


def test_an_answer_of_an_unknown_shape_is_counted_and_goes_through(
    server: LlmServer, gpt: openai.OpenAI, recorded: Captured
) -> None:
    answer = chat("x")
    answer.whole = lambda request: {"id": 5, "choices": "none", "usage": 3}
    server.say(answer)
    with whence.trace("p"):
        assert gpt.chat.completions.create(model=GPT, messages=ASKED).choices == "none"  # type: ignore[comparison-overlap]
        assert whence.stats()["internal_errors"] == 1
    assert not only(recorded).open


class _Span:
    """A current span of another library's, which says odd things of itself, or fails."""

    def __init__(self, attributes: Any) -> None:
        self._attributes = attributes

    @property
    def attributes(self) -> Any:
        if isinstance(self._attributes, Exception):
            raise self._attributes
        return self._attributes


@pytest.mark.parametrize("attributes", [["no", "mapping"], "text", 7, None, object()])
def test_a_span_whose_attributes_are_none_does_not_hinder_the_call(
    gpt: openai.OpenAI, recorded: Captured, monkeypatch: pytest.MonkeyPatch, attributes: Any
) -> None:
    monkeypatch.setattr(otel, "known", [object()])
    with whence.trace("p"):
        monkeypatch.setattr(opentelemetry.trace, "get_current_span", lambda: _Span(attributes))
        answer = gpt.chat.completions.create(model=GPT, messages=ASKED)
        monkeypatch.undo()

    assert said(recorded)["response"] == answer.choices[0].message.content


@pytest.mark.parametrize("where", ["span", "attributes", "trace"])
async def test_what_fails_before_a_call_is_counted_and_the_call_is_made(
    gpt: openai.OpenAI,
    async_gpt: openai.AsyncOpenAI,
    recorded: Captured,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    def failing() -> Any:
        raise RuntimeError("not ours")

    monkeypatch.setattr(otel, "known", [object()])
    with whence.trace("p"):
        if where == "trace":
            monkeypatch.setattr(_client, "current_trace", failing)
        else:
            span = failing if where == "span" else lambda: _Span(RuntimeError("not ours"))
            monkeypatch.setattr(opentelemetry.trace, "get_current_span", span)
        answers = [
            gpt.chat.completions.create(model=GPT, messages=ASKED),
            await async_gpt.chat.completions.create(model=GPT, messages=ASKED),
        ]
        monkeypatch.undo()

    assert all(each.choices[0].message.content for each in answers)
    assert recorded.trace.llm_calls == []
    assert whence.stats()["internal_errors"] == 2


def test_an_exception_that_cannot_be_asked_is_the_one_that_comes_out(
    gpt: openai.OpenAI, recorded: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(Exception):
        @property
        def status_code(self) -> int:
            raise RuntimeError("asked")

    def prepared(options: Any) -> Any:
        raise Odd("not sent")

    monkeypatch.setattr(gpt, "_prepare_options", prepared)
    with whence.trace("p"), pytest.raises(Odd, match="not sent"):
        gpt.chat.completions.create(model=GPT, messages=ASKED)

    assert only(recorded).error["message"] == "not sent"


def test_a_call_that_hangs_is_seen_while_it_hangs(
    server: LlmServer, gpt: openai.OpenAI, installed: None, runtime: Runtime
) -> None:
    server.say(hang())
    raised: list[BaseException] = []

    def ask() -> None:
        with whence.trace("p"):
            asking = gpt.with_options(max_retries=0).chat.completions
            raised.append(_raised(lambda: asking.create(model=GPT, messages=ASKED)))

    thread = threading.Thread(target=ask)
    thread.start()
    server.wait_for(1)
    started = [each for each in spooled_records(runtime.settings.spool) if each.kind == SPAN_START]
    assert [each.name for each in started] == ["chat"]
    assert b"Say hello 7" in bytes(started[0].payload)
    server.release()
    thread.join(30)
    assert isinstance(raised[0], openai.APIConnectionError)


async def test_a_cancelled_call_and_a_cancelled_stream(
    server: LlmServer, async_gpt: openai.AsyncOpenAI, recorded: Captured
) -> None:
    server.say(hang(), chat("It rains.", hang_after=2))
    reading = asyncio.Event()

    async def ask() -> None:
        await async_gpt.chat.completions.create(model=GPT, messages=ASKED)

    async def read() -> None:
        stream = await async_gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True)
        async for _ in stream:
            reading.set()

    async with whence.trace("p"):
        asking = asyncio.create_task(ask())
        await asyncio.to_thread(server.wait_for, 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        streaming = asyncio.create_task(read())
        await reading.wait()
        streaming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await streaming

    for call in recorded.trace.llm_calls:
        assert (call.error["type"], call.attributes["interrupted"]) == ("CancelledError", "cancelled")
        assert call.attributes["finish_reason"] == "incomplete"


# -- many at once -------------------------------------------------------------------------------------------------


async def test_twenty_at_once_each_with_its_own_counts_and_place(
    async_gpt: openai.AsyncOpenAI, recorded: Captured
) -> None:
    async def ask(trace: Any, number: int) -> None:
        with trace.stage(f"stage {number}"):
            asked: Any = [{"role": "user", "content": f"number {number}"}]
            if number % 2:
                await async_gpt.chat.completions.create(model=GPT, messages=asked)
            else:
                options: Any = {"include_usage": True}
                stream = await async_gpt.chat.completions.create(
                    model=GPT, messages=asked, stream=True, stream_options=options
                )
                async for _ in stream:
                    await asyncio.sleep(0)

    async with whence.trace("p") as trace:
        await asyncio.gather(*(ask(trace, number) for number in range(1, 21)))

    view = recorded.trace
    assert len(view.llm_calls) == 20
    for call in view.llm_calls:
        number = int(call.attributes["messages"][0]["content"].split()[1])
        assert call.stage == f"stage {number}"
        assert call.attributes["input_tokens"] == number
        assert call.attributes["response"] == f"number {number}"
        assert call.attributes["response_id"] == f"chatcmpl-{number}"
    starts = {each.name: each.span for each in recorded.records if each.kind == SPAN_START and each.name != "chat"}
    assert all(call.parent == starts[call.stage] for call in view.llm_calls)


def test_threads_at_once(gpt: openai.OpenAI, recorded: Captured) -> None:
    def ask(number: int) -> None:
        with whence.trace(f"p{number}"):
            gpt.chat.completions.create(model=GPT, messages=[{"role": "user", "content": f"number {number}"}])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for trace in recorded.traces:
        (call,) = trace.llm_calls
        assert trace.project == f"p{call.attributes['input_tokens']}"


async def test_async_streams_closed_early_and_dropped(async_gpt: openai.AsyncOpenAI, recorded: Captured) -> None:
    async with whence.trace("p"):
        async with await async_gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True) as stream:
            async for _ in stream:
                break
        assert stream.response.is_closed
        dropped = await async_gpt.chat.completions.create(model=GPT, messages=ASKED, stream=True)
        response = weakref.ref(dropped.response)
        del dropped
        gc.collect()
        assert response() is None
    first, second = recorded.trace.llm_calls
    assert first.attributes["interrupted"] == "closed before its end"
    assert second.attributes["interrupted"] == "dropped before its end"
    assert not first.open
    assert not second.open
