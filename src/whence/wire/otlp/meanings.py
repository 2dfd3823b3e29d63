"""What the values of attributes mean: types of spans, providers, operations. Tables, and how to look them up."""

from typing import Final

TYPES: Final[dict[str, dict[str, str]]] = {
    "kind_openinference": {
        "LLM": "llm",
        "EMBEDDING": "embedding",
        "CHAIN": "workflow",
        "RETRIEVER": "retrieval",
        "RERANKER": "rerank",
        "TOOL": "tool",
        "AGENT": "agent",
        "GUARDRAIL": "guardrail",
        "EVALUATOR": "evaluator",
        "PROMPT": "span",
        "DECISION": "llm",
        "UNKNOWN": "span",
    },
    "operation": {
        "chat": "llm",
        "generate_content": "llm",
        "text_completion": "llm",
        "fetch_response": "llm",
        "embeddings": "embedding",
        "retrieval": "retrieval",
        "rerank": "rerank",
        "execute_tool": "tool",
        "create_agent": "agent",
        "invoke_agent": "agent",
        "invoke_workflow": "workflow",
        "plan": "span",
        "run_guardrail": "guardrail",
        "evaluate": "evaluator",
        "search_memory": "retrieval",
    },
    "kind_langfuse": {
        "generation": "llm",
        "embedding": "embedding",
        "agent": "agent",
        "tool": "tool",
        "chain": "workflow",
        "retriever": "retrieval",
        "evaluator": "evaluator",
        "guardrail": "guardrail",
        "span": "span",
        "event": "span",
    },
    "kind_vercel": {
        "ai.generateText.doGenerate": "llm",
        "ai.streamText.doStream": "llm",
        "ai.generateObject.doGenerate": "llm",
        "ai.streamObject.doStream": "llm",
        "ai.embed.doEmbed": "embedding",
        "ai.embedMany.doEmbed": "embedding",
        "ai.rerank.doRerank": "rerank",
        "ai.toolCall": "tool",
        "ai.generateText": "workflow",  # around the calls; its counts are their sums
        "ai.streamText": "workflow",
        "ai.generateObject": "workflow",
        "ai.streamObject": "workflow",
        "ai.embed": "workflow",
        "ai.embedMany": "workflow",
    },
    "kind_traceloop": {"workflow": "workflow", "task": "span", "agent": "agent", "tool": "tool"},
    "kind_mlflow": {
        "LLM": "llm",
        "CHAT_MODEL": "llm",
        "AGENT": "agent",
        "TOOL": "tool",
        "CHAIN": "workflow",
        "RETRIEVER": "retrieval",
        "EMBEDDING": "embedding",
        "RERANKER": "rerank",
        "GUARDRAIL": "guardrail",
        "EVALUATOR": "evaluator",
    },
    "request_type": {"chat": "llm", "completion": "llm", "embedding": "embedding", "rerank": "rerank"},
}
"""What says the type of a span, the surest first, and what its values mean."""

PROVIDERS: Final[dict[str, str]] = {
    "az": "azure",
    "azure": "azure",
    "azure_openai": "azure",
    "azureopenai": "azure",
    "aws": "aws",
    "aws_bedrock": "aws",
    "amazon_bedrock": "aws",
    "bedrock": "aws",
    "gcp": "google",
    "google": "google",
    "gemini": "google",
    "google_genai": "google",
    "google_vertex": "google",
    "google_gla": "google",
    "vertexai": "google",
    "vertex_ai": "google",
    "mistral": "mistral",
    "mistralai": "mistral",
    "mistral_ai": "mistral",
    "xai": "x-ai",
    "x_ai": "x-ai",
    "together_ai": "together",
    "togetherai": "together",
    "hugging_face": "huggingface",
    "ibm": "watsonx",
}
"""What a provider is called, up to its first dot and with `_` for `-`, to what it is here: the ids of genai-prices."""


def provider(said: str) -> str:
    """Return the name of a provider as it is used here: lower case, without the API (`azure.ai.openai`: azure)."""
    low = said.strip().lower()
    first = low.split(".", 1)[0].replace("-", "_")
    known = PROVIDERS.get(first)
    if known is not None:
        return known
    return low.split(".", 1)[0] if first in ("openai", "anthropic", "cohere", "groq", "deepseek", "ollama") else low


OPERATIONS: Final[dict[str, str]] = {
    "completion": "text_completion",
    "embedding": "embeddings",
    "responses": "chat",
}
"""Operations that are called otherwise elsewhere."""
