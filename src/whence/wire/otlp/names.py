"""The names of attributes in each dialect, and what each is: tables, nothing else.

Whole names are here; those of flattened lists are in `patterns`, what the values of some mean is in `meanings`. A name
that is common to several dialects (`gen_ai.request.model`) is of `gen_ai`.

Sources: open-telemetry/semantic-conventions 1.28 to 1.41 and semantic-conventions-genai 1.42-dev; openinference 0.1.42 of
its semantic conventions; Traceloop's semantic-conventions-ai 0.4 and 0.5; the Vercel AI SDK 4 to 6; langfuse 3; what
openinference-instrumentation-openai 0.1.66 and -anthropic 3.1, opentelemetry-instrumentation-openai-v2 2.1b0 and 2.4b0,
opentelemetry-instrumentation-openai and -anthropic of Traceloop 0.47 and 0.62 were seen to send.
"""

from typing import Final, NamedTuple

from whence.wire.otlp import values as v
from whence.wire.otlp.values import Convert

GEN_AI: Final = "gen_ai"
GEN_AI_136: Final = "gen_ai<=1.36"
GEN_AI_137: Final = "gen_ai>=1.37"
GEN_AI_142: Final = "gen_ai>=1.42"
OPENINFERENCE: Final = "openinference"
TRACELOOP: Final = "traceloop"
VERCEL: Final = "vercel"
LANGFUSE: Final = "langfuse"
PYDANTIC_AI: Final = "pydantic_ai"
MLFLOW: Final = "mlflow"
LOGFIRE: Final = "logfire"
"""What `Reading.dialect` names."""

LLM: Final = 0  # a field of LlmFields, under its own name
PARAMETER: Final = 1  # a parameter of the request
TOOL: Final = 2  # a field of the tool's call
TOKENS: Final = 3  # a count of tokens
SAID: Final = 4  # something that has to be weighed against others first: see `dialects`
"""Where the value of a rule goes."""


class Rule(NamedTuple):
    """What an attribute is: where its value goes, under which name, how it is read, who says it so."""

    bucket: int
    key: str
    convert: Convert
    dialect: str


RULES: Final[dict[str, Rule]] = {}


def _table(dialect: str, bucket: int, convert: Convert, names: dict[str, str]) -> None:
    for name, key in names.items():
        RULES[name] = Rule(bucket, key, convert, dialect)


# --- OpenTelemetry ----------------------------------------------------------------------------------------------------

