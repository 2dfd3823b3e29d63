"""`whence report`: what happened in a time, for people who were not there; Markdown, or one HTML page with plots."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from whence.cli import reading, render
from whence.cli.digested import digests
from whence.cli.options import Json, Project, Since, Until
from whence.diagnose.reporting import Report
from whence.diagnose.reporting import report as report_of
from whence.errors import BadInput
from whence.files import write_whole
from whence.model.filters import ProblemFilter
from whence.runtime.runtime import generator

_STDIO = "-"
_SUFFIXES = {".md": "md", ".markdown": "md", ".html": "html", ".htm": "html"}


def report(
    *,
    since: Since = None,
    until: Until = None,
    project: Project = None,
    output: Annotated[
        str,
        Parameter(
            name=("--output", "-o"),
            allow_leading_hyphen=True,
            help="A file that ends in .md or .html, or - for stdout (Markdown).",
        ),
    ] = _STDIO,
    format: Annotated[Literal["md", "html"] | None, Parameter(help="Where the file's name does not tell.")] = None,
    open: Annotated[bool, Parameter(negative="", show_default=False, help="Show the file in a browser.")] = False,
    json: Json = False,
) -> None:
    """Write a report of a time (default: 7d): how runs went, what is wrong, how long components took, what it cost."""
    form = format or _SUFFIXES.get(Path(output).suffix.lower())
    if form is None and output != _STDIO:
        raise BadInput(
            f"--output {output!r}; give a file that ends in .md or .html, or say which with --format md or html"
        )
    if open and (output == _STDIO or form != "html"):
        raise BadInput("--open shows a file in a browser; give one: --output report.html --open")
    since_ns, until_ns = reading.window(since or "7d", until)
    store = reading.ready()
    runs = digests(store, project=project, since_ns=since_ns, until_ns=until_ns)
    made = report_of(
        runs,
        reading.problems(ProblemFilter(project=project, since_ns=since_ns, until_ns=until_ns), store),
        made_ns=time.time_ns(),
        made_by=generator(),
        project=project,
        since_ns=since_ns,
        until_ns=until_ns,
    )
    if json and output == _STDIO:
        render.as_json(msgspec.to_builtins(made))
        return
    text = _drawn(made, form or "md")
    if output == _STDIO:
        sys.stdout.write(text)
        if not made.runs:
            render.note(reading.empty("no run began in that time; --since 30d looks further back"))
        return
    path = Path(os.path.realpath(output))  # a link stays one: what it leads to is written
    if path.exists() and not path.is_file():
        raise BadInput(f"--output {output!r} is no file; give a file that ends in .md or .html")
    data = text.encode(errors="replace")
    write_whole(path, data)
    if json:
        render.as_json({"file": output, "format": form, "bytes": len(data), "runs": made.runs})
    else:
        render.note(f"whence: {render.many(made.runs, 'run')}, {render.size(len(data))} in {output}")
    if open:
        import webbrowser

        if not webbrowser.open(path.as_uri()):
            render.note(f"whence: no browser could be started; open {output} yourself")


def _drawn(made: Report, form: str) -> str:
    if form == "html":
        from whence.cli import render_report_html

        return render_report_html.page(made)
    from whence.cli import render_report

    return render_report.markdown(made)
