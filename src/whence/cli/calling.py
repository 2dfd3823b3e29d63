"""How this program is called, so that the commands it proposes work as they are printed."""

import os
import shlex
import shutil
import sys
from pathlib import Path

_chosen: list[str] = []


def choose_data(directory: str) -> None:
    """Note that the data directory was given with --data, which the next command needs as well."""
    _chosen[:] = [directory]


def program() -> str:
    """Return the words that start this program from where it was called.

    `make demo` starts it with a PATH of its own (by `uv run`), on which the person who typed that has nothing.
    """
    python = Path(sys.executable or "python")
    script = python.with_name("whence")
    found = None if os.environ.get("UV_RUN_RECURSION_DEPTH") else shutil.which("whence")
    if found is not None and (not script.exists() or os.path.realpath(found) == os.path.realpath(script)):
        return "whence"
    return shlex.quote(near(script)) if script.exists() else f"{shlex.quote(near(python))} -m whence"


def command(step: str) -> str:
    """Return a proposed command line, `whence …`, as it has to be typed here."""
    name, _, rest = step.partition(" ")
    if name != "whence":
        return step
    data = f" --data {shlex.quote(_chosen[0])}" if _chosen else ""
    return f"{program()}{data} {rest}"


def near(path: Path) -> str:
    """Return a path as it is found from here: relative, where it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
