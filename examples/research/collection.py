"""Collection: which packages to ask, with what words, and what they say for and against."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from whence.tracing import TraceContext

from .corpus import Passage, Source
from .evidence import Evidence, Item, Rejected, judge, record_source, score
from .index import Index
from .intake import Brief
from .plan import Plan
from .text import content_words, sentences, stem

_EXPANSIONS, _EXPANSION_WEIGHT = 4, 0.35
_CONTRASTING = """however instead unless limitation limited limits drawback slower difference differences compare
    compared alternative alternatives rather recommended not only but without although incompatible"""
CONTRAST = frozenset(stem(word) for word in _CONTRASTING.split())


def collect(
    brief: Brief, plan: Plan, index: Index, *, after_source: Callable[[int], None] = lambda _: None
) -> Evidence:
    """Return the evidence for a brief. `after_source` is called with 1, 2, ... once each package is gone through."""
    sources = select_sources(brief, plan, index)
    queries = formulate_queries(brief, plan, index)
    best: dict[Passage, float] = {}
    for query in queries.values():
        for passage, points in index.search(query):
            best[passage] = max(best.get(passage, 0.0), points)
    top = max(best.values(), default=1.0)

    kept: list[Item] = []
    filtered: list[Rejected] = []
    for number, source in enumerate(sources, start=1):
        found = [(p, score(p, points / top, brief, index)) for p, points in best.items() if p.source == source]
        accepted, refused = judge(found, brief, plan)
        kept += accepted
        filtered += refused
        record_source(source, accepted, refused, plan)
        after_source(number)

    kept.sort(key=lambda item: -item.scores.composite)
    filtered += [
        Rejected(passage=i.passage, scores=i.scores, reason=f"ranked {rank}, the plan keeps {plan.evidence_budget}")
        for rank, i in enumerate(kept[plan.evidence_budget :], start=plan.evidence_budget + 1)
    ]
    kept = kept[: plan.evidence_budget]
    if plan.counter_evidence:
        against = find_counter_evidence(brief, index)
        speaking = {item.passage for item in against}
        kept = [item for item in kept if item.passage not in speaking] + against  # no passage on both sides
    evidence = Evidence(
        queries=tuple(queries),
        kept=tuple(kept),
        filtered=tuple(filtered),
        missing=tuple(word for root, word in brief.terms.items() if not index.knows(root)),
        counter_searched=plan.counter_evidence,
    )
    trace = TraceContext.current()
    if trace:
        trace.record_evidence("collection", evidence.as_record())
    return evidence


def select_sources(brief: Brief, plan: Plan, index: Index) -> tuple[Source, ...]:
    """Return the packages worth going through: those the question names, and those whose best passage comes close."""
    best: dict[Source, float] = {}
    for passage, points in index.search(dict.fromkeys(brief.terms, 1.0)):
        best.setdefault(passage.source, points)
    top = max(best.values(), default=1.0)
    share = {source: points / top for source, points in best.items()}
    chosen = tuple(s for s in share if share[s] >= plan.source_share or s.name in brief.named)
    passed_over = [s for s in share if s not in chosen]
    trace = TraceContext.current()
    if trace:
        last = min((share[s] for s in chosen), default=0.0)
        following = max((share[s] for s in passed_over), default=0.0)
        named = f"; the question names {', '.join(brief.named)}" if brief.named else ""
        trace.record(
            "collection",
            "source_selection",
            {
                "what": [f"{source.name} ({share[source]:.2f})" for source in chosen],
                "why": f"Best passage reaches {plan.source_share:.2f} of the best of all{named}",
                "confidence": _share_of_gap(last, following),
                "alternatives_considered": [f"add {s.name} ({share[s]:.2f})" for s in passed_over[:6]],
                "inputs": {"terms": list(brief.terms.values()), "available_sources": len(index.sources)},
            },
        )
    return chosen


def formulate_queries(brief: Brief, plan: Plan, index: Index) -> dict[str, dict[str, float]]:
    """Return the queries as text -> weighted stems: the question's words, and those words with their usual company."""
    plain = dict.fromkeys(brief.terms, 1.0)
    related = index.related(plain, 2 * _EXPANSIONS)
    added, left = related[:_EXPANSIONS], related[_EXPANSIONS:]
    queries = {" ".join(brief.terms.values()): plain}
    if added:
        wide = plain | dict.fromkeys((word for word, _ in added), _EXPANSION_WEIGHT)
        queries[" ".join([*brief.terms.values(), *(f"+{index.spelled(word)}" for word, _ in added)])] = wide
    trace = TraceContext.current()
    if trace:
        known = index.coverage([w for w in plain if index.knows(w)], plain)
        trace.record(
            "collection",
            "query_formulation",
            {
                "what": list(queries),
                "why": "The question's own words, then with the words that keep company with them: "
                + (_strengths(added, index) or "none"),
                "confidence": round(known, 2),  # share of the question, by rarity, that the library has words for
                "alternatives_considered": [f"add {index.spelled(word)} ({strength:.1f})" for word, strength in left],
                "inputs": {"research_brief": brief.text, "attempt": plan.attempt},
            },
        )
    return queries


def find_counter_evidence(brief: Brief, index: Index, limit: int = 3) -> list[Item]:
    """Return passages with a contrasting sentence on the question's subject, the closest to the subject first."""
    found: list[tuple[float, Item]] = []
    for passage in index.passages:
        strength = max((contrast(sentence, brief, index) for sentence in sentences(passage.text)), default=0.0)
        if strength > 0 and not passage.about_project:
            scores = score(passage, strength, brief, index)
            found.append((strength, Item(passage=passage, scores=scores, tier="counter")))
    found.sort(key=lambda pair: -pair[0])
    trace = TraceContext.current()
    if trace:
        trace.record(
            "collection",
            "counter_evidence",
            {
                "what": [item.passage.url for _, item in found[:limit]] or "none found",
                "why": "Sentences on the subject that contrast, restrict or recommend something else",
                "confidence": round(found[0][0], 2) if found else 1.0,
                "alternatives_considered": [f"{i.passage.url} ({s:.2f})" for s, i in found[limit : limit + 4]],
                "inputs": {"bias_flags": brief.bias_flags, "passages": len(index.passages)},
            },
        )
    return [item for _, item in found[:limit]]


def contrast(sentence: str, brief: Brief, index: Index) -> float:
    """Return how much of the question's subject a contrasting sentence is about; 0 when it does not contrast."""
    lowered = {stem(word) for word in sentence.lower().replace(",", " ").split()}
    if not lowered & CONTRAST or not 6 <= len(sentence.split()) <= 45:
        return 0.0
    return index.coverage(content_words(sentence), brief.terms)


def _share_of_gap(chosen: float, next_best: float) -> float:
    """Return how clearly the last choice beats the first loser: 0.5 for a tie, 1 when there is no rival."""
    return round(chosen / (chosen + next_best), 2) if chosen else 0.0


def _strengths(words: Iterable[tuple[str, float]], index: Index) -> str:
    return ", ".join(f"{index.spelled(word)} ({strength:.1f})" for word, strength in words)