_table(
    GEN_AI,
    SAID,
    v.text,
    {
        "gen_ai.operation.name": "operation",
        "gen_ai.request.model": "model_asked",
        "gen_ai.response.model": "model_answered",
        "gen_ai.agent.name": "agent",
        "gen_ai.workflow.name": "workflow",
    },
)
_table(
    "", SAID, v.text, {"error.type": "error_type", "error.message": "error_message"}
)  # of any span, not of a dialect
_table(GEN_AI_136, SAID, v.text, {"gen_ai.system": "system_name"})
_table(GEN_AI_137, SAID, v.text, {"gen_ai.provider.name": "provider"})
_table(
    GEN_AI,
    LLM,
    v.text,
    {"gen_ai.response.id": "response_id", "gen_ai.conversation.id": "conversation_id"},
)
_table(GEN_AI, SAID, v.texts, {"gen_ai.response.finish_reasons": "finish_reasons"})
_table(GEN_AI_142, LLM, v.flag, {"gen_ai.request.stream": "stream"})
_table(GEN_AI, LLM, v.number, {"gen_ai.response.time_to_first_chunk": "time_to_first_chunk_s"})
_table(GEN_AI_142, LLM, v.scalar, {"gen_ai.prompt.name": "prompt_name", "gen_ai.prompt.version": "prompt_version"})
_table(
    GEN_AI,
    PARAMETER,
    v.number,
    {
        f"gen_ai.request.{name}": name
        for name in ("max_tokens", "temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty")
    }
    | {"gen_ai.request.choice.count": "n", "gen_ai.openai.request.seed": "seed", "gen_ai.request.n": "n"},
)
_table(
    GEN_AI,
    PARAMETER,
    v.texts,
    {"gen_ai.request.stop_sequences": "stop_sequences", "gen_ai.request.encoding_formats": "encoding_formats"},
)
_table(
    GEN_AI,
    PARAMETER,
    v.text,
    {
        "gen_ai.output.type": "output_type",
        "gen_ai.request.reasoning.level": "reasoning_effort",
        "gen_ai.request.previous_response.id": "previous_response_id",
        "gen_ai.openai.request.response_format": "response_format",
        "gen_ai.openai.request.service_tier": "service_tier",
        "openai.request.service_tier": "service_tier",
    },
)
_table(GEN_AI, PARAMETER, v.count, {"gen_ai.retrieval.top_k": "top_k"})
_table(GEN_AI, TOKENS, v.count, {"gen_ai.usage.input_tokens": "input", "gen_ai.usage.output_tokens": "output"})
_table(GEN_AI_136, TOKENS, v.count, {"gen_ai.usage.prompt_tokens": "input", "gen_ai.usage.completion_tokens": "output"})
_table(
    GEN_AI_137,
    TOKENS,
    v.count,
    {
        "gen_ai.usage.cache_read.input_tokens": "cache_read",
        "gen_ai.usage.cache_creation.input_tokens": "cache_write",
    },
)
_table(
    GEN_AI_142,
    TOKENS,
    v.count,
    {
        "gen_ai.usage.cache_write.input_tokens": "cache_write",
        "gen_ai.usage.reasoning.output_tokens": "reasoning",
    },
)
_table(
    GEN_AI,
    TOKENS,
    v.count,
    {  # not of any version, seen in the wild
        "gen_ai.usage.total_tokens": "total",
        "gen_ai.usage.cache_read_input_tokens": "cache_read",
        "gen_ai.usage.cache_creation_input_tokens": "cache_write",
        "gen_ai.usage.reasoning_tokens": "reasoning",
        "gen_ai.usage.details.cache_read_tokens": "cache_read",
        "gen_ai.usage.details.cache_write_tokens": "cache_write",
        "gen_ai.usage.details.reasoning_tokens": "reasoning",
    },
)
_table(GEN_AI, LLM, v.number, {"gen_ai.usage.cost": "cost_usd"})
_table(
    GEN_AI_137,
    SAID,
    v.anything,
    {
        "gen_ai.input.messages": "input_messages",
        "gen_ai.output.messages": "output_messages",
        "gen_ai.system_instructions": "system_instructions",
        "gen_ai.tool.definitions": "tools",
    },
)
_table(GEN_AI_136, SAID, v.anything, {"gen_ai.prompt": "prompt", "gen_ai.completion": "completion"})
_table(
    GEN_AI,
    TOOL,
    v.text,
    {
        "gen_ai.tool.name": "name",
        "gen_ai.tool.call.id": "call_id",
        "gen_ai.tool.description": "description",
        "gen_ai.tool.type": "type",
    },
)
_table(GEN_AI, TOOL, v.parsed, {"gen_ai.tool.call.arguments": "arguments", "gen_ai.tool.call.result": "result"})
_table(
    GEN_AI,
    SAID,
    v.parsed,
    {
        "gen_ai.retrieval.query.text": "inputs",
        "gen_ai.memory.query.text": "inputs",
        "gen_ai.task.input": "inputs",
        "gen_ai.retrieval.documents": "outputs",
        "gen_ai.memory.records": "outputs",
        "gen_ai.task.output": "outputs",
    },
)

# --- OpenInference ----------------------------------------------------------------------------------------------------

