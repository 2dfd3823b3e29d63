"""What a disabled project gets: a trace and a stage that take every call and do nothing."""

from typing import Any, Literal

from whence.model.trace import DISABLED
from whence.record import context


class NoCall:
    """An LLM call that is not recorded. Falsy."""

    span = ""
    open = False

    def __bool__(self) -> bool:
        return False

    def update(self, **fields: Any) -> None:
        """Record nothing."""

    def end(self, **response: Any) -> None:
        """Record nothing."""


NO_CALL = NoCall()


class NoProvenance:
    """The verbs of generation, recording nothing."""

    def llm_call(self, name: str = "llm", **kwargs: Any) -> None:
        """Record nothing."""

    def llm(self, name: str = "llm", **kwargs: Any) -> NoCall:
        """Return a call that is not recorded."""
        return NO_CALL

    def transform(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Record nothing."""

    def check(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Record nothing."""

    def wrote(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Record nothing."""


class NoStage(NoProvenance):
    """A stage that records nothing. Falsy."""

    name = ""
    component = ""
    span = ""
    attempt = 0

    @property
    def outputs(self) -> dict[str, Any]:
        """A fresh dict each time: what is put into it goes nowhere."""
        return {}

    def __bool__(self) -> bool:
        return False

    def decision(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Record nothing."""

    def event(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Record nothing."""

    def end(self, outputs: Any = None, error: Any = None) -> None:
        """Record nothing."""

    def __enter__(self) -> "NoStage":
        return self

    def __exit__(self, *args: object) -> Literal[False]:
        return False

    async def __aenter__(self) -> "NoStage":
        return self

    async def __aexit__(self, *args: object) -> Literal[False]:
        return False


class NoTrace(NoProvenance):
    """A trace that records nothing and is falsy, so that code behind `if trace:` does not even build its dicts (C1.3).

    It still takes its place on the stack: what runs inside it is not recorded into the trace around it.
    """

    trace_id = "noop"
    otel_trace_id = "0" * 32
    status = DISABLED
    span = "0" * 16
    ended = True
    telemetry_persisted = False

    def __init__(self) -> None:
        self._scope = context.enter(self)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<Trace disabled>"

    def decision(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Record nothing."""

    def event(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Record nothing."""

    def stage(self, name: str, *args: Any, **kwargs: Any) -> NoStage:
        """Return a stage that records nothing."""
        return NO_STAGE

    def timed(self, name: str, *args: Any, **kwargs: Any) -> NoStage:
        """Return a timed part that records nothing."""
        return NO_STAGE

    def child_trace(self, trace_id: str, output_type: str, path: str | None = None) -> None:
        """Record nothing."""

    def mark(self, status: str, error: Any = None) -> None:
        """Record nothing."""

    def end(self, reason: str | None = None) -> None:
        """Restore what was current before (C1.4)."""
        context.leave(self._scope)

    def __enter__(self) -> "NoTrace":
        return self

    def __exit__(self, *args: object) -> Literal[False]:
        self.end()
        return False

    async def __aenter__(self) -> "NoTrace":
        return self

    async def __aexit__(self, *args: object) -> Literal[False]:
        self.end()
        return False


NO_STAGE = NoStage()
