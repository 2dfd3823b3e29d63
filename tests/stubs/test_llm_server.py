"""The stub itself: what it sends is what the real clients read."""

import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.stubs.llm_server import LlmServer, chat, embeddings, error, hang, message, response, tool_call

ASKED = [{"role": "user", "content": "Say hello 7"}]


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with LlmServer() as started:
        yield started


@pytest.fixture
def gpt(server: LlmServer) -> Iterator[Any]:
    with openai.OpenAI(api_key="k", base_url=server.openai_url) as client:
        yield client


@pytest.fixture
def claude(server: LlmServer) -> Iterator[Any]:
    with anthropic.Anthropic(api_key="k", base_url=server.url) as client:
        yield client


def test_chat_whole_and_streamed_say_the_same(server: LlmServer, gpt: Any) -> None:
    answer = chat("It rains.", calls=(tool_call("weather", {"city": "Łódź"}),), tokens=(20, 9), cached=5, reasoning=2)
    server.say(answer, answer)

    whole = gpt.chat.completions.create(model="gpt-4o", messages=ASKED)
    with gpt.chat.completions.stream(model="gpt-4o", messages=ASKED, stream_options={"include_usage": True}) as stream:
        streamed = stream.get_final_completion()

    for each in (whole, streamed):
        assert each.choices[0].message.content == "It rains."
        assert json.loads(each.choices[0].message.tool_calls[0].function.arguments) == {"city": "Łódź"}
        assert (each.usage.prompt_tokens_details.cached_tokens, each.usage.total_tokens) == (5, 29)


def test_usage_is_streamed_only_where_it_is_asked_for(server: LlmServer, gpt: Any) -> None:
    chunks = list(gpt.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))
    assert all(chunk.usage is None for chunk in chunks)


def test_responses_whole_and_streamed_say_the_same(server: LlmServer, gpt: Any) -> None:
    answer = response("It rains.", thought="Look out.", calls=(tool_call("look", {"at": 1}),), tokens=(20, 9))
    server.say(answer, answer)
    whole = gpt.responses.create(model="gpt-5", input="weather?")
    with gpt.responses.stream(model="gpt-5", input="weather?") as stream:
        streamed = stream.get_final_response()
    assert whole.output_text == streamed.output_text == "It rains."
    assert [item.type for item in streamed.output] == ["reasoning", "function_call", "message"]


def test_messages_whole_and_streamed_say_the_same(server: LlmServer, claude: Any) -> None:
    call = tool_call("weather", {"city": "Łódź"}, id="toolu_1")
    answer = message("It rains.", thought="Look out.", calls=(call,), tokens=(20, 9), cache_read=100, cache_write=10)
    server.say(answer, answer)
    whole = claude.messages.create(model="claude-x", max_tokens=64, messages=ASKED)
    with claude.messages.stream(model="claude-x", max_tokens=64, messages=ASKED) as stream:
        streamed = stream.get_final_message()
    for each in (whole, streamed):
        assert [block.type for block in each.content] == ["thinking", "text", "tool_use"]
        assert each.content[2].input == {"city": "Łódź"}
        assert (each.usage.input_tokens, each.usage.output_tokens) == (20, 9)
        assert (each.usage.cache_read_input_tokens, each.usage.cache_creation_input_tokens) == (100, 10)


def test_without_a_script_it_echoes_and_counts(server: LlmServer, gpt: Any, claude: Any) -> None:
    said = gpt.chat.completions.create(model="gpt-4o", messages=ASKED)
    assert (said.choices[0].message.content, said.usage.prompt_tokens) == ("Say hello 7", 7)
    assert claude.messages.create(model="c", max_tokens=9, messages=ASKED).usage.input_tokens == 7
    assert gpt.embeddings.create(model="e", input="three 3", encoding_format="float").usage.prompt_tokens == 3
    assert [request.path for request in server.received] == ["/v1/chat/completions", "/v1/messages", "/v1/embeddings"]


def test_errors_and_retries(server: LlmServer, gpt: Any, claude: Any) -> None:
    server.say(error(429, retry_after=0.01), embeddings([1.0]))
    assert gpt.embeddings.create(model="e", input="x", encoding_format="float").data[0].embedding == [1.0]
    server.say(error(400, "bad"), error(400, "bad"))
    with pytest.raises(openai.BadRequestError, match="bad"):
        gpt.chat.completions.create(model="m", messages=ASKED)
    with pytest.raises(anthropic.BadRequestError, match="bad"):
        claude.messages.create(model="m", max_tokens=1, messages=ASKED)
    assert len(server.received) == 4


def test_a_stream_that_breaks_is_noticed_by_the_client(server: LlmServer, gpt: Any) -> None:
    server.say(chat("a long enough text", break_after=3))
    with pytest.raises(openai.APIConnectionError):
        list(gpt.chat.completions.create(model="m", messages=ASKED, stream=True))


def test_what_hangs_is_released(server: LlmServer) -> None:
    server.say(hang())
    ended = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
        try:
            connection.request("POST", "/v1/chat/completions", body="{}")
            with pytest.raises(http.client.RemoteDisconnected):
                connection.getresponse()
        finally:
            connection.close()
            ended.set()

    thread = threading.Thread(target=ask)
    thread.start()
    server.wait_for(1)
    assert not ended.is_set()
    server.release()
    thread.join(30)
    assert ended.is_set()
