"""How `whence run` starts a program, waits for it and passes its exit code on; recording it is a guest's part in that.

The program runs whatever becomes of the recording: what goes wrong with that is one line on stderr. Nothing is loaded
before the program starts that only its ending needs, and its own words are never read as options of ours.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from whence.errors import BadInput

NOT_FOUND = 127
NOT_EXECUTABLE = 126
ADAPTERS = ("opentelemetry", "openai", "anthropic", "logging")
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)
_ACCEPTED = "accepted: --project, --instrument, --quiet; the program comes after --"
_MASK = "[REDACTED:secret]"
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,255}")


class Options(NamedTuple):
    """What was said of how the program is recorded."""

    project: str | None = None
    instrument: str | None = None
    quiet: bool = False


def main(words: Sequence[str]) -> int | None:
    """Run a command line of `whence` that says `run`; None for any other, and where help is asked for.

    Not by the parser of the other commands, which reads options wherever they stand and takes its time to load.
    """
    words, data, debug = _everywhere(words)
    if words[:1] != ["run"]:
        return None
    try:
        options, command, own = parse(words[1:])
        if any(word in ("--help", "-h") for word in own):
            return None
        _, given, more = _everywhere(own)
        data, debug = given if given is not None else data, debug or more
        if data is not None:
            _choose(data)
        return launch(options, command)
    except BadInput as exc:
        if debug:
            import traceback

            sys.stderr.write(traceback.format_exc())
        _say(f"whence: {exc}")
        return exc.exit_code


def _everywhere(words: Sequence[str]) -> tuple[list[str], str | None, bool]:
    """Return the words without --data and --debug at their head, and what those say."""
    left, data, debug = list(words), None, False
    while left:
        if left[0] == "--debug":
            debug = bool(left.pop(0))
        elif left[0] == "--data" and len(left) > 1:
            data = left[1]
            del left[:2]
        elif left[0].startswith("--data="):
            data = left.pop(0).partition("=")[2]
        else:
            break
    return left, data, debug


def _choose(data: str) -> None:
    from whence.cli import calling

    if not data.strip():
        raise BadInput(f"--data {data!r}; give a directory")
    os.environ["WHENCE_DATA"] = str(Path(data).expanduser().absolute())
    calling.choose_data(data)


def parse(words: Sequence[str]) -> tuple[Options, tuple[str, ...], list[str]]:
    """Return our options, the program with its words, and those of our words that hold for every command.

    Ours are the words that begin with `-`, up to the first that does not, or to `--`.

    Raises:
        BadInput: an option that there is not, or one without its value.
    """
    left, found, others = list(words), Options(), []
    while left and left[0].startswith("-") and left[0] != "-":
        word = left.pop(0)
        if word == "--":
            break
        name, given, value = word.partition("=")
        if word in ("--help", "-h", "--debug"):
            others.append(word)
        elif word == "--quiet":
            found = found._replace(quiet=True)
        elif name in ("--project", "--instrument", "--data"):
            if not given:
                if not left or left[0] == "--":
                    raise BadInput(f"{name} needs a value: {name} VALUE")
                value = left.pop(0)
            if name == "--data":
                others.append(f"--data={value}")
            elif name == "--project":
                found = found._replace(project=value)
            else:
                found = found._replace(instrument=value)
        else:
            raise BadInput(unknown(word))
    return found, tuple(left), others


def unknown(word: str) -> str:
    """Return what to say of a word that is no option."""
    return f"Unknown option {word.partition('=')[0]}; {_ACCEPTED}"


def launch(options: Options, command: tuple[str, ...]) -> int:
    """Run the program and record it; returns its exit code, as a shell counts.

    Raises:
        BadInput: there is no program, or no such adapter. Whatever else goes wrong is told on stderr.
    """
    if not command:
        raise BadInput("no program to run; give one: whence run -- python app.py")
    adapters = adapters_of(options.instrument)
    signals = _Signals()
    signals.take()  # first of all: one that comes before the program runs is for the program as well
    recording = _Recording(options, command)
    try:
        recording.begin(adapters)
        try:
            child = subprocess.Popen(command, env=recording.environment)
        except OSError as exc:
            code, why = _not_started(command[0], exc)
            recording.failed = why
            _say(f"whence: {why}")
        else:
            signals.hand_to(child)
            recording.prepare()
            code = child.wait()
    finally:
        signals.give_back()
    code = code if code >= 0 else 128 - code
    recording.end(code)
    return code


def adapters_of(chosen: str | None) -> tuple[str, ...]:
    """Return the adapters that were chosen, with commas between; all of them where nothing was.

    Raises:
        BadInput: there is no such adapter.
    """
    if chosen is None:
        return ADAPTERS
    wanted = tuple(each.strip() for each in chosen.split(",") if each.strip() and each.strip() != "none")
    for each in wanted:
        if each not in ADAPTERS:
            raise BadInput(f"no adapter {each!r}; accepted: {', '.join(ADAPTERS)}, none")
    return wanted


def _not_started(name: str, exc: OSError) -> tuple[int, str]:
    """Return the exit code that a shell would give, and what to say."""
    if isinstance(exc, FileNotFoundError):
        return NOT_FOUND, f"{name!r} is not to be found; give a program that is on the PATH"
    return NOT_EXECUTABLE, f"{name!r} cannot be run: {exc.strerror or exc}"


# -- the words of a program ----------------------------------------------------------------------------------------------


class Python(NamedTuple):
    """What the command line of a Python program says."""

    isolated: str  # the first of -I, -E and -S, which keep PYTHONPATH or `site` away; or empty
    target: str | None  # its script or module


def as_python(command: Sequence[str]) -> Python | None:
    """Return what a command line says of the Python that it starts; None where it starts another program."""
    if not re.fullmatch(r"python[\d.]*t?", Path(command[0]).name):
        return None
    words, isolated = iter(command[1:]), ""
    for word in words:
        if word == "--check-hash-based-pycs":
            next(words, None)
        elif not word.startswith("-"):
            return Python(isolated, Path(word).stem)
        elif not word.startswith("--"):
            for at, letter in enumerate(word[1:], 2):
                if letter in "IES":
                    isolated = isolated or f"-{letter}"
                elif letter in "cmWX":  # the rest of the word, or the next one, belongs to it
                    value = word[at:] or next(words, "")
                    if letter in "cm":
                        return Python(isolated, value.partition(".")[0] or None if letter == "m" else None)
                    break
    return Python(isolated, None)


def named_after(command: Sequence[str]) -> str:
    """Return the project of a program that nobody named: its own name, of Python's that of the script or module."""
    python = as_python(command)
    return (python.target if python is not None else None) or Path(command[0]).name


