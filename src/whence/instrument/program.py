"""A whole program as one run, without a change to it: what `whence run` switches on in the process it starts.

The run was begun by `whence run`, which hands its address on as TRACEPARENT; this process goes on with it, and so does every
Python that it starts. Adapters wait for their libraries to be imported; nothing is imported for them.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from whence.instrument._imports import when_imported
from whence.record import context
from whence.record.failure import describe_error, stack_of
from whence.record.guard import not_started
from whence.record.trace import Trace

TRACEPARENT = "TRACEPARENT"
ADAPTERS = "WHENCE_RUN"
PROJECT = "WHENCE_RUN_PROJECT"
SITE = Path(__file__).parent / "_site"
ALL = ("opentelemetry", "openai", "anthropic", "logging")
"""What is switched on unless told otherwise."""


def begin() -> None:
    """Go on with the run that TRACEPARENT names, in all of this process; does nothing where there is none."""
    header = os.environ.get(TRACEPARENT)
    if not header or context.current_trace() is not None:
        return
    try:
        from whence.runtime.runtime import runtime_or_default

        trace = Trace(runtime_or_default().recorder, project_name=os.environ.get(PROJECT) or None, traceparent=header)
        context.of_process(trace)
        atexit.register(_finish, trace)
        _watch_exceptions(trace)
        chosen = os.environ.get(ADAPTERS, "").split(",")
        for name in ALL:
            if name in chosen:
                _SWITCH_ON[name](trace)
    except Exception as exc:  # noqa: BLE001 - the program runs all the same
        not_started(exc)


def _finish(trace: Trace) -> None:
    """End this process's part of the run: at its exit, which no exception tells of; `whence run` says how the run went."""
    trace.close(None)
    trace.end()


def _watch_exceptions(trace: Trace) -> None:
    """Record what ends the program, or a thread of it, and let it be shown as ever."""
    hook, thread_hook = sys.excepthook, threading.excepthook

    def said(error: BaseException | None, name: str) -> None:
        if error is None or isinstance(error, SystemExit):  # a thread may end itself so
            return
        try:
            told = {**describe_error(error), "stack": stack_of(error)}
            trace.event(name, told["message"], level="critical", error=told)
        except Exception as exc:  # noqa: BLE001 - what is shown of the program's own error must not change
            trace.refused(name, exc)

    def excepthook(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
        said(error, "uncaught_exception")
        trace.close(error)
        hook(kind, error, tb)

    def in_thread(args: Any) -> None:
        said(args.exc_value, "uncaught_exception_in_thread")
        thread_hook(args)

    sys.excepthook, threading.excepthook = excepthook, in_thread


def _opentelemetry(trace: Trace) -> None:
    def imported() -> None:
        import opentelemetry.sdk.trace as sdk

        original = sdk.TracerProvider.__init__

        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            try:
                from whence.instrument.opentelemetry import install

                install(self)
                _parent(trace)
            except Exception as exc:  # noqa: BLE001 - the program's provider is made, and that is what it asked for
                trace.refused("opentelemetry", exc)

        sdk.TracerProvider.__init__ = init  # type: ignore[method-assign]

    when_imported("opentelemetry.sdk.trace", imported)


def _parent(trace: Trace) -> None:
    """Make the run the parent of spans that have none, in this thread and in the tasks it starts."""
    from opentelemetry import context as contexts
    from opentelemetry import trace as api

    if api.get_current_span().get_span_context().is_valid:
        return
    ours = api.SpanContext(
        int(trace.otel_trace_id, 16), int(trace.span, 16), is_remote=True, trace_flags=api.TraceFlags(1)
    )
    contexts.attach(api.set_span_in_context(api.NonRecordingSpan(ours)))


def _client(name: str) -> Callable[[Trace], None]:
    def switch_on(trace: Trace) -> None:
        def imported() -> None:
            from importlib import import_module

            import_module(f"whence.instrument.{name}").install()

        when_imported(name, imported)

    return switch_on


def _logging(trace: Trace) -> None:
    def imported() -> None:
        from whence.instrument.logging import listen

        listen()

    when_imported("logging", imported)


_SWITCH_ON: dict[str, Callable[[Trace], None]] = {
    "opentelemetry": _opentelemetry,
    "openai": _client("openai"),
    "anthropic": _client("anthropic"),
    "logging": _logging,
}
