"""`whence diff`: bad runs beside good ones, and what tells them apart."""

import time
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from whence.cli import reading, render
from whence.cli.digested import digests
from whence.cli.options import Json, Limit, Project, Since, Until
from whence.diagnose.cohorts import differences
from whence.diagnose.selecting import Selection, parse, unknown_keys
from whence.errors import BadInput
from whence.model.digest import RunDigest
from whence.query.find import check_limit
from whence.store.interface import Store

_FORMS = "good, bad, KEY=VALUE, score<2, duration>10s, 7d, or names of runs; joined by &"
Good = Annotated[str, Parameter(help=f"The runs to compare with: {_FORMS}.")]
Bad = Annotated[str, Parameter(help="The runs in question, in the same words.")]


def diff(
    good: Good = "good",
    bad: Bad = "bad",
    /,
    *,
    since: Since = None,
    until: Until = None,
    project: Project = None,
    limit: Limit = 20,
    every: Annotated[
        bool, Parameter("--all", negative="", show_default=False, help="Also what may be there by chance.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what tells bad runs from good ones: which models, prompts, sources, decisions, durations (default: since 30d)."""
    from whence.cli import render_cohorts

    check_limit(limit)
    now_ns = time.time_ns()
    since_ns, until_ns = reading.window(since or "30d", until)
    store = reading.ready()
    if reading.nothing_there():
        render.as_json(_empty(good, bad)) if json else render.note(reading.empty(""))
        return
    chosen = [parse(each, now_ns=now_ns, resolve=lambda name: reading.find(name, store).id) for each in (good, bad)]
    _check_single(*chosen)
    if since is None:
        # A range that is asked for in a selector is not cut off by the default window.
        since_ns = min([each.since_ns for each in chosen if each.since_ns is not None] + [since_ns or 0])
    runs = digests(store, project=project, since_ns=since_ns, until_ns=until_ns)
    runs += _named(chosen, runs, store)
    for each in chosen:
        for trouble in unknown_keys(each, runs):
            render.note(f"whence: {trouble}")
    well, ill = (each.of(runs) for each in chosen)
    labels = [each.text for each in chosen]
    found = differences(well, ill, good_label=labels[0], bad_label=labels[1], only_significant=not every, most=limit)
    if json:
        render.as_json({**msgspec.to_builtins(found), "runs": len(runs)})
    else:
        render.show(render_cohorts.differences(found, window=_window(since, until)))


def _empty(good: str, bad: str) -> dict[str, Any]:
    return {**msgspec.to_builtins(differences([], [], good_label=good, bad_label=bad)), "runs": 0}


def _window(since: str | None, until: str | None) -> str:
    return f"since {since or '30d'}" + (f" until {until}" if until else "")


def _check_single(good: Selection, bad: Selection) -> None:
    """Raise BadInput for two single runs: between these there is nothing to count."""
    single = [each.traces for each in (good, bad) if len(each.terms) == 1 and len(each.traces) == 1]
    if len(single) == 2:
        raise BadInput(
            f"{good.text!r} and {bad.text!r} are single runs; `whence compare {good.text} {bad.text}` puts them side by side"
        )


def _named(chosen: list[Selection], runs: list[RunDigest], store: Store) -> list[RunDigest]:
    """Return the runs that are named and lie outside the window."""
    known = {each.trace for each in runs}
    wanted = dict.fromkeys(trace for each in chosen for trace in each.traces)
    found = [store.digest(each) for each in wanted if each not in known]
    if None in found:
        render.note("whence: a run that is named was never diagnosed; `whence diagnose RUN` does that")
    return [each for each in found if each is not None]
