"""How far an operation is (R4.24, D4.2), from what its components recorded: no timer, no guess.

An operation is a run: it is found by the id that its events and snapshots carry (operation and correlation ids are the same
here, C4.5), by the name of a trace, or by its OpenTelemetry id.
"""

from typing import Any, Final

from whence.clock import iso_utc
from whence.diagnose.done import progress_in
from whence.diagnose.run import Fact, Run
from whence.diagnose.saying import named
from whence.model import record as kinds
from whence.model.filters import FindingFilter
from whence.model.trace import COMPLETE, IN_PROGRESS, TraceSummary
from whence.query.timerange import parse_range
from whence.record.normalise import as_label
from whence.record.operation import operation_trace
from whence.store.interface import Store

MOST_INSIGHTS: Final = 10
_DONE: Final = frozenset(("complete", "completed", "done", "finished", "success", "succeeded", "ok"))
_FAILED: Final = frozenset(("failed", "failure", "aborted", "cancelled", "canceled", "crashed"))
_STARTED: Final = frozenset(("step_started", "step_start", "step_begin", "step_begun"))
_ENDED: Final = frozenset(("step_completed", "step_complete", "step_finished", "step_done", "step_end", "step_ended"))
_BROKEN: Final = frozenset(("step_failed", "step_error"))


def operation_progress(
    operation_id: str, time_range: str | None = None, *, store: Store, now_ns: int, project: str | None = None
) -> dict[str, Any]:
    """Return how far an operation is.

    Keys: operation_id, progress (0..1), status (not_found, started, in_progress, completed, failed, error), total_steps,
    completed_steps, insights (texts), error_count, started_at, updated_at, and `basis`: what the progress was read from
    (snapshot, event, steps, spans, status). `error` is an operation that has not ended and whose last word is an error.

    Progress is that of the newest snapshot that tells one, else of the newest event that does; else completed of all steps, as
    events `step_started` and `step_completed` (or `total_steps` and `completed_steps` in their data) say, else as stages say.

    Args:
        time_range: only what was recorded in it counts; see `query.timerange`.

    Raises:
        BadInput: the time range is none.
    """
    since_ns, until_ns = parse_range(time_range, now_ns=now_ns) if time_range else (0, None)
    row = find_operation(operation_id, store=store, project=project)
    facts: list[Fact] = []
    if row is not None:
        run = Run.of(store.trace_records(row.id), row.id)
        facts = [each for each in run.facts if each.ts_ns >= since_ns and (until_ns is None or each.ts_ns < until_ns)]
    if row is None or not facts:
        return _not_found(operation_id)
    told = _Told(run, facts)
    status = told.status(row)
    progress, basis = told.progress()
    if status == "completed":
        progress, basis = 1.0, "status" if progress != 1.0 else basis
    elif basis == "" and status == "in_progress" and not told.moved:
        status = "started"
    found = store.findings(FindingFilter(trace=row.id), limit=100)
    worst = sorted(found, key=lambda each: (-each.finding.severity, -each.ts_ns))
    texts = [each.finding.title for each in worst]
    if told.errors:
        last = told.errors[-1]
        texts.append(
            f"{len(told.errors)} error{'s' if len(told.errors) != 1 else ''}; the last: "
            f"{named(last.message or last.record.name, 'without a message', 200)} ({named(last.who)})"
        )
    return {
        "operation_id": operation_id,
        "progress": round(progress, 6),
        "status": status,
        "total_steps": told.total,
        "completed_steps": told.completed,
        "insights": list(dict.fromkeys(texts))[:MOST_INSIGHTS],
        "error_count": len(told.errors),
        "started_at": iso_utc(facts[0].ts_ns),
        "updated_at": iso_utc(facts[-1].ts_ns),
        "basis": basis or "status",
        "trace_id": row.trace_id,
    }


def _not_found(operation_id: str) -> dict[str, Any]:
    return {
        "operation_id": operation_id,
        "progress": 0.0,
        "status": "not_found",
        "total_steps": 0,
        "completed_steps": 0,
        "insights": [f"Nothing is recorded of operation {named(operation_id, 'without an id')}."],
        "error_count": 0,
        "started_at": None,
        "updated_at": None,
        "basis": "status",
        "trace_id": None,
    }


