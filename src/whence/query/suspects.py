"""What may be behind a run that went wrong: what only goes together with it, and what is not as it was in a good run."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from whence.model.trace import Decision, TraceSummary, TraceView
from whence.query.claims import Change, Claim, guess, short, still_open
from whence.query.compare import align, in_order

UNSURE: Final = 0.6
"""A decision below this confidence is worth naming."""
_FROM_OUTSIDE: Final = ("unfinished", "process_lost", "cancelled", "dropped", "killed")


def hypotheses(
    trace: TraceView, limit_ns: int, chain: tuple[Claim, ...], changed: tuple[Change, ...]
) -> Iterator[Claim]:
    """Claims that would explain the chain, the likeliest first: idle retries, thin evidence, changes, unsure decisions."""
    yield from _idle_retries(trace)
    if any(claim.rule == "worse_retry" for claim in chain):
        yield from _retry_choices(trace)
    yield from _thin_evidence(trace)
    named = {claim.record_id for claim in chain}
    for change in changed:
        # The gate's own verdicts are what is to be explained, not what explains it.
        of_the_gate = change.what.startswith("quality_gate.")
        if change.record_id and change.record_id not in named and _is_decision(change) and not of_the_gate:
            yield guess(
                f"{change.what} was {short(change.before)} in the last good run and is {short(change.now)} here",
                "",
                change.record_id,
                "changed",
            )
    if all(claim.rule in _FROM_OUTSIDE for claim in chain):
        return  # no decision of the run's explains that somebody ended it
    before = [made for made in in_order(trace) if made.ts_ns <= limit_ns and made.record_id not in named]
    unsure = [made for made in before if made.confidence is not None and made.confidence < UNSURE]
    for made in sorted(unsure, key=lambda d: d.confidence or 0.0):
        others = f"; also considered: {short(made.alternatives_considered)}" if made.alternatives_considered else ""
        yield guess(
            f"{made.stage}.{made.decision} chose {short(made.what)} with confidence {made.confidence:.2f}{others}",
            made.stage,
            made.record_id,
            "unsure",
            made.ts_ns,
        )


def _is_decision(change: Change) -> bool:
    return change.before is not None and change.now is not None


def _idle_retries(trace: TraceView) -> Iterator[Claim]:
    """A retry that decided everything as the attempt before it did can hardly do better."""
    gate_failed = len(trace.iterations) > 1 and trace.quality.passed is False
    for stage in trace.stages.values():
        failed = len(stage.attempts) > 1 and bool(stage.attempts[-1].error) and not still_open(stage.attempts[-1])
        if not gate_failed and not failed:
            continue
        tries: dict[int, list[Decision]] = {}
        for made in stage.decisions:
            tries.setdefault(made.attempt, []).append(made)
        if len(tries) > 1 and stage.name != "quality_gate":
            said = [[(d.decision, short(d.what)) for d in made] for made in tries.values()]
            if all(each == said[0] for each in said):
                last = stage.decisions[-1]
                yield guess(
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
                yield guess(
                    f"{stage.name}.{made.decision} went from {short(before.what, 90)} (attempt {before.attempt}) "
                    f"to {short(made.what, 90)} (attempt {made.attempt})",
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
        yield guess("collection passed no evidence on", "collection", record_id, "thin_evidence")
    elif isinstance(collected, int) and isinstance(passed, int) and passed * 4 < collected:
        yield guess(
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


def changes_since(trace: TraceView, row: TraceSummary, good: TraceView, good_row: TraceSummary) -> Iterator[Change]:
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
