"""Spans of every other kind and of other libraries: tools, agents, documents, scores, errors; and what is kept as it was."""

from typing import Any

import pytest

from tests.wire.otlp.seen import ASKED, PARIS, WEATHER, plain_span
from whence.wire.otlp.dialects import Reading, read
from whence.wire.otlp.spans import ERROR, OK, OtelEvent


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "get_weather",
            "gen_ai.tool.call.id": "call_1",
            "gen_ai.tool.call.arguments": '{"city": "Paris"}',
            "gen_ai.tool.call.result": "sunny",
        },
        {
            "openinference.span.kind": "TOOL",
            "tool.name": "get_weather",
            "tool.id": "call_1",
            "input.value": '{"city": "Paris"}',
            "input.mime_type": "application/json",
            "output.value": "sunny",
        },
        {
            "ai.operationId": "ai.toolCall",
            "ai.toolCall.name": "get_weather",
            "ai.toolCall.id": "call_1",
            "ai.toolCall.args": '{"city": "Paris"}',
            "ai.toolCall.result": "sunny",
        },
    ],
    ids=["gen_ai", "openinference", "vercel"],
)
def test_a_tool_is_the_same_in_every_dialect(attributes: dict[str, Any]) -> None:
    reading = read(plain_span(attributes))

    assert (reading.type, reading.component) == ("tool", "get_weather")
    assert reading.tool == {**PARIS, "call_id": "call_1", "result": "sunny"}
    assert (reading.inputs, reading.outputs) == (None, None)
    assert reading.attributes.keys() <= {"ai.operationId"}


def test_traceloops_tool_takes_its_name_from_the_entity() -> None:
    reading = read(
        plain_span(
            {
                "traceloop.span.kind": "tool",
                "traceloop.entity.name": "get_weather",
                "traceloop.entity.input": '{"args": [], "kwargs": {"city": "Paris"}}',
                "traceloop.entity.output": '"sunny"',
                "traceloop.workflow.name": "trip",
            }
        )
    )

    assert (reading.type, reading.component) == ("tool", "get_weather")
    assert reading.tool["arguments"] == {"args": [], "kwargs": {"city": "Paris"}}
    assert reading.attributes == {"traceloop.workflow.name": "trip"}


@pytest.mark.parametrize(
    ("attributes", "type_", "component"),
    [
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}, "agent", "planner"),
        ({"openinference.span.kind": "AGENT", "agent.name": "planner"}, "agent", "planner"),
        ({"traceloop.span.kind": "agent", "traceloop.entity.name": "planner"}, "agent", "planner"),
        ({"langfuse.observation.type": "agent"}, "agent", ""),
        ({"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "trip"}, "workflow", "trip"),
        ({"openinference.span.kind": "CHAIN"}, "workflow", ""),
        ({"openinference.span.kind": "GUARDRAIL"}, "guardrail", ""),
        ({"openinference.span.kind": "EVALUATOR"}, "evaluator", ""),
        ({"mlflow.spanType": '"RETRIEVER"'}, "retrieval", ""),
        ({"gen_ai.operation.name": "search_memory"}, "retrieval", ""),
        ({"gen_ai.operation.name": "chat", "gen_ai.agent.name": "planner"}, "llm", "planner"),
        ({"http.request.method": "GET"}, "span", ""),
    ],
)
def test_kinds_of_spans(attributes: dict[str, Any], type_: str, component: str) -> None:
    reading = read(plain_span(attributes))

    assert (reading.type, reading.component) == (type_, component)


def test_documents_that_were_found() -> None:
    flattened = read(
        plain_span(
            {
                "openinference.span.kind": "RETRIEVER",
                "input.value": "weather",
                "retrieval.documents.0.document.id": "a",
                "retrieval.documents.0.document.score": 0.9,
                "retrieval.documents.0.document.metadata": '{"page": 1}',
                "retrieval.documents.1.document.id": "b",
            }
        )
    )
    structured = read(
        plain_span(
            {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.retrieval.query.text": "weather",
                "gen_ai.retrieval.documents": '[{"id": "a", "score": 0.9}]',
                "gen_ai.retrieval.top_k": 4,
            }
        )
    )

    assert (flattened.type, flattened.inputs) == (structured.type, structured.inputs) == ("retrieval", "weather")
    assert flattened.outputs == [{"id": "a", "score": 0.9, "metadata": {"page": 1}}, {"id": "b"}]
    assert structured.outputs == [{"id": "a", "score": 0.9}]
    assert structured.llm["parameters"] == {"top_k": 4}


