"""Errors that a run recorded as events: the exception that ended it, those that were logged, and where each was raised."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.content import resolve
from whence.model.filters import RecordFilter
from whence.model.record import Record
from whence.model.severity import Severity
from whence.model.trace import FAILED, TraceSummary, TraceView
from whence.query.claims import Claim, exit_code, fact, short
from whence.store.interface import Store

UNCAUGHT: Final = "uncaught_exception"
IN_THREAD: Final = "uncaught_exception_in_thread"
LOGGED: Final = "error"
"""What the program's hooks, and the generation logger, call their events."""
MOST_LOOKED_AT: Final = 500
MOST_LAST: Final = 100
"""Of a run with more bad events than are looked at, the first ones and the last ones."""
MOST_STATED: Final = 10
PYTHON_FAILED: Final = 1
"""What a Python program exits with that an exception ended."""
_FRAME: Final = re.compile(r'^\s*File "(.+?)", line (\d+), in (.+)$', re.MULTILINE)

Lookup = Callable[[str], str | None]
"""A text by its hash."""
Places = dict[tuple[str, str, str], str]
"""Where an error was raised, by stage, type and message."""


class Raised(msgspec.Struct, frozen=True):
    """A bad event, and the error that it tells of."""

    record: Record
    message: Any
    error: dict[str, Any] | None  # {type, message, where}


def raised(row: TraceSummary, store: Store) -> list[Raised]:
    """Return the events of a run of level high and above, in order of time."""
    where = RecordFilter(trace=row.id, kinds=(kinds.EVENT,), min_level=Severity.HIGH)
    first = store.records(where, limit=MOST_LOOKED_AT)
    found = {record.record_id: record for record in first.items}
    if first.cursor is not None:
        last = store.records(where, limit=MOST_LAST, newest_first=True)
        found |= {record.record_id: record for record in last.items}
    told = (told_by(record, store.content) for record in found.values())
    return sorted((each for each in told if each is not None), key=lambda each: each.record.ts_ns)


def told_by(record: Record, content: Lookup) -> Raised | None:
    """Return what an event tells of an error; None where its payload is not that of an event."""
    try:
        said = msgspec.json.decode(record.payload, type=shape.Event)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return Raised(record, said.message, _error_in(said.attributes, said.message, content))


def _error_in(attributes: dict[str, Any], message: Any, content: Lookup) -> dict[str, Any] | None:
    """Return the error that an event's attributes tell of, under any of the names in use."""
    given = attributes.get("error")
    if isinstance(given, dict) and set(given) >= {"type", "message"}:
        return given
    kind, stack = attributes.get("error_type"), attributes.get("traceback")
    if not isinstance(kind, str):
        kind, stack = attributes.get("exception.type"), attributes.get("exception.stacktrace")
        message = attributes.get("exception.message", message)
    if not isinstance(kind, str):
        return None
    whole = resolve(stack, content)
    return {"type": kind, "message": message, "where": place_of(whole) if isinstance(whole, str) else ""}


def place_of(stack: str) -> str:
    """Return the innermost frame of a stack that Python printed, as "file:line in function"; "" where there is none."""
    frames = _FRAME.findall(stack)
    return f"{frames[-1][0]}:{frames[-1][1]} in {frames[-1][2]}" if frames else ""


def places(events: Iterable[Raised]) -> Places:
    """Return where the errors were raised that events tell of: what a stage says of its error may not have it."""
    found: Places = {}
    for each in events:
        where = each.error.get("where") if each.error is not None else None
        if isinstance(where, str) and where:
            found.setdefault(key_of(each.record.stage, each.error), where)
    return found


def key_of(stage: str, error: Any) -> tuple[str, str, str]:
    """Return what makes two tellings of an error the same."""
    if not isinstance(error, dict):
        return stage, "", short(error)
    return stage, str(error.get("type")), short(error.get("message"))


def fatal(events: Sequence[Raised], status: str, error: Any) -> Raised | None:
    """Return the event of the exception that ended the program.

    Args:
        events: in order of time.
        status: of the run.
        error: of the run.
    """
    if status != FAILED or exit_code(error) not in (None, PYTHON_FAILED):
        return None
    return next((e for e in reversed(events) if e.record.name == UNCAUGHT and e.error is not None), None)


def stated(events: Sequence[Raised], trace: TraceView, row: TraceSummary) -> Iterator[Claim]:
    """Yield what ended the program or a thread of it, and what else was recorded as an error."""
    ender = fatal(events, row.status, trace.error)
    others: list[Raised] = []
    for each in events:
        record, error = each.record, each.error
        if error is None or record.name not in (UNCAUGHT, IN_THREAD):
            others.append(each)
            continue
        rule, ended = "uncaught_elsewhere", "a process of the program"
        if each is ender:
            rule, ended = "uncaught", "the program"
        elif record.name == IN_THREAD:
            rule, ended = "uncaught_in_thread", "a thread"
        stage = record.stage or _stage_of(error, trace)
        yield fact(f"{ended} ended with {short(error)}", stage, record.record_id, rule, record.ts_ns)
    yield from _logged(others, trace)


def _stage_of(error: dict[str, Any], trace: TraceView) -> str:
    """Return the innermost stage that the same error ended."""
    ended = [
        (attempt.ended_ns or 0, stage.name)
        for stage in trace.stages.values()
        for attempt in stage.attempts
        if isinstance(attempt.error, dict)
        and all(attempt.error.get(name) == error.get(name) for name in ("type", "message", "where"))
    ]
    return min(ended, default=(0, ""))[1]


def _logged(events: Sequence[Raised], trace: TraceView) -> Iterator[Claim]:
    """Yield each error that was logged once, however often it was; not what a stage or a call says of itself."""
    known = {key_of(stage.name, each.error) for stage in trace.stages.values() for each in stage.attempts if each.error}
    known |= {key_of(call.stage, call.error) for call in trace.llm_calls if call.error}
    found: dict[tuple[str, str, str], list[Raised]] = {}
    for each in events:
        if each.error is None or key_of(each.record.stage, each.error) not in known:
            found.setdefault((each.record.stage, each.record.component, _words(each)), []).append(each)
    groups = list(found.items())
    for (stage, _, words), same in groups[:MOST_STATED]:
        first = same[0].record
        times = f" ({len(same):,} times)" if len(same) > 1 else ""
        rule = "error" if first.name == LOGGED else "event"
        yield fact(words + times, stage, first.record_id, rule, first.ts_ns)
    if len(groups) > MOST_STATED:
        first = groups[MOST_STATED][1][0].record
        more = sum(len(same) for _, same in groups[MOST_STATED:])
        least = "at least " if len(events) >= MOST_LOOKED_AT else ""  # not all of them were looked at
        yield fact(
            f"{least}{more:,} more errors were recorded after that", first.stage, first.record_id, "event", first.ts_ns
        )


def _words(each: Raised) -> str:
    record = each.record
    of = f" of {record.component}" if record.component else ""
    if record.name == LOGGED:
        return f"error{of}: {short(each.error if each.error is not None else each.message)}"
    try:
        level = Severity(record.level).label
    except ValueError:
        level = f"level {record.level}"
    said = [short(each.message)] if each.message not in (None, "", record.name) else []
    said += [short(each.error)] if each.error is not None else []
    if len(said) == 2 and said[1].partition(" at ")[0].endswith(said[0]):
        said = said[1:]  # the event says nothing that its error does not
    return f"{level} event {record.name}{of}{': ' if said else ''}{': '.join(said)}"
