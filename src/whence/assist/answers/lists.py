"""Over many runs: how things stand, which errors there are, problems, drift and gaps, cost, principles; and what codes mean."""

from typing import Final

import msgspec

from whence.assist.answer import Found, Query, Sentence
from whence.assist.answers import evidence as ev
from whence.assist.answers.evidence import Context
from whence.clock import iso_utc
from whence.diagnose.catalog import catalog
from whence.diagnose.saying import named
from whence.model.filters import ProblemFilter, TraceFilter
from whence.model.trace import FAILED
from whence.price.calls import CALLS, Call
from whence.price.calls import calls as calls_of
from whence.price.totals import BY, totals

MOST_GROUPS: Final = 4
MOST_CALLS: Final = 200_000
_DRIFT: Final = ("T01-03", "T01-04", "T01-05", "E01-03", "E01-04", "I01-03", "I01-04", "I01-05")


def _traces(query: Query) -> TraceFilter:
    return TraceFilter(project=query.project, since_ns=query.since_ns, until_ns=query.until_ns)


def _during(query: Query) -> str:
    where = f" of project {query.project}" if query.project else ""
    return f"{where}{ev.during(query)}"


def status(query: Query, context: Context) -> Found:
    """Answer how things stand: runs by outcome, and the open problems."""
    if query.of("run"):
        from whence.assist.answers.runs import of_run

        return of_run(query, context)
    if query.of("component"):
        from whence.assist.answers.components import health

        return health(query, context)
    rows = context.store.traces(_traces(query), limit=1000).items
    if not rows:
        return Found(missing=f"no run{_during(query)} is recorded")
    by = {each: sum(row.status == each for row in rows) for each in ("complete", "failed", "incomplete", "in_progress")}
    more = " (the newest 1,000 of them)" if len(rows) == 1000 else ""
    said = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in by.items() if number)
    gate = sum(row.quality_gate_passed is False for row in rows)
    missed = f"; {ev.count(gate, 'quality gate')} failed" if gate else ""
    sentences = [
        Sentence(
            text=f"{ev.count(len(rows), 'run')}{_during(query)}{more}: {said}{missed}.",
            evidence=tuple(row.trace_id for row in rows[: ev.MOST_CITED]),
        )
    ]
    bad = next((row for row in rows if row.status == FAILED), None)
    if bad is not None:
        why = f": {ev.quoted(_error(bad.error))}" if bad.error else ""
        sentences.append(Sentence(text=f"The newest that failed is {bad.trace_id}{why}.", evidence=(bad.trace_id,)))
    open_ = _open(query, context)
    sentences += [each for each, _ in open_[:3]]
    tip = f"whence why {bad.trace_id}" if bad is not None else "whence traces"
    return Found(sentences=tuple(sentences), sample=len(rows), suggestions=(tip,))


def _error(stored: str) -> object:
    """Return the error of a run's row as it was recorded: an exception is stored as JSON."""
    try:
        return msgspec.json.decode(stored)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return stored


def _open(query: Query, context: Context) -> list[tuple[Sentence, str]]:
    component = next(iter(query.of("component")), None)
    where = ProblemFilter(
        project=query.project,
        states=ev.OPEN,
        component=component.id if component is not None else None,
        since_ns=query.since_ns,
        until_ns=query.until_ns,
    )
    found = sorted(
        context.store.problems(where, limit=200).items, key=lambda each: (-each.severity, -each.last_ns, each.id)
    )
    wanted = {each.id for each in query.of("problem")}
    sentences = []
    for each in found:
        if wanted and each.id not in wanted:
            continue
        title = named(each.title, each.code, 300).rstrip(".")
        text = f"{each.code} ({each.label}, {each.state}, {ev.count(each.count, 'time')}): {title}."
        stored = context.store.finding(each.record_id)
        rests = stored.finding.evidence[: ev.MOST_CITED - 1] if stored is not None else ()
        kind = ev.of_finding(stored).kind if stored is not None else "hypothesis"
        sentences.append((Sentence(text=text, evidence=(*rests, each.record_id), kind=kind), each.id))
    return sentences


def problems(query: Query, context: Context) -> Found:
    """Answer which problems are open, the worst first."""
    told = _open(query, context)
    if not told:
        known = context.store.problems(ProblemFilter(project=query.project), limit=1).items
        what = "no problem is open" if known else "no problem was found so far"
        return Found(
            missing=f"{what}{_during(query)}; `whence diagnose` looks at the runs that nobody has looked at yet"
        )
    head = Sentence(
        text=f"{ev.count(len(told), 'problem is', 'problems are')} open{_during(query)}.",
        evidence=tuple(each.evidence[-1] for each, _ in told[: ev.MOST_CITED]),
    )
    found = ev.findings(query, context, component=query.of("component")[0].id if query.of("component") else None)
    return Found(
        sentences=(head, *(each for each, _ in told[: ev.MOST_SENTENCES])),
        insights=ev.as_insights(found, context.store),
        suggestions=ev.remedies(found),
    )


def drift(query: Query, context: Context) -> Found:
    """Answer what drifted from its specification, and which interfaces do not fit."""
    run, component = next(iter(query.of("run")), None), next(iter(query.of("component")), None)
    name = component.id if component is not None else None
    found = ev.findings(query, context, component=name, trace=run.otel if run is not None else None, only=_DRIFT)
    if not found:
        return Found(missing=f"no drift and no gap was found{f' of {name}' if name else ''}{_during(query)}")
    sure, rests = ev.sureness(found)
    return Found(
        sentences=tuple(map(ev.of_finding, found[: ev.MOST_SENTENCES])),
        confidence=sure,
        resting_on=rests,
        insights=ev.as_insights(found, context.store),
        suggestions=ev.remedies(found),
    )