def test_scores_on_a_span() -> None:
    reading = read(
        plain_span(
            {
                "evaluations.0.evaluation.name": "correct",
                "evaluations.0.evaluation.score": 0.5,
                "evaluations.0.evaluation.annotator_kind": "LLM",
                "annotations.0.annotation.name": "thumb",
                "annotations.0.annotation.label": "up",
                "trace.annotations.0.annotation.name": "of the trace, not of this span",
            },
            events=[
                OtelEvent(
                    name="gen_ai.evaluation.result",
                    attributes={"gen_ai.evaluation.name": "relevant", "gen_ai.evaluation.score.value": 1, "x": "y"},
                )
            ],
        )
    )

    assert reading.scores == [
        {"name": "relevant", "score": 1, "attributes": {"x": "y"}},
        {"name": "thumb", "label": "up"},
        {"name": "correct", "score": 0.5, "annotator": "llm"},
    ]
    assert list(reading.attributes) == ["trace.annotations.0.annotation.name"]


def test_vercels_call() -> None:
    reading = read(
        plain_span(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.model.id": "gpt-4o",
                "ai.model.provider": "openai.chat",
                "ai.prompt.messages": '[{"role": "system", "content": "Be brief."},'
                '{"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}]},'
                '{"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c0", "toolName": "f", "result": 1}]}]',
                "ai.prompt.tools": [
                    '{"type":"function","name":"get_weather","description":"Weather of a city",'
                    '"inputSchema":{"type":"object","properties":{"city":{"type":"string"}}}}'
                ],
                "ai.response.text": "Let me look.",
                "ai.response.toolCalls": '[{"toolCallId":"call_1","toolName":"get_weather","input":"{\\"city\\":\\"Paris\\"}"}]',
                "ai.response.finishReason": "tool-calls",
                "ai.response.msToFirstChunk": 250,
                "ai.usage.promptTokens": 120,
                "ai.usage.completionTokens": 30,
                "gen_ai.usage.input_tokens": 120,
                "gen_ai.usage.output_tokens": 30,
                "gen_ai.response.finish_reasons": ["tool-calls"],
            }
        )
    )

    call = reading.llm
    assert reading.type == "llm"
    assert call["provider"] == "openai"
    assert call["messages"] == [*ASKED, {"role": "tool", "content": 1, "tool_call_id": "c0", "name": "f"}]
    assert call["system"] == "Be brief."
    assert call["tools"] == [WEATHER]
    assert (call["response"], call["tool_calls"]) == ("Let me look.", [{"id": "call_1", **PARIS}])
    assert (call["input_tokens"], call["output_tokens"]) == (120, 30)
    assert call["time_to_first_chunk_s"] == 0.25
    assert reading.attributes == {"ai.operationId": "ai.generateText.doGenerate"}


def test_pydantic_ais_names_are_read_in_its_own_spans_only() -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "events": '[{"event.name": "gen_ai.user.message", "content": "Weather in Paris?", "role": "user"},'
        '{"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": "Sunny."}}]',
        "model_request_parameters": '{"function_tools": [{"name": "f", "parameters_json_schema": {}}]}',
    }

    own = read(plain_span(attributes, scope="pydantic-ai"))
    other = read(plain_span(attributes, scope="shop"))

    assert own.llm["messages"] == ASKED
    assert own.llm["response"] == "Sunny."
    assert own.llm["tools"] == [{"name": "f", "parameters": {}}]
    assert own.attributes == {}
    assert other.attributes.keys() == {"events", "model_request_parameters"}


def test_an_agents_counts_are_not_a_call() -> None:
    """pydantic_ai before it said `gen_ai.operation.name`: the counts are sums over the calls in the run."""
    reading = read(
        plain_span(
            {
                "agent_name": "planner",
                "model_name": "gpt-4o",
                "gen_ai.usage.input_tokens": 500,
                "all_messages_events": '[{"role": "user", "content": "Weather in Paris?"}]',
                "final_result": '{"sun": true}',
            },
            scope="pydantic-ai",
        )
    )

    assert (reading.type, reading.component) == ("agent", "planner")
    assert reading.llm["input_tokens"] == 500
    assert reading.llm["messages"] == ASKED
    assert reading.outputs == {"sun": True}


def test_langfuses_generation() -> None:
    call = read(
        plain_span(
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.model.name": "gpt-4o",
                "langfuse.observation.model.parameters": '{"temperature": 0.2}',
                "langfuse.observation.input": '[{"role": "user", "content": "Weather in Paris?"}]',
                "langfuse.observation.output": '{"role": "assistant", "content": "Sunny."}',
                "langfuse.observation.usage_details": '{"input": 20, "output": 30, "cache_read_input_tokens": 100}',
                "langfuse.observation.cost_details": '{"total": 0.5}',
            }
        )
    ).llm

    assert (call["messages"], call["response"], call["model"]) == (ASKED, "Sunny.", "gpt-4o")
    assert (call["input_tokens"], call["output_tokens"], call["cache_read_tokens"]) == (120, 30, 100)
    assert call["cost_usd"] == 0.5
    assert call["parameters"] == {"temperature": 0.2}


