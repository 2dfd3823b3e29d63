"""What every command that reads begins with: the store, the run that is meant, and the window of time asked for."""

import os
import time
from pathlib import Path

from whence import query
from whence.cli import render
from whence.errors import NotFound, StoreUnreachable
from whence.model.filters import ProblemFilter
from whence.model.finding import Problem
from whence.model.trace import TraceSummary
from whence.query.timerange import parse_moment, parse_range
from whence.runtime.runtime import runtime
from whence.store.interface import Store

SHORTEST_PART = 4
"""Characters of a run's name that are enough, where no other run has them."""
MOST_PROBLEMS = 10_000
"""Of a window that are put into a report or beside components."""
_PAGE = 1000


def ready(*, quiet: bool = False) -> Store:
    """Return the store with everything spooled drained into it; a bar is drawn where that takes long.

    A data directory that cannot be written (a backup, somebody else's) is read as it is, which is said on stderr. One
    that holds nothing yet, or does not exist, is left like that: a question makes no files.

    Args:
        quiet: do not say that another process was draining meanwhile.

    Raises:
        StoreUnreachable: it cannot be opened.
    """
    own = runtime()
    if nothing_there():
        from whence.store.memory import MemoryStore

        return MemoryStore()
    try:
        with render.progress("draining the spool") as tick:
            drained = own.drain(progress=tick)
        if drained.busy and not quiet:
            render.note("whence: another process is draining; the newest records may be missing here")
        with render.progress("pricing", unit="calls") as tick:
            trouble = own.price(progress=tick)
        if trouble is not None:
            render.note(f"whence: the newest calls are not priced: {trouble}")
        return own.store()
    except StoreUnreachable as exc:
        from whence.store.sqlite import SqliteStore

        try:
            store = SqliteStore.open(own.settings.database, read_only=True)
        except StoreUnreachable:
            raise exc from None
        render.note(f"whence: not drained, reading what is stored: {exc}")
        return store


def nothing_there() -> bool:
    """Return whether nothing was ever recorded into the data directory."""
    settings = runtime().settings
    return not (_exists(settings.database) or _exists(settings.spool))


def _exists(path: Path) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError:  # whatever is the matter with it, opening it will say so
        return True
    return True


def empty(words: str) -> str:
    """Return what an empty list says: that nothing at all is recorded, and where, or else these words."""
    return _nothing() if nothing_there() else words


def _nothing() -> str:
    data = runtime().settings.data
    missing = "" if _exists(data) else ", which does not exist"
    return f"nothing is recorded in {data}{missing}; run a pipeline with that data directory, or `whence demo`"


def find(trace: str, store: Store) -> TraceSummary:
    """Return the run that is meant.

    Raises:
        NotFound: none, or more than one, is meant.
    """
    try:
        return query.find(trace, store=store)
    except NotFound:
        if nothing_there():
            raise NotFound(_nothing()) from None
        if 0 < len(trace.strip()) < SHORTEST_PART:
            raise NotFound(f"{trace!r} is too short to tell runs apart by; give at least four characters") from None
        raise


def problems(where: ProblemFilter, store: Store, *, most: int = MOST_PROBLEMS) -> list[Problem]:
    """Return the problems that a filter lets through, the newest sighting first, `most` of them at most."""
    found: list[Problem] = []
    cursor: str | None = None
    while len(found) < most:
        page = store.problems(where, limit=min(_PAGE, most - len(found)), cursor=cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
    return found


def window(since: str | None, until: str | None = None) -> tuple[int | None, int | None]:
    """Return (since, until) in Unix ns; an interval given as `since` brings its own end."""
    now_ns = time.time_ns()
    start, end = parse_range(since, now_ns=now_ns) if since is not None else (None, None)
    return start, parse_moment(until, now_ns=now_ns) if until is not None else end
