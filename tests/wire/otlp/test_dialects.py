"""One call of a model is one call, whichever library tells of it and in whichever dialect."""

from typing import Any

import pytest

from tests.wire.otlp.seen import ASKED, PARIS, WEATHER, logs, plain_span, span
from whence.wire.otlp.dialects import read
from whence.wire.otlp.logs import joined, read_log

WITH_MESSAGES = ["openinference", "traceloop_0_62", "traceloop_0_47", "openai_v2_2_4"]
WITH_LOGS = ["openai_v2_2_1", "openai_v2_2_4_events", "traceloop_0_62_events"]
OF_ANTHROPIC = ["openinference", "traceloop_0_62", "traceloop_0_47"]


def llm(library: str, call: str) -> dict[str, Any]:
    """What is known of a call: its span, and the log records beside it."""
    return joined(read(span(library, call)).llm, [read_log(each) for each in logs(library, call)])


@pytest.mark.parametrize("library", WITH_MESSAGES + WITH_LOGS)
def test_a_chat_with_a_tool_is_the_same_call_in_every_dialect(library: str) -> None:
    call = llm(library, "chat_tools")

    assert call["provider"] == "openai"
    assert call["operation"] == "chat"
    assert (call["model"], call["request_model"]) == ("gpt-4o-2024-08-06", "gpt-4o")
    assert (call["input_tokens"], call["output_tokens"]) == (120, 30)
    assert call["system"] == "Be brief."
    assert call["messages"] == ASKED
    assert call["response"] == "Let me look."
    assert call["tool_calls"] == [{"id": "call_1", **PARIS}]
    assert call["finish_reason"] in ("tool_calls", "tool_call")  # Traceloop's own word since 0.50
    assert call["response_id"] == "chatcmpl-1"
    assert call["parameters"]["temperature"] == 0.2
    assert call["parameters"]["max_tokens"] == 64


@pytest.mark.parametrize("library", ["openinference", "traceloop_0_62", "traceloop_0_47"])
def test_tools_offered_and_details_of_counts_where_they_are_said(library: str) -> None:
    call = llm(library, "chat_tools")

    assert call["tools"] == [WEATHER]
    assert (call["cache_read_tokens"], call["reasoning_tokens"]) == (100, 10)
    assert "total_tokens" not in call  # only the sum of the two


@pytest.mark.parametrize("library", [*WITH_MESSAGES, "openai_v2_2_1", "openai_v2_2_4_events"])
def test_a_conversation_with_a_result_of_a_tool(library: str) -> None:
    call = llm(library, "chat_after_tool")

    assert call["messages"] == [
        *ASKED,
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", **PARIS}]},
        {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
    ]
    assert call["response"] == "It is sunny."
    assert "tool_calls" not in call
    assert call["finish_reason"] == "stop"


@pytest.mark.parametrize("library", WITH_MESSAGES + WITH_LOGS)
def test_a_stream_says_the_same(library: str) -> None:
    call = llm(library, "chat_stream")

    assert (call["input_tokens"], call["output_tokens"]) == (120, 30)
    assert call["response"] == "Let me look."
    assert call["tool_calls"] == [{"id": "call_1", **PARIS}]
    assert call["finish_reason"] in ("tool_calls", "tool_call")


def test_the_first_chunk_of_a_stream_has_its_time() -> None:
    assert read(span("openinference", "chat_stream")).llm["time_to_first_chunk_s"] == 0.5
    traceloop = read(span("traceloop_0_62", "chat_stream"))
    assert traceloop.llm["time_to_first_chunk_s"] == 0.5
    assert traceloop.llm["chunks"] == 6
    assert traceloop.events == []


@pytest.mark.parametrize("library", OF_ANTHROPIC)
def test_anthropics_counts_include_the_cache(library: str) -> None:
    call = llm(library, "messages_tools")

    assert call["provider"] == "anthropic"
    assert (call["input_tokens"], call["output_tokens"]) == (120, 30)  # the server said 20, and 100 of the cache
    assert (call["cache_read_tokens"], call["cache_write_tokens"]) == (80, 20)
    assert call["system"] == "Be brief."
    assert call["messages"] == ASKED
    assert call["response"] == "Let me look."
    assert call["tool_calls"] == [{"id": "toolu_1", **PARIS}]
    assert call["tools"] == [WEATHER]
    assert call["operation"] == "chat"


@pytest.mark.parametrize("library", OF_ANTHROPIC)
def test_anthropics_results_of_tools_are_messages_of_their_own(library: str) -> None:
    assert llm(library, "messages_after_tool")["messages"] == [
        *ASKED,
        {"role": "assistant", "content": None, "tool_calls": [{"id": "toolu_1", **PARIS}]},
        {"role": "tool", "content": "sunny", "tool_call_id": "toolu_1"},
    ]


@pytest.mark.parametrize("library", OF_ANTHROPIC)
def test_what_a_model_thought_is_apart_from_what_it_said(library: str) -> None:
    call = llm(library, "messages_thinking")

    assert call["reasoning"] == "They ask for weather."
    assert call["response"] == "Let me look."


@pytest.mark.parametrize("library", ["openinference", "traceloop_0_62", "traceloop_0_47"])
def test_openais_other_api_is_the_same_call(library: str) -> None:
    call = llm(library, "responses")

    assert call["system"] == "Be brief."
    assert call["messages"] == ASKED
    assert call["response"] == "It is sunny."
    assert [each["arguments"] for each in call["tool_calls"]] == [{"city": "Paris"}]
    assert (call["input_tokens"], call["cache_read_tokens"], call["reasoning_tokens"]) == (120, 100, 10)
    assert call["tools"] == [WEATHER]


@pytest.mark.parametrize("library", WITH_MESSAGES)
def test_embeddings(library: str) -> None:
    reading = read(span(library, "embeddings"))

    assert reading.type == "embedding"
    assert reading.llm["operation"] == "embeddings"
    assert reading.llm["model"] == "text-embedding-3-small"
    assert reading.llm["input_tokens"] == 4
    assert reading.inputs == (None if library == "openai_v2_2_4" else "hello")


@pytest.mark.parametrize("library", WITH_MESSAGES + WITH_LOGS)
def test_an_error_has_the_type_by_which_python_knows_it(library: str) -> None:
    reading = read(span(library, "chat_error"))

    assert reading.error is not None
    assert reading.error["type"] == "NotFoundError"
    assert reading.error["message"].startswith("Error code: 404")
    if "stack" in reading.error:
        assert reading.error["module"] == "openai"
        assert reading.error["where"].startswith("/site-packages/openai/_base_client.py:")
        assert reading.error["where"].endswith(" in request")


def test_the_dialects_that_were_recognised() -> None:
    assert read(span("openinference", "chat_tools")).dialect == ("openinference",)
    assert read(span("openai_v2_2_4", "chat_tools")).dialect == ("gen_ai", "gen_ai>=1.37")
    assert read(span("openai_v2_2_1", "chat_tools")).dialect == ("gen_ai", "gen_ai<=1.36")
    assert read(span("traceloop_0_47", "chat_tools")).dialect == ("gen_ai", "gen_ai<=1.36", "traceloop")
    assert read(plain_span({"gen_ai.usage.cache_write.input_tokens": 1})).dialect == ("gen_ai>=1.42",)
    assert read(plain_span({"http.route": "/"})).dialect == ()


def test_the_project_is_the_service_that_has_a_name() -> None:
    assert read(span("openinference", "chat_tools")).project == "weather"
    assert read(plain_span({}, resource={"service.name": "unknown_service:python"})).project == ""
    both = {"service.name": "a", "openinference.project.name": "b"}
    assert read(plain_span({}, resource=both)).project == "b"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("openai", "openai"),
        ("Anthropic", "anthropic"),
        ("azure.ai.openai", "azure"),
        ("az.ai.openai", "azure"),
        ("gcp.vertex_ai", "google"),
        ("google.generative-ai", "google"),
        ("aws.bedrock", "aws"),
        ("openai.chat", "openai"),
        ("mistral_ai", "mistral"),
        ("own-gateway", "own-gateway"),
    ],
)
def test_a_provider_has_one_name(said: str, expected: str) -> None:
    assert read(plain_span({"gen_ai.system": said, "gen_ai.request.model": "m"})).llm["provider"] == expected


