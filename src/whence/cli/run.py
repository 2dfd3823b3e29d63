"""`whence run`: a program as one run, recorded without a change to it."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from whence.cli import render
from whence.cli.options import Project
from whence.errors import BadInput, WhenceError
from whence.model.trace import COMPLETE, FAILED, INCOMPLETE
from whence.record.propagation import traceparent
from whence.runtime.runtime import runtime

NOT_FOUND = 127
NOT_EXECUTABLE = 126
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def run(
    *command: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    project: Project = None,
    instrument: Annotated[
        str | None,
        Parameter(
            help="Only these adapters: opentelemetry, openai, anthropic, logging; `none` for none (commas between)."
        ),
    ] = None,
    quiet: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Run a program and record it as one run: `whence run -- python app.py`. Its exit code is passed on.

    Python programs record what OpenTelemetry, the OpenAI and Anthropic clients and `logging` say in them, without a change
    to them; so do the Python programs that these start. Any other program is recorded as how it began and ended.

    Args:
        quiet: Do not print the run's address.
    """
    from whence.instrument import program

    if not command:
        raise BadInput("no program to run; give one: whence run -- python app.py")
    adapters = _adapters(instrument, program.ALL)
    own = runtime()
    name = project or own.settings.project or named_after(command)
    if not own.records(name):
        render.note(f"whence: project {name!r} is switched off (`whence projects`), so nothing is recorded")
        return _wait(_start(command, dict(os.environ)))

    from whence import api

    with api.trace(name, query=shlex.join(command), command=list(command), cwd=_directory()) as trace:
        environment = {
            **os.environ,
            program.TRACEPARENT: traceparent() or "",
            program.ADAPTERS: ",".join(adapters),
            program.PROJECT: name,
            "WHENCE_DATA": str(own.settings.data),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(program.SITE), os.environ.get("PYTHONPATH")))),
        }
        try:
            code = _wait(_start(command, environment))
        except BadInput as exc:
            trace.mark(FAILED, str(exc))
            raise
        status = COMPLETE if code == 0 else INCOMPLETE if code == 128 + signal.SIGINT else FAILED
        trace.mark(status, None if code == 0 else {"type": "ExitCode", "message": f"exit code {code}"})
        trace.keep("outputs", None, {"exit_code": code})
    if not quiet:
        _tell(own, trace)
    return code


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return None


def named_after(command: Sequence[str]) -> str:
    """Return the project of a program that nobody named: its own name, of Python's that of the script or module."""
    name = Path(command[0]).name
    if not re.fullmatch(r"python[\d.]*", name):
        return name
    words = iter(command[1:])
    for word in words:
        if word == "-m":
            return next(words, name).partition(".")[0]
        if word in ("-W", "-X"):
            next(words, None)
        elif not word.startswith("-"):
            return Path(word).stem
        elif word.startswith("-c"):
            return name
    return name


def _adapters(chosen: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    if chosen is None:
        return known
    wanted = tuple(each.strip() for each in chosen.split(",") if each.strip() and each.strip() != "none")
    for each in wanted:
        if each not in known:
            raise BadInput(f"no adapter {each!r}; accepted: {', '.join(known)}, none")
    return wanted


def _start(command: tuple[str, ...], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(command, env=environment)
    except FileNotFoundError:
        raise CannotRun(f"{command[0]!r} is not to be found; give a program that is on the PATH", NOT_FOUND) from None
    except OSError as exc:
        raise CannotRun(f"{command[0]!r} cannot be run: {exc.strerror or exc}", NOT_EXECUTABLE) from None


class CannotRun(BadInput):
    """The program could not be started; the exit code is what a shell would give."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """Wait for the program; signals for us are for it. Returns its exit code, as a shell counts."""

    def forward(number: int, frame: Any) -> None:
        child.send_signal(number)

    before = {each: signal.signal(each, forward) for each in _SIGNALS}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN if _at_a_terminal() else forward)
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _at_a_terminal() -> bool:
    """Return whether a terminal interrupts us: then it interrupts the program as well, which decides what that means."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:  # there is none
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _tell(own: Any, trace: Any) -> None:
    sys.stdout.flush()
    if not trace:
        return  # it could not be begun, and that was said
    try:
        row = own.store().trace(trace.otel_trace_id) if own.settings.drain else None
    except WhenceError as exc:  # the program has ended, and its exit code is what counts
        render.note(f"whence: recorded as {trace.trace_id}, not stored yet: {exc}")
        return
    counts = f" ({row.status}: {_counts(row)})" if row is not None else ""
    render.note(f"whence: recorded as {trace.trace_id}{counts}; look: whence show {trace.trace_id}")


def _counts(row: Any) -> str:
    parts = [render.many(row.records, "record"), render.many(row.decisions, "decision")]
    parts.append(render.many(row.llm_calls, "LLM call"))
    return ", ".join(parts)
