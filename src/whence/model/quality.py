"""The one place that reads quality out of what a pipeline recorded (C1.10): used by the trace row, the document,
the calibration flags and every summary."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

GAP_BELOW = 2.0
STRENGTH_FROM = 3.0


class Quality(msgspec.Struct, frozen=True):
    """The quality gate's last word. Scores are numbers of any scale, usually 0 to 3 (C1.21)."""

    scores: dict[str, float] = {}
    gaps: tuple[str, ...] = ()  # score < 2, in the order scored
    strengths: tuple[str, ...] = ()  # score >= 3
    overall: float | None = None
    passed: bool | None = None
    threshold: float | None = None
    details: tuple[dict[str, Any], ...] = ()  # {id, name, score, feedback} as recorded


def number(value: object) -> float | None:
    """Return a finite float, or None for anything that is not a number (bool included)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        as_float = float(value)
    except OverflowError:  # JSON may hold integers of four thousand digits
        return None
    return as_float if as_float - as_float == 0.0 else None


def passed_of(data: Mapping[str, Any]) -> bool | None:
    """Return whether a gate or an iteration passed, from any of the spellings in use (C1.6); None if it says nothing."""
    for key in ("passed", "passing"):
        if isinstance(data.get(key), bool):
            return bool(data[key])
    result = data.get("quality_gate_result")
    if isinstance(result, str):
        word = result.strip().upper()
        if word in ("PASS", "PASSED"):
            return True
        if word in ("FAIL", "FAILED"):
            return False
    return None


def _scored(raw: object) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield (principle id, detail) from a list of {id, score, …} or a mapping id -> score."""
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            yield str(key), dict(value, id=str(key)) if isinstance(value, Mapping) else {"id": str(key), "score": value}
    elif isinstance(raw, list | tuple):
        for item in raw:
            if isinstance(item, Mapping) and isinstance(item.get("id"), str | int):
                yield str(item["id"]), dict(item)


def _ids(raw: object) -> tuple[str, ...]:
    """Return principle ids from a list of ids or of {id, …}."""
    if not isinstance(raw, list | tuple):
        return ()
    found = [item.get("id") if isinstance(item, Mapping) else item for item in raw]
    return tuple(dict.fromkeys(str(each) for each in found if isinstance(each, str | int)))


def derive_quality(*sources: Mapping[str, Any]) -> Quality:
    """Return the quality that the sources state, the first source that states a thing winning.

    Args:
        sources: objects in order of authority: the quality-gate stage's outputs, its evidence, what its decisions
            carried beside the usual fields, the last iteration.

    Explicit gap and strength lists count only where nothing was scored: scores are the better evidence.
    """
    scores: dict[str, float] = {}
    details: tuple[dict[str, Any], ...] = ()
    gaps: tuple[str, ...] = ()
    strengths: tuple[str, ...] = ()
    overall: float | None = None
    passed: bool | None = None
    threshold: float | None = None
    for source in sources:
        if not scores:
            found = [(pid, detail) for pid, detail in _scored(source.get("principle_scores"))]
            scores = {pid: s for pid, detail in found if (s := number(detail.get("score"))) is not None}
            details = tuple(detail for _, detail in found)
        gaps = gaps or _ids(source.get("gap_principles")) or _ids(source.get("gaps"))
        strengths = strengths or _ids(source.get("strength_principles")) or _ids(source.get("strengths"))
        overall = number(source.get("overall_score")) if overall is None else overall
        threshold = number(source.get("threshold")) if threshold is None else threshold
        passed = passed_of(source) if passed is None else passed
    if scores:
        gaps = tuple(pid for pid, score in scores.items() if score < GAP_BELOW)
        strengths = tuple(pid for pid, score in scores.items() if score >= STRENGTH_FROM)
    return Quality(
        scores=scores,
        gaps=gaps,
        strengths=strengths,
        overall=overall,
        passed=passed,
        threshold=threshold,
        details=details,
    )