# --- tokens -----------------------------------------------------------------------------------------------------------


def counts(**said: int) -> dict[str, Any]:
    names = {
        "read": "gen_ai.usage.cache_read.input_tokens",
        "write": "gen_ai.usage.cache_creation.input_tokens",
        "reasoning": "gen_ai.usage.reasoning.output_tokens",
        "total": "gen_ai.usage.total_tokens",
        "into": "gen_ai.usage.input_tokens",
        "out": "gen_ai.usage.output_tokens",
    }
    call = read(plain_span({"gen_ai.operation.name": "chat", **{names[k]: v for k, v in said.items()}})).llm
    return {key: call[key] for key in call if key.endswith("_tokens")}


def test_counts_that_include_the_cache_are_left_alone() -> None:
    assert counts(into=120, out=30, read=100) == {"input_tokens": 120, "output_tokens": 30, "cache_read_tokens": 100}


def test_an_input_smaller_than_its_cache_cannot_include_it() -> None:
    made = counts(into=20, out=30, read=80, write=20)

    assert made == {"input_tokens": 120, "output_tokens": 30, "cache_read_tokens": 80, "cache_write_tokens": 20}


def test_a_total_that_adds_the_cache_says_that_the_input_leaves_it_out() -> None:
    assert counts(into=200, out=30, read=80, write=20, total=330)["input_tokens"] == 300
    assert counts(into=200, out=30, read=80, write=20, total=230)["input_tokens"] == 200


def test_a_total_is_kept_where_it_says_more_than_the_sum() -> None:
    assert "total_tokens" not in counts(into=10, out=5, total=15)
    assert counts(into=10, out=5, total=18)["total_tokens"] == 18
    assert counts(total=18) == {"total_tokens": 18}


def test_reasoning_is_part_of_the_output() -> None:
    assert counts(out=30, reasoning=10)["output_tokens"] == 30
    assert counts(out=5, reasoning=10)["output_tokens"] == 15
    assert counts(into=1, out=20, reasoning=10, total=31)["output_tokens"] == 30


def test_the_counts_as_they_were_said_are_kept() -> None:
    said = {
        "gen_ai.usage.prompt_tokens": 20,
        "gen_ai.usage.cache_read_input_tokens": 80,
        "gen_ai.usage.audio.input_tokens": 3,
        "llm.token_count.completion_details.audio": 2,
    }

    assert read(plain_span(said)).llm["usage"] == {
        "prompt_tokens": 20,
        "cache_read_input_tokens": 80,
        "audio.input_tokens": 3,
        "completion_details.audio": 2,
    }


def test_cost_as_somebody_else_reckoned_it() -> None:
    assert read(plain_span({"gen_ai.usage.cost": 0.5})).llm["cost_usd"] == 0.5
    assert read(plain_span({"operation.cost": 0.5})).llm["cost_usd"] == 0.5
    parts = read(plain_span({"llm.cost.prompt": 0.25, "llm.cost.completion": 0.5})).llm
    assert parts["cost_usd"] == 0.75
    assert parts["cost_details"] == {"prompt": 0.25, "completion": 0.5}
