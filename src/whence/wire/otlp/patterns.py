"""The names of lists that were flattened (`llm.input_messages.0.message.role`): tables, nothing else.

`PATTERNS` have `*` for each number. `TAILS` are beginnings, where what follows is a key of the emitter's.
"""

from typing import Final, NamedTuple

from whence.wire.otlp import values as v
from whence.wire.otlp.names import GEN_AI, GEN_AI_142, OPENINFERENCE, TRACELOOP
from whence.wire.otlp.values import Convert


class Place(NamedTuple):
    """Where the value of a flattened name belongs: list, item, and within it a field, or a field of an item of a list."""

    family: str
    item: int
    group: str  # "" or the name of the inner list
    inner: int
    key: str
    convert: Convert
    dialect: str


PATTERNS: Final[dict[str, tuple[str, str, str, Convert, str]]] = {}
"""Pattern to (family, inner list or "", field, converter, dialect)."""


def _patterns(dialect: str, family: str, start: str, convert: Convert, names: dict[str, str]) -> None:
    for name, key in names.items():
        group, _, field = key.rpartition("/")
        PATTERNS[f"{start}.*.{name}"] = (family, group, field, convert, dialect)


for _family, _start in (("input", "llm.input_messages"), ("output", "llm.output_messages")):
    _patterns(
        OPENINFERENCE,
        _family,
        _start,
        v.text,
        {
            "message.role": "role",
            "message.content": "content",
            "message.name": "name",
            "message.tool_call_id": "tool_call_id",
            "message.function_call_name": "function_name",
            "message.function_call_arguments_json": "function_arguments",
            "message.tool_calls.*.tool_call.id": "tool_calls/id",
            "message.tool_calls.*.tool_call.function.name": "tool_calls/name",
            "message.tool_calls.*.tool_call.function.arguments": "tool_calls/arguments",
            "message.contents.*.message_content.type": "contents/type",
            "message.contents.*.message_content.text": "contents/text",
            "message.contents.*.message_content.id": "contents/id",
            "message.contents.*.message_content.data": "contents/data",
            "message.contents.*.message_content.signature": "contents/signature",
            "message.contents.*.message_content.encrypted_content": "contents/encrypted_content",
            "message.contents.*.message_content.image.image.url": "contents/url",
            "message.contents.*.message_content.audio.audio.url": "contents/url",
            "message.contents.*.message_content.video.video.url": "contents/url",
            "message.contents.*.message_content.document.document.url": "contents/url",
            "message.contents.*.message_content.audio.audio.mime_type": "contents/mime_type",
            "message.contents.*.message_content.audio.audio.transcript": "contents/transcript",
            "message.contents.*.tool_call.id": "contents/id",
            "message.contents.*.tool_call.function.name": "contents/name",
            "message.contents.*.tool_call.function.arguments": "contents/arguments",
        },
    )
_patterns(OPENINFERENCE, "prompts", "llm.prompts", v.text, {"prompt.text": "content"})
_patterns(OPENINFERENCE, "choices", "llm.choices", v.text, {"completion.text": "content"})
_patterns(OPENINFERENCE, "tools", "llm.tools", v.anything, {"tool.json_schema": "definition"})
_patterns(OPENINFERENCE, "embedded", "embedding.embeddings", v.text, {"embedding.text": "content"})
for _family, _start in (
    ("documents", "retrieval.documents"),
    ("documents", "reranker.output_documents"),
    ("candidates", "reranker.input_documents"),
):
    _patterns(
        OPENINFERENCE,
        _family,
        _start,
        v.parsed,
        {f"document.{name}": name for name in ("id", "score", "content", "metadata", "name", "url", "mime_type")},
    )
for _start, _name in (("annotations", "annotation"), ("evaluations", "evaluation")):
    _patterns(
        OPENINFERENCE,
        _start,
        _start,
        v.parsed,
        {
            f"{_name}.name": "name",
            f"{_name}.score": "score",
            f"{_name}.label": "label",
            f"{_name}.explanation": "explanation",
            f"{_name}.annotator_kind": "annotator",
            f"{_name}.identifier": "identifier",
            f"{_name}.metadata": "metadata",
        },
    )
for _family, _start in (("input", "gen_ai.prompt"), ("output", "gen_ai.completion")):
    _patterns(
        TRACELOOP,
        _family,
        _start,
        v.text,
        {
            "role": "role",
            "content": "content",
            "finish_reason": "finish_reason",
            "tool_call_id": "tool_call_id",
            "tool_calls.*.id": "tool_calls/id",
            "tool_calls.*.name": "tool_calls/name",
            "tool_calls.*.arguments": "tool_calls/arguments",
        },
    )
_patterns(
    TRACELOOP,
    "tools",
    "llm.request.functions",
    v.anything,
    {"name": "name", "description": "description", "parameters": "parameters", "input_schema": "parameters"},
)

TAILS: Final[tuple[tuple[str, str, Convert, str], ...]] = (
    ("gen_ai.prompt.variable.", "variables", v.anything, GEN_AI_142),
    ("gen_ai.usage.", "usage", v.number, GEN_AI),
    ("llm.token_count.", "usage", v.number, OPENINFERENCE),
    ("llm.cost.", "costs", v.number, OPENINFERENCE),
)
"""Beginning to (family, converter, dialect); the rest of the name is the key. What is no number here is unknown."""
