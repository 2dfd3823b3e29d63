"""Cases: what somebody looks into, and what they note of it (R4.8, R4.38 to R4.40). Append-only: each step is a record.

case = await open_session("workflow-789 fails", filters={"component_id": "workflow-789"})
await add_note(case.id, "the pool is too small", by="kim")
await close_session(case.id, note="pool of 20")
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from whence.clock import SystemClock, iso_utc
from whence.debug.models import DebugSession
from whence.debug.wiring import asked_store, in_thread
from whence.model import payload as shape
from whence.model import record as kinds
from whence.record.normalise import as_label
from whence.record.operation import Place
from whence.record.recorder import encoded

if TYPE_CHECKING:
    from whence.model.record import Record
    from whence.store.interface import Store

__all__ = ["add_note", "close_session", "get_session", "list_sessions", "open_session", "reopen_session"]

MOST: Final = 1000
MOST_STEPS: Final = 10_000
_PAGE: Final = 1000


async def open_session(
    session_name: str,
    filters: Mapping[str, Any] | None = None,
    description: str | None = None,
    scope: Mapping[str, Any] | None = None,
    by: str = "",
    session_id: str | None = None,
) -> DebugSession:
    """Open a case and return it. Raises BadInput without a name, StoreUnreachable where it cannot be read back.

    Args:
        filters: what is looked at: component_type, component_id, correlation_id, time_range, …
        session_id: of the caller's choosing; without it one is made.
    """
    return await in_thread(_open, session_name, filters, description, scope, by, session_id)


async def get_session(session_id: str) -> DebugSession | None:
    """Return a case as it stands, or None."""
    return await in_thread(_get, session_id)


async def list_sessions(active: bool | None = None, limit: int = 50) -> list[DebugSession]:
    """Return cases, the one touched last first; only those that are open, or closed, if asked for."""
    return await in_thread(_list, active, limit)


async def add_note(
    session_id: str, note: str, by: str = "", *, events: int = 0, insights: int = 0, queries: int = 0
) -> DebugSession:
    """Note something in a case, and how much was looked at for it. Raises NotFound for a case that is not there."""
    return await in_thread(_step, session_id, "update", note, by, events, insights, queries)


async def close_session(session_id: str, note: str = "", by: str = "") -> DebugSession:
    """Close a case. Raises NotFound for one that is not there."""
    return await in_thread(_step, session_id, "close", note, by, 0, 0, 0)


async def reopen_session(session_id: str, note: str = "", by: str = "") -> DebugSession:
    """Open a closed case again. Raises NotFound for one that is not there."""
    return await in_thread(_step, session_id, "open", note, by, 0, 0, 0)


def _open(
    session_name: str,
    filters: Mapping[str, Any] | None,
    description: str | None,
    scope: Mapping[str, Any] | None,
    by: str,
    session_id: str | None,
) -> DebugSession:
    from whence.errors import BadInput

    if not isinstance(session_name, str) or not session_name.strip():
        raise BadInput(f"session name {session_name!r}; give it a name that says what is looked into")
    clock = SystemClock()
    case = as_label(session_id) or f"case-{clock.record_id(clock.now_ns())}"
    step = shape.Case(
        action="open",
        title=session_name,
        description=description,
        filters=dict(filters) if filters is not None else None,
        scope=dict(scope) if scope is not None else None,
        by=str(by),
    )
    return _said(case, step)


def _step(session_id: str, action: str, note: str, by: str, events: int, insights: int, queries: int) -> DebugSession:
    from whence.errors import NotFound

    if _get(session_id) is None:
        raise NotFound(f"no session {session_id!r}; list_sessions() lists them")
    counts = [max(0, int(each)) for each in (events, insights, queries)]
    step = shape.Case(
        action=action, note=note or None, by=str(by), events=counts[0], insights=counts[1], queries=counts[2]
    )
    return _said(session_id.strip(), step)


def _said(case: str, step: shape.Case) -> DebugSession:
    from whence.errors import StoreUnreachable
    from whence.runtime.runtime import runtime

    built = runtime()
    place = Place(built.recorder, built.settings.project or "unknown", "", "", "")
    words = encoded((step.title, step.description, step.filters, step.scope, step.note, step.by))
    place.say(kinds.CASE, case, step, component="", said=words)
    found = _get(case)
    if found is None:
        raise StoreUnreachable(f"session {case!r} could not be recorded; run `whence doctor`")
    return found


def _get(session_id: str) -> DebugSession | None:
    if not isinstance(session_id, str) or not session_id.strip():
        return None
    store = asked_store()
    return next(iter(_folded(_steps(store, session_id.strip()), store)), None)


def _list(active: bool | None, limit: int) -> list[DebugSession]:
    from whence.errors import BadInput

    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
        raise BadInput(f"limit {limit!r}; accepted: 1 to {MOST}")
    store = asked_store()
    found = [each for each in _folded(_steps(store, None), store) if active is None or each.active is active]
    return sorted(found, key=lambda each: (each.updated_at, each.id), reverse=True)[:limit]


def _steps(store: "Store", case: str | None) -> "list[Record]":
    from whence.model.filters import RecordFilter

    where = RecordFilter(kinds=(kinds.CASE,), name=case)
    found: list[Record] = []
    cursor = None
    while len(found) < MOST_STEPS:
        page = store.records(where, limit=_PAGE, cursor=cursor, newest_first=True)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
    return sorted(found, key=lambda each: (each.ts_ns, each.record_id))


def _folded(steps: "Iterable[Record]", store: "Store") -> list[DebugSession]:
    """Return the cases that steps tell of: of what may change the last word counts, what was done adds up."""
    from whence.model.content import resolve

    found: dict[tuple[str, str], dict[str, Any]] = {}
    for record in steps:
        try:
            said = resolve(msgspec.json.decode(record.payload), store.content)
            step = msgspec.convert(said, shape.Case)
        except kinds.UNREADABLE:
            continue
        at = iso_utc(record.ts_ns)
        case = found.setdefault((record.project, record.name), {"id": record.name, "created_at": at, "notes": []})
        case["updated_at"] = at
        for field, value in (
            ("session_name", step.title),
            ("description", step.description),
            ("filters", step.filters),
            ("scope", step.scope),
        ):
            if value is not None:
                case[field] = value
        for field, count in (
            ("event_count", step.events),
            ("insight_count", step.insights),
            ("query_count", step.queries),
        ):
            case[field] = case.get(field, 0) + max(0, count)
        if step.note:
            case["notes"].append({"note": step.note, "by": step.by, "at": at})
        if step.action in ("open", "close"):
            closed = step.action == "close"
            case.update(active=not closed, resolved=closed, closed_at=at if closed else None)
    return [DebugSession(**{"session_name": case["id"], **case}) for case in found.values()]