def error_patterns(query: Query, context: Context) -> Found:
    """Answer which errors there are, by template, the most frequent first."""
    run, component = next(iter(query.of("run")), None), next(iter(query.of("component")), None)
    bad = ev.errors(
        query, context, component.id if component is not None else None, run.otel if run is not None else None
    )
    if not bad:
        of = f" of {component.id}" if component is not None else ""
        return Found(missing=f"no error{of}{_during(query)} is recorded")
    told = ev.patterns(bad)
    more = f" (the newest {ev.MOST_ERRORS:,})" if len(bad) == ev.MOST_ERRORS else ""
    head = f"{ev.count(len(bad), 'error')}{_during(query)}{more} of {ev.count(len(told), 'pattern')}."
    sentences = [Sentence(text=head, evidence=ev.cited(bad))]
    sentences += [ev.of_pattern(each, len(bad)) for each in told[: ev.MOST_SENTENCES - 1]]
    found = ev.findings(query, context, only=("A01-04", "A01-05"))
    return Found(
        sentences=(*sentences, *map(ev.of_finding, found[:2])),
        sample=len(bad),
        insights=ev.as_insights(found, context.store),
        suggestions=(f"whence show {told[0].records[0].record_id}",),
    )


def cost(query: Query, context: Context) -> Found:
    """Answer what LLM calls cost."""
    run = next(iter(query.of("run")), None)
    where = msgspec.structs.replace(
        CALLS,
        project=query.project,
        trace=run.otel if run is not None else None,
        since_ns=query.since_ns,
        until_ns=query.until_ns,
    )
    by = query.terms[0] if query.terms and query.terms[0] in BY else "model"
    every, groups = totals(context.store, where, by=by)
    if not every.calls:
        return Found(missing=f"no LLM call{_during(query)} is recorded")
    ids: dict[str, list[str]] = {}
    for number, call in enumerate(calls_of(context.store, where)):
        if number >= MOST_CALLS:
            break
        mine = ids.setdefault(_key(by, call), [])
        if len(mine) < ev.MOST_CITED:
            mine.append(call.record.record_id)
    some = tuple(each for one in ids.values() for each in one[:2])[: ev.MOST_CITED]
    known = f"${every.usd:.4f}" if every.usd is not None else "an unknown amount"
    unknown = f"; the cost of {ev.count(every.unknown, 'call')} is not known and in no sum" if every.unknown else ""
    tokens = f"{every.input_tokens:,} tokens in and {every.output_tokens:,} out"
    text = f"{ev.count(every.calls, 'LLM call')}{_during(query)} cost {known}, {tokens}{unknown}."
    sentences = [Sentence(text=text, evidence=some)]
    wanted = {each.id for each in query.of("model")}
    for each in [group for group in groups if not wanted or group.key in wanted][:MOST_GROUPS]:
        usd = f"${each.usd:.4f}" if each.usd is not None else "an unknown amount"
        name = named(each.key, f"no {by}")
        sentences.append(
            Sentence(
                text=f"{name}: {ev.count(each.calls, 'call')}, {usd}.", evidence=tuple(ids.get(each.key, ())) or some
            )
        )
    share = every.known / every.calls
    return Found(
        sentences=tuple(sentences),
        confidence=share,
        resting_on=f"the cost of {ev.percent(share)} of the calls is known",
    )


def _key(by: str, call: Call) -> str:
    """Return the group that `price.totals` puts a call into."""
    if by == "model":
        return call.model
    if by == "day":
        return iso_utc(call.record.ts_ns)[:10]
    return {"component": call.record.component, "project": call.record.project, "trace": call.record.trace}[by]


def principles(query: Query, context: Context) -> Found:
    """Answer which principles fall short, over complete runs."""
    wanted = {each.id for each in query.of("principle")}
    told = context.store.principle_patterns(min_runs=1, where=_traces(query))
    told = tuple(each for each in told if not wanted or each.principle_id in wanted)
    if not told:
        which = f"principle {', '.join(sorted(wanted))}" if wanted else "principle"
        return Found(missing=f"no {which} scored below 2 in a complete run{_during(query)}")
    sentences = []
    for each in told[: ev.MOST_SENTENCES]:
        where = msgspec.structs.replace(_traces(query), principle=each.principle_id, below=2.0)
        ids = tuple(row.trace_id for row in context.store.traces(where, limit=ev.MOST_CITED).items)
        text = (
            f"{named(each.principle_id)} scored below 2 in {each.fail_count} of {ev.count(each.total_runs, 'run')} "
            f"({ev.percent(each.fail_count / each.total_runs)}), {each.avg_score:.2f} on average."
        )
        if ids:
            sentences.append(Sentence(text=text, evidence=ids))
    first = named(told[0].principle_id)
    return Found(
        sentences=tuple(sentences),
        sample=max(each.total_runs for each in told),
        suggestions=(f"whence traces --principle {first} --below 2",),
    )


def explain(query: Query, context: Context) -> Found:
    """Answer what a trouble code means, and what to do."""
    code = next(iter(query.of("code")), None)
    known = catalog().get(code.id) if code is not None else None
    if known is None:
        return Found(missing="no trouble code is named; `whence codes list` shows them")
    text = f"{known.code} is {known.name} ({known.severity.label}): {known.description.rstrip('.')}."
    told = []
    for each in context.store.problems(ProblemFilter(code=known.code, project=query.project), limit=3).items:
        title = named(each.title, each.code, 300).rstrip(".")
        told.append(Sentence(text=f"It was seen {ev.count(each.count, 'time')}: {title}.", evidence=(each.record_id,)))
    return Found(
        sentences=(Sentence(text=text, evidence=(known.code,)), *told),
        resting_on="the catalog says so",
        suggestions=tuple(known.remediation[:4]),
    )