def find_operation(operation_id: str, *, store: Store, project: str | None = None) -> TraceSummary | None:
    """Return the run that an operation, a correlation or a trace id means; exact, and of this project if one is named."""
    wanted = as_label(operation_id.strip()) if isinstance(operation_id, str) else ""  # as it is recorded
    if not wanted:
        return None
    if project is not None:
        found = store.trace(operation_trace(project, wanted))
        if found is not None:
            return found
    return store.trace(wanted)


class _Told:
    """What records of one operation tell of its steps."""

    def __init__(self, run: Run, facts: list[Fact]) -> None:
        self.facts = facts
        among = {each.id for each in facts}
        self.errors = [each for each in run.errors if each.id in among]
        self.snapshots = [each for each in facts if each.record.kind == kinds.SNAPSHOT]
        self.events = [each for each in facts if each.record.kind == kinds.EVENT]
        begun: dict[str, None] = {}
        done: dict[str, None] = {}
        self.total = self.completed = 0
        said = False
        for each in self.events:
            word = each.record.name.strip().lower().replace(".", "_").replace("-", "_").replace(" ", "_")
            step = str(_step_of(each) or "")
            if word in _STARTED or word in _BROKEN:
                begun[step or f"#{len(begun)}"] = None
            elif word in _ENDED:
                done[step or f"#{len(done)}"] = None
        for each in (*self.events, *self.snapshots):
            data = _data_of(each)
            total, completed = _whole(data.get("total_steps")), _whole(data.get("completed_steps"))
            if total is not None and completed is not None:
                self.total, self.completed, said = max(total, completed), completed, True
            elif total is not None and not said:
                self.total = total
        if not said:
            self.total = max(self.total, len({**begun, **done}))
            self.completed = len(done)
        self.by_spans = not self.total
        if self.by_spans:
            spans = [each for each in run.spans.values() if each.fact.id in among]
            self.total = len(spans)
            self.completed = sum(1 for each in spans if each.end is not None and not each.error)
        self.moved = bool(self.total or self.snapshots or len(self.events) > 1)

    def progress(self) -> tuple[float, str]:
        """Return (fraction, what it was read from); "" where nothing tells."""
        for each in reversed(self.snapshots):
            value = each.data.get("progress")
            told = progress_in({"progress": value}) if value is not None else progress_in(each.data.get("state"))
            if told is not None:
                return told, "snapshot"
        for each in reversed(self.events):
            told = progress_in(_data_of(each))
            if told is not None:
                return told, "event"
        if self.total:
            return self.completed / self.total, "spans" if self.by_spans else "steps"
        return 0.0, ""

    def status(self, row: TraceSummary) -> str:
        if row.status == COMPLETE:
            return "completed"
        if row.status != IN_PROGRESS:
            return "failed"
        for each in reversed(self.snapshots):
            state = each.data.get("state")
            word = state.get("status") if isinstance(state, dict) else None
            if isinstance(word, str):
                if word.strip().lower() in _FAILED:
                    return "failed"
                if word.strip().lower() in _DONE and self.progress()[0] >= 1.0:
                    return "completed"
                break
        if self.errors and self.facts[-1].id == self.errors[-1].id:
            return "error"
        if self.progress()[0] >= 1.0:
            return "completed"
        return "in_progress"


def _data_of(fact: Fact) -> dict[str, Any]:
    """Return the data of an event, with its attributes, or the state of a snapshot; empty where that is no object."""
    if fact.record.kind == kinds.SNAPSHOT:
        state = fact.data.get("state")
        return state if isinstance(state, dict) else {}
    data = fact.attributes.get("data")
    return {**fact.attributes, **(data if isinstance(data, dict) else {})}


def _step_of(fact: Fact) -> object:
    data = _data_of(fact)
    return next((data[key] for key in ("step_id", "step", "step_name") if isinstance(data.get(key), str | int)), None)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**9 else None
