"""About runs: why one went wrong, two side by side, how far one is, what is not as it was."""

from typing import Any

from whence.assist.answer import Clarification, Found, Query, Sentence
from whence.assist.answers import evidence as ev
from whence.assist.answers.evidence import Context
from whence.assist.commands import split_component
from whence.assist.known import Subject
from whence.diagnose.causes import why as causes_of
from whence.diagnose.health import compare_components, explain_error, operation_progress
from whence.diagnose.saying import named, took
from whence.model import record as kinds
from whence.model.filters import ActivityFilter, ProblemFilter, RecordFilter, TraceFilter
from whence.model.trace import FAILED, INCOMPLETE
from whence.query.claims import Claim, short
from whence.query.compare import comparison
from whence.query.document import view
from whence.query.why import last_good


def _run(query: Query) -> Subject | None:
    return next(iter(query.of("run")), None)


def _bad_run(query: Query, context: Context) -> Subject | None:
    """Return the newest bad run of the window."""
    base = {"project": query.project, "since_ns": query.since_ns, "until_ns": query.until_ns}
    rows = [
        *context.store.traces(TraceFilter(statuses=(FAILED, INCOMPLETE), **base), limit=1).items,  # type: ignore[arg-type]
        *context.store.traces(TraceFilter(gate_passed=False, **base), limit=1).items,  # type: ignore[arg-type]
    ]
    row = max(rows, key=lambda each: each.started_ns, default=None)
    return None if row is None else Subject(type="run", id=row.trace_id, otel=row.id)


def why(query: Query, context: Context) -> Found:
    """Answer why a run went wrong: what its records state, then its ranked causes, then what may be behind it."""
    record = next(iter(query.of("record")), None) or next(iter(query.of("problem")), None)
    if record is not None:
        return _explained(record.id, query, context)
    if query.of("component") and _run(query) is None:
        from whence.assist.answers.components import failure

        return failure(query, context)
    run = _run(query) or _bad_run(query, context)
    if run is None:
        return _none_bad(query, context)
    told = causes_of(run.otel or run.id, store=context.store)
    sentences = [Sentence(text=f"{named(told.headline, limit=400).rstrip('.')}.", evidence=(told.trace_id,))]
    stated = {claim.statement for claim in told.chain}
    for cause in told.causes[:3]:
        if cause.statement in stated:  # said below as what the records state; that it is the cause, the headline says
            continue
        text = f"{named(cause.statement, limit=400).rstrip('.')}."
        sentences.append(
            Sentence(text=text, evidence=cause.evidence[: ev.MOST_CITED] or (told.trace_id,), kind=cause.kind)
        )
    said = {each.text for each in sentences}
    sentences += [each for each in map(_claimed, (*told.chain[:3], *told.hypotheses[:2])) if each.text not in said]
    first = told.causes[0] if told.causes else None
    if first is None or first.confidence is None:
        sure = 1.0 if told.chain or told.outcome != "bad" else 0.5
        rests = "stated by the records" if sure == 1.0 else "no cause is stated; what is named was not measured"
    else:
        sure, rests = first.confidence, first.basis
    return Found(
        sentences=tuple(sentences[:8]), confidence=sure, resting_on=rests, suggestions=tuple(told.next_steps[:4])
    )


def _none_bad(query: Query, context: Context) -> Found:
    """Return that no run went wrong, and how many problems are open all the same: a run can be complete and have some."""
    where = ProblemFilter(project=query.project, states=ev.OPEN, since_ns=query.since_ns, until_ns=query.until_ns)
    several = len(context.store.problems(where, limit=200).items)
    but = f"; {ev.count(several, 'problem is', 'problems are')} open all the same" if several else ""
    return Found(
        missing=f"no run that went wrong is recorded{ev.during(query)}{but}",
        suggestions=("whence findings",) if several else (),
    )


def _claimed(claim: Claim) -> Sentence:
    text = f"{named(claim.statement, limit=400).rstrip('.')}."
    return Sentence(text=text, evidence=(claim.record_id,) if claim.record_id else ("the run",), kind=claim.kind)


def _explained(some_id: str, query: Query, context: Context) -> Found:
    told = explain_error(some_id, store=context.store, project=query.project)
    if not told["found"]:
        return Found(missing=f"{some_id} is no error that is recorded")
    said = f"{named(told['component'] or 'It')} recorded {ev.quoted(told['message'])}."
    ids = tuple(told["evidence"][: ev.MOST_CITED]) or (some_id,)
    sentences = [Sentence(text=said, evidence=ids)]
    if told["root_cause"]:
        sentences.append(
            Sentence(
                text=f"{named(told['root_cause'], limit=400).rstrip('.')}.",
                evidence=ids,
                kind=told["kind"] or "hypothesis",
            )
        )
    return Found(
        sentences=tuple(sentences),
        confidence=told["confidence"],
        resting_on=told["basis"],
        suggestions=tuple(told["suggestions"][:3]),
    )