def test_the_repository_of_its_own() -> None:
    reading = read(
        plain_span(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "anthropic",
                "gen_ai.request.model": "claude-sonnet-4-0",
                "gen_ai.request.stream": True,
                "gen_ai.request.reasoning.level": "high",
                "gen_ai.usage.input_tokens": 120,
                "gen_ai.usage.cache_write.input_tokens": 20,
                "gen_ai.usage.reasoning.output_tokens": 10,
                "gen_ai.prompt.name": "weather",
                "gen_ai.prompt.version": 3,
                "gen_ai.prompt.variable.city": "Paris",
                "gen_ai.tool.definitions": [{"type": "function", **WEATHER}],
                "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
                "gen_ai.input.messages": [
                    {"role": "user", "parts": [{"type": "text", "content": "Look:"}, {"type": "uri", "uri": "u"}]},
                    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "result": {"sun": True}}]},
                ],
                "gen_ai.agent.name": "planner",
                "gen_ai.agent.id": "a1",
            }
        )
    )

    call = reading.llm
    assert (call["cache_write_tokens"], call["reasoning_tokens"]) == (20, 10)
    assert (call["prompt_name"], call["prompt_version"], call["variables"]) == ("weather", "3", {"city": "Paris"})
    assert call["tools"] == [WEATHER]
    assert call["system"] == "Be brief."
    assert call["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "uri", "uri": "u"}]},
        {"role": "tool", "content": {"sun": True}, "tool_call_id": "c"},
    ]
    assert call["stream"] is True
    assert call["parameters"] == {"reasoning_effort": "high"}
    assert reading.component == "planner"
    assert reading.attributes == {"gen_ai.agent.id": "a1"}


def test_what_was_masked_stays_a_text() -> None:
    reading = read(
        plain_span(
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": "gpt-4o",
                "input.value": "__REDACTED__",
                "output.value": "__REDACTED__",
                "llm.invocation_parameters": "__REDACTED__",
            }
        )
    )

    assert (reading.llm["prompt"], reading.llm["response"]) == ("__REDACTED__", "__REDACTED__")
    assert reading.attributes == {"llm.invocation_parameters": "__REDACTED__"}


def test_values_of_another_type_are_kept_as_they_were() -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": 7,
        "gen_ai.usage.input_tokens": "many",
        "gen_ai.usage.output_tokens": -1,
        "gen_ai.request.temperature": "warm",
        "gen_ai.input.messages": "no messages",
        "gen_ai.tool.definitions": 3,
        "llm.input_messages.0.message.role": 4,
        "llm.input_messages.99999999.message.role": "user",
    }

    assert read(plain_span(attributes)).attributes == {k: v for k, v in attributes.items() if k[7:9] != "op"}


def test_what_is_said_twice_and_otherwise_is_kept() -> None:
    twice = {"gen_ai.usage.input_tokens": 120, "gen_ai.usage.prompt_tokens": 120, "gen_ai.request.seed": 7}
    otherwise = {"gen_ai.openai.request.seed": 8}

    assert read(plain_span({**twice, **otherwise})).attributes == otherwise


def test_alternatives_are_not_one_answer() -> None:
    call = read(
        plain_span(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.choice.count": 2,
                "gen_ai.response.finish_reasons": '["stop", "length"]',
                "gen_ai.output.messages": [
                    {"role": "assistant", "parts": [{"type": "text", "content": "one"}]},
                    {"role": "assistant", "parts": [{"type": "text", "content": "two"}]},
                ],
            }
        )
    ).llm

    assert (call["response"], call["finish_reason"]) == ("one", "stop")
    assert [each["content"] for each in call["outputs"]] == ["one", "two"]
    assert call["finish_reasons"] == ["stop", "length"]


# --- errors -----------------------------------------------------------------------------------------------------------

NOTED = OtelEvent(name="exception", attributes={"exception.type": "shop.Sold", "exception.message": "gone"})


def failed(**more: Any) -> Reading:
    return read(plain_span({}, events=[NOTED], **more))


def test_an_exception_that_a_span_only_noted_is_an_event() -> None:
    assert failed().error is None
    assert failed().events == [NOTED]
    assert failed(status=OK).error is None


def test_a_span_that_failed_says_why() -> None:
    assert failed(status=ERROR).error == {"type": "Sold", "module": "shop", "message": "gone"}
    assert failed(status=ERROR).events == []


def test_an_error_of_any_span_is_no_dialect() -> None:
    reading = read(plain_span({"http.route": "/", "error.type": "500"}))

    assert (reading.type, reading.dialect) == ("span", ())
    assert reading.attributes == {"http.route": "/"}


def test_a_status_alone_is_an_error() -> None:
    assert read(plain_span({}, status=ERROR, status_message="no answer")).error == {"type": "", "message": "no answer"}
    assert read(plain_span({"error.type": "500"})).error == {"type": "500", "message": ""}
