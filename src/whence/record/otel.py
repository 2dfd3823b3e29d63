"""Beside OpenTelemetry: its active span becomes the parent of ours, and ours the parent of its spans.

The host's OpenTelemetry is found in `sys.modules` and never imported: if the host does not use it, there is nothing to
join. Only its public API is used, and its context is set, not un-set by token: traces may end in another order than they
began in, and the last one must leave the host's context as it was before the first.
"""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

known: list[Any] = []
"""Providers of the host's that were handed to us (`instrument.opentelemetry`)."""


class Remote(NamedTuple):
    """A span of somebody else's that ours continue."""

    trace: str  # 32 hex digits
    span: str  # 16 hex digits


def active_span() -> Remote | None:
    """Return the OpenTelemetry span that is active in the host right now, or None."""
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    context = api.get_current_span().get_span_context()
    return Remote(f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None


def attach(trace: str, span: str) -> Any:
    """Make our span the parent of what the host starts; returns the host's context as it was, for `restore`."""
    api: Any = sys.modules.get("opentelemetry.trace")
    contexts: Any = sys.modules.get("opentelemetry.context")
    if api is None or contexts is None:
        return None
    flags = _flags(api, int(trace, 16))
    if flags is None:
        return None
    before = contexts.get_current()
    ours = api.SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=flags)
    contexts.attach(api.set_span_in_context(api.NonRecordingSpan(ours)))
    return before


def _flags(api: Any, trace: int) -> Any:
    """Return the sampling flags for our span; None if there is nobody to ask, and then we stay out of it.

    Sampling is the host's decision: inside its spans ours have the flags of theirs, and where ours is the first, its
    sampler is asked as it would be for a first span of its own.
    """
    active = api.get_current_span().get_span_context()
    if active.is_valid:
        return active.trace_flags
    sampler = getattr(api.get_tracer_provider(), "sampler", None)
    if sampler is None and known:  # the host keeps its provider to itself
        sampler = getattr(known[-1], "sampler", None)
    if sampler is None:
        return None
    sampled = sampler.should_sample(None, trace, "whence").decision.is_sampled()
    return api.TraceFlags(1 if sampled else 0)


def restore(span: str, before: Any) -> None:
    """Give the host a context back, if our span is still the active one in the running context."""
    api: Any = sys.modules.get("opentelemetry.trace")
    contexts: Any = sys.modules.get("opentelemetry.context")
    if before is None or api is None or contexts is None:
        return
    if api.get_current_span().get_span_context().span_id == int(span, 16):
        contexts.attach(before)


_CALLS = ("chat", "text_completion", "generate_content", "embeddings", "completion")


def tells_of_a_call() -> bool:
    """Return whether the active span is a call of a model that we hear of through OpenTelemetry, as it ends."""
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None or not known:
        return False
    said = getattr(api.get_current_span(), "attributes", None)
    if not isinstance(said, Mapping):  # the span of another library's
        return False
    return (
        said.get("gen_ai.operation.name") in _CALLS
        or said.get("openinference.span.kind") in ("LLM", "EMBEDDING")
        or "llm.request.type" in said  # Traceloop
    )
