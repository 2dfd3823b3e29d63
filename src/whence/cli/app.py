"""The commands and their groups. A command's module is imported when the command runs, not before."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Group, Parameter

from whence.cli import calling
from whence.errors import BadInput

_LOOK = Group("Look", sort_key=1)
_ASK = Group("Ask", sort_key=2)
_BRING = Group("Bring in and out", sort_key=3)
_KEEP = Group("Keep well", sort_key=4)
_ABOUT = Group("About", sort_key=5)
_EVERYWHERE = Group("Everywhere", sort_key=9)

_COMMANDS = (
    (_LOOK, "traces", "traces:traces", "List runs, filtered and paged."),
    (_LOOK, "show", "traces:show", "Show one run as a tree of what it decided."),
    (_LOOK, "decisions", "records:decisions", "List decisions across runs."),
    (_LOOK, "search", "records:search", "Find records by words."),
    (_LOOK, "tail", "records:tail", "Follow records as they come in."),
    (_ASK, "ask", "ask:ask_", "Ask in plain language; each sentence of the answer names its records."),
    (_ASK, "why", "traces:why", "Say why a run went wrong."),
    (_ASK, "diagnose", "diagnose:diagnose", "Look for what is wrong in a run, or in all of a time."),
    (_ASK, "findings", "findings:app", "List what is wrong, with evidence; say what became of it."),
    (_ASK, "diff", "cohorts:diff", "Say what tells bad runs from good ones."),
    (_ASK, "components", "components:components", "Put components and their versions side by side."),
    (_ASK, "health", "health:health", "Say how a component is."),
    (_ASK, "progress", "health:progress", "Say how far an operation is."),
    (_ASK, "report", "report:report", "Write a report of a time, as Markdown or HTML with plots."),
    (_ASK, "blame", "provenance:blame", "Say who put a line into a file."),
    (_ASK, "heal-log", "provenance:heal_log", "Show what was tried to heal, and why it was not enough."),
    (_ASK, "steps", "provenance:steps", "List what a run did to content, in order."),
    (_ASK, "llm", "provenance:llm", "Show prompts and responses."),
    (_ASK, "checks", "provenance:checks", "List checks and what they found."),
    (_ASK, "compare", "traces:compare", "Put two runs side by side."),
    (_ASK, "principles", "traces:principles", "List principles that keep falling short."),
    (_ASK, "flagged", "traces:flagged", "List runs that were flagged for review."),
    (_ASK, "cost", "cost:app", "Say what LLM calls cost, and price them anew."),
    (_ASK, "codes", "codes:app", "Say what trouble codes mean and what to do about them; check your own."),
    (_BRING, "run", "run:run", "Run a program and record it as one run, without a change to it."),
    (_BRING, "import", "transfer:import_", "Take runs from a file: JSON lines, or OTLP JSON."),
    (_BRING, "export", "transfer:export", "Write runs to a file, or send them to a backend that speaks OpenTelemetry."),
    (_KEEP, "doctor", "upkeep:doctor", "Check that what is recorded arrives; say how to mend it."),
    (_KEEP, "drain", "upkeep:drain", "Move what lies in the spool into the store."),
    (_KEEP, "db", "upkeep:db", "Care for the store: stats, migrate, backup, vacuum."),
    (_KEEP, "projects", "projects:app", "List projects; switch them on or off, set what is kept."),
    (_KEEP, "redact", "redact:redact", "Show what would be masked in a text."),
    (_ABOUT, "demo", "demo:demo", "Make runs of an example pipeline, and look at them."),
    (_ABOUT, "version", "about:version", "Print the version."),
    (_ABOUT, "completion", "about:completion", "Complete commands in bash, zsh or fish."),
)

COMMANDS = tuple(name for _, name, _, _ in _COMMANDS)

_HELP = """Whence did this result come? Records what an AI pipeline decided and why, and explains what went wrong.

A run is meant by its name, by any unique part of it, as `last`, or as `last-bad`."""

_EXIT_CODES = (
    "Exit codes: 0 ok, 1 problems found, 2 bad input, 3 not found, "
    "4 store or file unreachable, 5 busy, 70 internal error, 130 interrupted."
)

app = App(
    name="whence",
    help=_HELP,
    help_epilogue=_EXIT_CODES,
    help_format="plaintext",
    version_flags=[],
    suppress_keyboard_interrupt=False,
)
app.meta.suppress_keyboard_interrupt = False
for _group, _name, _path, _help in _COMMANDS:
    app.command(f"whence.cli.{_path}", name=_name, help=_help, group=_group)
app["--help"].group = _ABOUT


@app.meta.default
def whence(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    data: Annotated[
        str | None, Parameter(group=_EVERYWHERE, help="The data directory; otherwise WHENCE_DATA, or the user's own.")
    ] = None,
    debug: Annotated[
        bool, Parameter(negative="", show_default=False, group=_EVERYWHERE, help="Show where an error came from.")
    ] = False,
) -> int:
    """Run one command."""
    if data is not None:
        if not data.strip():
            raise BadInput(f"--data {data!r}; give a directory")
        os.environ["WHENCE_DATA"] = str(Path(data).expanduser().absolute())
        calling.choose_data(data)
    code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    return code if isinstance(code, int) else 0
