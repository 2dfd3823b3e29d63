"""What the records of a run state of why it went as it did: errors, failed checks and calls, the gate, how it ended."""

import re
from collections.abc import Iterator
from typing import Any, Final

from whence.model.payload import Check
from whence.model.quality import number
from whence.model.trace import COMPLETE, FAILED, Attempt, LlmUse, StageTrace, TraceSummary, TraceView, Use
from whence.query.claims import (
    Claim,
    ending,
    ending_signal,
    exit_code,
    fact,
    guess,
    nth,
    outcome_of,
    short,
    still_open,
)
from whence.query.healing import HealAttempt, healing
from whence.query.raised import Places, key_of, places, raised, stated
from whence.query.steps import Failure
from whence.store.interface import Store

MOST_HEALED: Final = 4
"""Components whose healing is looked into: each is read on its own."""
MOST_RECORDS: Final = 20_000
"""Of a longer run no healing is looked into; `whence heal-log` does."""


def confirmed(trace: TraceView, row: TraceSummary, store: Store) -> Iterator[Claim]:
    """Yield what the records state, in no order; and, as a hypothesis, what healing did by its times only."""
    events = raised(row, store)
    where = places(events)
    yield from stated(events, trace, row)
    for stage in trace.stages.values():
        yield from _stage_errors(stage, where)
        yield from _unfinished(stage, trace)
    yield from _failed_calls(trace)
    yield from _checks(trace)
    yield from _introduced(trace, row, store)
    yield from _gate(trace, row)
    yield from _worse_retries(trace, row)
    if row.dropped:
        yield fact(
            f"{row.dropped} record{'s' if row.dropped > 1 else ''} of this run could not be written (see `whence doctor`)",
            "",
            trace.end_record,
            "dropped",
            trace.completed_ns or trace.last_ns,
        )
    yield from _end(trace, row)


def _end(trace: TraceView, row: TraceSummary) -> Iterator[Claim]:
    """How the run ended, if not well."""
    end = trace.end
    if end is None or row.status == COMPLETE:
        return
    at = trace.completed_ns or trace.last_ns
    if end.reason == "process_lost":
        yield fact(
            "the process ended without finishing the run (killed, crashed or lost power); "
            f"the last record is {end.last_record}",
            "",
            end.last_record or trace.end_record,
            "process_lost",
            at,
        )
    elif end.reason == "cancelled":
        yield fact(f"the run was cancelled: {short(end.error)}", "", trace.end_record, "cancelled", at)
    elif ending_signal(exit_code(end.error)) is not None:
        yield fact(f"the program was {ending(end.error)}", "", trace.end_record, "killed", at)
    elif row.status == FAILED:
        yield fact(f"the run failed: {ending(end.error)}", "", trace.end_record, "failed", at)
    else:
        yield fact("the run ended without being marked complete", "", trace.end_record, "not_marked", at)


# -- stages and calls -------------------------------------------------------------------------------------------------


def _stage_errors(stage: StageTrace, places: Places) -> Iterator[Claim]:
    for component in dict.fromkeys(attempt.component for attempt in stage.attempts):
        of = f" of {component}" if component else ""  # two components are no two tries of the same
        attempts = [attempt for attempt in stage.attempts if attempt.component == component]
        yield from _errors(f"stage {stage.name}{of}", stage.name, attempts, places)


def _errors(what: str, stage: str, attempts: list[Attempt], places: Places) -> Iterator[Claim]:
    failed = [attempt for attempt in attempts if attempt.error and not still_open(attempt)]
    if not failed:
        return
    last, final = failed[-1], attempts[-1]
    error = short(_placed(last.error, stage, places))
    if final is not last and final.ended_ns is not None and not final.error:
        times = "" if len(failed) == 1 else f" {len(failed)} times, the last time"
        said = f"{what} failed{times}: {error}; a later attempt went well"
        yield fact(said, stage, last.end_record, "recovered", last.ended_ns or 0)
        return
    if len(failed) == 1:
        said = f"{what}{nth(last)} failed: {error}"
    elif len(failed) == len(attempts):
        said = f"{what} failed in all {len(failed)} attempts, the last time: {error}"
    else:
        said = f"{what} failed in {len(failed)} of {len(attempts)} attempts, last: {error}"
    yield fact(said, stage, last.end_record, "stage_error", last.ended_ns or 0)


def _placed(error: Any, stage: str, where: Places) -> Any:
    """Return an error with the place where it was raised, if an event of its stage tells that."""
    place = where.get(key_of(stage, error))
    return (
        {**error, "where": place} if place is not None and isinstance(error, dict) and not error.get("where") else error
    )


def _unfinished(stage: StageTrace, trace: TraceView) -> Iterator[Claim]:
    for attempt in stage.attempts:
        if attempt.ended_ns is None or still_open(attempt):
            made = [d for d in stage.decisions if d.attempt == attempt.attempt]
            last = f"; its last decision was {made[-1].decision}: {short(made[-1].what)}" if made else ""
            yield fact(
                f"stage {stage.name}{nth(attempt)} began and did not end{last}",
                stage.name,
                made[-1].record_id if made else attempt.start_record,
                "unfinished",
                made[-1].ts_ns if made else attempt.started_ns,
            )


