"""Why did this run go wrong? Answered from the records alone, without a model.

What the records state (an error, a failed check, a process that was lost) is *confirmed*. What only goes together with
it (an unsure decision before it, a difference from the last good run) is a *hypothesis*, and says what it rests on.
Each claim names its record.
"""

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from whence.model.content import CONTENT_KEY
from whence.model.filters import TraceFilter
from whence.model.payload import Check
from whence.model.quality import number
from whence.model.trace import (
    COMPLETE,
    FAILED,
    IN_PROGRESS,
    NOT_ENDED,
    Attempt,
    Decision,
    StageTrace,
    TraceSummary,
    TraceView,
    Use,
)
from whence.query.compare import align, in_order
from whence.query.document import view
from whence.query.find import find
from whence.store.current import current
from whence.store.interface import Store

UNSURE = 0.6
"""A decision below this confidence is worth naming; one whose runner-up came within CLOSE of it as well."""
CLOSE = 0.1
MOST_HYPOTHESES = 6
MOST_CHANGES = 10
GOOD_RUNS_LOOKED_AT = 50
_NO_CAUSE = ("recovered", "dropped")
"""Rules whose claims are true, and not why the run went wrong."""
_FROM_OUTSIDE = ("unfinished", "process_lost", "cancelled", "dropped")


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One statement about the run, and the record it rests on."""

    statement: str
    stage: str
    record_id: str
    kind: Literal["confirmed", "hypothesis"]
    rule: str  # which rule of this module made it
    ts_ns: int = 0


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was in the last good run."""

    what: str
    before: Any
    now: Any
    record_id: str = ""


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    trace_id: str
    outcome: Literal["good", "bad", "in_progress"]
    headline: str
    first_bad_stage: str | None
    chain: tuple[Claim, ...]  # confirmed, in order of time, from the first bad record to the end
    hypotheses: tuple[Claim, ...]  # the likeliest first
    good_run: str | None  # the last good run of the same kind
    changes: tuple[Change, ...]
    next_steps: tuple[str, ...]  # commands


def why(trace_id: str, *, store: Store | None = None) -> Why:
    """Return why a run went wrong, or that it did not. Raises NotFound for an unknown id."""
    store = store or current()
    row = find(trace_id, store=store)
    trace = view(row.id, store=store)
    good = last_good(row, store)
    outcome = outcome_of(row)
    chain = tuple(sorted(_confirmed(trace, row), key=lambda claim: claim.ts_ns))
    bad_stage = next((claim.stage for claim in chain if claim.stage and claim.rule not in _NO_CAUSE), None)
    changes: tuple[Change, ...] = ()
    if good is not None:
        changes = tuple(_changes(trace, row, view(good.id, store=store), good))[:MOST_CHANGES]
    hypotheses: tuple[Claim, ...] = ()
    if outcome == "bad":
        causes = [claim for claim in chain if claim.rule not in _NO_CAUSE] or chain
        limit_ns = causes[0].ts_ns if causes else trace.last_ns
        # Another question is answered otherwise anyway: only a run of the same question tells causes.
        comparable = changes if good is not None and good.query == row.query else ()
        hypotheses = tuple(_hypotheses(trace, limit_ns, chain, comparable))[:MOST_HYPOTHESES]
    return Why(
        trace_id=row.trace_id,
        outcome=outcome,
        headline=_headline(row, chain, bad_stage),
        first_bad_stage=bad_stage if outcome == "bad" else None,
        chain=chain,
        hypotheses=hypotheses,
        good_run=good.trace_id if good is not None else None,
        changes=changes,
        next_steps=_next_steps(row, good, trace),
    )


def outcome_of(row: TraceSummary) -> Literal["good", "bad", "in_progress"]:
    """Return whether a run went well: complete, and its quality gate (if it has one) passed."""
    if row.status == IN_PROGRESS:
        return "in_progress"
    return "good" if row.status == COMPLETE and row.quality_gate_passed is not False else "bad"


def last_good(row: TraceSummary, store: Store) -> TraceSummary | None:
    """Return the nearest earlier good run: of the same project and report type, best of the same question, else intent."""
    where = TraceFilter(project=row.project, report_type=row.report_type, statuses=(COMPLETE,), until_ns=row.started_ns)
    earlier = [each for each in store.traces(where, limit=GOOD_RUNS_LOOKED_AT).items if outcome_of(each) == "good"]
    # max keeps the first, that is the newest, of those that are equally near
    return max(earlier, key=lambda each: (each.query == row.query, each.intent == row.intent), default=None)


