"""The command line: `whence …`, or `python -m whence …`.

One module per group of commands, each of them thin: what was typed becomes a call of `whence.query` or
`whence.runtime`, and its answer is drawn by a `render…` module. Data goes to stdout, everything else to stderr.

Exit codes: 0 ok · 1 problems found (doctor) · 2 bad input · 3 not found · 4 the store or a file cannot be reached ·
5 busy · 70 a bug in whence · 130 interrupted.
"""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in (["version"], ["--version"]):  # what scripts ask most, without loading anything
        from whence.version import __version__

        sys.stdout.write(f"whence {__version__}\n")
        return 0
    if "run" in words:  # what follows is another program's words, and that program waits for us
        from whence.cli import launch

        code = launch.main(words)
        if code is not None:
            return code
    from whence.cli.exits import run

    return run(words)
