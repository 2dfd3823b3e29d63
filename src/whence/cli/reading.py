"""What every command that reads begins with: the store, and the window of time that was asked for."""

import time

from whence.cli import render
from whence.errors import StoreUnreachable
from whence.query.timerange import parse_moment, parse_range
from whence.runtime.runtime import runtime
from whence.store.interface import Store


def ready(*, quiet: bool = False) -> Store:
    """Return the store with everything spooled drained into it; a bar is drawn where that takes long.

    A data directory that cannot be written (a backup, somebody else's) is read as it is, which is said on stderr.

    Args:
        quiet: do not say that another process was draining meanwhile.

    Raises:
        StoreUnreachable: it cannot be opened.
    """
    own = runtime()
    try:
        with render.progress("draining the spool") as tick:
            drained = own.drain(progress=tick)
        if drained.busy and not quiet:
            render.note("whence: another process is draining; the newest records may be missing here")
        return own.store()
    except StoreUnreachable as exc:
        from whence.store.sqlite import SqliteStore

        try:
            store = SqliteStore.open(own.settings.database, read_only=True)
        except StoreUnreachable:
            raise exc from None
        render.note(f"whence: not drained, reading what is stored: {exc}")
        return store


def window(since: str | None, until: str | None = None) -> tuple[int | None, int | None]:
    """Return (since, until) in Unix ns; an interval given as `since` brings its own end."""
    now_ns = time.time_ns()
    start, end = parse_range(since, now_ns=now_ns) if since is not None else (None, None)
    return start, parse_moment(until, now_ns=now_ns) if until is not None else end