# -- what the records state -------------------------------------------------------------------------------------------


def _confirmed(trace: TraceView, row: TraceSummary) -> Iterator[Claim]:
    for stage in trace.stages.values():
        yield from _stage_errors(stage)
        yield from _unfinished(stage, trace)
    for call in trace.llm_calls:
        if call.error:
            yield _fact(
                f"LLM call {call.name} failed: {_short(call.error)}", call.stage, call.record_id, "llm", call.ts_ns
            )
    yield from _checks(trace)
    yield from _gate(trace, row)
    yield from _worse_retries(trace, row)
    if row.dropped:
        yield _fact(
            f"{row.dropped} record{'s' if row.dropped > 1 else ''} of this run could not be written (see `whence doctor`)",
            "",
            trace.end_record,
            "dropped",
            trace.completed_ns or trace.last_ns,
        )
    end = trace.end
    if end is None or row.status == COMPLETE:
        return
    at = trace.completed_ns or trace.last_ns
    if end.reason == "process_lost":
        yield _fact(
            "the process ended without finishing the run (killed, crashed or lost power); "
            f"the last record is {end.last_record}",
            "",
            end.last_record or trace.end_record,
            "process_lost",
            at,
        )
    elif end.reason == "cancelled":
        yield _fact(f"the run was cancelled: {_short(end.error)}", "", trace.end_record, "cancelled", at)
    elif row.status == FAILED:
        yield _fact(f"the run failed: {_short(end.error)}", "", trace.end_record, "failed", at)
    else:
        yield _fact("the run ended without being marked complete", "", trace.end_record, "not_marked", at)


def _fact(statement: str, stage: str, record_id: str, rule: str, ts_ns: int) -> Claim:
    return Claim(statement=statement, stage=stage, record_id=record_id, kind="confirmed", rule=rule, ts_ns=ts_ns)


def _stage_errors(stage: StageTrace) -> Iterator[Claim]:
    for component in dict.fromkeys(attempt.component for attempt in stage.attempts):
        of = f" of {component}" if component else ""  # two components are no two tries of the same
        attempts = [attempt for attempt in stage.attempts if attempt.component == component]
        yield from _errors(f"stage {stage.name}{of}", stage.name, attempts)


def _errors(what: str, stage: str, attempts: list[Attempt]) -> Iterator[Claim]:
    failed = [attempt for attempt in attempts if attempt.error and not _still_open(attempt)]
    if not failed:
        return
    last, final = failed[-1], attempts[-1]
    if final is not last and final.ended_ns is not None and not final.error:
        times = "" if len(failed) == 1 else f" {len(failed)} times, the last time"
        said = f"{what} failed{times}: {_short(last.error)}; a later attempt went well"
        yield _fact(said, stage, last.end_record, "recovered", last.ended_ns or 0)
        return
    if len(failed) == 1:
        said = f"{what}{_nth(last)} failed: {_short(last.error)}"
    elif len(failed) == len(attempts):
        said = f"{what} failed in all {len(failed)} attempts, the last time: {_short(last.error)}"
    else:
        said = f"{what} failed in {len(failed)} of {len(attempts)} attempts, last: {_short(last.error)}"
    yield _fact(said, stage, last.end_record, "stage_error", last.ended_ns or 0)


def _checks(trace: TraceView) -> Iterator[Claim]:
    """Yield the checks of each thing that was made that failed and were not passed later."""
    last: dict[tuple[str, str, str], Use[Check]] = {}
    for use in trace.checks:
        if use.said.passed is not None and use.said.phase != "before":
            last[use.component, use.said.subject, use.said.type] = use
    for use in last.values():
        if use.said.passed is False:
            first = use.said.failures[0] if use.said.failures else {}
            line = f" (line {first['line']})" if isinstance(first.get("line"), int) else ""
            more = len(use.said.failures) - 1
            about = f"{_short(first.get('message'))}{line}" if first else "no failure is named"
            rest = f", and {more} more" if more > 0 else ""
            of = f" of {use.component}" if use.component else ""
            yield _fact(f"check {use.name}{of} failed: {about}{rest}", use.stage, use.record_id, "check", use.ts_ns)
    for written in trace.files:
        if written.said.verified is False:
            said = f"{written.said.path} was read back and holds something else than was written"
            yield _fact(said, written.stage, written.record_id, "file", written.ts_ns)


