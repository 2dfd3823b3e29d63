"""The generation logger: one session of generating components, told by calls with the names of the original design.

    logger = GenerationLogger()
    logger.log_llm_interaction(component_name="todo_store", prompt="…", response="…", model="gpt-4", tokens_in=450)

Every call is a record of the session's trace and an event of the session. No call ever raises.
"""

import contextvars
import functools
import os
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, TypeVar, cast

import msgspec

from whence.generation import events, said
from whence.generation.events import GenerationEvent
from whence.generation.session import Session, SessionTrace, end_unattended
from whence.record import context
from whence.record.disabled import NoTrace
from whence.record.guard import not_started
from whence.record.normalise import as_label

DEFAULT_DIRECTORY: Final = Path("generation_logs")
F = TypeVar("F", bound=Callable[..., Any])


def _never_raises(method: F) -> F:
    """Return a method of the logger whose failures are counted (`whence.stats()["internal_errors"]`)."""

    @functools.wraps(method)
    def door(self: "GenerationLogger", *args: Any, **kwargs: Any) -> Any:
        if self._session is None:
            return None
        try:
            return method(self, *args, **kwargs)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is not the host's
            self._session.trace.refused(method.__name__, exc)
            return None

    return cast(F, door)


class GenerationLogger:
    """One session, which is one trace. Ended by `close()`, by leaving it as a context manager, or when it is gone.

    A context manager, sync and async: an exception that leaves the block makes the trace `failed` and goes on.
    Outside any other trace the session becomes the current one where it is made, so that `observable` functions and
    `whence.decision` belong to it. Made inside another trace it is that one's child, and current within `with` only.

    Args:
        log_dir: a directory for log files (R3.27); without one there are none.
        project: whose settings apply, as for `whence.trace`.
        session_id: of your own; otherwise a UUID.
    """

    def __init__(
        self,
        log_dir: "Path | str | None" = None,
        *,
        project: str | None = None,
        session_id: str | None = None,
    ) -> None:
        self._open(project, session_id, log_dir)

    def _open(self, project: str | None, session_id: str | None, log_dir: Any, *, alone: bool = False) -> None:
        """Begin the session.

        Args:
            alone: it belongs to nothing that runs now, and does not become current.
        """
        self._session: Session | None = None
        self._scopes: list[context.Scope] = []
        self.session_id = _session_id(session_id)
        self.log_dir: Path | None = None
        self.trace: SessionTrace | NoTrace = _begin(project, self.session_id, alone=alone)
        if isinstance(self.trace, NoTrace):
            return
        try:
            self.log_dir = Path(log_dir) if log_dir is not None else None
        except Exception as exc:  # noqa: BLE001 - it is no path, or raises when asked: the session goes on without files
            self.trace.refused("log_dir", exc)
        self._session = Session(self.trace, self.session_id, _files(self.log_dir, self.session_id))
        # At the end of the program too; never in a forked child, whose parent it is to end it.
        self._finalizer = weakref.finalize(self, end_unattended, self._session)

    @property
    def trace_id(self) -> str:
        """The readable name of the session's trace."""
        return self.trace.trace_id

    @property
    def events(self) -> list[GenerationEvent]:
        """What was logged, oldest first: the last 10,000 events (or 32 MiB of them)."""
        return self._session.events() if self._session is not None else []

    @property
    def stage_timers(self) -> dict[str, float]:
        """When each stage that is open was started, by "component:stage": seconds of a clock that never goes back."""
        return self._session.timers() if self._session is not None else {}

    # -- stages ------------------------------------------------------------------------------------------------------

    @_never_raises
    def start_stage(self, stage: Any, component_name: Any = None, **kw: Any) -> None:
        """Mark the beginning of a stage of a component (R3.17); what else is given is kept with it."""
        session, name, component = self._where(stage, component_name)
        session.start(name, component, kw)
        session.note(events.START, name, component, kw)

    @_never_raises
    def end_stage(self, stage: Any, component_name: Any = None, **kw: Any) -> None:
        """Mark the end of a stage, with its duration (R3.18).

        Of stages of the same name that run at once, it is the one that this thread or task began last. A forked child
        does not end what its parent began; that it did its part is an event (`end_in_child`).
        """
        session, name, component = self._where(stage, component_name)
        opened = session.started(name, component, take=True)
        took = session.elapsed_ms(opened) if opened is not None else None
        if opened is not None and not opened.inherited:
            opened.stage.end(kw or None, opened.error)
        else:
            place = opened.stage if opened is not None else session.place(component)
            event = "end_in_child" if opened is not None else "end_without_start"
            place.event(event, name, level="low", **said.renamed(kw, said.OF_EVENT))
        session.note(events.END, name, component, kw, duration_ms=took, first=opened is None)

    @_never_raises
    def log_error(self, stage: Any, component_name: Any = None, error: Any = None, **kw: Any) -> None:
        """Record an error with its whole stack (R3.19), in or outside of the `except` that caught it.

        A stage that is open under this name is not ended by it, but ends with this error.

        Args:
            error: the exception, or a text; then the stack is that of the exception being handled, or of this call.
        """
        session, name, component = self._where(stage, component_name)
        kind, message = said.described(error)
        stack = events.stack(error)
        opened = session.started(name, component, take=False)
        about = {"error_type": kind, **said.renamed(kw, (*said.OF_EVENT, "error_type", "traceback"))}
        if opened is not None:
            opened.error = {"type": kind, "message": message}
        place = opened.stage if opened is not None else session.place(component)
        place.event("error", message, level="high", traceback=stack, **about)
        took = session.elapsed_ms(opened) if opened is not None else None
        data = {**kw, "error_type": kind}
        session.note(events.ERROR, name, component, data, duration_ms=took, error=message, traceback=stack, last=False)

    # -- what happens in them ----------------------------------------------------------------------------------------

    @_never_raises
    def log_llm_interaction(
        self,
        *positional: Any,
        component_name: Any = None,
        prompt: Any = None,
        response: Any = None,
        model: Any = None,
        tokens_in: Any = None,
        tokens_out: Any = None,
        duration_ms: Any = None,
        error: Any = None,
        metadata: Mapping[str, Any] | None = None,
        **meta: Any,
    ) -> None:
        """Record a call of a language model: full prompt, full response, tokens (R3.20).

        Args:
            positional: in the order of the names that follow; or prompt, response and a dict of metadata (R3.12).
            metadata: anything else, `model`, `tokens_in` and their like included. Other keywords are kept as well.
        """
        given = {
            "component_name": component_name,
            "prompt": prompt,
            "response": response,
            "model": model,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "duration_ms": duration_ms,
            "error": error,
        }
        call = said.interaction(positional, given, metadata, meta)
        session, name, component = self._where("llm_request", call.component)
        session.place(component).llm_call(name, component=said.whose(component), **cast(Any, call.fields))
        session.note(
            *(events.LLM_INTERACTION, name, component, call.data), duration_ms=call.duration_ms, error=call.error
        )

    @_never_raises
    def log_template_render(
        self, component_name: Any, template_name: Any = "", input_data: Any = None, output: Any = None, **meta: Any
    ) -> None:
        """Record that a template was rendered: with what, to what (R3.21).

        Args:
            meta: `template` is the template's own text, if it is at hand; `duration_ms`; `error`, if it failed; anything
                else is kept as well.
        """
        session, name, component = self._where("template_render", component_name)
        rendering = said.rendering(template_name, input_data, output, meta)
        session.place(component).transform(
            name, None, rendering.output, component=said.whose(component), **rendering.fields
        )
        session.note(
            *(events.TEMPLATE_RENDER, name, component, rendering.data),
            duration_ms=rendering.duration_ms,
            error=rendering.error,
        )

    @_never_raises
    def log_validation_error(
        self,
        component_name: Any = None,
        error_type: Any = "",
        error_message: Any = "",
        line_number: Any = None,
        code_context: Any = None,
        **kw: Any,
    ) -> None:
        """Record that generated code is not valid: what, in which line (R3.22). It is a check that did not pass.

        Args:
            error_type: `SyntaxError` or the like; the type of the check follows from it: syntax, indentation, import
                (R3.33), logic.
            kw: `content` is the code that was checked, `file_path` its file; `traceback`, otherwise that of the exception
                being handled, or the stack of this call; anything else is kept as well.
        """
        session, name, component = self._where("validation", component_name)
        failed = said.validation(error_type, error_message, line_number, code_context, kw)
        session.place(component).check(name, False, component=said.whose(component), **failed.fields)
        session.note(
            *(events.VALIDATION_ERROR, name, component, failed.data), error=failed.error, traceback=failed.traceback
        )

    @_never_raises
    def log_file_write(self, component_name: Any, file_path: Any = "", content: Any = "", **meta: Any) -> None:
        """Record what is written where (R3.23).

        A file that is there is read back, and the record says whether it holds the content. One that is not there yet
        is recorded as announced.
        """
        session, name, component = self._where("file_write", component_name)
        path, there = said.path_of(file_path)
        body = said.body_of(content, session.clean)
        attributes = said.renamed(meta, ("path", "content", "component", "verify", "error"))
        if not there:
            attributes["announced"] = True
        session.place(component).wrote(path, body, component=said.whose(component), verify=there, **attributes)
        session.note(events.FILE_WRITE, name, component, {**meta, "file_path": path, **said.size_of(body)})

    @_never_raises
    def emit_event(self, event: GenerationEvent) -> None:
        """Record an event of your own making (R3.14), and hand it to the observers."""
        session, name, component = self._where(event.stage or events.EVENT, event.component)
        level = "high" if event.error is not None else "info"
        attributes = {"data": event.data, **({"error": event.error} if event.error is not None else {})}
        session.place(component).event(name, event.error or "", level=level, **attributes)
        session.note(
            *(event.event_type, name, component, event.data),
            duration_ms=event.duration_ms,
            error=event.error,
            traceback=event.traceback,
        )

    # -- the whole ---------------------------------------------------------------------------------------------------

    def generate_summary(self) -> dict[str, Any]:
        """Return what the session came to so far (R3.24), as plain JSON types. Durations in milliseconds.

        Keys: session_id, trace_id, total_events, components_generated (names, sorted), errors (a list of {event,
        timestamp, component, stage, error, error_type, line_number, code_context}, the first 10,000), total_errors,
        total_duration_ms (of the session), stages ({name: {count, total_duration_ms, errors}}), llm ({calls, errors,
        tokens_in, tokens_out, duration_ms}), files ({path: times written}); with log files also log_files ({directory,
        written, lost, last_error}). Of a project that is switched off everything is empty.

        An exception that goes through several observed functions is one error, that of the innermost. A call that is
        cancelled has none.
        """
        empty: dict[str, Any] = {
            "session_id": self.session_id,
            "trace_id": self.trace_id,
            "total_events": 0,
            "components_generated": [],
            "errors": [],
            "total_errors": 0,
            "total_duration_ms": 0.0,
            "stages": {},
            "llm": {"calls": 0, "errors": 0, "tokens_in": 0, "tokens_out": 0, "duration_ms": 0.0},
            "files": {},
        }
        return self._summary() or empty

    @_never_raises
    def _summary(self) -> dict[str, Any] | None:
        return self._session.summary() if self._session is not None else None

    def _where(self, stage: Any, component: Any) -> tuple[Session, str, str]:
        """Return the session, and the names of stage and component as they are recorded."""
        session = cast(Session, self._session)
        return session, session.label(stage, events.EVENT), session.label(component, events.UNKNOWN)

    def bind(self, **known: Any) -> "BoundLogger":
        """Return a logger that says these keywords with every call (R3.12): `component_name`, `operation`, …"""
        return BoundLogger(self, known)

    def close(self) -> None:
        """End the session: complete. Closing twice is ignored."""
        self._close(None, announce=True)

    def _close(self, error: BaseException | None, *, announce: bool) -> None:
        while self._scopes:
            context.leave(self._scopes.pop())
        if self._session is None:
            self.trace.end()
            return
        self._finalizer.detach()
        try:
            self._session.end(error, announce)
        except Exception as exc:  # noqa: BLE001 - as `_never_raises`
            self._session.trace.refused("close", exc)

    def __enter__(self) -> "GenerationLogger":
        self._scopes.append(context.enter(cast(SessionTrace, self.trace)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        self._close(error, announce=True)
        return False

    async def __aenter__(self) -> "GenerationLogger":
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        self._close(error, announce=False)
        if isinstance(self.trace, SessionTrace):
            await self.trace.announce_off_loop()
        return False


class SimpleGenerationLogger(GenerationLogger):
    """The logger as the original design has it: log files are on, in `generation_logs` unless told otherwise (R3.16)."""

    def __init__(
        self,
        log_dir: "Path | str | None" = None,
        *,
        project: str | None = None,
        session_id: str | None = None,
    ) -> None:
        super().__init__(DEFAULT_DIRECTORY if log_dir is None else log_dir, project=project, session_id=session_id)


class BoundLogger:
    """A logger some of whose keywords are said already. Its calls take the others by keyword."""

    def __init__(self, logger: GenerationLogger, known: dict[str, Any]) -> None:
        self._logger = logger
        self._known = known

    def bind(self, **known: Any) -> "BoundLogger":
        """Return one that says these as well."""
        return BoundLogger(self._logger, {**self._known, **known})

    def emit_event(self, event: GenerationEvent) -> None:
        """Record an event of your own making. What is bound counts where the event does not say it itself."""
        try:
            known = dict(self._known)
            named = known.pop("component_name", None)
            if event.component == events.UNKNOWN and named is not None:
                event = msgspec.structs.replace(event, component=named)
            if known and (event.data is None or isinstance(event.data, Mapping)):
                event = msgspec.structs.replace(event, data={**known, **(event.data or {})})
        except Exception as exc:  # noqa: BLE001 - it is no event; the logger says so
            if self._logger._session is not None:
                self._logger._session.trace.refused("emit_event", exc)
        self._logger.emit_event(event)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._logger, name)
        return functools.partial(found, **self._known) if name in _SAYING else found


_SAYING: Final = (
    *("start_stage", "end_stage", "log_error", "log_llm_interaction", "log_template_render"),
    *("log_validation_error", "log_file_write"),
)


def _session_id(given: object) -> str:
    if given is not None:
        return as_label(given) or "unnamed"
    import uuid

    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def _begin(project: object, session_id: str, *, alone: bool = False) -> SessionTrace | NoTrace:
    """Begin the trace of a session.

    Args:
        alone: it belongs to nothing that runs now, and does not become current.
    """
    try:
        from whence.runtime.runtime import runtime_or_default

        runtime = runtime_or_default()
        name = as_label(project) or runtime.settings.project

        def begin() -> SessionTrace | NoTrace:
            if not runtime.records(name):
                return NoTrace()
            return SessionTrace(runtime.recorder, project_name=name, attributes={"session_id": session_id})

        if alone:
            return contextvars.Context().run(begin)
        # What runs inside another trace goes on being recorded there: only `with` makes the child the current one.
        # A program that is recorded as a whole, and does not know of it, is as if it were in none.
        outer = context.current_scope()
        outermost = outer is None or outer is context._process
        return begin() if outermost else contextvars.copy_context().run(begin)
    except Exception as exc:  # noqa: BLE001 - a run that cannot be recorded is a run all the same
        not_started(exc)
        return contextvars.Context().run(NoTrace)


def _files(directory: Path | None, session_id: str) -> Any:
    if directory is None:
        return None
    from whence.generation.files import SessionFiles

    return SessionFiles(directory, session_id)
