"""`whence version` and `whence completion`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from whence.cli.options import Json
from whence.errors import BadInput

Shell = Annotated[Literal["bash", "zsh", "fish"] | None, Parameter(help="Which shell; without it the one in use.")]


def version(*, json: Json = False) -> None:
    """Print the version."""
    from whence.version import __version__

    if not json:
        sys.stdout.write(f"whence {__version__}\n")
        return
    from whence.cli import plain
    from whence.store.sqlite import schema

    found = {
        "whence": __version__,
        "python": sys.version.split()[0],
        "schema": schema.newest(),
    }
    sys.stdout.write(plain.json(found) + "\n")


completion = App(name="completion", help="Complete commands and options in bash, zsh or fish.")


@completion.command
def show(shell: Shell = None) -> None:
    """Print the completion script."""
    from whence.cli.app import app

    sys.stdout.write(app.generate_completion(shell=_shell(shell)).rstrip("\n") + "\n")


@completion.command
def install(
    shell: Shell = None,
    *,
    output: Path | None = None,
    startup: Annotated[bool, Parameter(help="Have the shell's startup file load it, where that is needed.")] = True,
) -> None:
    """Install the completion script where the shell looks for it.

    Args:
        output: Another file to write it to.
    """
    from whence.cli.app import app

    chosen = _shell(shell)
    path = app.install_completion(shell=chosen, output=output, add_to_startup=startup and output is None)
    sys.stdout.write(f"{chosen} completion is in {path}; it works in the next shell\n")


def _shell(given: Literal["bash", "zsh", "fish"] | None) -> Literal["bash", "zsh", "fish"]:
    if given is not None:
        return given
    from cyclopts.completion.detect import ShellDetectionError, detect_shell

    try:
        found = detect_shell()
    except ShellDetectionError:
        found = None
    for each in ("bash", "zsh", "fish"):
        if found == each:
            return each
    raise BadInput("the shell in use was not recognised; give one of bash, zsh, fish")