def _still_open(attempt: Attempt) -> bool:
    return bool(attempt.error == NOT_ENDED)


def _unfinished(stage: StageTrace, trace: TraceView) -> Iterator[Claim]:
    for attempt in stage.attempts:
        if attempt.ended_ns is None or _still_open(attempt):
            made = [d for d in stage.decisions if d.attempt == attempt.attempt]
            last = f"; its last decision was {made[-1].decision}: {_short(made[-1].what)}" if made else ""
            yield _fact(
                f"stage {stage.name}{_nth(attempt)} began and did not end{last}",
                stage.name,
                made[-1].record_id if made else attempt.start_record,
                "unfinished",
                made[-1].ts_ns if made else attempt.started_ns,
            )


def _gate(trace: TraceView, row: TraceSummary) -> Iterator[Claim]:
    """The quality gate's verdict, and each principle that fell short."""
    if row.quality_gate_passed is not False:
        return
    stage = trace.stages.get("quality_gate")
    verdict = stage.decisions[-1] if stage is not None and stage.decisions else None
    record_id = verdict.record_id if verdict else stage.attempts[-1].end_record if stage and stage.attempts else ""
    at = verdict.ts_ns if verdict else trace.last_ns
    quality = trace.quality
    score = f" with {quality.overall:g}" if quality.overall is not None else ""
    needed = f", {quality.threshold:g} needed" if quality.threshold is not None else ""
    rounds = f" after {row.iteration_count} attempts" if row.iteration_count > 1 else ""
    yield _fact(f"the quality gate failed{score}{needed}{rounds}", "quality_gate", record_id, "gate", at)
    details = {str(detail.get("id")): detail for detail in quality.details}
    for principle in quality.gaps:
        detail = details.get(principle, {})
        name = f" ({detail['name']})" if detail.get("name") else ""
        found = f" scored {quality.scores[principle]:g}" if principle in quality.scores else " fell short"
        said = f": {_short(detail['feedback'])}" if detail.get("feedback") else ""
        yield _fact(f"principle {principle}{name}{found}{said}", "quality_gate", record_id, "principle", at + 1)


def _worse_retries(trace: TraceView, row: TraceSummary) -> Iterator[Claim]:
    """A retry that scored lower than the attempt before it: the remedy did harm, and the record says what it was."""
    if outcome_of(row) != "bad":
        return
    scores = [number(each.get("overall_score")) for each in trace.iterations]
    for n in range(1, len(scores)):
        before, after = scores[n - 1], scores[n]
        if before is not None and after is not None and after < before:
            changed = trace.iterations[n].get("changes_from_previous")
            remedy = f"; it had changed: {_short(changed)}" if changed else ""
            record_id, at = trace.iteration_records[n]
            yield _fact(
                f"attempt {n + 1} scored {after:g} after {before:g}, the retry made it worse{remedy}",
                "quality_gate",
                record_id,
                "worse_retry",
                at,
            )


# -- what goes together with it -----------------------------------------------------------------------------------------


def _hypotheses(
    trace: TraceView, limit_ns: int, chain: tuple[Claim, ...], changes: tuple[Change, ...]
) -> Iterator[Claim]:
    """Claims that would explain the chain, the likeliest first: idle retries, thin evidence, changes, unsure decisions."""
    yield from _idle_retries(trace)
    if any(claim.rule == "worse_retry" for claim in chain):
        yield from _retry_choices(trace)
    yield from _thin_evidence(trace)
    named = {claim.record_id for claim in chain}
    for change in changes:
        # The gate's own verdicts are what is to be explained, not what explains it.
        of_the_gate = change.what.startswith("quality_gate.")
        if change.record_id and change.record_id not in named and _is_decision(change) and not of_the_gate:
            yield _guess(
                f"{change.what} was {_short(change.before)} in the last good run and is {_short(change.now)} here",
                "",
                change.record_id,
                "changed",
            )
    if all(claim.rule in _FROM_OUTSIDE for claim in chain):
        return  # no decision of the run's explains that somebody ended it
    before = [made for made in in_order(trace) if made.ts_ns <= limit_ns and made.record_id not in named]
    unsure = [made for made in before if made.confidence is not None and made.confidence < UNSURE]
    for made in sorted(unsure, key=lambda d: d.confidence or 0.0):
        others = f"; also considered: {_short(made.alternatives_considered)}" if made.alternatives_considered else ""
        yield _guess(
            f"{made.stage}.{made.decision} chose {_short(made.what)} with confidence {made.confidence:.2f}{others}",
            made.stage,
            made.record_id,
            "unsure",
            made.ts_ns,
        )


