"""What questions over many runs begin with: the digests of a window, those that nobody has made yet made first."""

from collections.abc import Callable, Sequence

from whence.cli import render
from whence.collect.ended import Ended, Room
from whence.diagnose.budget import OFFLINE
from whence.diagnose.running import Diagnoser
from whence.errors import StoreUnreachable
from whence.model.digest import RunDigest
from whence.model.filters import DigestFilter, TraceFilter
from whence.store.interface import Store

MOST_RUNS = 10_000
"""The newest runs of a window that are looked at together."""
_AT_ONCE = 64
_PAGE = 1000


def digests(store: Store, *, project: str | None, since_ns: int | None, until_ns: int | None) -> list[RunDigest]:
    """Return what the runs of a window were like, in order of their start; those that are undiagnosed are diagnosed first.

    Says on stderr where there are more runs than are looked at, and where the store cannot be written.
    """
    try:
        complete(store, project=project, since_ns=since_ns, until_ns=until_ns)
    except StoreUnreachable as exc:
        render.note(f"whence: runs that nobody has diagnosed yet are missing here: {exc}")
    where = DigestFilter(project=project, since_ns=since_ns, until_ns=until_ns)
    found = list(store.digests(where, newest_first=True, limit=MOST_RUNS + 1))
    if len(found) > MOST_RUNS:
        render.note(f"whence: only the newest {MOST_RUNS:,} runs are looked at; narrow it with --since or --project")
    return found[:MOST_RUNS][::-1]


def complete(store: Store, *, project: str | None, since_ns: int | None, until_ns: int | None) -> int:
    """Diagnose what ended in a window and nobody has diagnosed yet; returns how many runs that were."""
    where = TraceFilter(project=project, since_ns=since_ns, until_ns=until_ns)
    done: set[str] = set()
    with render.progress("diagnosing", unit="runs") as tick:
        while True:
            # Newest first; those whose digest cannot be made are listed again and again.
            left = [each for each in store.undigested(where, limit=_PAGE + len(done)) if each not in done]
            if not left:
                return len(done)
            _diagnose(left[::-1], store, tick, len(done))
            done.update(left)


def _diagnose(traces: Sequence[str], store: Store, tick: Callable[[int, int], None], before: int) -> None:
    diagnoser = Diagnoser(store, budget=OFFLINE)
    for first in range(0, len(traces), _AT_ONCE):
        room = Room()
        for number, trace in enumerate(traces[first : first + _AT_ONCE], first + 1):
            said = diagnoser([Ended(trace, store, room)])
            if said:
                store.accept(said)
            tick(before + number, before + len(traces))
