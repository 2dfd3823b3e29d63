"""How a component is: health, what fails in it, how fast it is, whether its states agree."""

from typing import Any, Final

import msgspec

from whence.assist.answer import Found, Query, Sentence
from whence.assist.answers import evidence as ev
from whence.assist.answers import runs
from whence.assist.answers.evidence import Context
from whence.assist.commands import split_component
from whence.clock import iso_utc
from whence.diagnose.health import component_health
from whence.diagnose.saying import named, took
from whence.measure.spread import quantile
from whence.measure.states import compare_states, sentence
from whence.model import record as kinds
from whence.model.filters import ActivityFilter, RecordFilter
from whence.store.derive import payload_of
from whence.store.interface import Activity

MOST_SPANS: Final = 2_000
MOST_NODES: Final = 200
EVERYTHING: Final = "1970-01-01T00:00Z"


def range_of(query: Query, context: Context) -> str:
    """Return the window of a query in the grammar of `query.timerange`."""
    return query.window.range if query.window is not None else f"{EVERYTHING}/{iso_utc(context.now_ns + 1_000_000_000)}"


def _who(query: Query) -> str | None:
    named_ = query.of("component")
    return named_[0].id if named_ else None


def _health(component: str, query: Query, context: Context) -> dict[str, Any]:
    kind, name = (["", *split_component(component)])[-2:]
    return component_health(
        kind or None,
        name,
        range_of(query, context),
        store=context.store,
        now_ns=context.now_ns,
        project=query.project,
        diagnose=False,
    )


def _latest(component: str, query: Query, context: Context) -> tuple[str, ...]:
    where = ev.of_component(component, query, context)
    return ev.cited(context.store.records(where, limit=3, newest_first=True).items)


def health(query: Query, context: Context) -> Found:
    """Answer how a component is; without one, how each is, the worst first."""
    component = _who(query)
    if component is None:
        return runs.of_run(query, context) if query.of("run") else _scoreboard(query, context)
    did = _health(component, query, context)
    if not did["total_events"]:
        return Found(missing=f"nothing is recorded of {component}{ev.during(query)}")
    bad = ev.errors(query, context, component)
    stated = _rate_sentence(component, did, query, context, bad)
    found = ev.findings(query, context, component=component)
    worst = [ev.of_pattern(each, len(bad)) for each in ev.patterns(bad)[:2]]
    sentences = [stated, *worst, *map(ev.of_finding, found[:3])]
    kind = split_component(component)
    return Found(
        sentences=tuple(sentences),
        sample=int(did["total_events"]),
        insights=ev.as_insights(found, context.store),
        suggestions=ev.remedies(found) or ((f"ask why {kind[-1]} is failing",) if bad else ()),
    )


def _rate_sentence(component: str, did: dict[str, Any], query: Query, context: Context, bad: Any) -> Sentence:
    text = (
        f"{component} is {did['status']}{ev.during(query)}: health score {did['health_score']:g} of 100, {did['error_events']:,} "
        f"of {ev.count(did['total_events'], 'event')} were errors ({ev.percent(did['error_rate'])})."
    )
    return Sentence(text=text, evidence=ev.cited(bad) or _latest(component, query, context))


def _scoreboard(query: Query, context: Context) -> Found:
    where = ActivityFilter(project=query.project, since_ns=query.since_ns, until_ns=query.until_ns)
    did = [each for each in context.store.activity(where) if each.component]
    if not did:
        return Found(missing=f"no component recorded anything{ev.during(query)}")
    did.sort(key=lambda each: (-each.error_rate, -each.records, each.component))
    bad = [each for each in did if each.errors]
    head = f"{len(bad)} of {ev.count(len(did), 'component')} recorded errors{ev.during(query)}."
    sentences = [Sentence(text=head, evidence=_latest((bad or did)[0].component, query, context))]
    for each in bad[: ev.MOST_SENTENCES - 1]:
        share = ev.percent(each.error_rate)
        text = f"{each.component}: {each.errors:,} of {ev.count(each.records, 'record')} were errors ({share})."
        ids = ev.cited(ev.errors(query, context, each.component)) or _latest(each.component, query, context)
        sentences.append(Sentence(text=text, evidence=ids))
    return Found(sentences=tuple(sentences), sample=sum(each.records for each in did))


def failure(query: Query, context: Context) -> Found:
    """Answer why a component fails: its errors by template, what their parents lead back to, what was found out about it."""
    component = _who(query)
    if component is None:
        if query.of("run") or query.of("record"):
            return runs.why(query, context)
        from whence.assist.answers.lists import error_patterns

        return error_patterns(query, context)
    did = _health(component, query, context)
    bad = ev.errors(query, context, component)
    found = ev.findings(query, context, component=component)
    if not did["total_events"] and not bad and not found:
        return Found(missing=f"nothing is recorded of {component}{ev.during(query)}")
    stated = _rate_sentence(component, did, query, context, bad)
    if not bad and not found:
        fine = Sentence(text=f"No error of {component} is recorded{ev.during(query)}.", evidence=stated.evidence)
        return Found(sentences=(fine, stated), sample=int(did["total_events"]))
    sentences: list[Sentence] = []
    for each in ev.patterns(bad)[:3]:
        sentences.append(ev.of_pattern(each, len(bad), component))
        cause = ev.caused_by(each, context.store)
        if cause is not None:
            sentences.append(cause)
    sentences += [stated, *map(ev.of_finding, found[:3])]
    sure, rests = (1.0, "the errors are recorded as such") if bad else ev.sureness(found)
    return Found(
        sentences=tuple(sentences),
        confidence=sure,
        resting_on=rests,
        sample=int(did["total_events"]) or None,
        insights=ev.as_insights(found, context.store),
        suggestions=ev.remedies(found) or ((f"whence show {bad[0].record_id}",) if bad else ()),
    )


