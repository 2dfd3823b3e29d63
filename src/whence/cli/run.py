"""`whence run`: a program as one run, recorded without a change to it. What is done is in `whence.cli.launch`."""

from typing import Annotated

from cyclopts import App, Parameter

from whence.cli import launch
from whence.errors import BadInput

run = App(
    name="run",
    usage="Usage: whence run [OPTIONS] -- PROGRAM [ARGS...]",
    help="Run a program and record it as one run, without a change to it.",
)


@run.default
def start(
    *command: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    project: Annotated[str | None, Parameter(help="The run's project; otherwise the program's name.")] = None,
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
    if command and command[0].startswith("-"):
        raise BadInput(launch.unknown(command[0]))
    return launch.launch(launch.Options(project, instrument, quiet), command)