def _failed_calls(trace: TraceView) -> Iterator[Claim]:
    """LLM calls that failed, those of the same name in the same stage together: a later one that went well mends it."""
    tries: dict[tuple[str, str, str], list[LlmUse]] = {}
    for call in sorted((call for call in trace.llm_calls if not call.open), key=lambda call: call.ts_ns):
        tries.setdefault((call.stage, call.component, call.name), []).append(call)
    for calls in tries.values():
        well = max((n for n, call in enumerate(calls) if not call.error), default=-1)
        for failed, rule, after in (
            ([call for call in calls[: well + 1] if call.error], "recovered", "; a later call went well"),
            (calls[well + 1 :], "llm", ""),
        ):
            if failed:
                last = failed[-1]
                times = f" {len(failed):,} times, the last time" if len(failed) > 1 else ""
                said = f"LLM call {last.name} failed{times}: {short(last.error)}{after}"
                yield fact(said, last.stage, last.record_id, rule, last.ts_ns)


# -- what was made ----------------------------------------------------------------------------------------------------


def failed_checks(trace: TraceView) -> list[Use[Check]]:
    """Return the checks of each thing that was made that failed and were not passed later."""
    last: dict[tuple[str, str, str], Use[Check]] = {}
    for use in trace.checks:
        if use.said.passed is not None and use.said.phase != "before":
            last[use.component, use.said.subject, use.said.type] = use
    return [use for use in last.values() if use.said.passed is False]


def _checks(trace: TraceView) -> Iterator[Claim]:
    for use in failed_checks(trace):
        first = use.said.failures[0] if use.said.failures else {}
        line = f" (line {first['line']})" if isinstance(first.get("line"), int) else ""
        more = (use.said.failures_total or len(use.said.failures)) - 1
        about = f"{short(first.get('message'))}{line}" if first else _instead(use.said)
        rest = f", and {more:,} more" if more > 0 else ""
        of = f" of {use.component}" if use.component else ""
        yield fact(f"check {use.name}{of} failed: {about}{rest}", use.stage, use.record_id, "check", use.ts_ns)
    for written in trace.files:
        if written.said.verified is False:
            said = f"{written.said.path} was read back and holds something else than was written"
            yield fact(said, written.stage, written.record_id, "file", written.ts_ns)


def _instead(check: Check) -> str:
    """Return what a check that names no failure expected, and what was there instead."""
    if check.expected is None and check.actual is None:
        return "no failure is named"
    return f"{short(check.actual, 60)} instead of {short(check.expected, 60)}"


def _introduced(trace: TraceView, row: TraceSummary, store: Store) -> Iterator[Claim]:
    """What attempts to heal brought about that fails in the end, and what they had decided."""
    if trace.records > MOST_RECORDS:
        return
    healed = {use.component for use in trace.transforms}
    components = dict.fromkeys(use.component for use in failed_checks(trace) if use.component in healed)
    for component in list(components)[:MOST_HEALED]:
        for log in healing(row.id, component, store=store):
            left = {_key(failure) for failure in log.remaining}
            for attempt in log.attempts:
                found = [failure for failure in attempt.introduced if _key(failure) in left]
                if found:
                    yield from _by_healing(attempt, component, found)


def _key(failure: Failure) -> tuple[str, str, str | None]:
    """Return what makes two failures the same, wherever they stand: lines move."""
    return failure.type, re.sub(r"\d+", "", failure.message), failure.code


def _by_healing(attempt: HealAttempt, component: str, found: list[Failure]) -> Iterator[Claim]:
    first = found[0]
    line = f" (line {first.line})" if first.line is not None else ""
    more = f", and {len(found) - 1:,} more" if len(found) > 1 else ""
    of = f" of {component}" if component else ""
    said = f"heal attempt {attempt.number}{of} introduced it: {short(first.message)}{line}{more}"
    claim = fact if attempt.sure == "confirmed" else guess
    yield claim(said, attempt.stage, attempt.record_id, "introduced", attempt.ts_ns)
    made = attempt.decision
    if made is None:
        return
    sure = f" with confidence {made.confidence:.2f}" if made.confidence is not None else ""
    others = f"; also considered: {short(made.alternatives)}" if made.alternatives else ""
    said = f"that attempt's decision: {made.name} chose {short(made.what)}{sure}{others}"
    claim = claim if made.sure == "confirmed" else guess
    yield claim(said, attempt.stage, made.record_id, "decided", attempt.ts_ns)


# -- the quality gate -------------------------------------------------------------------------------------------------


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
    yield fact(f"the quality gate failed{score}{needed}{rounds}", "quality_gate", record_id, "gate", at)
    details = {str(detail.get("id")): detail for detail in quality.details}
    for principle in quality.gaps:
        detail = details.get(principle, {})
        name = f" ({detail['name']})" if detail.get("name") else ""
        found = f" scored {quality.scores[principle]:g}" if principle in quality.scores else " fell short"
        said = f": {short(detail['feedback'])}" if detail.get("feedback") else ""
        yield fact(f"principle {principle}{name}{found}{said}", "quality_gate", record_id, "principle", at + 1)


def _worse_retries(trace: TraceView, row: TraceSummary) -> Iterator[Claim]:
    """A retry that scored lower than the attempt before it: the remedy did harm, and the record says what it was."""
    if outcome_of(row) != "bad":
        return
    scores = [number(each.get("overall_score")) for each in trace.iterations]
    for n in range(1, len(scores)):
        before, after = scores[n - 1], scores[n]
        if before is not None and after is not None and after < before:
            changed = trace.iterations[n].get("changes_from_previous")
            remedy = f"; it had changed: {short(changed)}" if changed else ""
            record_id, at = trace.iteration_records[n]
            yield fact(
                f"attempt {n + 1} scored {after:g} after {before:g}, the retry made it worse{remedy}",
                "quality_gate",
                record_id,
                "worse_retry",
                at,
            )