def of_run(query: Query, context: Context) -> Found:
    """Answer how a run went."""
    run = query.of("run")[0]
    row = context.store.trace(run.otel or run.id)
    if row is None:
        return Found(missing=f"no run {run.id} is recorded")
    gate = {None: "", True: ", its quality gate passed", False: ", its quality gate failed"}[row.quality_gate_passed]
    ended = f" after {took(row.duration_seconds * 1e9)}" if row.duration_seconds is not None else ""
    held = f"{ev.count(row.records, 'record')}, {ev.count(row.decisions, 'decision')}"
    text = f"{row.trace_id} is {row.status.replace('_', ' ')}{ended}{gate}; {held}."
    bad = ev.errors(query, context, trace=row.id)
    sentences = [
        Sentence(text=text, evidence=(row.trace_id,)),
        *(ev.of_pattern(each, len(bad)) for each in ev.patterns(bad)[:3]),
    ]
    found = ev.findings(query, context, trace=row.id)
    sentences += map(ev.of_finding, found[:3])
    return Found(
        sentences=tuple(sentences),
        insights=ev.as_insights(found, context.store),
        suggestions=(f"whence why {row.trace_id}",),
    )


def slow_parts(query: Query, context: Context) -> Found:
    """Answer where the time of a run went: its stages by their duration."""
    run = query.of("run")[0]
    told = view(run.otel or run.id, store=context.store)
    parts = []
    for stage in told.stages.values():
        if stage.duration_seconds is not None:
            ids = tuple(each.end_record for each in stage.attempts if each.end_record)
            parts.append((stage.duration_seconds, stage.name, ids))
    for use in told.spans:
        if use.duration_ns is not None and use.end_record:
            parts.append((use.duration_ns / 1e9, use.name, (use.end_record,)))
    if not parts:
        return Found(missing=f"no finished stage of {run.id} is recorded, so nothing says where its time went")
    parts.sort(key=lambda each: (-each[0], each[1]))
    total = sum(each.duration_seconds or 0.0 for each in told.stages.values())
    sentences = []
    for seconds, name, ids in parts[:4]:
        share = f" ({ev.percent(seconds / total)} of all stages)" if total > 0 and name in told.stages else ""
        sentences.append(
            Sentence(
                text=f"{named(name)} took {took(seconds * 1e9)}{share}.", evidence=ids[: ev.MOST_CITED] or (run.id,)
            )
        )
    return Found(sentences=tuple(sentences), suggestions=(f"whence show {run.id}",))


def compare(query: Query, context: Context) -> Found:
    """Answer how two runs, or two components, differ; of one run, against the last good one."""
    both = query.of("run")
    if not both and len(query.of("component")) > 1:
        return _components(query, context)
    if not both:
        choices = ("compare last-bad with the last run", "compare agent/a with agent/b")
        return Found(
            ask=Clarification(question="What are the two runs or components to put side by side?", choices=choices)
        )
    if len(both) == 1:
        row = context.store.trace(both[0].otel or both[0].id)
        good = last_good(row, context.store) if row is not None else None
        if good is None:
            return Found(missing=f"there is no good run before {both[0].id} to put beside it; name the other run")
        both = (Subject(type="run", id=good.trace_id, otel=good.id), both[0])
    a, b = both[0], both[1]
    told = comparison(a.otel or a.id, b.otel or b.id, store=context.store)
    ids = (told.trace_a["trace_id"], told.trace_b["trace_id"])
    sentences = [_figures(told.trace_a, told.trace_b, told.diff)]
    first = told.first_divergence
    if first is not None:
        said = [
            f"{one['trace_id']} decided {ev.quoted(side['what'], 100)}"
            if side
            else f"{one['trace_id']} made no such decision"
            for one, side in ((told.trace_a, first.a), (told.trace_b, first.b))
        ]
        records = tuple(side["record_id"] for side in (first.a, first.b) if side)
        text = f"They first part at {named(first.stage)}.{named(first.decision)}: {said[0]}, {said[1]}."
        sentences.append(Sentence(text=text, evidence=records or ids))
    elif told.decisions:
        sentences.append(
            Sentence(text=f"All of {ev.count(len(told.decisions), 'decision')} are the same.", evidence=ids)
        )
    return Found(sentences=tuple(sentences), suggestions=(f"whence compare {ids[0]} {ids[1]}",))


def _figures(a: dict[str, Any], b: dict[str, Any], diff: dict[str, Any]) -> Sentence:
    parts = []
    if diff["quality_delta"] is not None:
        parts.append(f"quality {a['quality_score']:g} and {b['quality_score']:g}")
    if diff["duration_delta"] is not None:
        parts.append(f"took {took(a['duration_seconds'] * 1e9)} and {took(b['duration_seconds'] * 1e9)}")
    if diff["cost_delta"] is not None:
        parts.append(f"cost ${a['cost_usd']:.4f} and ${b['cost_usd']:.4f}")
    if diff["gaps_b_only"]:
        parts.append(f"only the second fell short on {', '.join(map(named, diff['gaps_b_only'][:5]))}")
    figures = "; ".join(parts) if parts else "no figure is recorded of both"
    return Sentence(text=f"{a['trace_id']} and {b['trace_id']}: {figures}.", evidence=(a["trace_id"], b["trace_id"]))


