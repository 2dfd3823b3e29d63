"""Evidence: what a passage is worth for a question, and whether it is kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from whence.tracing import TraceContext

from .corpus import Passage, Source
from .index import Index
from .intake import Brief
from .plan import Plan
from .text import details, overlap, stems

# How much each quality of a passage counts: relevance, specificity, credibility, recency.
WEIGHTS = {
    "exploring": (0.50, 0.15, 0.20, 0.15),
    "validating": (0.45, 0.15, 0.30, 0.10),
    "executing": (0.50, 0.25, 0.10, 0.15),
    "learning": (0.55, 0.20, 0.15, 0.10),
}
THRESHOLD = 0.45  # composite below which a passage is left out
RELEVANCE_FLOOR = 0.25
STRONG = 0.65
_NAMED_BONUS = 0.25  # relevance that a passage gets for belonging to a package the question names


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a passage is worth for a question, each 0..1."""

    relevance: float
    specificity: float
    credibility: float
    recency: float
    composite: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A passage that was kept."""

    passage: Passage
    scores: Scores
    tier: str  # strong | moderate | counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A passage that was left out, and why."""

    passage: Passage
    scores: Scores
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What collection hands on. `kept` is ordered by composite score, counter-evidence last."""

    queries: tuple[str, ...]
    kept: tuple[Item, ...]
    filtered: tuple[Rejected, ...]
    missing: tuple[str, ...]  # words of the question that no installed package uses
    counter_searched: bool

    def sources(self) -> dict[str, list[Item]]:
        """Return the kept items by citation label, in order."""
        found: dict[str, list[Item]] = {}
        for item in self.kept:
            found.setdefault(item.passage.source.label, []).append(item)
        return found

    def as_record(self) -> dict[str, object]:
        """Return the evidence as plain data: counts, queries, and each passage with its scores."""
        passages = [item.passage for item in self.kept] + [item.passage for item in self.filtered]
        return {
            "collected_count": len(passages),
            "by_source": dict(Counter(passage.source.name for passage in passages)),
            "query_terms_used": list(self.queries),
            "filtered_out": [
                {"url": r.passage.url, "reason": r.reason, "scores": asdict(r.scores)} for r in self.filtered
            ],
            "kept": [
                {
                    "url": item.passage.url,
                    "title": f"{item.passage.source.label}: {item.passage.heading}, paragraph {item.passage.position}",
                    "tier": item.tier,
                    "scores": asdict(item.scores),
                    "text": item.passage.text,
                }
                for item in self.kept
            ],
        }


def score(passage: Passage, rank: float, brief: Brief, index: Index) -> Scores:
    """Return the scores of a passage. `rank`: its BM25 score relative to the best one, which alone would call the best
    passage relevant even when it misses the point; so it is tempered by how much of the question it touches."""
    words = stems(f"{passage.source.name} {passage.heading} {passage.text} {passage.code}")
    relevance = math.sqrt(rank * index.coverage(words, brief.terms))
    if passage.source.name in brief.named:
        relevance = min(relevance + _NAMED_BONUS, 1.0)
    per_word = (len(details(passage.text)) + 3 * bool(passage.code)) / max(len(passage.text.split()), 1)
    specificity = per_word / (per_word + 0.08)
    parts = (relevance, specificity, passage.source.credibility, passage.source.recency)
    composite = sum(weight * part for weight, part in zip(WEIGHTS[brief.intent.label], parts, strict=True))
    return Scores(
        relevance=round(relevance, 3),
        specificity=round(specificity, 3),
        credibility=passage.source.credibility,
        recency=passage.source.recency,
        composite=round(composite, 3),
    )


def judge(found: Iterable[tuple[Passage, Scores]], brief: Brief, plan: Plan) -> tuple[list[Item], list[Rejected]]:
    """Return the passages to keep and those to leave out, each with the first reason that applies."""
    kept: list[Item] = []
    filtered: list[Rejected] = []
    for passage, scores in sorted(found, key=lambda pair: -pair[1].composite):
        twin = next((i for i in kept if overlap(stems(i.passage.text), stems(passage.text)) >= 0.7), None)
        if passage.about_project:
            reason = f"section {passage.heading!r} is about the project, not the subject"
        elif scores.relevance < RELEVANCE_FLOOR:
            reason = f"relevance {scores.relevance:.2f} is below {RELEVANCE_FLOOR:.2f}"
        elif scores.credibility < plan.credibility_floor:
            reason = f"credibility {scores.credibility:.2f} is below {plan.credibility_floor:.2f}"
        elif scores.recency < plan.recency_floor:
            reason = f"recency {scores.recency:.2f} is below {plan.recency_floor:.2f}: {passage.source.recency_reason}"
        elif scores.composite < THRESHOLD:
            reason = f"composite {scores.composite:.2f} is below {THRESHOLD:.2f}"
        elif twin:
            reason = f"says the same as {twin.passage.url}"
        else:
            tier = "strong" if scores.composite >= STRONG else "moderate"
            kept.append(Item(passage=passage, scores=scores, tier=tier))
            continue
        filtered.append(Rejected(passage=passage, scores=scores, reason=reason))
    return kept, filtered


def record_source(source: Source, kept: list[Item], filtered: list[Rejected], plan: Plan) -> None:
    """Record what became of one package's passages."""
    trace = TraceContext.current()
    if not trace:
        return
    composites = [item.scores.composite for item in kept] + [item.scores.composite for item in filtered]
    clear = sum(abs(composite - THRESHOLD) > 0.05 for composite in composites)
    tiers = Counter(item.tier for item in kept)
    trace.record(
        "collection",
        "evidence_filter",
        {
            "what": f"{source.name}: {tiers['strong']} strong, {tiers['moderate']} moderate, {len(filtered)} left out",
            "why": f"Left out for {_tally(filtered)}" if filtered else "Every passage clears every floor",
            "confidence": round(clear / len(composites), 2) if composites else 1.0,  # share that is no close call
            "alternatives_considered": [
                f"keep {r.passage.heading!r} ({r.scores.composite:.2f})" for r in filtered if r.scores.composite >= 0.4
            ][:4],
            "inputs": {
                "source": source.label,
                "credibility": source.credibility,
                "credibility_signals": list(source.credibility_signals),
                "recency": source.recency,
                "recency_reason": source.recency_reason,
                "floors": {
                    "relevance": RELEVANCE_FLOOR,
                    "credibility": plan.credibility_floor,
                    "recency": plan.recency_floor,
                    "composite": THRESHOLD,
                },
            },
        },
    )


def _tally(filtered: list[Rejected]) -> str:
    """Count the reasons by their first word, and quote one of each."""
    kinds: dict[str, list[str]] = {}
    for rejected in filtered:
        kinds.setdefault(rejected.reason.partition(" ")[0], []).append(rejected.reason)
    return "; ".join(f"{kind} ({len(reasons)}), as in: {reasons[0]}" for kind, reasons in kinds.items())
