"""Exceptions that were told already: one that goes through many stages is told once, by the innermost of them, with its
stack; the others say which record that is.

Which exception it was is remembered without holding it, or the frames it holds would live longer than the host means
them to. An address alone may be another exception's by then. So an entry of its traceback is remembered too, where it
came to the stage that told it: by the address of the entry and of its frame, and by the place in the code. All frames
around were alive then, and whatever else comes by that place is told by the stage there.
"""

from types import TracebackType
from typing import Any, Final, NamedTuple

from whence.record.trace import Stage

MOST: Final = 1000
"""So many exceptions are remembered; beyond that remembering begins anew, and one may be told twice."""


class Told(NamedTuple):
    """Where an exception was told."""

    record: str
    type: str
    message: str
    at_ns: int  # monotonic
    mark: tuple[int, ...]  # the entry of the traceback where it came to the stage

    def error(self) -> dict[str, Any]:
        """Return what a stage says that it only went through."""
        return {"type": self.type, "message": self.message, "same_as": self.record}


_told: dict[tuple[str, int], Told] = {}


def told(stage: Stage, error: BaseException, *, block: bool) -> Told | None:
    """Return where an exception was told that goes through a stage; None if it was not.

    A stage that began only after that is another failure, though somebody keeps one exception and raises it again.

    Args:
        block: the stage is that of a `with`, in whose frame it does not end.
    """
    key = stage.trace.otel_trace_id, id(error)
    found = _told.get(key)
    if found is None or stage._started > found.at_ns:
        return None
    entry = error.__traceback__
    while entry is not None and _mark(entry) != found.mark:
        entry = entry.tb_next
    if entry is None:
        return None
    # From here the next stage looks no farther than to this one: all stages together go through the stack once.
    _told[key] = found._replace(mark=_mark(_arrival(error, block)))
    return found


def remember(stage: Stage, error: BaseException, block: bool, record: str | None, kind: str, message: str) -> None:
    """Remember that an exception was told, unless the record was dropped: then the next stage tells it."""
    if record is None:
        return
    if len(_told) >= MOST:
        _told.clear()
    mark = _mark(_arrival(error, block))
    _told[stage.trace.otel_trace_id, id(error)] = Told(record, kind, message, stage.trace.monotonic_ns(), mark)


def _arrival(error: BaseException, block: bool) -> TracebackType | None:
    """Return the entry of the traceback where an exception came to a stage: that of what wraps a function, or that of the
    host's `with`, for contextlib takes from the traceback what the context manager itself added."""
    entry = error.__traceback__
    while block and entry is not None and str(entry.tb_frame.f_globals.get("__name__")).startswith("whence.generation"):
        entry = entry.tb_next
    return entry


def _mark(entry: TracebackType | None) -> tuple[int, ...]:
    if entry is None:
        return ()
    frame = entry.tb_frame
    return id(entry), id(frame), id(frame.f_code), entry.tb_lasti
