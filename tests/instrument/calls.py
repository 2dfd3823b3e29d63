"""What the adapters of clients are asked about: the one call that was recorded."""

from typing import Any

from whence.model.trace import LlmUse
from whence.testing.capture import Captured


def only(recorded: Captured) -> LlmUse:
    """Return the one call; it has ended."""
    (call,) = recorded.trace.llm_calls
    assert not call.open
    return call


def said(recorded: Captured) -> dict[str, Any]:
    """Return what is recorded of the one call."""
    return only(recorded).attributes
