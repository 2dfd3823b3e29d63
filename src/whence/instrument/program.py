"""A whole program as one run, without a change to it: what `whence run` switches on in the process it starts.

The run was begun by `whence run`, which hands its address on as TRACEPARENT; this process goes on with it, and so does every
Python that it starts. `_site/sitecustomize.py` waits until there may be something to record, and only then this module and
all that recording needs is loaded. Adapters wait for their libraries to be imported; nothing is imported for them.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from whence.errors import WhenceError
from whence.instrument import _imports
from whence.instrument._imports import when_imported
from whence.record import context
from whence.record.failure import describe_error, stack_of
from whence.record.guard import not_started
from whence.record.notice import notice
from whence.record.trace import Trace
from whence.runtime import runtime as runtimes
from whence.runtime import settings as settings_module
from whence.runtime.runtime import Runtime

TRACEPARENT = "TRACEPARENT"
ADAPTERS = "WHENCE_RUN"
PROJECT = "WHENCE_RUN_PROJECT"
TOLD = "WHENCE_RUN_TOLD"
TOLD_SETTINGS = "settings"
SITE = Path(__file__).parent / "_site"
_running: list[Trace] = []


def careful_runtime() -> tuple[Runtime, WhenceError | None]:
    """Return this process's runtime; where settings cannot be read, one that keeps hashes only, and what is wrong.

    As `runtime_or_default`, for a caller that tells of it himself.

    Raises:
        BadInput: not even a place to record into can be told.
    """
    try:
        return runtimes.runtime(), None
    except WhenceError as exc:
        built = runtimes.configure(settings_module.fallback())
        built.recorder.errors.add("settings", exc)
        return built, exc


def begin(loading: Iterable[str] = ()) -> None:
    """Go on with the run that TRACEPARENT names, in all of this process; does nothing where there is none.

    Args:
        loading: modules that are being imported just now, and are not there yet; `loaded` says when they are.
    """
    header = os.environ.get(TRACEPARENT)
    if not header or context.current_trace() is not None:
        return
    try:
        built, trouble = careful_runtime()
        if trouble is not None and TOLD_SETTINGS not in os.environ.get(TOLD, ""):
            notice(f"whence settings: {trouble}. Until that is mended, texts are recorded as hashes only")
        trace = Trace(built.recorder, project_name=os.environ.get(PROJECT) or None, traceparent=header)
        context.of_process(trace)
        _running.append(trace)
        _imports._finder._loading.update(loading)
        chosen = os.environ.get(ADAPTERS, "").split(",")
        for name, switch_on in _SWITCH_ON.items():
            if name in chosen:
                switch_on(trace)
    except Exception as exc:  # noqa: BLE001 - the program runs all the same
        not_started(exc)


def loaded(name: str, whole: bool) -> None:
    """Take note that a module that was being imported when we began is there, whole, or that its import has failed."""
    _imports._finder._loading.discard(name)
    if whole:
        _imports._finder.loaded(name)


def finish() -> None:
    """End this process's part of the run: at its exit, which no exception tells of; `whence run` says how the run went."""
    for trace in _running:
        trace.close(None)
        trace.end()


def uncaught(error: BaseException | None, *, thread: bool = False) -> None:
    """Record what ends the program, or a thread of it; whoever calls shows it as ever."""
    if error is None or isinstance(error, SystemExit):  # a thread may end itself so
        return
    name = "uncaught_exception_in_thread" if thread else "uncaught_exception"
    for trace in _running:
        try:
            told = {**describe_error(error), "stack": stack_of(error)}
            trace.event(name, told["message"], level="critical", error=told)
        except Exception as exc:  # noqa: BLE001 - what is shown of the program's own error must not change
            trace.refused(name, exc)
        if not thread:
            trace.close(error)


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
