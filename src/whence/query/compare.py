"""Two traces side by side: their figures, their decisions aligned, and where they first part."""

from collections import Counter
from difflib import SequenceMatcher
from typing import Any

import msgspec

from whence.errors import NotFound
from whence.model.trace import Decision, TraceSummary, TraceView
from whence.query.document import view
from whence.query.find import find
from whence.store.current import current
from whence.store.interface import Store


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two decisions in the same place, or one that the other trace has no counterpart for."""

    stage: str
    decision: str
    a: dict[str, Any] | None  # {record_id, what, why, confidence, attempt}
    b: dict[str, Any] | None
    same: bool  # both are there, and decided the same


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What `whence compare` shows."""

    trace_a: dict[str, Any]
    trace_b: dict[str, Any]
    diff: dict[str, Any]
    decisions: tuple[Pair, ...]
    first_divergence: Pair | None


def summary_of(row: TraceSummary) -> dict[str, Any]:
    """Return the figures that the seed compares (R1.50)."""
    return {
        "trace_id": row.trace_id,
        "project_name": row.project_name,
        "intent": row.intent,
        "domain": row.domain,
        "quality_score": row.overall_quality_score,
        "quality_gate_passed": row.quality_gate_passed,
        "gap_principles": list(row.gap_principles),
        "strength_principles": list(row.strength_principles),
        "duration_seconds": row.duration_seconds,
        "cost_usd": row.total_cost_usd,
    }


def _delta(a: float | None, b: float | None) -> float | None:
    """Return b - a, or None when either is unknown: a missing value is not zero (C1.19)."""
    return None if a is None or b is None else b - a


def difference(a: TraceSummary, b: TraceSummary) -> dict[str, Any]:
    """Return the seed's `diff` of two rows."""
    gaps_a, gaps_b = set(a.gap_principles), set(b.gap_principles)
    return {
        "quality_delta": _delta(a.overall_quality_score, b.overall_quality_score),
        "duration_delta": _delta(a.duration_seconds, b.duration_seconds),
        "cost_delta": _delta(a.total_cost_usd, b.total_cost_usd),
        "gaps_a_only": sorted(gaps_a - gaps_b),
        "gaps_b_only": sorted(gaps_b - gaps_a),
        "gaps_both": sorted(gaps_a & gaps_b),
    }


def in_order(trace: TraceView) -> list[Decision]:
    """Return every decision of a trace in the order it was made."""
    return sorted(
        (made for stage in trace.stages.values() for made in stage.decisions), key=lambda d: (d.ts_ns, d.record_id)
    )


def align(a: list[Decision], b: list[Decision], *, by_attempt: bool = True) -> tuple[Pair, ...]:
    """Return the decisions of two traces in pairs, matched in sequence (Ratcliff/Obershelp).

    A decision's place is its stage, name, attempt and how many of that name the attempt had before it. That makes each
    place unique, and matching nearly linear: over equal keys it is cubic, six seconds for a thousand decisions.
    """
    keys_a, keys_b = _places(a, by_attempt), _places(b, by_attempt)
    pairs: list[Pair] = []
    for op, a1, a2, b1, b2 in SequenceMatcher(None, keys_a, keys_b, autojunk=False).get_opcodes():
        if op == "equal":
            pairs += [_pair(x, y) for x, y in zip(a[a1:a2], b[b1:b2], strict=True)]
        else:
            pairs += [_pair(x, None) for x in a[a1:a2]] + [_pair(None, y) for y in b[b1:b2]]
    return tuple(pairs)


def _places(decisions: list[Decision], by_attempt: bool) -> list[tuple[str, str, int, int]]:
    seen: Counter[tuple[str, str, int]] = Counter()
    found = []
    for made in decisions:
        key = (made.stage, made.decision, made.attempt if by_attempt else 0)
        found.append((*key, seen[key]))
        seen[key] += 1
    return found


def _pair(a: Decision | None, b: Decision | None) -> Pair:
    one = a or b
    assert one is not None
    return Pair(
        stage=one.stage,
        decision=one.decision,
        a=_shown(a),
        b=_shown(b),
        same=a is not None and b is not None and a.what == b.what,
    )


def _shown(made: Decision | None) -> dict[str, Any] | None:
    if made is None:
        return None
    return {
        "record_id": made.record_id,
        "what": made.what,
        "why": made.why,
        "confidence": made.confidence,
        "attempt": made.attempt,
    }


def comparison(trace_id_a: str, trace_id_b: str, *, store: Store | None = None) -> Comparison:
    """Return two traces side by side. Raises NotFound for an unknown id."""
    store = store or current()
    row_a, row_b = find(trace_id_a, store=store), find(trace_id_b, store=store)
    pairs = align(in_order(view(row_a.id, store=store)), in_order(view(row_b.id, store=store)))
    return Comparison(
        trace_a=summary_of(row_a),
        trace_b=summary_of(row_b),
        diff=difference(row_a, row_b),
        decisions=pairs,
        first_divergence=next((pair for pair in pairs if not pair.same), None),
    )


def compare(trace_id_a: str, trace_id_b: str, *, store: Store | None = None) -> dict[str, Any]:
    """Return the seed's comparison (R1.50), with the decisions aligned beside it; the error dict for an unknown id."""
    try:
        return msgspec.structs.asdict(comparison(trace_id_a, trace_id_b, store=store))
    except NotFound:
        return {"error": "One or both trace IDs not found"}
