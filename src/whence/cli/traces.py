"""`whence traces`, `flagged`, `show`: which runs there were, and what one of them did."""

import re
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from whence import query
from whence.cli import reading, render, render_lists
from whence.cli.options import Cursor, Json, Limit, Project, RunName, Since, Until
from whence.errors import BadInput, NotFound
from whence.model.filters import FindingFilter, TraceFilter
from whence.runtime.runtime import generator, runtime

_NONE = "no run matches"


def traces(
    *,
    project: Project = None,
    intent: str | None = None,
    domain: str | None = None,
    report_type: str | None = None,
    status: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="complete, incomplete, failed, in_progress; may be repeated."),
    ] = (),
    gate: Literal["passed", "failed"] | None = None,
    flagged: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    principle: str | None = None,
    below: float | None = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List runs, the newest first.

    Args:
        intent: Only with this intent.
        domain: Only of this domain.
        report_type: Only of this report type.
        gate: Only runs whose quality gate said so.
        flagged: Only runs flagged for review.
        principle: With --below: only runs that scored this principle, and lower than that.
        below: See --principle (2 is where it counts as failed).
    """
    if principle is not None and below is None:
        raise BadInput(f"--principle {principle} without --below; say below which score, such as --below 2")
    if below is not None and principle is None:
        raise BadInput(f"--below {below:g} without --principle; say which principle's score is meant")
    since_ns, until_ns = reading.window(since, until)
    where = TraceFilter(
        project=project,
        intent=intent,
        domain=domain,
        report_type=report_type,
        statuses=status,
        gate_passed=None if gate is None else gate == "passed",
        flagged=True if flagged else None,
        principle=principle,
        below=below,
        since_ns=since_ns,
        until_ns=until_ns,
    )
    found = query.traces(where, limit=limit, cursor=cursor, store=reading.ready())
    none = f"no run is recorded in {runtime().settings.data} yet; run a pipeline, or `whence demo`"
    empty = reading.empty(none if where == TraceFilter() else _NONE)
    render.page(found.items, found.cursor, json=json, draw=render_lists.traces, data=msgspec.to_builtins, empty=empty)


def flagged(*, project: Project = None, limit: Limit = 20, cursor: Cursor = None, json: Json = False) -> None:
    """List runs that were flagged for review, the newest first."""
    where = TraceFilter(flagged=True, project=project)
    found = query.traces(where, limit=limit, cursor=cursor, store=reading.ready())
    render.page(
        found.items,
        found.cursor,
        json=json,
        draw=render_lists.flagged,
        data=msgspec.to_builtins,
        empty=reading.empty("no run is flagged for review"),
    )


def show(
    trace: Annotated[str, Parameter(help="A run (name, unique part, `last`, `last-bad`), or the id of a record.")],
    /,
    *,
    full: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: Json = False,
) -> None:
    """Show one run: its outcome, the tree of what it decided, its costs and outputs.

    Args:
        full: Whole texts, inputs, prompts, outputs and record ids too.
    """
    store = reading.ready()
    try:
        row = reading.find(trace, store)
    except NotFound:
        record = store.record(trace.strip()) if re.fullmatch(r"[0-9a-fA-F]{32}", trace.strip()) else None
        if record is None:
            raise
        from whence.cli import render_trace

        if json:
            render.as_json(render_lists.record_data(record))
        else:
            render.show(render_trace.record(record, store.content))
        return
    if json:
        render.as_json(query.trace_document(row.id, generator=generator(), store=store))
        return
    from whence.cli import render_trace

    view = query.view(row.id, store=store)
    findings = store.findings(FindingFilter(trace=row.id))
    beside = render_trace.Beside(store.trace_records(row.id))
    render.show(render_trace.TraceDrawing(row, view, findings, beside, full=full, content=store.content).draw())


def why(trace: RunName = "last-bad", /, *, json: Json = False) -> None:
    """Say why a run went wrong: its likeliest cause, what its records state, what changed (default: the last bad run)."""
    from whence.diagnose import causes

    store = reading.ready()
    answer = causes.why(reading.find(trace, store).id, store=store)
    if json:
        render.as_json(msgspec.to_builtins(answer))
        return
    from whence.cli import render_why

    render.show(render_why.why(answer))


def compare(a: RunName, b: RunName, /, *, json: Json = False) -> None:
    """Put two runs side by side: figures, gaps, decisions, and where they first part."""
    store = reading.ready()
    found = query.comparison(reading.find(a, store).id, reading.find(b, store).id, store=store)
    if json:
        render.as_json(msgspec.to_builtins(found))
        return
    from whence.cli import render_why

    render.show(render_why.comparison(found))


def principles(
    *,
    min_runs: Annotated[int, Parameter(help="Only principles that failed in at least so many runs.")] = 3,
    project: Project = None,
    since: Since = None,
    until: Until = None,
    json: Json = False,
) -> None:
    """List principles that keep falling short (scored below 2), the worst first, over complete runs."""
    since_ns, until_ns = reading.window(since, until)
    where = TraceFilter(project=project, since_ns=since_ns, until_ns=until_ns)
    rows = query.principle_patterns(min_runs, where=where, store=reading.ready())
    empty = f"no principle failed in {render.many(min_runs, 'run')} or more"
    empty += "; --min-runs 1 lists every one that ever did" if min_runs > 1 else ""
    render.page(rows, None, json=json, draw=render_lists.principles, data=lambda row: row, empty=reading.empty(empty))
