"""The plan of one attempt, and how a failed attempt changes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from whence.tracing import TraceContext

from .intake import Brief
from .rubric import Principle


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How wide to search and how to write. The first plan is the cheapest that could do."""

    attempt: int = 1
    source_share: float = 0.40  # a package is searched when its best passage scores this share of the overall best
    evidence_budget: int = 8  # passages kept at most
    credibility_floor: float = 0.40
    recency_floor: float = 0.25
    statements: int = 5
    statements_per_source: int = 3
    longest_sentence: int = 34  # words
    prefer_concrete: bool = False
    avoid_claims: bool = False  # pass over absolutes and advertising
    counter_evidence: bool = False
    example: bool = False
    read_on: bool = False
    definition: bool = False


def first_plan(brief: Brief) -> Plan:
    """Return the plan to begin with: answer what was asked, in the form the intent calls for."""
    intent = brief.intent.label
    return Plan(
        example=intent == "executing", read_on=intent in ("executing", "learning"), definition=intent == "learning"
    )


def _wider(plan: Plan) -> Plan:
    return replace(
        plan,
        source_share=round(plan.source_share * 0.6, 3),
        evidence_budget=plan.evidence_budget + 4,
        statements=plan.statements + 2,
        statements_per_source=2,
    )


# What can be done about a gap, by the rule that found it: the change in words, and the change.
REMEDIES: dict[str, tuple[str, Callable[[Plan], Plan]]] = {
    "challenges": ("searched for counter-evidence", lambda p: replace(p, counter_evidence=True)),
    "answers": ("widened the search", _wider),
    "independent_sources": ("widened the search", _wider),
    "compares": ("widened the search", _wider),
    "concrete": ("preferred concrete sentences", lambda p: replace(p, prefer_concrete=True)),
    "credible_sources": (
        "raised the credibility floor",
        lambda p: replace(p, credibility_floor=round(min(p.credibility_floor + 0.15, 0.70), 2)),
    ),
    "recent_sources": (
        "raised the recency floor",
        lambda p: replace(p, recency_floor=round(min(p.recency_floor + 0.2, 0.65), 2)),
    ),
    "short_sentences": ("took shorter sentences", lambda p: replace(p, longest_sentence=22)),
    "no_overclaiming": ("passed over absolutes and advertising", lambda p: replace(p, avoid_claims=True)),
    "no_repetition": ("wrote less", lambda p: replace(p, statements=max(p.statements - 1, 3))),
    "runnable_example": ("added an example", lambda p: replace(p, example=True)),
    "read_on": ("added where to read on", lambda p: replace(p, read_on=True)),
    "says_what_it_is": ("opened with a definition", lambda p: replace(p, definition=True)),
}


def revise(
    plan: Plan, gaps: tuple[Principle, ...], *, overall: float, before: float | None, attempts_left: int
) -> tuple[Plan, list[str]]:
    """Return the plan for the next attempt and what changed; no change means that trying again is pointless.

    `overall` is the mean just reached, `before` the one of the attempt before that, if there was one.
    """
    revised, helped = plan, 0
    changes: list[str] = []
    for gap in gaps:
        if gap.rule not in REMEDIES:
            continue
        words, remedy = REMEDIES[gap.rule]
        if any(change.startswith(words) for change in changes):
            helped += 1  # one remedy can serve two gaps
        elif (after := remedy(revised)) != revised:
            helped += 1
            revised = after
            changes.append(f"{words} for {gap.id}")
    stop = ""
    if not attempts_left:
        stop = "no attempt is left"
    elif before is not None and overall <= before:
        stop = f"the last change brought nothing ({before:.2f} before, {overall:.2f} after)"
    elif not changes:
        stop = "no remedy would change the plan"
    declined, changes = (changes, []) if stop else ([], changes)
    trace = TraceContext.current()
    if trace:
        trace.record(
            "quality_gate",
            "retry_strategy",
            {
                "what": changes or "stop",
                "why": f"Gaps in {', '.join(f'{gap.id} {gap.name}' for gap in gaps)}" + (f"; {stop}" if stop else ""),
                "confidence": round(helped / len(gaps), 2) if gaps and changes else 1.0,  # share of gaps with a remedy
                "alternatives_considered": declined or [f"accept the report as it is ({overall:.2f}/3.00)"],
                "inputs": {"gaps": [gap.id for gap in gaps], "attempt": plan.attempt, "attempts_left": attempts_left},
            },
        )
    return replace(revised, attempt=plan.attempt + 1) if changes else plan, changes
