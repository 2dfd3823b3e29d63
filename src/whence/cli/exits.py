"""How a command line ends: whatever went wrong becomes one line on stderr and an exit code."""

import os
import sys
from collections.abc import Sequence

from whence.cli import plain
from whence.errors import StoreUnreachable, WhenceError

BAD_INPUT = 2
INTERNAL = 70
INTERRUPTED = 130


def run(words: Sequence[str]) -> int:
    """Run a command line; never raises."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character is no reason to stop
    try:
        code = _call(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except WhenceError as exc:
        return _complain(str(exc), exc.exit_code, words)
    except OSError as exc:
        where = f": {os.fsdecode(exc.filename)}" if isinstance(exc.filename, str | bytes) else ""
        return _complain(f"{exc.strerror or exc}{where}", StoreUnreachable.exit_code, words)
    except Exception as exc:  # noqa: BLE001 - the last resort of a program
        return _complain(f"internal error: {type(exc).__name__}: {exc} (a bug; --debug shows where)", INTERNAL, words)


def _call(words: Sequence[str]) -> int:
    from cyclopts.exceptions import CycloptsError, UnknownCommandError, UnusedCliTokensError

    from whence.cli.app import COMMANDS, app

    try:
        code = app.meta(words, exit_on_error=False, print_error=False, result_action="return_value")
    except UnknownCommandError as exc:
        said, _, available = str(exc).removesuffix(".").partition(" Available commands: ")
        accepted = available if exc.command_chain else ", ".join(COMMANDS)  # of its own list cyclopts shows a part only
        return _complain(f"{said} Accepted: {accepted}", BAD_INPUT, words)
    except CycloptsError as exc:
        command = " ".join(exc.command_chain or ())
        hint = f"`whence {command} --help`" if command else "`whence --help`"
        said = str(exc).removesuffix(".")
        if isinstance(exc, UnusedCliTokensError):
            said = f"{' '.join(exc.unused_tokens or ())!r} is not accepted here"
        return _complain(f"{said}; see {hint}", BAD_INPUT, words)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 0
    return code if isinstance(code, int) else 0


def _complain(message: str, code: int, words: Sequence[str]) -> int:
    if "--debug" in words:
        import traceback

        sys.stderr.write(traceback.format_exc())
    sys.stderr.write(f"whence: {plain.line(message)}\n")
    return code