def _components(query: Query, context: Context) -> Found:
    from whence.assist.answers.components import range_of

    names = [each.id for each in query.of("component")]
    asked = [
        dict(zip(("type", "id") if len(parts) > 1 else ("id",), parts, strict=True))
        for parts in map(split_component, names)
    ]
    told = compare_components(
        asked, range_of(query, context), store=context.store, now_ns=context.now_ns, project=query.project
    )
    sentences, every = [], 0
    for row in told["components"]:
        where = ev.of_component(row["component"], query, context)
        ids = ev.cited(ev.errors(query, context, row["component"])) or ev.cited(
            context.store.records(where, limit=3, newest_first=True).items
        )
        if not row["total_events"] or not ids:
            continue
        every += row["total_events"]
        text = (
            f"{row['component']} is {row['status']}: {row['error_events']:,} of "
            f"{ev.count(row['total_events'], 'event')} were errors "
            f"({ev.percent(row['error_rate'])}), health score {row['health_score']:g} of 100."
        )
        sentences.append(Sentence(text=text, evidence=ids))
    if not sentences:
        return Found(missing=f"nothing is recorded of {' and '.join(names)} in that time")
    both = tuple(dict.fromkeys(each for one in sentences for each in one.evidence[:2]))
    sentences += [Sentence(text=f"{named(each, limit=300).rstrip('.')}.", evidence=both) for each in told["insights"]]
    return Found(sentences=tuple(sentences), sample=every)


def progress(query: Query, context: Context) -> Found:
    """Answer how far a run or operation is."""
    run = _run(query)
    if run is None:
        row = next(iter(context.store.traces(TraceFilter(project=query.project), limit=1).items), None)
        if row is None:
            return Found(missing="no run is recorded")
        run = Subject(type="run", id=row.trace_id, otel=row.id)
    told = operation_progress(run.id, store=context.store, now_ns=context.now_ns, project=query.project)
    if told["status"] == "not_found":
        return Found(missing=f"no run {run.id} is recorded")
    steps = (
        f", {told['completed_steps']} of {ev.count(told['total_steps'], 'step')} completed"
        if told["total_steps"]
        else ""
    )
    bad = f", {ev.count(told['error_count'], 'error')} so far" if told["error_count"] else ""
    text = f"{run.id} is {told['status'].replace('_', ' ')}, {ev.percent(told['progress'])} done{steps}{bad}."
    snapshots = context.store.records(
        RecordFilter(trace=run.otel, kinds=(kinds.SNAPSHOT,)), limit=2, newest_first=True
    ).items
    ids = (run.id, *ev.cited(snapshots)) if told["basis"] == "snapshot" else (run.id,)
    return Found(
        sentences=(Sentence(text=text, evidence=ids),),
        resting_on=f"read from the {told['basis']} of the run",
        suggestions=(f"whence show {run.id}",),
    )


def changes(query: Query, context: Context) -> Found:
    """Answer what is not as it was: of a run, against the last good one; else what the detectors of change found."""
    run = _run(query)
    if run is None:
        component = next(iter(query.of("component")), None)
        name = component.id if component is not None else None
        found = ev.findings(query, context, component=name, only=("D01", "V01", "P01-03", "P01-04", "O01-08", "I01-05"))
        if not found:
            active = context.store.activity(ActivityFilter(component=name, project=query.project))
            asked = f" of {name}" if name else ""
            return Found(
                missing=f"no change or oddity{asked} was found among what {ev.count(len(active), 'component')} recorded"
            )
        sure, rests = ev.sureness(found)
        return Found(
            sentences=tuple(map(ev.of_finding, found[: ev.MOST_SENTENCES])),
            confidence=sure,
            resting_on=rests,
            insights=ev.as_insights(found, context.store),
            suggestions=ev.remedies(found),
        )
    told = causes_of(run.otel or run.id, store=context.store)
    if told.good_run is None:
        return Found(missing=f"there is no good run of the same kind before {run.id}, so nothing says what changed")
    if not told.changes:
        same = Sentence(
            text=f"No decision, number of sources or score differs from {told.good_run}.",
            evidence=(told.trace_id, told.good_run),
        )
        return Found(sentences=(same,))
    sentences = [
        Sentence(
            text=f"{named(each.what)} was {short(each.before, 80)} in {told.good_run}, and is {short(each.now, 80)}.",
            evidence=(each.record_id,) if each.record_id else (told.trace_id, told.good_run),
        )
        for each in told.changes[: ev.MOST_SENTENCES]
    ]
    return Found(sentences=tuple(sentences), suggestions=(f"whence compare {told.good_run} {told.trace_id}",))
