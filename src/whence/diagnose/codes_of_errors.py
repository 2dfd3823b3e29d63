"""Which code an error gets: ordered rules, the first that matches (C0.17). Pure data, and the matching of one error."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from whence.model import record as kinds
from whence.model.payload import LLM, TOOL

UNHANDLED: Final = "A01-01"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row: all that it names must match. Patterns are searched for, in any case."""

    code: str
    error: str = ""  # the class of the exception
    said: str = ""  # class, message and the provider's code, in one line
    who: str = ""  # component, stage and name
    span: str = ""  # type of the span that failed
    kind: str = ""  # kind of the record


_TIMEOUT: Final = r"time[sd]?[ _-]?out|deadline exceeded|TimeoutError|DeadlineExceeded"
_BUDGET: Final = (
    r"context[ _-]?(length|window)|maximum context|(prompt|input) (is )?too long|too many tokens|token (limit|budget)"
    r"|budget exceeded|string_above_max_length|context_limit"
)
_VECTOR_STORE: Final = (
    r"qdrant|milvus|weaviate|pinecone|chroma(db)?\b|pgvector|faiss|vector[ _-]?(store|database|db|index)"
)
_UNREACHABLE: Final = r"connect|refused|unreachable|unavailable|reset by peer|no route|broken pipe|time[sd]?[ _-]?out"
_PROVIDER: Final = (
    r"insufficient_quota|rate_limit_exceeded|rate.?limit(ed| reached)|overloaded_error|invalid_api_key|model_not_found"
    r"|authentication_error|content_filter|model_overloaded"
)
RULES: Final = (
    Rule(code="A01-02", error=r"^MemoryError$|OutOfMemory"),
    Rule(
        code="A01-02",
        said=r"out of memory|cannot allocate memory|no space left|ENOSPC|too many open files|EMFILE|disk quota",
    ),
    Rule(code="T01-06", said=_BUDGET),
    Rule(code="E01-02", said=_UNREACHABLE, who=_VECTOR_STORE),
    Rule(code="E01-02", said=rf"({_VECTOR_STORE}).*({_UNREACHABLE})|({_UNREACHABLE}).*({_VECTOR_STORE})"),
    Rule(code="E01-01", span=r"^embeddings?$"),
    Rule(code="E01-01", said=r"\bembed"),
    Rule(code="E01-01", who=r"embed"),
    Rule(code="J01-02", said=_TIMEOUT, who=r"judge|judg(e)?ment|evaluat|mcda|decision|arbiter"),
    Rule(code="T01-01", span=rf"^{LLM}$"),
    Rule(code="T01-01", said=r"inference"),  # D0.1: the original's one rule for it
    Rule(
        code="T01-01",
        error=r"^(APIConnection|APITimeout|APIStatus|RateLimit|Overloaded|InternalServer|Authentication)Error$",
    ),
    Rule(code="T01-01", said=_PROVIDER),
    Rule(code="A01-07", span=rf"^{TOOL}$"),
    Rule(
        code="W01-02",
        said=r"(vector|token|artifact)\w*[ _-](id )?collision|token id .*(not unique|already taken|duplicate)",
    ),
    Rule(code="W01-02", said=r"duplicate (vector )?token|two artifacts"),
    Rule(code="W01-01", said=r"knowledge[ _-]?graph|(invalid|dangling|corrupt\w*) edge|graph .*corrupt"),
    Rule(code="W01-01", said=r"corrupt|invalid|inconsistent", who=r"knowledge[ _-]?graph|world[ _-]?model|pinn"),
    Rule(code="O01-01", kind=rf"^{kinds.FILE}$"),
    Rule(code="O01-01", said=r"persist"),  # D0.1
    Rule(code="A01-03", said=_TIMEOUT),
    Rule(code="I01-01", error=r"ParseError$|ParserError$|JSONDecodeError$|ParsingError$"),
    Rule(code="I01-01", said=r"\bpars(e|ed|er|ing)\b|unparsable|not understood"),  # D0.1: "parse"
    Rule(code="I01-01", who=r"intent|planner", said=r"ambiguous|invalid|unknown|missing|empty"),
    Rule(
        code="O01-01",
        error=r"IntegrityError$|OperationalError$|DatabaseError$|^(Permission|FileExists|IsADirectory)Error$",
    ),
    Rule(
        code="O01-01",
        said=r"(could not|cannot|failed to|unable to) (save|store|write|commit)|database is locked|read-only file",
    ),
    Rule(code=UNHANDLED),
)
"""In this order. What is narrower, and what hides behind others' words, stands first: a timeout of the vector store is a lost
connection, one of a judge a decision that came too late, one of a model no answer."""

CONDITIONS: Final = ("kind", "span", "error", "who", "said")
"""In this order they are tried: the cheapest first."""
_COMPILED: Final = tuple(
    (
        rule,
        tuple((name, re.compile(getattr(rule, name), re.IGNORECASE)) for name in CONDITIONS if getattr(rule, name)),
    )
    for rule in RULES
)


def first_match(told: Mapping[str, str]) -> Rule:
    """Return the first rule whose conditions all hold.

    Args:
        told: what is known of an error, by the names of the conditions.
    """
    return next(rule for rule, tests in _COMPILED if all(test.search(told[name]) for name, test in tests))
