"""`whence cost`: what LLM calls cost, what a model costs, and pricing anew."""

import time
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter

from whence.cli import reading, render
from whence.cli.options import Json, Limit, Project, Since, Until
from whence.errors import BadInput, NotFound, WhenceError
from whence.model.filters import RecordFilter
from whence.query.find import check_limit
from whence.query.timerange import parse_moment
from whence.runtime.runtime import runtime
from whence.store.interface import Store

app = App(name="cost", help="Say what LLM calls cost, and why where it is not known; price them anew.")

PROVIDERS_SHOWN = 5
By = Annotated[Literal["model", "component", "project", "trace", "day"], Parameter("--by", help="What to add up by.")]
OfTrace = Annotated[str | None, Parameter("--trace", help="Only of this run (name, unique part, `last`, `last-bad`).")]


@app.default
def cost(
    *,
    by: By = "model",
    since: Since = None,
    until: Until = None,
    project: Project = None,
    trace: OfTrace = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """Add up what LLM calls cost, the dearest first. What is not known is counted, with the reason, and in no sum."""
    from whence.cli import render_cost
    from whence.price.totals import totals

    check_limit(limit)
    store, where = _asked(since, until, project, trace)
    _look_at_own()
    with render.progress("adding up", unit="calls") as tick:
        every, groups = totals(store, where, by=by, progress=tick)
    shown = [_named(each, by, store) for each in groups[:limit]]
    if json:
        total = {key: value for key, value in msgspec.structs.asdict(every).items() if key != "key"}
        render.as_json({"by": by, "total": total, "groups": [msgspec.structs.asdict(each) for each in shown]})
    elif not groups:
        render.note(reading.empty("no LLM call matches"))
    else:
        render.show(render_cost.totals(every, shown, by, more=len(groups) - len(shown)))


def _asked(since: str | None, until: str | None, project: str | None, trace: str | None) -> tuple[Store, RecordFilter]:
    """Return the store with everything in it priced, and which calls are meant."""
    since_ns, until_ns = reading.window(since, until)
    store = reading.ready()
    of = reading.find(trace, store).id if trace is not None else None
    return store, RecordFilter(trace=of, project=project, since_ns=since_ns, until_ns=until_ns)


def _data() -> Path:
    return runtime().settings.data


def _look_at_own() -> None:
    from whence.price.overrides import Overrides

    try:
        _say_hidden(Overrides.load(_data()).hidden)
    except WhenceError as exc:
        render.note(f"whence: {exc}")


def _named(group: Any, by: str, store: Store) -> Any:
    """Return a group under the name that people know: of a trace its own."""
    row = store.trace(group.key) if by == "trace" and group.key else None
    return msgspec.structs.replace(group, key=row.trace_id) if row is not None else group


@app.command
def reprice(
    *,
    since: Since = None,
    until: Until = None,
    project: Project = None,
    trace: OfTrace = None,
    model: str | None = None,
    include_given: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    dry_run: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: Json = False,
) -> None:
    """Price calls anew, each by the prices of its own time, and list what changed. A known price never becomes unknown.

    Args:
        model: Only calls of this model; a star at the end stands for any ending.
        include_given: Also calls whose cost was given when they were recorded.
        dry_run: Say what would change, and change nothing.
    """
    from whence.cli import render_cost
    from whence.price import pricing
    from whence.price.table import PriceTable

    if model is not None and not model.strip():
        raise BadInput(f"--model {model!r}; give the name of a model, or the beginning of one and a star")
    table = PriceTable.load(_data())
    _say_hidden(table.hidden)
    since_ns, until_ns = reading.window(since, until)
    is_new = pricing.is_new(_data())
    store = reading.ready()
    of = reading.find(trace, store).id if trace is not None else None
    where = RecordFilter(trace=of, project=project, since_ns=since_ns, until_ns=until_ns)
    with render.progress("pricing", unit="calls") as tick:
        done = pricing.reprice(
            store,
            table,
            where,
            now_ns=time.time_ns(),
            model=model,
            include_given=include_given,
            dry_run=dry_run,
            progress=tick,
        )
    if is_new and not done.changed:
        render.note("whence: the price table is a new one: what was unknown before and is not now is priced already")
    if json:
        render.as_json({**msgspec.to_builtins(done), "dry_run": dry_run})
    elif not done.looked:
        render.note(reading.empty("no LLM call matches"))
    else:
        render.show(render_cost.repriced(done, dry_run=dry_run))


@app.command(name="table")
def table_(
    model: str,
    /,
    *,
    provider: str | None = None,
    at: Annotated[str | None, Parameter(help="The prices of that time: an ISO time, or a span back from now.")] = None,
    json: Json = False,
) -> None:
    """Show the price of a model that is in force, where it comes from, and the version of that table.

    Args:
        model: The name of the model.
        provider: Who bills for it; without it the maker of the model, or the only one of whom a price is known.
    """
    from whence.cli import render_cost
    from whence.price.overrides import SOURCE as OWN
    from whence.price.table import PriceTable

    if not model.strip():
        raise BadInput(f"model {model!r}; give the name of a model")
    now_ns = time.time_ns()
    ts_ns = parse_moment(at, now_ns=now_ns) if at else now_ns
    table = PriceTable.load(_data())
    _say_hidden(table.hidden)
    found = table.in_force(model, provider, ts_ns)
    if isinstance(found, str):
        known = table.providers(model, ts_ns)
        if provider is None and len(known) == 1:
            found = table.in_force(model, known[0], ts_ns)
        if isinstance(found, str):
            raise NotFound(f"{found}; {_elsewhere(known)}your own prices go into {_data() / 'prices.toml'}")
    if json:
        render.as_json(render_cost.rates_data(found))
    else:
        render.show(render_cost.rates(found))
    if at and found.since is None and found.source != OWN:
        until = f", only until when: {found.until}" if found.until is not None else ", and knows no other"
        render.note(
            f"whence: the price list does not say since when this price holds{until}; that of {at} may have been another"
        )


def _elsewhere(known: list[str]) -> str:
    """Return in words for whom a price is known, where it is not for whoever was asked for."""
    if not known:
        return ""
    more = f" and {len(known) - PROVIDERS_SHOWN:,} more" if len(known) > PROVIDERS_SHOWN else ""
    names = ", ".join(known[:PROVIDERS_SHOWN])
    return f"known for provider {names}{more}; use --provider {known[0]}; "


def _say_hidden(hidden: list[str]) -> None:
    """Say on stderr which prices are hidden by others: one of two is a mistake."""
    for each in hidden:
        render.note(f"whence: {_data() / 'prices.toml'}: {each}; the one further down holds")