def performance(query: Query, context: Context) -> Found:
    """Answer how fast a component is, or where the time went, in a run or over all."""
    component = _who(query)
    if component is None and query.of("run"):
        return runs.slow_parts(query, context)
    where = ActivityFilter(component=component, project=query.project, since_ns=query.since_ns, until_ns=query.until_ns)
    did = [each for each in context.store.activity(where) if each.spans and each.component]
    did.sort(key=lambda each: (-each.duration_ms, each.component))
    found = ev.findings(query, context, component=component, only=("P01",))
    if not did and not found:
        of = f" of {component}" if component else ""
        return Found(missing=f"no finished span{of} is recorded{ev.during(query)}, so nothing says how long it takes")
    sentences = [each for each in (_timed(one, query, context) for one in did[:4]) if each is not None]
    sentences += map(ev.of_finding, found[:3])
    return Found(
        sentences=tuple(sentences),
        sample=sum(each.spans for each in did) or None,
        insights=ev.as_insights(found, context.store),
        suggestions=ev.remedies(found),
    )


def _timed(did: Activity, query: Query, context: Context) -> Sentence | None:
    ended = msgspec.structs.replace(ev.of_component(did.component, query, context), kinds=(kinds.SPAN_END,))
    records = context.store.records(ended, limit=MOST_SPANS, newest_first=True).items
    timed = []
    for each in records:
        said = payload_of(each)
        ns = said.get("duration_ns") if isinstance(said, dict) else None
        if isinstance(ns, int | float) and not isinstance(ns, bool) and ns >= 0:
            timed.append((float(ns), each))
    if not timed:
        return None
    timed.sort(key=lambda pair: -pair[0])
    values = sorted(ns for ns, _ in timed)
    text = (
        f"{did.component} took {took(sum(values))} in {ev.count(len(values), 'span')}: median {took(quantile(values, 0.5))}, "
        f"95th percentile {took(quantile(values, 0.95))}, longest {took(values[-1])}."
    )
    return Sentence(text=text, evidence=ev.cited(each for _, each in timed))


def consistency(query: Query, context: Context) -> Found:
    """Answer whether states agree: the newest snapshot of each component, of a run or of those named."""
    run = next(iter(query.of("run")), None)
    wanted = tuple(each.id for each in query.of("component"))
    where = RecordFilter(
        trace=run.otel if run is not None else None,
        components=wanted,
        kinds=(kinds.SNAPSHOT,),
        project=query.project,
        since_ns=query.since_ns,
        until_ns=query.until_ns,
    )
    newest: dict[str, Any] = {}
    snapshots = context.store.records(where, limit=MOST_SPANS, newest_first=True).items
    if run is None and len(wanted) < 2 and snapshots:  # states of one operation only can be put beside each other
        snapshots = tuple(each for each in snapshots if each.trace == snapshots[0].trace)
    for each in snapshots:
        if each.component not in newest and len(newest) < MOST_NODES:
            newest[each.component] = each
    found = ev.findings(
        query,
        context,
        component=wanted[0] if wanted else None,
        trace=run.otel if run is not None else None,
        only=("S01",),
    )
    sentences: list[Sentence] = []
    if len(newest) > 1:
        states = {name: _state(each) for name, each in newest.items()}
        told = compare_states(states)
        ids = ev.cited(newest.values())
        head = "agree" if told.consistent else f"differ in {ev.count(told.total, 'place')}"
        nodes = ", ".join(named(each) for each in sorted(newest)[:5])
        sentences.append(Sentence(text=f"The newest states of {nodes} {head}.", evidence=ids))
        sentences += [Sentence(text=f"{_capital(sentence(each))}.", evidence=ids) for each in told.differences[:4]]
    sentences += map(ev.of_finding, found[:3])
    if not sentences:
        one = f"only of {next(iter(newest))}" if newest else "of no component"
        return Found(missing=f"a state is recorded {one}{ev.during(query)}, so there is nothing to put side by side")
    return Found(
        sentences=tuple(sentences),
        sample=len(newest) or None,
        insights=ev.as_insights(found, context.store),
        suggestions=ev.remedies(found),
    )


def _state(record: Any) -> Any:
    said = payload_of(record)
    return said.get("state") if isinstance(said, dict) else None


def _capital(text: str) -> str:
    text = named(text, limit=300)
    return text[:1].upper() + text[1:]
