"""`whence blame`, `heal-log`, `steps`, `llm`, `checks`: what a run did to content, and who put a line where it is."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from whence import query
from whence.cli import reading, render
from whence.cli.options import Json, RunName
from whence.errors import BadInput, NotFound
from whence.model.trace import TraceSummary
from whence.query.blame import Blame
from whence.redact.capture import load_or_create_key
from whence.runtime.runtime import runtime
from whence.store.interface import Store

_LINES = re.compile(r"(.+?):(\d+)(?:-(\d+))?")
_TAIL = re.compile(r"(.+):([^:/\\]*)")
_ACCEPTED = "accepted: FILE, FILE:LINE or FILE:FIRST-LAST, lines from 1"
Component = Annotated[str | None, Parameter("--component", help="Only of this component.")]
Flag = Parameter(negative="", show_default=False)


def blame(
    file: Annotated[str, Parameter(help="A file, FILE:LINE, or FILE:FIRST-LAST. It may be gone by now.")],
    /,
    *,
    trace: str | None = None,
    every: Annotated[bool, Parameter("--all", negative="", show_default=False)] = False,
    json: Json = False,
) -> None:
    """Say who put each line into a file; of one line, everything: step, time, change, decision, prompt, checks.

    Args:
        trace: Only what this run recorded (name, unique part, `last`, `last-bad`).
        every: Show every line, not runs of lines.
    """
    store = reading.ready()
    if reading.nothing_there():
        raise NotFound(reading.empty(""))
    only = reading.find(trace, store).id if trace is not None else None
    answer = _blamed(file, only, store)
    asked = [(each.first, each.last) for each in answer.stories]
    if json:
        found = msgspec.to_builtins(answer)
        if asked:  # of the others, nobody asked
            found["lines"] = [each for each in found["lines"] if asked[0][0] <= each["line"] <= asked[-1][1]]
        render.as_json(found)
        return
    from whence.cli import render_blame

    render.show(render_blame.story(answer) if asked else render_blame.table(answer, every=every))
    if asked:
        _further(answer, asked[0][0])


def _blamed(file: str, trace: str | None, store: Store) -> Blame:
    """Return who is to blame; what looks like a line may be part of the file's name."""
    split = _LINES.fullmatch(file)
    if split is None or os.path.lexists(file):
        try:
            return _of_file(file, None, trace, store)
        except NotFound:
            _refuse_tail(file, trace, store)
            raise
    lines = int(split[2]), int(split[3] or split[2])
    if lines[0] > lines[1]:
        raise BadInput(f"{file!r}: the first line is after the last; write FILE:{lines[1]}-{lines[0]}")
    try:
        return _of_file(split[1], lines, trace, store)
    except NotFound:
        try:
            return _of_file(file, None, trace, store)
        except NotFound:
            pass
        raise


def _refuse_tail(file: str, trace: str | None, store: Store) -> None:
    """Refuse `FILE:what-is-no-line` of a file that there is, or that something is recorded of."""
    split = _TAIL.fullmatch(file)
    if split is None or _LINES.fullmatch(file) or os.path.lexists(file):
        return
    if not os.path.lexists(split[1]):
        try:
            _of_file(split[1], None, trace, store)
        except NotFound:
            return
    raise BadInput(f"{file!r}: {split[2]!r} is no line; {_ACCEPTED}")


def _of_file(file: str, lines: tuple[int, int] | None, trace: str | None, store: Store) -> Blame:
    from whence.record.recorder import text_of

    path = os.path.abspath(os.path.expanduser(file))
    try:
        text: str | None = text_of(Path(path).read_bytes())[0]  # as it was made a text when it was recorded
    except (FileNotFoundError, NotADirectoryError):
        text = None
    except IsADirectoryError:
        raise BadInput(f"{file!r} is a directory; give a file; {_ACCEPTED}") from None
    return query.blame(path, lines, store=store, text=text, trace=trace, keyed=_keyed())


def _keyed() -> Callable[[str], str] | None:
    """Return what makes keyed hashes here; None where none was ever made."""
    key = runtime().settings.hash_key
    return load_or_create_key(key).hash if key.is_file() else None


def _further(answer: Blame, line: int) -> None:
    step = next((each.step for each in answer.lines if each.line == line), None)
    if step is None:
        return
    run = render.short_id(step.trace_id)
    of = f" --component {step.component}" if re.fullmatch(r"[\w.-]+", step.component) else ""
    steps = [f"whence steps {run}{of} --diff", f"whence heal-log {run}{of}", f"whence show {step.record_id}"]
    render.show(render.heading("Next"), render.commands(steps))


def heal_log(trace: RunName = "last", /, *, component: Component = None, json: Json = False) -> None:
    """Show each attempt to heal: what it changed, what checks said before and after, and why that was not enough."""
    store, row = _run(trace)
    found = query.healing(row.id, component, store=store)

    def draw(logs: Any) -> Any:
        from whence.cli import render_provenance

        return render_provenance.heal_log(logs)

    _page(found, json, draw, f"nothing was checked or healed in {row.trace_id}")


def steps(
    trace: RunName = "last",
    /,
    *,
    component: Component = None,
    diff: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """List what a run did to content, in order of time: LLM calls, transformations, checks, files, decisions.

    Args:
        diff: Show what each transformation changed.
    """
    store, row = _run(trace)
    found = query.steps(row.id, component, diff=diff, store=store)

    def draw(timeline: Any) -> Any:
        from whence.cli import render_provenance

        return render_provenance.steps(timeline)

    _page(found, json, draw, f"nothing about content is recorded in {row.trace_id}")


def llm(
    trace: RunName = "last",
    /,
    *,
    component: Component = None,
    prompt: Annotated[bool, Flag] = False,
    response: Annotated[bool, Flag] = False,
    full: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Show the LLM calls of a run: what was sent, and what came back.

    Args:
        prompt: Only the prompts, whole.
        response: Only the responses, whole.
        full: Everything, whole.
    """
    store, row = _run(trace)
    found = query.llm_calls(row.id, component, store=store)

    def draw(calls: Any) -> Any:
        from whence.cli import render_provenance

        return render_provenance.calls(calls, prompt=prompt, response=response, full=full)

    _page(found, json, draw, f"no LLM call is recorded in {row.trace_id}")


def checks(
    trace: RunName = "last",
    /,
    *,
    component: Component = None,
    failed: Annotated[bool, Flag] = False,
    full: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """List the checks of a run, and what they found.

    Args:
        failed: Only those that failed.
        full: Every failure, with the lines around it.
    """
    store, row = _run(trace)
    found = query.checks(row.id, component, failed=failed, store=store)

    def draw(runs: Any) -> Any:
        from whence.cli import render_provenance

        return render_provenance.checks(runs, full=full)

    _page(found, json, draw, f"no check {'failed' if failed else 'is recorded'} in {row.trace_id}")


def _run(trace: str) -> tuple[Store, TraceSummary]:
    store = reading.ready()
    return store, reading.find(trace, store)


def _page(found: Any, json: bool, draw: Callable[[Any], Any], empty: str) -> None:
    render.page(found, None, json=json, draw=draw, data=msgspec.to_builtins, empty=empty)
