"""Why did this run go wrong? Answered from the records alone, without a model.

What the records state (an error, a failed check, a process that was lost) is *confirmed*: `whence.query.stated`. What only
goes together with it (an unsure decision before it, a difference from the last good run) is a *hypothesis*, and says what
it rests on: `whence.query.suspects`. Each claim names its record.
"""

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from whence.model.content import CONTENT_KEY
from whence.model.filters import FindingFilter, TraceFilter
from whence.model.severity import Severity
from whence.model.trace import COMPLETE, TraceSummary, TraceView
from whence.query.claims import ENDED, NO_CAUSE, Change, Claim, outcome_of
from whence.query.document import view
from whence.query.find import find
from whence.query.raised import MOST_STATED
from whence.query.stated import confirmed
from whence.query.suspects import UNSURE, changes_since, hypotheses
from whence.store.current import current
from whence.store.interface import Store

__all__ = ["UNSURE", "Change", "Claim", "Why", "explained", "last_good", "outcome_of", "why"]

MOST_HYPOTHESES = 6
MOST_CHANGES = 10
GOOD_RUNS_LOOKED_AT = 50
_BESIDE: Final = ("event",)
"""Rules whose claims are the cause only where nothing else is: a program that logs an error may go on."""
_COUNTED: Final = {
    "check": ("check failed", "checks failed"),
    "stage_error": ("stage failed", "stages failed"),
    "unfinished": ("stage did not end", "stages did not end"),
    "llm": ("LLM call failed", "LLM calls failed"),
    "file": ("file holds something else", "files hold something else"),
    "error": ("error recorded", "errors recorded"),
    "event": ("bad event", "bad events"),
    "uncaught_in_thread": ("thread ended with an exception", "threads ended with an exception"),
    "uncaught_elsewhere": ("process ended with an exception", "processes ended with an exception"),
}


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    trace_id: str
    outcome: Literal["good", "bad", "in_progress"]
    headline: str
    first_bad_stage: str | None
    chain: tuple[Claim, ...]  # confirmed: what ended the program, if that is known; then all else in order of time
    hypotheses: tuple[Claim, ...]  # the likeliest first
    good_run: str | None  # the last good run of the same kind
    changes: tuple[Change, ...]
    next_steps: tuple[str, ...]  # commands


def why(trace_id: str, *, store: Store | None = None) -> Why:
    """Return why a run went wrong, or that it did not. Raises NotFound for an unknown id."""
    store = store or current()
    row = find(trace_id, store=store)
    return explained(row, view(row.id, store=store), store)


def explained(row: TraceSummary, trace: TraceView, store: Store) -> Why:
    """Return the answer for a run that is at hand."""
    good = last_good(row, store)
    outcome = outcome_of(row)
    said = sorted(confirmed(trace, row, store), key=lambda claim: (claim.rule not in ENDED, claim.ts_ns))
    chain = tuple(claim for claim in said if claim.kind == "confirmed")
    cause = _cause(chain)
    changes: tuple[Change, ...] = ()
    if good is not None:
        changes = tuple(changes_since(trace, row, view(good.id, store=store), good))[:MOST_CHANGES]
    behind = [claim for claim in said if claim.kind == "hypothesis"]
    if outcome == "bad":
        limit_ns = cause.ts_ns if cause is not None else trace.last_ns
        # Another question is answered otherwise anyway: only a run of the same question tells causes.
        comparable = changes if good is not None and good.query == row.query else ()
        named = {claim.record_id for claim in behind}
        behind += [each for each in hypotheses(trace, limit_ns, chain, comparable) if each.record_id not in named]
    return Why(
        trace_id=row.trace_id,
        outcome=outcome,
        headline=_headline(row, chain, cause),
        first_bad_stage=_bad_stage(chain, cause) if outcome == "bad" else None,
        chain=chain,
        hypotheses=tuple(behind[:MOST_HYPOTHESES]),
        good_run=good.trace_id if good is not None else None,
        changes=changes,
        next_steps=_next_steps(row, good, trace, cause),
    )


