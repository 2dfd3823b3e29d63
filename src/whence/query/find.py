"""Finding traces and records: lists, the seed's ten queries, search."""

from typing import Any

import msgspec

from whence.errors import BadInput, NotFound
from whence.model import record as kinds
from whence.model.filters import Page, RecordFilter, TraceFilter
from whence.model.record import Record
from whence.model.trace import COMPLETE, FAILED, INCOMPLETE, STATUSES, TraceResult, TraceSummary
from whence.record.recorder import clean_label
from whence.store.current import current
from whence.store.interface import EVERY_TRACE, Hit, Store

EVERY_RECORD = RecordFilter()
_FINISHED = (COMPLETE, FAILED, INCOMPLETE)


def traces(
    where: TraceFilter = EVERY_TRACE, *, limit: int = 50, cursor: str | None = None, store: Store | None = None
) -> Page[TraceSummary]:
    """Return matching traces, newest first."""
    for status in where.statuses:
        if status not in STATUSES:
            raise BadInput(f"status {status!r}; accepted: {', '.join(STATUSES)}")
    return (store or current()).traces(where, limit=check_limit(limit), cursor=cursor)


def find(trace_id: str, *, store: Store | None = None) -> TraceSummary:
    """Return the row of one trace.

    Args:
        trace_id: its name (trc_…), its OpenTelemetry id, an unambiguous part of either of at least four characters,
            `last` (the newest) or `last-bad` (the newest that failed, stayed incomplete, or failed its gate).

    Raises:
        NotFound: no trace, or more than one, is meant; the message names candidates.
    """
    store = store or current()
    wanted = trace_id.strip().encode(errors="replace").decode() if isinstance(trace_id, str) else f"{trace_id!r}"
    if wanted in ("last", "latest"):
        newest = next(iter(store.traces(TraceFilter(), limit=1).items), None)
        if newest is None:
            raise NotFound("no trace is stored yet; run a pipeline, or `whence demo`")
        return newest
    if wanted in ("last-bad", "worst"):
        bad = worst(store)
        if bad is None:
            raise NotFound("no bad trace is stored: none failed, none is incomplete, none failed its quality gate")
        return bad
    row = store.trace(wanted)
    if row is not None:
        return row
    like = store.traces_like(wanted, limit=5) if len(wanted) >= 4 else ()
    if not like and wanted.startswith("trc_") and len(wanted.rpartition("_")[2]) >= 8:
        # A process that joined the trace names it by another second.
        like = store.traces_like(wanted.rpartition("_")[2], limit=5)
    if len(like) == 1:
        only = store.trace(like[0])
        if only is not None:
            return only
    if like:
        raise NotFound(f"{trace_id!r} could be any of {', '.join(like)}; give more of it")
    raise NotFound(f"no trace {trace_id!r}; `whence traces` lists them, `last` is the newest")


def worst(store: Store) -> TraceSummary | None:
    """Return the newest trace that went wrong: failed or incomplete first, then a failed gate."""
    candidates = [
        *store.traces(TraceFilter(statuses=(FAILED, INCOMPLETE)), limit=1).items,
        *store.traces(TraceFilter(gate_passed=False), limit=1).items,
    ]
    return max(candidates, key=lambda row: row.started_ns, default=None)


def check_limit(limit: int) -> int:
    """Return a limit that is accepted: 1 to 10,000."""
    if not 1 <= limit <= 10_000:
        raise BadInput(f"limit {limit}; accepted: 1 to 10000 (go on with the cursor)")
    return limit


# -- the seed's queries (R1.43-R1.53) -----------------------------------------------------------------------------------


def _results(where: TraceFilter, limit: int, store: Store | None) -> list[TraceResult]:
    return [TraceResult.of(row) for row in traces(where, limit=limit, store=store).items]


def _label(what: str, value: object) -> str:
    """Return a label as it was stored: cleaned in the same way."""
    if not isinstance(value, str):
        raise BadInput(f"{what} {value!r}; give the name as a text")
    return clean_label(value)


def by_intent(intent: str, limit: int = 50, *, store: Store | None = None) -> list[TraceResult]:
    """Return complete runs with this intent, newest first."""
    return _results(TraceFilter(intent=_label("intent", intent), statuses=(COMPLETE,)), limit, store)


def low_scoring_principle(
    principle_id: str, threshold: float = 2, limit: int = 50, *, store: Store | None = None
) -> list[TraceResult]:
    """Return complete runs in which the principle scored below the threshold, newest first."""
    return _results(TraceFilter(principle=principle_id, below=threshold, statuses=(COMPLETE,)), limit, store)


def quality_gate_failures(limit: int = 50, *, store: Store | None = None) -> list[TraceResult]:
    """Return runs of any finished status that failed the gate (C1.16), newest first."""
    return _results(TraceFilter(gate_passed=False, statuses=_FINISHED), limit, store)


def by_domain(domain: str, limit: int = 50, *, store: Store | None = None) -> list[TraceResult]:
    """Return complete runs of this domain, newest first."""
    return _results(TraceFilter(domain=_label("domain", domain), statuses=(COMPLETE,)), limit, store)


def by_project(project_name: str, limit: int = 50, *, store: Store | None = None) -> list[TraceResult]:
    """Return runs of this project, by its name or id (C1.17), newest first."""
    return _results(TraceFilter(project=_label("project", project_name)), limit, store)


def flagged_for_review(limit: int = 20, *, store: Store | None = None) -> list[TraceResult]:
    """Return runs that were flagged for calibration review, newest first."""
    return _results(TraceFilter(flagged=True), limit, store)


def principle_patterns(
    min_runs: int = 3, *, where: TraceFilter = EVERY_TRACE, store: Store | None = None
) -> list[dict[str, Any]]:
    """Return {principle_id, fail_count, avg_score, total_runs} of principles that failed at least so often (C1.18)."""
    found = (store or current()).principle_patterns(min_runs=min_runs, where=where)
    return [msgspec.structs.asdict(each) for each in found]


def summary(where: TraceFilter = EVERY_TRACE, *, store: Store | None = None) -> dict[str, Any]:
    """Return counts and averages over all runs (R1.53); averages are over complete runs, None over none."""
    return msgspec.structs.asdict((store or current()).totals(where))


# -- records --------------------------------------------------------------------------------------------------------


def records(
    where: RecordFilter,
    *,
    limit: int = 100,
    cursor: str | None = None,
    newest_first: bool = False,
    store: Store | None = None,
) -> Page[Record]:
    """Return matching records, in order of arrival or the reverse."""
    return (store or current()).records(where, limit=check_limit(limit), cursor=cursor, newest_first=newest_first)


def decisions(
    where: RecordFilter = EVERY_RECORD, *, limit: int = 100, cursor: str | None = None, store: Store | None = None
) -> Page[Record]:
    """Return matching decisions, newest first."""
    only = msgspec.structs.replace(where, kinds=(kinds.DECISION,))
    return records(only, limit=limit, cursor=cursor, newest_first=True, store=store)


def search(text: str, *, limit: int = 20, cursor: str | None = None, store: Store | None = None) -> Page[Hit]:
    """Return records whose name, message or kept text holds all the words, newest first."""
    if not text.strip():
        raise BadInput("nothing to search for; give one or more words")
    return (store or current()).search(text, limit=check_limit(limit), cursor=cursor)
