"""The rubric: which principles a report is held to, given what the asker wants from it."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from whence.tracing import TraceContext

from .intake import Brief

INTENTS = ("exploring", "validating", "executing", "learning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principle:
    """One thing a good report does."""

    id: str
    name: str
    about: str
    rule: str  # a function in rules.py
    weight: float
    critical: bool
    intents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """The principles that are active for one question, and those that are not."""

    active: tuple[Principle, ...]
    inactive: tuple[Principle, ...]

    def ids(self) -> list[str]:
        """Return the ids of the active principles."""
        return [principle.id for principle in self.active]


@cache
def principles() -> tuple[Principle, ...]:
    """Return every principle of rubric.toml, in its order."""
    table = tomllib.loads(files(__package__).joinpath("rubric.toml").read_text(encoding="utf-8"))
    return tuple(
        Principle(
            id=entry["id"],
            name=entry["name"],
            about=entry["about"],
            rule=entry["rule"],
            weight=entry["weight"],
            critical=entry.get("critical", False),
            intents=tuple(entry.get("intents", INTENTS)),
        )
        for entry in table["principle"]
    )


def active_for(intent: str) -> Rubric:
    """Return the rubric as one intent activates it."""
    return Rubric(
        active=tuple(p for p in principles() if intent in p.intents),
        inactive=tuple(p for p in principles() if intent not in p.intents),
    )


def load(brief: Brief) -> Rubric:
    """Return the rubric for a brief."""
    intent = brief.intent.label
    rubric = active_for(intent)
    trace = TraceContext.current()
    if trace:
        families = Counter(p.id.partition("-")[0] for p in principles())
        trace.record(
            "rubric",
            "rubric_loaded",
            {
                "what": f"{len(principles())} principles ({families['META']} META + {families['RS']} RS)",
                "why": "The one rubric of this pipeline; META holds for any research, RS for research in packages",
                "confidence": 1.0,  # a file was read: nothing to be unsure of
                "alternatives_considered": [],
                "inputs": {"intent": intent, "domain": brief.domain.label},
            },
        )
        trace.record(
            "rubric",
            "intent_activation",
            {
                "what": f"activated: {rubric.ids()}; deactivated: {[p.id for p in rubric.inactive]}",
                "why": "; ".join(f"{p.id} is for {' or '.join(p.intents)}" for p in rubric.inactive)
                or "Every principle holds for every intent",
                "confidence": brief.intent.confidence,  # as sure as the intent it follows from
                "alternatives_considered": _roads_not_taken(brief, rubric),
                "inputs": {"intent": intent, "bias_flags": brief.bias_flags},
            },
        )
    return rubric


def _roads_not_taken(brief: Brief, chosen: Rubric) -> list[str]:
    """Say for each losing intent what its rubric would have asked instead."""
    ours = set(chosen.ids())
    roads = []
    for intent, share in list(brief.intent.confidences.items())[1:]:
        theirs = set(active_for(intent).ids())
        change = [f"+{i}" for i in sorted(theirs - ours)] + [f"-{i}" for i in sorted(ours - theirs)]
        roads.append(f"{intent} ({share:.2f}): {' '.join(change) or 'the same principles'}")
    return roads
