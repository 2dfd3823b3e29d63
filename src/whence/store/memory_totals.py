"""How `MemoryStore` adds up traces: with the same whole numbers as the roll-ups of other stores."""

from collections.abc import Iterable

from whence.model.filters import TraceFilter
from whence.model.trace import COMPLETE, FAILED, IN_PROGRESS, INCOMPLETE, TraceSummary
from whence.store import derive, matching
from whence.store.interface import Totals


def key_of(dimension: str, row: TraceSummary) -> str:
    """Return the value of a dimension (interface.DIMENSIONS)."""
    if dimension == "project":
        return matching.project_of(row)
    if dimension == "hour":
        return derive.hour_key(derive.hour_of(row.started_ns))
    if dimension == "day":
        return derive.day_key(row.started_ns)
    return getattr(row, dimension) or ""


def totals_of(rows: list[TraceSummary], where: TraceFilter) -> Totals:
    """Return sums over these traces."""
    since, until = derive.window(where.since_ns, where.until_ns)
    complete = [row for row in rows if row.status == COMPLETE]
    finished = [row for row in rows if row.status != IN_PROGRESS]
    return Totals(
        total_runs=len(rows),
        in_progress=len(rows) - len(finished),
        complete=len(complete),
        failed=sum(row.status == FAILED for row in rows),
        incomplete=sum(row.status == INCOMPLETE for row in rows),
        qg_passed=sum(row.quality_gate_passed is True for row in finished),
        qg_failed=sum(row.quality_gate_passed is False for row in finished),
        scored=sum(row.overall_quality_score is not None for row in complete),
        avg_quality=_average((row.overall_quality_score for row in complete), 1e6, 1e6, 1e6),
        avg_duration=_average((row.duration_seconds for row in complete), 1e3, 1e9, 1e3),
        avg_cost=_average((row.total_cost_usd for row in complete), 1e6, 1e6, 1e6),
        decisions=sum(row.decisions for row in rows),
        llm_calls=sum(row.llm_calls for row in rows),
        total_tokens=sum(max(-derive.MOST_TOKENS, min(row.total_tokens or 0, derive.MOST_TOKENS)) for row in rows),
        since_ns=since,
        until_ns=until,
    )


def _average(values: Iterable[float | None], factor: float, limit: float, unit: float) -> float | None:
    known = [derive.scaled(value, factor, limit) for value in values if value is not None]
    return sum(known) / len(known) / unit if known else None