def _cause(chain: tuple[Claim, ...]) -> Claim | None:
    """Return the claim to begin with: what ended the program, else the first bad thing."""
    causes = [claim for claim in chain if claim.rule not in NO_CAUSE] or chain
    return next((claim for claim in causes if claim.rule not in _BESIDE), causes[0] if causes else None)


def _bad_stage(chain: tuple[Claim, ...], cause: Claim | None) -> str | None:
    """Return the first stage that something went wrong in; errors that the program outlived are not meant."""
    if cause is None or cause.rule in NO_CAUSE:
        return None
    if cause.stage:
        return cause.stage
    outlived = (*NO_CAUSE, *_BESIDE, "error", "llm") if cause.rule in ENDED else NO_CAUSE
    return next((claim.stage for claim in chain if claim.stage and claim.rule not in outlived), None)


def last_good(row: TraceSummary, store: Store) -> TraceSummary | None:
    """Return the nearest earlier good run: of the same project and report type, best of the same question, else intent."""
    where = TraceFilter(project=row.project, report_type=row.report_type, statuses=(COMPLETE,), until_ns=row.started_ns)
    earlier = [each for each in store.traces(where, limit=GOOD_RUNS_LOOKED_AT).items if outcome_of(each) == "good"]
    # The sort keeps the newest first of those that are equally near.
    earlier.sort(key=lambda each: (each.query == row.query, each.intent == row.intent), reverse=True)
    return next((each for each in earlier if not _in_trouble(each, store)), earlier[0] if earlier else None)


def _in_trouble(row: TraceSummary, store: Store) -> bool:
    """Return whether something grave was found in a run that is complete: it is no run to compare with."""
    return bool(store.findings(FindingFilter(trace=row.id, min_severity=Severity.HIGH), limit=1))


# -- words ---------------------------------------------------------------------------------------------------------------


def _headline(row: TraceSummary, chain: tuple[Claim, ...], cause: Claim | None) -> str:
    outcome = outcome_of(row)
    if outcome == "in_progress":
        bad = next((claim for claim in chain if claim.rule not in (*NO_CAUSE, *_BESIDE, "unfinished")), None)
        if bad is not None:
            return f"{row.trace_id} is still in progress, and already: {bad.statement}"
        return f"{row.trace_id} is still in progress; so far nothing says it is bad"
    if outcome == "good":
        score = f" with quality {row.overall_quality_score:g}" if row.overall_quality_score is not None else ""
        again = f" on attempt {row.iteration_count}" if row.iteration_count > 1 else ""
        failed = _counted(chain)
        if failed:
            return f"{row.trace_id} is complete{score}{again}, but: {failed}"
        return f"{row.trace_id} went well: complete{score}{again}"
    first = cause.statement if cause is not None else "nothing recorded says why"
    where = f" in {cause.stage}" if cause is not None and cause.stage and cause.rule not in NO_CAUSE else ""
    return f"{row.trace_id} went wrong{where}: {first}"


def _counted(chain: tuple[Claim, ...]) -> str:
    """Return what failed in a run that is complete, in a few words."""
    found = Counter(claim.rule for claim in chain)
    said = []
    for rule, (one, more) in _COUNTED.items():
        if rule == "event" and found[rule] > MOST_STATED:  # the last of those claims stands for all the others
            said.append(f"more than {MOST_STATED} {more}")
        elif found[rule]:
            said.append(f"{found[rule]} {one if found[rule] == 1 else more}")
    return ", ".join(said)


def _next_steps(row: TraceSummary, good: TraceSummary | None, trace: TraceView, cause: Claim | None) -> tuple[str, ...]:
    steps = [*_of_bad_lines(trace), f"whence show {row.trace_id}"]
    if cause is not None and cause.rule == "uncaught":
        steps.insert(0, f"whence show {cause.record_id}")  # with its stack
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
