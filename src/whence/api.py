"""The native door: record traces, stages, decisions, events and LLM calls. Everything here is free of exceptions."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from whence.model.llm import LlmFields
from whence.record.context import carry, current_scope, current_trace
from whence.record.disabled import NO_CALL, NoStage, NoTrace
from whence.record.guard import not_started
from whence.record.llm import Call
from whence.record.normalise import as_label
from whence.record.propagation import traceparent
from whence.record.trace import Stage, Trace

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "carry",
    "check",
    "current_trace",
    "decision",
    "event",
    "flush",
    "init",
    "llm",
    "llm_call",
    "shutdown",
    "stage",
    "stats",
    "trace",
    "traceparent",
    "transform",
    "wrote",
]


def trace(
    project: str | None = None,
    *,
    query: Any = None,
    intent: str | None = None,
    domain: str | None = None,
    report_type: str | None = None,
    research_type: str | None = None,
    enabled: bool = True,
    traceparent: str | None = None,
    **attributes: Any,
) -> Trace:
    """Begin a trace and make it current; a context manager, sync and async, that ends it.

    Leaving the block makes it `complete`, an exception `failed` (and goes on), cancellation `incomplete`.
    For a project that is switched off the trace is a falsy one that does nothing.

    Args:
        traceparent: a W3C header from another program whose trace this one continues.
    """
    try:
        from whence.runtime.runtime import runtime_or_default

        runtime = runtime_or_default()
        name = as_label(project) or runtime.settings.project
        if not enabled or not runtime.records(name):
            return NoTrace()  # type: ignore[return-value]
        return Trace(
            runtime.recorder,
            project_name=name,
            query=query,
            intent=intent,
            domain=domain,
            report_type=report_type,
            research_type=research_type,
            traceparent=traceparent,
            attributes=attributes,
        )
    except Exception as exc:  # noqa: BLE001 - a run that cannot be recorded is a run all the same
        not_started(exc)
        return NoTrace()  # type: ignore[return-value]


def stage(name: str, component: str | None = None) -> Stage:
    """Begin a stage of the current trace: `with whence.stage("retrieval"): …`. Outside any trace it does nothing.

    Args:
        component: who acts in it, or what is being made in it; what is recorded inside has the same, unless told.
    """
    current = current_trace()
    return current.stage(name, component) if current else NoStage()  # type: ignore[return-value]


def decision(
    name: str,
    what: Any = None,
    why: Any = "",
    confidence: Any = None,
    alternatives: Any = (),
    inputs: Any = None,
    **attributes: Any,
) -> str | None:
    """Record a decision in the stage that the running code is in; returns its id, or None outside any trace."""
    scope = current_scope()
    if scope is None or not scope.trace:
        return None
    where = scope.stage.where if scope.stage is not None else scope.trace.where
    return scope.trace.decide(where, name, what, why, confidence, alternatives, inputs, attributes)


def event(name: str, message: Any = "", *, level: Any = 0, **attributes: Any) -> str | None:
    """Record that something happened, in the stage that the running code is in; returns its id."""
    current = current_trace()
    return current.event(name, message, level=level, **attributes) if current else None


def llm_call(name: str = "llm", *, component: str | None = None, **call: Unpack[LlmFields]) -> str | None:
    """Record a finished call of a language model (see LlmFields); returns its id, or None outside any trace."""
    current = current_trace()
    return current.llm_call(name, component=component, **call) if current else None


def llm(name: str = "llm", *, component: str | None = None, **request: Unpack[LlmFields]) -> Call:
    """Record that a call of a language model begins, so that one that hangs is seen; end it: `call.end(response=…)`."""
    current = current_trace()
    return current.llm(name, component=component, **request) if current else NO_CALL  # type: ignore[return-value]


def transform(
    name: str,
    source: Any,
    result: Any,
    *,
    action: str = "edit",
    component: str | None = None,
    subject: str = "",
    materials: Iterable[Mapping[str, Any]] | None = None,
    using: Any = None,
    because: str | None = None,
    attempt: int | None = None,
    duration_s: Any = None,
    error: Any = None,
    **attributes: Any,
) -> str | None:
    """Record that content became other content, so that `whence blame` can tell who put a line there; returns its id.

    The arguments are those of `Trace.transform`. Outside any trace nothing is recorded.
    """
    current = current_trace()
    if not current:
        return None
    return current.transform(
        name,
        source,
        result,
        action=action,
        component=component,
        subject=subject,
        materials=materials,
        using=using,
        because=because,
        attempt=attempt,
        duration_s=duration_s,
        error=error,
        **attributes,
    )


def check(name: str, passed: bool | None, **said: Any) -> str | None:
    """Record an expectation against reality; the other arguments are those of `Trace.check`. Returns its id."""
    current = current_trace()
    return current.check(name, passed, **said) if current else None


def wrote(path: "str | Path", content: Any, **said: Any) -> str | None:
    """Record that a file was written with this content, and read it back; the others are those of `Trace.wrote`."""
    current = current_trace()
    return current.wrote(path, content, **said) if current else None


def init(
    *,
    data: "Path | str | None" = None,
    documents: "Path | str | None" = None,
    project: str | None = None,
    enabled: bool | None = None,
    capture: str | None = None,
    drain: bool | None = None,
    code_version: str | None = None,
) -> None:
    """Choose settings in code; what is not given comes from the environment and whence.toml. Optional.

    Raises:
        BadInput: a setting is not accepted. This call is made on purpose, at the start, so it may say so.
    """
    from pathlib import Path

    import msgspec

    from whence.errors import BadInput
    from whence.redact.capture import CaptureLevel
    from whence.runtime import runtime, settings

    chosen = settings.load({**_environment(), **({"WHENCE_DATA": str(data)} if data is not None else {})})
    changes: dict[str, Any] = {}
    if documents is not None:
        changes["documents"] = Path(documents).expanduser().absolute()
    if capture is not None:
        try:
            changes["capture"] = CaptureLevel(capture)
        except ValueError:
            accepted = ", ".join(level.value for level in CaptureLevel)
            raise BadInput(f"capture={capture!r}; accepted: {accepted}") from None
    for name, value in (("project", project), ("enabled", enabled), ("drain", drain), ("code_version", code_version)):
        if value is not None:
            changes[name] = value
    runtime.configure(msgspec.structs.replace(chosen, **changes))


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def stats() -> dict[str, Any]:
    """Return what this process has recorded: emitted, written, dropped by reason and class, the spool's state."""
    from whence.runtime.runtime import runtime_or_default

    return runtime_or_default().recorder.stats()


def flush(timeout_s: float = 1.0) -> bool:
    """Bring what was recorded to the disk itself; True if it is there. Not needed to survive the end of the process."""
    from whence.runtime.runtime import runtime_or_default

    return runtime_or_default().recorder.flush(timeout_s)


def shutdown() -> None:
    """Let go of files and threads; optional, nothing is lost without it."""
    from whence.runtime.runtime import peek

    runtime = peek()
    if runtime is not None:
        runtime.close()
