"""`whence findings`: the problems that are known, each with its evidence and history; and what people say of them."""

import getpass
import time
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from whence.cli import reading, render
from whence.cli.options import Cursor, Json, Limit, Project, Since, Until
from whence.errors import BadInput
from whence.model.filters import FindingFilter, ProblemFilter
from whence.model.finding import STATES, Problem
from whence.model.severity import Severity
from whence.query.find import check_limit
from whence.store.interface import Store, StoredFinding

app = App(name="findings", help="List what is wrong, show one of them with its evidence, and say what became of it.")

OCCURRENCES = 20
ProblemId = Annotated[str, Parameter(help="A problem: its id, the beginning of it, or the id of one of its findings.")]
Note = Annotated[str, Parameter(help="Why, or what was done; it is suggested when the same comes up again.")]
By = Annotated[str | None, Parameter(help="Who says so; otherwise the name you are logged in under.")]


def severity_of(said: str, option: str) -> Severity:
    """Return a severity by its word.

    Raises:
        BadInput: it is none.
    """
    try:
        return Severity[said.strip().upper()]
    except KeyError:
        raise BadInput(f"{option} {said!r}; accepted: {', '.join(each.label for each in Severity)}") from None


@app.default
def findings(
    *,
    state: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="pending, confirmed, resolved, recurred; may be repeated."),
    ] = (),
    code: Annotated[str | None, Parameter(help="Only of this code: T01-01, its name, or an alias of it.")] = None,
    component: Annotated[str | None, Parameter(help="Only what affects this component.")] = None,
    min_severity: Annotated[str | None, Parameter(help="Only this bad or worse: low, medium, high, critical.")] = None,
    every: Annotated[
        bool, Parameter("--all", negative="", show_default=False, help="Those that are resolved, too.")
    ] = False,
    since: Since = None,
    until: Until = None,
    project: Project = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List what is wrong, the newest sighting first; what is resolved is left out."""
    from whence.cli import render_findings
    from whence.diagnose.catalog import catalog

    check_limit(limit)
    for each in state:
        if each not in STATES:
            raise BadInput(f"--state {each!r}; accepted: {', '.join(STATES)}")
    since_ns, until_ns = reading.window(since, until)
    store = reading.ready()
    known = catalog().get(code) if code is not None else None
    where = ProblemFilter(
        project=project,
        code=known.code if known is not None else code,
        states=state or (() if every else tuple(each for each in STATES if each != "resolved")),
        component=component,
        min_severity=severity_of(min_severity, "--min-severity") if min_severity is not None else 0,
        since_ns=since_ns,
        until_ns=until_ns,
    )
    found = store.problems(where, limit=limit, cursor=cursor)
    render.page(
        found.items,
        found.cursor,
        json=json,
        draw=render_findings.problems,
        data=msgspec.to_builtins,
        empty=reading.empty(
            "nothing is known to be wrong there; `whence diagnose` looks at what nobody has looked at yet"
        ),
    )


@app.command
def show(problem: ProblemId, /, *, project: Project = None, json: Json = False) -> None:
    """Show a problem: what was found, the records that say so, how sure that is, what to do, and what became of it."""
    from whence.cli import render_findings
    from whence.diagnose.catalog import catalog
    from whence.diagnose.lifecycle import find_problem, history

    store = reading.ready()
    found = find_problem(problem, store=store, project=project)
    newest = _newest(found, store)
    steps = history(found, store=store)
    code = catalog().get(found.code)
    if json:
        said = msgspec.to_builtins(newest.finding) if newest is not None else None
        render.as_json({**msgspec.to_builtins(found), "finding": said, "history": msgspec.to_builtins(steps)})
        return
    records = {each: store.record(each) for each in (newest.finding.evidence if newest is not None else ())}
    names = _names([each.trace for each in steps if each.trace], store)
    render.show(render_findings.problem(found, newest, code, steps, records, names, most=OCCURRENCES))


@app.command
def history(problem: ProblemId, /, *, project: Project = None, json: Json = False) -> None:
    """List what happened to a problem: every time it was found, and what was said of it."""
    from whence.cli import render_findings
    from whence.diagnose import lifecycle

    store = reading.ready()
    found = lifecycle.find_problem(problem, store=store, project=project)
    steps = lifecycle.history(found, store=store)
    names = _names([each.trace for each in steps if each.trace], store)
    render.page(
        steps,
        None,
        json=json,
        draw=lambda rows: render_findings.history(rows, names),
        data=msgspec.to_builtins,
        empty="nothing happened to it",
    )


@app.command
def confirm(
    problem: ProblemId, /, *, note: Note = "", by: By = None, project: Project = None, json: Json = False
) -> None:
    """Say that a problem is one."""
    _say(problem, "confirmed", note, by, project, json)


@app.command
def resolve(
    problem: ProblemId, /, *, note: Note = "", by: By = None, project: Project = None, json: Json = False
) -> None:
    """Say that a problem is solved. Seen again after that, it has recurred."""
    _say(problem, "resolved", note, by, project, json)


@app.command
def reopen(
    problem: ProblemId, /, *, note: Note = "", by: By = None, project: Project = None, json: Json = False
) -> None:
    """Take back what was said of a problem: it is pending again."""
    _say(problem, "pending", note, by, project, json)


def _say(problem: str, state: str, note: str, by: str | None, project: str | None, json: bool) -> None:
    from whence.cli import render_findings
    from whence.diagnose.lifecycle import set_state

    who = _me() if by is None else by
    done = set_state(problem, state, by=who, note=note, store=reading.ready(), now_ns=time.time_ns(), project=project)
    if json:
        render.as_json(msgspec.to_builtins(done))
    else:
        render.show(render_findings.said(done))


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without an entry for the user
        return ""


def _newest(problem: Problem, store: Store) -> StoredFinding | None:
    found = store.finding(problem.record_id) if problem.record_id else None
    if found is None:
        where = FindingFilter(project=problem.project, fingerprint=problem.fingerprint)
        found = next(iter(store.findings(where, limit=1)), None)
    return found


def _names(traces: list[str], store: Store) -> dict[str, str]:
    """Return names of runs by their OpenTelemetry ids."""
    rows: dict[str, Any] = {each: store.trace(each) for each in dict.fromkeys(traces[-OCCURRENCES:])}
    return {each: row.trace_id for each, row in rows.items() if row is not None}