def _is_decision(change: Change) -> bool:
    return change.before is not None and change.now is not None


def _guess(statement: str, stage: str, record_id: str, rule: str, ts_ns: int = 0) -> Claim:
    return Claim(statement=statement, stage=stage, record_id=record_id, kind="hypothesis", rule=rule, ts_ns=ts_ns)


def _idle_retries(trace: TraceView) -> Iterator[Claim]:
    """A retry that decided everything as the attempt before it did can hardly do better."""
    gate_failed = len(trace.iterations) > 1 and trace.quality.passed is False
    for stage in trace.stages.values():
        failed = len(stage.attempts) > 1 and bool(stage.attempts[-1].error) and not _still_open(stage.attempts[-1])
        if not gate_failed and not failed:
            continue
        tries: dict[int, list[Decision]] = {}
        for made in stage.decisions:
            tries.setdefault(made.attempt, []).append(made)
        if len(tries) > 1 and stage.name != "quality_gate":
            said = [[(d.decision, _short(d.what)) for d in made] for made in tries.values()]
            if all(each == said[0] for each in said):
                last = stage.decisions[-1]
                yield _guess(
                    f"{stage.name} decided the same in all {len(tries)} attempts: the retries changed nothing in it",
                    stage.name,
                    last.record_id,
                    "idle_retry",
                    last.ts_ns,
                )


def _retry_choices(trace: TraceView) -> Iterator[Claim]:
    """Where a retry did harm, what it decided otherwise than the attempt before it is suspect."""
    for stage in trace.stages.values():
        if stage.name == "quality_gate":
            continue
        previous: dict[tuple[str, int], Decision] = {}  # by name and how many of that name the attempt had before it
        for made, nth in _numbered(stage.decisions):
            before = previous.get((made.decision, nth))
            if before is not None and made.attempt > before.attempt and made.what != before.what:
                yield _guess(
                    f"{stage.name}.{made.decision} went from {_short(before.what, 90)} (attempt {before.attempt}) "
                    f"to {_short(made.what, 90)} (attempt {made.attempt})",
                    stage.name,
                    made.record_id,
                    "retry_changed",
                    made.ts_ns,
                )
            previous[made.decision, nth] = made


def _numbered(decisions: list[Decision]) -> Iterator[tuple[Decision, int]]:
    """Yield each decision with how many of its name came before it in the same attempt."""
    seen: Counter[tuple[str, int]] = Counter()
    for made in decisions:
        key = (made.decision, made.attempt)
        yield made, seen[key]
        seen[key] += 1


def _thin_evidence(trace: TraceView) -> Iterator[Claim]:
    stage = trace.stages.get("collection")
    if stage is None:
        return
    collected, passed = stage.evidence.get("collected_count"), stage.outputs.get("evidence_passed")
    record_id = stage.attempts[-1].end_record if stage.attempts else ""
    if isinstance(passed, int) and passed == 0:
        yield _guess("collection passed no evidence on", "collection", record_id, "thin_evidence")
    elif isinstance(collected, int) and isinstance(passed, int) and passed * 4 < collected:
        yield _guess(
            f"collection passed only {passed} of {collected} pieces of evidence on",
            "collection",
            record_id,
            "thin_evidence",
        )


# -- against the last good run --------------------------------------------------------------------------------------------


def last_attempts(trace: TraceView) -> list[Decision]:
    """Return the decisions of each stage's last attempt, in order: what the run came out of."""
    last = {name: max((made.attempt for made in stage.decisions), default=1) for name, stage in trace.stages.items()}
    return [made for made in in_order(trace) if made.attempt == last[made.stage]]


