"""`whence components`: components side by side, and one of them version by version."""

from typing import Annotated

import msgspec
from cyclopts import Parameter

from whence.cli import reading, render
from whence.cli.digested import digests
from whence.cli.options import Json, Limit, Project, Since, Until
from whence.diagnose.scoreboard import ComponentScore, scoreboard
from whence.errors import NotFound
from whence.model.filters import ProblemFilter
from whence.model.finding import STATES
from whence.query.find import check_limit

_OPEN = tuple(each for each in STATES if each != "resolved")


def components(
    name: Annotated[str | None, Parameter(help="A component, or a part of its name: its versions.")] = None,
    /,
    *,
    since: Since = None,
    until: Until = None,
    project: Project = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """Put components side by side: how their runs went, how long they took, what is wrong (default: since 30d).

    With a name: its versions, and how each did beside the one before.
    """
    from whence.cli import render_components

    check_limit(limit)
    since_ns, until_ns = reading.window(since or "30d", until)
    store = reading.ready()
    runs = digests(store, project=project, since_ns=since_ns, until_ns=until_ns)
    still = reading.problems(ProblemFilter(project=project, states=_OPEN), store)
    found = scoreboard(runs, still)
    if name is not None:
        one = _named(name, found)
        if json:
            render.as_json(msgspec.to_builtins(one))
        else:
            render.show(render_components.component(one))
        return
    if not json and len(found) > limit:
        render.note(f"whence: {len(found) - limit:,} more components; --limit {len(found)} shows all")
    render.page(
        found[:limit],
        None,
        json=json,
        draw=render_components.scoreboard,
        data=msgspec.to_builtins,
        empty=reading.empty("no run began in that time; --since 90d looks further back"),
    )


def _named(name: str, found: tuple[ComponentScore, ...]) -> ComponentScore:
    exact = [each for each in found if each.component == name]
    like = exact or [each for each in found if name.casefold() in each.component.casefold()]
    if len(like) == 1:
        return like[0]
    names = ", ".join(each.component for each in (like or found)[:8])
    if like:
        raise NotFound(f"component {name!r} could be any of {names}; give more of it")
    raise NotFound(f"no component {name!r} took part in a run of that time" + (f"; there are {names}" if names else ""))
