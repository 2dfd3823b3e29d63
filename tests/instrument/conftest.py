"""Real clients, asking a server of ours."""

from collections.abc import AsyncIterator, Iterator

import anthropic
import openai
import pytest

from tests.stubs.llm_server import LlmServer
from whence.testing import capture
from whence.testing.capture import Captured


@pytest.fixture
def recorded(installed: None) -> Iterator[Captured]:
    """What the adapter records that the test module has `installed`."""
    with capture() as records:
        yield records


@pytest.fixture
def server() -> Iterator[LlmServer]:
    """A server that speaks both wire formats."""
    with LlmServer() as started:
        yield started


@pytest.fixture
def gpt(server: LlmServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="sk-of-the-test", base_url=server.openai_url) as made:
        yield made


@pytest.fixture
async def async_gpt(server: LlmServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="sk-of-the-test", base_url=server.openai_url) as made:
        yield made


@pytest.fixture
def claude(server: LlmServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="sk-of-the-test", base_url=server.url) as made:
        yield made


@pytest.fixture
async def async_claude(server: LlmServer) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key="sk-of-the-test", base_url=server.url) as made:
        yield made
