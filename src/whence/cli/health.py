"""`whence health` and `whence progress`: how a component is, and how far an operation is."""

import time
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from whence.cli import reading, render
from whence.cli.options import Json, Project
from whence.errors import BadInput, NotFound, StoreUnreachable
from whence.model.filters import ActivityFilter
from whence.query.timerange import parse_range
from whence.store.interface import Store

RANGE, RANGE_OF_ALL = "1h", "24h"
MOST_COMPONENTS = 200
TimeRange = Annotated[
    str | None,
    Parameter("--range", help="Over which time: 15m, 1h (of one component), 24h (of all), today, START/END."),
]


def health(
    first: Annotated[str | None, Parameter(help="The type of a component, or its id where there is one word.")] = None,
    second: Annotated[str | None, Parameter(help="The id of the component.")] = None,
    /,
    *,
    range_: TimeRange = None,
    project: Project = None,
    json: Json = False,
) -> None:
    """Say how a component is: status, score, errors, what it did minute by minute, what is wrong. Without one: all of them."""
    from whence.cli import render_health

    if first is None:
        _every(range_ or RANGE_OF_ALL, project, json)
        return
    kind, name = (first, second) if second is not None else (None, first)
    span = range_ or RANGE
    now_ns = time.time_ns()
    since_ns, until_ns = parse_range(span, now_ns=now_ns)
    store = reading.ready()
    found = _health(kind, name, span, store, now_ns, project)
    where = ActivityFilter(component=found["component"], project=project, since_ns=since_ns, until_ns=until_ns)
    minutes = store.activity_by_minute(where)
    if json:
        render.as_json({**found, "minutes": [msgspec.structs.asdict(each) for each in minutes]})
        return
    if found["status"] == "unknown" and reading.nothing_there():
        render.note(reading.empty(""))
        return
    found = {**found, "insights": [_as_listed(each, store) for each in found["insights"]]}
    render.show(render_health.component(found, minutes, since_ns, until_ns or now_ns))


def _as_listed(insight: dict[str, Any], store: Store) -> dict[str, Any]:
    """Return an insight with the severity that `whence findings` shows; its own has three steps (D4.1) where that has five."""
    problem = store.problem(insight["problem_id"]) if insight.get("problem_id") else None
    return {**insight, "severity": problem.label} if problem is not None else insight


def _health(kind: str | None, name: str, span: str, store: Store, now_ns: int, project: str | None) -> dict[str, Any]:
    from whence.diagnose.health import component_health

    try:
        return component_health(kind, name, span, store=store, now_ns=now_ns, project=project)
    except StoreUnreachable:  # one that cannot be written: what is known already is shown
        return component_health(kind, name, span, store=store, now_ns=now_ns, project=project, diagnose=False)


def _every(span: str, project: str | None, json: bool) -> None:
    from whence.cli import render_health
    from whence.diagnose.health import MOST_COMPARED, compare_components

    now_ns = time.time_ns()
    since_ns, until_ns = parse_range(span, now_ns=now_ns)
    store = reading.ready()
    did = store.activity(ActivityFilter(project=project, since_ns=since_ns, until_ns=until_ns))
    names = [each.component for each in did if each.component][:MOST_COMPONENTS]
    rows: list[dict[str, Any]] = []
    for first in range(0, len(names), MOST_COMPARED):
        asked = [{"id": each} for each in names[first : first + MOST_COMPARED]]
        compared = compare_components(asked, span, store=store, now_ns=now_ns, project=project)
        rows += compared["components"]
    rows.sort(key=lambda row: (row["score"], -row["total_events"], row["component"]))
    minutes: dict[str, list[Any]] = {}
    if not json:
        for each in store.activity_by_minute(ActivityFilter(project=project, since_ns=since_ns, until_ns=until_ns)):
            minutes.setdefault(each.component, []).append(each)
    render.page(
        rows,
        None,
        json=json,
        draw=lambda shown: render_health.components(shown, minutes, since_ns, until_ns or now_ns, span),
        data=lambda row: row,
        empty=reading.empty(f"no component did anything in that time ({span}); --range 7d looks further back"),
    )


def progress(
    operation: Annotated[str, Parameter(help="The id of an operation or a correlation, or a run.")],
    /,
    *,
    range_: TimeRange = None,
    project: Project = None,
    json: Json = False,
) -> None:
    """Say how far an operation is, and what that was read from."""
    from whence.cli import render_health
    from whence.diagnose.health import operation_progress

    if not operation.strip():
        raise BadInput(f"operation {operation!r}; give the id of an operation, such as deploy-42")
    store = reading.ready()
    now_ns = time.time_ns()
    found = operation_progress(operation, range_, store=store, now_ns=now_ns, project=project)
    if found["status"] == "not_found" and range_ is None:
        try:  # not the id of an operation; perhaps a part of the name of a run, or `last`
            row = reading.find(operation, store)
        except NotFound:
            raise NotFound(f"no operation {operation!r} is recorded; `whence traces` lists runs") from None
        found = operation_progress(row.id, range_, store=store, now_ns=now_ns, project=project)
    if json:
        render.as_json(found)
    else:
        render.show(render_health.progress(found))