def masked(command: Sequence[str]) -> list[str]:
    """Return the words of a command line without the secrets that flags announce.

    Masked is the word after a flag (`--api-key X`), and what stands behind `=` (`--token=X`, `API_KEY=X`), where the name
    says that it is a secret. Secrets of known shapes are found later, as in every text.
    """
    from whence.redact.keys import is_secret_key

    kept: list[str] = []
    announced = False
    for word in command:
        name, given, _ = word.partition("=")
        secret = _NAME.fullmatch(name.lstrip("-")) is not None and is_secret_key(name.lstrip("-"))
        if announced and not word.startswith("--"):
            kept.append(_MASK)
        else:
            kept.append(f"{name}={_MASK}" if secret and given else word)
        announced = secret and not given and word.startswith("-")
    return kept


# -- signals -------------------------------------------------------------------------------------------------------------


class _Signals:
    """Signals for us are for the program, from the moment we are asked to run it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}

    def take(self) -> None:
        # One that is ignored (`nohup`) stays so until the program runs, which is to ignore it as well.
        for each in _FORWARDED:
            if signal.getsignal(each) is not signal.SIG_IGN:
                self._before[each] = signal.signal(each, self._forward)

    def hand_to(self, child: "subprocess.Popen[bytes]") -> None:
        """Say which process the program is; what came before is sent to it now."""
        self._child = child
        for each in _FORWARDED:
            if each not in self._before:
                self._before[each] = signal.signal(each, self._forward)
        while self._early:
            child.send_signal(self._early.pop(0))

    def give_back(self) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # None: set by something that is not Python, and cannot be put back
                signal.signal(number, handler)

    def _forward(self, number: int, frame: Any) -> None:
        if self._child is None:
            self._early.append(number)
        elif number != signal.SIGINT or not _at_a_terminal():
            self._child.send_signal(number)


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


# -- recording -----------------------------------------------------------------------------------------------------------


class _Recording:
    """The program's run as whence keeps it. Nothing here raises: what fails is told, once, and the program runs on."""

    def __init__(self, options: Options, command: tuple[str, ...]) -> None:
        self.environment = dict(os.environ)
        self.failed: str | None = None  # why the program could not be started
        self._options = options
        self._command = command
        self._runtime: Any = None
        self._trace: Any = None
        self._warned = False

    def begin(self, adapters: Sequence[str]) -> None:
        """Begin the run, and make the environment in which the program goes on with it."""
        try:
            self._begin(adapters)
        except Exception as exc:  # noqa: BLE001 - the program runs all the same
            self._warn(f"nothing is recorded: {_what(exc)}")

    def _begin(self, adapters: Sequence[str]) -> None:
        from whence.instrument import program

        own, trouble = program.careful_runtime()
        if trouble is not None:
            self._warn(f"settings: {trouble}. Until that is mended, texts are recorded as hashes only")
        name = self._options.project or own.settings.project or named_after(self._command)
        if not own.records(name):
            _say(f"whence: {_why_off(own.settings, name)}, so nothing is recorded")
            return
        from whence.record.propagation import traceparent
        from whence.record.trace import Trace

        words = masked(self._command)
        said = {"command": words, "cwd": _directory()}
        trace = Trace(own.recorder, project_name=name, query=shlex.join(words), attributes=said)
        python_path = filter(None, (str(program.SITE), os.environ.get("PYTHONPATH")))
        if trouble is not None:  # said here, and not again by each Python below
            self.environment[program.TOLD] = f"{os.environ.get(program.TOLD, '')},{program.TOLD_SETTINGS}"
        self.environment |= {
            program.TRACEPARENT: traceparent() or "",
            program.ADAPTERS: ",".join(adapters),
            program.PROJECT: name,
            "WHENCE_DATA": str(own.settings.data),
            "PYTHONPATH": os.pathsep.join(python_path),
        }
        self._runtime, self._trace = own, trace
        if not trace.telemetry_persisted:
            self._warn(f"this run cannot be recorded: {own.recorder.spool.state} (run `whence doctor`)")
        python = as_python(self._command)
        if python is not None and python.isolated:
            _say(
                f"whence: Python with {python.isolated} does not look for us, so nothing inside this program is recorded"
            )

    def prepare(self) -> None:
        """While the program runs: load what its ending needs."""
        if self._trace is None:
            return
        try:
            import logging

            import whence.collect.documents
            import whence.collect.drainer
            import whence.diagnose.calibration
            import whence.runtime.finish
            import whence.store.sqlite  # noqa: F401 - loaded, not used here

            # What recording would say to the log of a program that does not ask is asked for here, and said once.
            log = logging.getLogger("whence")
            log.addHandler(logging.NullHandler())
            log.propagate = False
        except Exception:  # noqa: BLE001 - the end will meet it again, and tell
            pass

    def end(self, code: int) -> None:
        """End the run and say where it is."""
        if self._trace is None:
            return
        try:
            self._end(code)
        except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - the program has ended; its exit code counts
            self._warn(f"recorded as {self._trace.trace_id}, not stored yet: {_what(exc)} (run `whence doctor`)")

    def _end(self, code: int) -> None:
        from whence.model.trace import COMPLETE, FAILED, INCOMPLETE

        trace, own = self._trace, self._runtime
        status = COMPLETE if code == 0 else INCOMPLETE if code == 128 + signal.SIGINT else FAILED
        error = self.failed or (None if code == 0 else {"type": "ExitCode", "message": f"exit code {code}"})
        trace.mark(status, error)
        if self.failed is None:
            trace.keep("outputs", None, {"exit_code": code})
        trace.end(trace.close(None))
        if not trace.telemetry_persisted:
            self._warn(f"this run could not wholly be recorded: {own.recorder.spool.state} (run `whence doctor`)")
            return
        row = None
        if own.settings.drain:
            drained = own.drain(budget_s=own.settings.drain_budget_s)
            done = trace.announce()
            trouble = done.get("supabase_error")
            if trouble is not None:
                self._warn(f"recorded as {trace.trace_id}, not stored yet: {trouble} (run `whence doctor`)")
                return
            if done.get("supabase") == "saved" and "file_error" in done:
                self._warn(f"recorded as {trace.trace_id}, without its document: {done['file_error']}")
                return
            row = own.store().trace(trace.otel_trace_id) if drained.complete else None
        if not self._options.quiet:
            counts = f" ({_counts(row)})" if row is not None else ""
            _say(f"whence: recorded as {trace.trace_id}{counts}; look: whence show {trace.trace_id}")

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            _say(f"whence: {message}")


def _why_off(settings: Any, project: str) -> str:
    if settings.enabled:
        return f"project {project!r} is switched off (`whence projects`)"
    if "WHENCE_ENABLED" in os.environ:
        return f"recording is switched off (WHENCE_ENABLED={os.environ['WHENCE_ENABLED']})"
    return f"recording is switched off (`enabled` in {settings.data / 'whence.toml'})"


def _counts(row: Any) -> str:
    """Return how the run went and what `whence show` will count as well; records it counts more of: costs come later."""
    parts = [(row.decisions, "decision"), (row.llm_calls, "LLM call")]
    said = ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in parts if count)
    return f"{row.status}: {said}" if said else str(row.status)


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return None


def _what(exc: BaseException) -> str:
    from whence.errors import WhenceError

    return str(exc) if isinstance(exc, WhenceError) else f"{type(exc).__name__}: {exc}"


def _say(message: str) -> None:
    """Say something on stderr, as one line that a terminal does not obey."""
    from whence.cli import plain

    try:
        sys.stderr.write(plain.line(message) + "\n")
        sys.stderr.flush()
    except (OSError, UnicodeError):  # nobody reads it, or it cannot be shown: no reason to stop
        return