def _changes(trace: TraceView, row: TraceSummary, good: TraceView, good_row: TraceSummary) -> Iterator[Change]:
    for pair in align(last_attempts(good), last_attempts(trace), by_attempt=False):
        if pair.same:
            continue
        yield Change(
            what=f"{pair.stage}.{pair.decision}",
            before=pair.a["what"] if pair.a else None,
            now=pair.b["what"] if pair.b else None,
            record_id=pair.b["record_id"] if pair.b else "",
        )
    for field in (
        "synthesis_model",
        "evidence_collected",
        "evidence_passed",
        "overall_quality_score",
        "iteration_count",
    ):
        before, now = getattr(good_row, field), getattr(row, field)
        if before != now and (before is not None or now is not None):
            yield Change(what=field, before=before, now=now)


# -- words ------------------------------------------------------------------------------------------------------------------


def _headline(row: TraceSummary, chain: tuple[Claim, ...], stage: str | None) -> str:
    outcome = outcome_of(row)
    if outcome == "in_progress":
        bad = next((claim for claim in chain if claim.rule == "stage_error"), None)
        if bad is not None:
            return f"{row.trace_id} is still in progress, and already: {bad.statement}"
        return f"{row.trace_id} is still in progress; so far nothing says it is bad"
    if outcome == "good":
        score = f" with quality {row.overall_quality_score:g}" if row.overall_quality_score is not None else ""
        again = f" on attempt {row.iteration_count}" if row.iteration_count > 1 else ""
        return f"{row.trace_id} went well: complete{score}{again}"
    causes = [claim for claim in chain if claim.rule not in _NO_CAUSE] or list(chain)
    first = causes[0].statement if causes else "nothing recorded says why"
    where = f" in {stage}" if stage else ""
    return f"{row.trace_id} went wrong{where}: {first}"


def _next_steps(row: TraceSummary, good: TraceSummary | None, trace: TraceView) -> tuple[str, ...]:
    steps = [*_of_bad_lines(trace), f"whence show {row.trace_id}"]
    if good is not None:
        steps.append(f"whence compare {good.trace_id} {row.trace_id}")
    if row.gap_principles:
        steps.append(f"whence traces --principle {row.gap_principles[0]} --below 2")
    return tuple(steps)


def _of_bad_lines(trace: TraceView) -> Iterator[str]:
    """Yield what to ask of the first line that a check found bad and that was written to a file all the same."""
    failed = {_content(use.said.content): use for use in trace.checks if use.said.passed is False and use.said.failures}
    for written in trace.files:
        found = failed.get(_content(written.said.content))
        line = found.said.failures[0].get("line") if found is not None else None
        if isinstance(line, int):
            yield f"whence blame {shlex.quote(written.said.path)}:{line}"
            if any(use.said.action == "heal" for use in trace.transforms):
                yield f"whence heal-log {trace.trace_id}"
            return


def _content(reference: Any) -> Any:
    return reference.get(CONTENT_KEY, "") if isinstance(reference, dict) else None


def _nth(attempt: Attempt) -> str:
    return f" (attempt {attempt.attempt})" if attempt.attempt > 1 else ""


def _short(value: Any, limit: int = 160) -> str:
    """Return a value in a few words: an error with its place, a long text by its beginning, a list by its first items."""
    if isinstance(value, dict) and set(value) >= {"type", "message"}:
        text = f"{value['type']}: {value['message']}" if value["message"] else str(value["type"])
        where = value.get("where")
        text = f"{text} at {where}" if where else text
    elif isinstance(value, dict) and isinstance(value.get("preview"), str):  # a text that is stored by its hash
        text = f"{value['preview']}…"
    elif isinstance(value, list):
        return _first(value, limit)
    elif isinstance(value, str):
        text = value
    else:
        text = msgspec.json.encode(value).decode()
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _first(items: list[Any], limit: int) -> str:
    """Return as many items as fit, and how many more there are."""
    shown: list[str] = []
    for item in items:
        text = _short(item, limit // 2)
        if shown and sum(map(len, shown)) + len(text) > limit:
            return f"{', '.join(shown)}, … {len(items) - len(shown)} more"
        shown.append(text)
    return ", ".join(shown) if shown else "nothing"
