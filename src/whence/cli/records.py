"""`whence decisions`, `search`, `tail`: single records, across runs."""

import sys
import time
from collections.abc import Iterator
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Group

from whence import query
from whence.cli import plain, reading, render, render_lists
from whence.cli.options import Cursor, Json, Limit, Project, Since, Until
from whence.errors import BadInput
from whence.model.filters import Condition, RecordFilter
from whence.model.record import KINDS, Record
from whence.query.where import parse_condition
from whence.runtime.doctor import PROJECT as DOCTOR
from whence.store.interface import Store

EVERY_S = 0.5
_AT_ONCE = 500
_ORDERS = ("<", "<=", ">", ">=")


def decisions(
    *,
    trace: str | None = None,
    stage: str | None = None,
    name: str | None = None,
    project: Project = None,
    since: Since = None,
    until: Until = None,
    where: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="PATH OP VALUE, such as `confidence<0.6`; may be repeated."),
    ] = (),
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List decisions, the newest first.

    Args:
        trace: Only of this run (name, unique part, `last`, `last-bad`).
        stage: Only made in this stage.
        name: Only decisions of this name.
    """
    since_ns, until_ns = reading.window(since, until)
    conditions = tuple(_condition(each) for each in where)
    store = reading.ready()
    wanted = RecordFilter(
        trace=reading.find(trace, store).id if trace is not None else None,
        stage=stage,
        name=name,
        project=project,
        since_ns=since_ns,
        until_ns=until_ns,
        where=conditions,
    )
    found = query.decisions(wanted, limit=limit, cursor=cursor, store=store)
    render.page(
        found.items,
        found.cursor,
        json=json,
        draw=render_lists.decisions,
        data=render_lists.record_data,
        empty=reading.empty("no decision matches"),
    )


def _condition(words: str) -> Condition:
    """Return a condition; one that no record can meet is refused."""
    found = parse_condition(words)
    asked, op, value = ".".join(found.path), found.op, found.value
    if op == "~" and value in ("", None):
        raise BadInput(f"--where {words!r} looks for nothing; after the ~ write a text that {asked} holds")
    if op in _ORDERS and (value is None or isinstance(value, bool)):
        raise BadInput(f"--where {words!r}: {_json(value)} is neither more nor less than anything; use = or !=")
    if found.path == ("confidence",):
        if op == "~":
            raise BadInput(f"--where {words!r}: confidence is a number; use one of = != < <= > >=")
        if isinstance(value, str | bool):
            raise BadInput(f"--where {words!r}: {_json(value)} is no number, and confidence is one")
    return found


def _json(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def search(
    *words: str,
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """Find records whose name, message or text holds all the words, the newest first.

    Args:
        words: What to look for.
    """
    found = query.search(" ".join(words), limit=limit, cursor=cursor, store=reading.ready())
    render.page(
        found.items,
        found.cursor,
        json=json,
        draw=render_lists.hits,
        data=render_lists.hit_data,
        empty=reading.empty(f"nothing holds {' '.join(words)!r}"),
    )


def tail(
    *,
    trace: str | None = None,
    kind: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="Only records of this kind; may be repeated."),
    ] = (),
    stage: str | None = None,
    project: Project = None,
    limit: Annotated[int, Parameter(help="How many of the last records to begin with.")] = 10,
    once: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: Annotated[
        bool, Parameter(negative="", show_default=False, help="With --once a JSON array, else one JSON object a line.")
    ] = False,
) -> int:
    """Follow records as they come in, of every process that records here. Ctrl-C ends it.

    Args:
        trace: Only of this run (name, unique part, `last`, `last-bad`).
        stage: Only of this stage.
        once: Print the last ones and stop.
    """
    for each in kind:
        if each not in KINDS:
            raise BadInput(f"kind {each!r}; accepted: {', '.join(KINDS)}")
    store = reading.ready()
    found = reading.find(trace, store).id if trace is not None else None
    wanted = RecordFilter(trace=found, kinds=kind, stage=stage, project=project)
    seen, last = _last(wanted, limit, store)
    if reading.nothing_there():
        render.note(reading.empty(""))
    if once and json:
        render.as_json([render_lists.record_data(each) for each in last])
        return 0
    try:
        _print(last, json=json)
        while not once:
            time.sleep(EVERY_S)
            fresh = list(_since(wanted, seen, reading.ready(quiet=True)))
            _print([each for each in fresh if _asked_for(each, wanted)], json=json)
            seen = fresh[-1].record_id if fresh else seen
    except KeyboardInterrupt:
        pass
    return 0


def _asked_for(record: Record, wanted: RecordFilter) -> bool:
    """Return whether to show a record: what the doctor sent down the road only where that is asked for."""
    return record.project != DOCTOR or wanted.project == DOCTOR


def _last(wanted: RecordFilter, limit: int, store: Store) -> tuple[str | None, list[Record]]:
    """Return the id of the newest record, and the last ones to show, the oldest first."""
    page = query.records(wanted, limit=limit, newest_first=True, store=store)
    seen = page.items[0].record_id if page.items else None
    found = [each for each in page.items if _asked_for(each, wanted)]
    while len(found) < limit and page.cursor is not None:
        page = query.records(wanted, limit=_AT_ONCE, cursor=page.cursor, newest_first=True, store=store)
        found += [each for each in page.items if _asked_for(each, wanted)]
    return seen, found[:limit][::-1]


def _since(wanted: RecordFilter, seen: str | None, store: Store) -> Iterator[Record]:
    """Yield what arrived after a record, the oldest first: backwards from the newest, until it is met."""
    found: list[Record] = []
    cursor: str | None = None
    while True:
        page = query.records(wanted, limit=_AT_ONCE, cursor=cursor, newest_first=True, store=store)
        for record in page.items:
            if record.record_id == seen:
                yield from reversed(found)
                return
            found.append(record)
        cursor = page.cursor
        if cursor is None:
            yield from reversed(found)
            return


def _print(records: list[Record], *, json: bool) -> None:
    if json:
        for each in records:
            sys.stdout.write(plain.json_line(render_lists.record_data(each)) + "\n")
    elif records:
        # A terminal shows one line a record; a file or a pipe gets all of it.
        lines = [render_lists.record_line(each) for each in records]
        for each_line in lines:
            each_line.overflow = "ellipsis" if sys.stdout.isatty() else "ignore"
        render.show(Group(*lines))
    sys.stdout.flush()