_table(
    OPENINFERENCE,
    SAID,
    v.text,
    {
        "openinference.span.kind": "kind_openinference",
        "llm.model_name": "model",
        "llm.request.model_name": "model_asked",
        "llm.response.model_name": "model_answered",
        "embedding.model_name": "model",
        "reranker.model_name": "model",
        "decision.model_name": "model",
        "decision.request.model_name": "model_asked",
        "decision.response.model_name": "model_answered",
        "llm.provider": "provider",
        "llm.system": "system_name",
        "decision.provider": "provider",
        "decision.system": "system_name",
        "agent.name": "agent",
        "input.mime_type": "input_type",
        "output.mime_type": "output_type",
    },
)
_table(
    OPENINFERENCE,
    SAID,
    v.anything,
    {"input.value": "input_value", "output.value": "output_value", "llm.function_call": "function_call"},
)
_table(OPENINFERENCE, SAID, v.parsed, {"reranker.query": "inputs"})
_table(
    OPENINFERENCE,
    SAID,
    v.an_object,
    {"llm.invocation_parameters": "invocation", "embedding.invocation_parameters": "invocation"},
)
_table(OPENINFERENCE, PARAMETER, v.count, {"reranker.top_k": "top_k"})
_table(OPENINFERENCE, LLM, v.text, {"llm.finish_reason": "finish_reason"})
_table(OPENINFERENCE, LLM, v.scalar, {"llm.prompt_template.version": "prompt_version"})
_table(OPENINFERENCE, LLM, v.text, {"llm.prompt_template.template": "template"})
_table(OPENINFERENCE, LLM, v.parsed, {"llm.prompt_template.variables": "variables"})
_table(OPENINFERENCE, LLM, v.number, {"llm.cost.total": "cost_usd"})
_table(
    OPENINFERENCE,
    TOKENS,
    v.count,
    {
        "llm.token_count.prompt": "input",
        "llm.token_count.completion": "output",
        "llm.token_count.total": "total",
        "llm.token_count.prompt_details.cache_read": "cache_read",
        "llm.token_count.prompt_details.cache_input": "cache_read",
        "llm.token_count.prompt_details.cache_write": "cache_write",
        "llm.token_count.completion_details.reasoning": "reasoning",
        "decision.token_count.input": "input",
        "decision.token_count.output": "output",
    },
)
_table(OPENINFERENCE, TOOL, v.text, {"tool.name": "name", "tool.description": "description", "tool.id": "call_id"})
_table(OPENINFERENCE, TOOL, v.parsed, {"tool.parameters": "parameters", "tool.json_schema": "schema"})

# --- Traceloop --------------------------------------------------------------------------------------------------------

_table(
    TRACELOOP,
    SAID,
    v.text,
    {
        "traceloop.span.kind": "kind_traceloop",
        "traceloop.entity.name": "entity",
        "traceloop.workflow.name": "workflow",
        "llm.request.type": "request_type",
        "gen_ai.response.finish_reason": "finish_reason",
        "gen_ai.response.stop_reason": "finish_reason",
        "llm.response.finish_reason": "finish_reason",
        "llm.response.stop_reason": "finish_reason",
        "gen_ai.openai.api_base": "base_url",
    },
)
_table(TRACELOOP, SAID, v.parsed, {"traceloop.entity.input": "inputs", "traceloop.entity.output": "outputs"})
_table(TRACELOOP, LLM, v.flag, {"llm.is_streaming": "stream", "gen_ai.is_streaming": "stream"})
_table(TRACELOOP, LLM, v.scalar, {"traceloop.prompt.key": "prompt_name", "traceloop.prompt.version": "prompt_version"})
_table(TRACELOOP, LLM, v.text, {"traceloop.prompt.template": "template"})
_table(TRACELOOP, LLM, v.parsed, {"traceloop.prompt.template_variables": "variables"})
_table(TRACELOOP, TOKENS, v.count, {"llm.usage.total_tokens": "total", "llm.usage.reasoning_tokens": "reasoning"})
_table(
    TRACELOOP,
    PARAMETER,
    v.number,
    {
        "llm.frequency_penalty": "frequency_penalty",
        "llm.presence_penalty": "presence_penalty",
        "llm.top_k": "top_k",
        "gen_ai.request.max_completion_tokens": "max_completion_tokens",
        "gen_ai.request.repetition_penalty": "repetition_penalty",
    },
)
_table(TRACELOOP, PARAMETER, v.texts, {"llm.chat.stop_sequences": "stop_sequences"})
_table(
    TRACELOOP,
    PARAMETER,
    v.text,
    {"gen_ai.request.reasoning_effort": "reasoning_effort", "llm.request.reasoning_effort": "reasoning_effort"},
)
_table(TRACELOOP, PARAMETER, v.an_object, {"gen_ai.request.structured_output_schema": "response_schema"})

# --- Vercel, langfuse, MLflow, logfire --------------------------------------------------------------------------------

_table(
    VERCEL,
    SAID,
    v.text,
    {
        "ai.operationId": "kind_vercel",
        "ai.model.id": "model_asked",
        "ai.model.provider": "provider",
        "ai.response.model": "model_answered",
        "ai.response.text": "response",
        "ai.response.object": "response",
        "ai.response.finishReason": "finish_reason",
    },
)
_table(
    VERCEL,
    SAID,
    v.anything,
    {"ai.prompt.messages": "input_messages", "ai.response.toolCalls": "function_call", "ai.prompt.tools": "tools"},
)
_table(VERCEL, SAID, v.parsed, {"ai.prompt": "inputs", "ai.value": "inputs", "ai.values": "inputs"})
_table(VERCEL, LLM, v.text, {"ai.response.id": "response_id", "ai.response.reasoning": "reasoning"})
_table(VERCEL, LLM, v.thousandths, {"ai.response.msToFirstChunk": "time_to_first_chunk_s"})
_table(
    VERCEL,
    TOKENS,
    v.count,
    {
        "ai.usage.promptTokens": "input",
        "ai.usage.completionTokens": "output",
        "ai.usage.inputTokens": "input",
        "ai.usage.outputTokens": "output",
        "ai.usage.tokens": "input",
        "ai.usage.totalTokens": "total",
        "ai.usage.reasoningTokens": "reasoning",
        "ai.usage.cachedInputTokens": "cache_read",
    },
)
_table(
    VERCEL,
    PARAMETER,
    v.number,
    {
        "ai.settings.maxTokens": "max_tokens",
        "ai.settings.maxOutputTokens": "max_tokens",
        "ai.settings.temperature": "temperature",
        "ai.settings.topP": "top_p",
        "ai.settings.topK": "top_k",
        "ai.settings.seed": "seed",
        "ai.settings.frequencyPenalty": "frequency_penalty",
        "ai.settings.presencePenalty": "presence_penalty",
        "ai.settings.maxRetries": "max_retries",
    },
)
_table(VERCEL, PARAMETER, v.parsed, {"ai.prompt.toolChoice": "tool_choice"})
_table(VERCEL, TOOL, v.text, {"ai.toolCall.name": "name", "ai.toolCall.id": "call_id"})
_table(VERCEL, TOOL, v.parsed, {"ai.toolCall.args": "arguments", "ai.toolCall.result": "result"})

_table(
    LANGFUSE,
    SAID,
    v.text,
    {
        "langfuse.observation.type": "kind_langfuse",
        "langfuse.observation.model.name": "model",
        "langfuse.observation.status_message": "error_message",
    },
)
_table(
    LANGFUSE,
    SAID,
    v.an_object,
    {
        "langfuse.observation.model.parameters": "invocation",
        "langfuse.observation.usage_details": "usage_details",
        "langfuse.observation.cost_details": "cost_details",
    },
)
_table(
    LANGFUSE,
    SAID,
    v.anything,
    {"langfuse.observation.input": "input_value", "langfuse.observation.output": "output_value"},
)
_table(
    LANGFUSE,
    LLM,
    v.scalar,
    {"langfuse.observation.prompt.name": "prompt_name", "langfuse.observation.prompt.version": "prompt_version"},
)
_table(MLFLOW, SAID, v.text, {"mlflow.spanType": "kind_mlflow"})
_table(MLFLOW, SAID, v.anything, {"mlflow.spanInputs": "input_value", "mlflow.spanOutputs": "output_value"})
_table(LOGFIRE, LLM, v.number, {"operation.cost": "cost_usd"})

OF_SCOPE: Final[dict[str, dict[str, Rule]]] = {
    "pydantic-ai": {
        "agent_name": Rule(SAID, "agent", v.text, PYDANTIC_AI),
        "model_name": Rule(SAID, "model", v.text, PYDANTIC_AI),
        "all_messages_events": Rule(SAID, "history", v.anything, PYDANTIC_AI),
        "pydantic_ai.all_messages": Rule(SAID, "history", v.anything, PYDANTIC_AI),
        "events": Rule(SAID, "message_events", v.a_list, PYDANTIC_AI),
        "final_result": Rule(SAID, "outputs", v.parsed, PYDANTIC_AI),
        "tool_arguments": Rule(TOOL, "arguments", v.parsed, PYDANTIC_AI),
        "tool_response": Rule(TOOL, "result", v.parsed, PYDANTIC_AI),
        "model_request_parameters": Rule(SAID, "request_parameters", v.an_object, PYDANTIC_AI),
    }
}
"""Names too common to be read wherever they stand; only in the spans of these libraries."""
