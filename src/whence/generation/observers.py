"""Observers: whoever wants generation events while they happen (R3.14).

An observer cannot break or slow the program that is observed. Each has a bounded queue and a thread of its own: one that
raises is counted, one that hangs loses what comes after its queue is full, and what an observer logs while it handles an
event is not delivered to it again. An async one is awaited on an event loop of its own thread, never on one of the
program's, which it could hold up.
"""

import atexit
import contextvars
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol

from whence.errors import BadInput, NotFound
from whence.generation.events import GenerationEvent
from whence.record.notice import notice

if TYPE_CHECKING:
    import asyncio

QUEUE: Final = 10_000
"""So many events wait for one observer."""
AT_EXIT_S: Final = 1.0
"""So long the end of the program waits, once, for observers that still have events to handle."""


class Observer(Protocol):
    """What an observer is: `handle` may also be `async def`. A plain function of one event serves as well."""

    def handle(self, event: GenerationEvent) -> Any:
        """Take notice of one event."""
        ...


class _Stop:
    """Asks a thread to end, once everything before has been handled."""


class _Flush:
    """Asks a thread to say when everything before has been handled."""

    def __init__(self) -> None:
        self.reached = threading.Event()


# The deliveries that the running code happens in: of them none gets what the code logs.
_inside: ContextVar[frozenset[int]] = ContextVar("whence_observing", default=frozenset())

_Item = tuple[GenerationEvent, frozenset[int]] | _Stop | _Flush


class _Delivery:
    """One observer, its queue and its thread."""

    def __init__(self, observer: object, handle: Callable[[GenerationEvent], Any], name: str, limit: int) -> None:
        self.observer = observer
        self.handle = handle
        self.name = name
        self.limit = limit
        self.reset()

    def reset(self) -> None:
        """Begin with an empty queue and without a thread: at first, and in a forked child."""
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        # Not a Lock: a signal handler may log while its own thread is counting.
        self._counting = threading.RLock()
        self._offered = self._handled = self._failed = self._lost = self._own = 0
        self.last_error = ""

    def offer(self, event: GenerationEvent, causes: frozenset[int]) -> None:
        """Put an event into the queue, or count it as lost. Waits for nothing."""
        with self._counting:
            if id(self) in causes:
                self._own += 1
                return
            self._offered += 1
            if self._queue.qsize() >= self.limit:
                self._lost += 1
                return
        self._queue.put((event, causes))
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return  # somebody else is about to
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, args=(self._queue,), name="whence-observer", daemon=True)
                thread.start()
                self._thread = thread
        except RuntimeError as exc:  # the interpreter is ending, or no thread is to be had: tried again with the next
            self.last_error = f"{type(exc).__name__}: {exc}"
        finally:
            self._starting.release()

    def _run(self, queue: "SimpleQueue[_Item]") -> None:
        runner: asyncio.Runner | None = None
        while True:
            item = queue.get()
            if isinstance(item, _Stop):
                break
            if isinstance(item, _Flush):
                item.reached.set()
                continue
            event, causes = item
            try:
                _inside.set(causes | {id(self)})
                answer = self.handle(event)
                if _is_awaitable(answer):
                    runner = runner or _runner()
                    runner.run(_awaited(answer), context=contextvars.copy_context())
            except BaseException as exc:  # noqa: BLE001 - an observer's mistake is its own, even SystemExit
                self._failed += 1
                self.last_error = f"{type(exc).__name__}"
                notice(f"the generation observer {self.name} failed: {type(exc).__name__} (see observer_stats())")
            self._handled += 1
        if runner is not None:
            runner.close()
        if self._queue is queue:
            self._thread = None
            if not queue.empty():  # put there by somebody who still saw this thread
                self._start()

    def pending(self) -> int:
        """Return how many events are neither handled nor lost."""
        return self._offered - self._handled - self._lost

    def mark(self) -> _Flush:
        """Return a mark that is reached when everything offered so far has been handled."""
        mark = _Flush()
        if self.pending() <= 0:
            mark.reached.set()
        else:
            self._queue.put(mark)
            if self._thread is None:
                self._start()
        return mark

    def stop(self) -> None:
        """Let the thread end once it has handled what waits."""
        if self._thread is not None:
            self._queue.put(_Stop())

    def rest(self, wait_s: float) -> None:
        """End the thread if it has nothing to do; the next event starts another."""
        thread = self._thread
        if thread is not None and self.pending() <= 0 and thread is not threading.current_thread():
            self._queue.put(_Stop())
            thread.join(wait_s)

    def stats(self) -> dict[str, Any]:
        """Return the counts of this observer."""
        return {
            "offered": self._offered,
            "handled": self._handled,
            "failed": self._failed,
            "lost": self._lost,
            "own": self._own,
            "waiting": max(0, self.pending()),
            "last_error": self.last_error,
        }


def _runner() -> "asyncio.Runner":
    import asyncio  # late: a program without async observers need not load it

    return asyncio.Runner()


async def _awaited(answer: Awaitable[Any]) -> None:
    await answer


deliveries: list[_Delivery] = []
"""Empty where nobody listens, and then no event need be made."""
_registering = threading.Lock()


def add_observer(observer: "Observer | Callable[[GenerationEvent], Any]", *, queue: int = QUEUE) -> None:
    """Deliver every generation event of this process to an observer from now on. Adding it again changes nothing.

    Args:
        observer: an object with `handle(event)`, or a function of one event; sync or async. It is called in a thread of
            its own, and an async one awaited on the event loop of that thread.
        queue: how many events may wait for it. What comes when the queue is full is lost for it, and counted.

    Raises:
        BadInput: it cannot be called, or the queue is no positive number.
    """
    handle = getattr(observer, "handle", None)
    if not callable(handle):
        handle = observer
    if not callable(handle):
        raise BadInput(f"observer={type(observer).__name__}; accepted: an object with handle(event), or a function")
    if isinstance(queue, bool) or not isinstance(queue, int) or queue < 1:
        raise BadInput(f"queue={queue!r}; accepted: a whole number of 1 or more")
    with _registering:
        if any(each.observer is observer for each in tuple(deliveries)):
            return
        name = getattr(observer, "__qualname__", None) or type(observer).__qualname__
        taken = {each.name for each in tuple(deliveries)}
        number = 2
        unique = name
        while unique in taken:
            unique, number = f"{name}#{number}", number + 1
        deliveries.append(_Delivery(observer, handle, unique, queue))


def remove_observer(observer: object) -> bool:
    """Deliver nothing more to an observer, once it has handled what waits for it; False if it was not added."""
    with _registering:
        found = [each for each in tuple(deliveries) if each.observer is observer]
        deliveries[:] = [each for each in deliveries if each not in found]
    for each in found:
        each.stop()
    return bool(found)


def deliver(event: GenerationEvent) -> None:
    """Hand an event to every observer. Never waits, never raises."""
    causes = _inside.get()
    for each in tuple(deliveries):
        each.offer(event, causes)


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until every observer has handled what was delivered so far; False if the time was too short."""
    ends = time.monotonic() + max(0.0, timeout_s)
    marks = [each.mark() for each in tuple(deliveries)]
    return all(mark.reached.wait(max(0.0, ends - time.monotonic())) for mark in marks)


def observer_stats() -> dict[str, dict[str, Any]]:
    """Return, by observer: offered, handled, failed, lost (its queue was full), own (it caused them itself), waiting,
    last_error."""
    return {each.name: each.stats() for each in tuple(deliveries)}


def replay(
    recorded: "str | os.PathLike[str] | Iterable[GenerationEvent | Mapping[str, Any]]",
    observer: "Observer | Callable[[GenerationEvent], Any]",
) -> int:
    """Hand the events of a recorded session to an observer, one after the other, here and now; returns how many.

    Args:
        recorded: the path of a `session_….jsonl`, or events, or lines already decoded. A line that is cut off or no
            event is left out.
        observer: as for `add_observer`. What it raises is raised here.

    Raises:
        NotFound: there is no such file.
        BadInput: the observer cannot be called.
    """
    handle = getattr(observer, "handle", None) or observer
    if not callable(handle):
        raise BadInput(f"observer={type(observer).__name__}; accepted: an object with handle(event), or a function")
    events = _read(recorded) if isinstance(recorded, str | os.PathLike) else _given(recorded)
    return _apart(events, handle) if _is_async(handle) else _replayed(events, handle)


def _replayed(events: Iterable[GenerationEvent], handle: Callable[[GenerationEvent], Any]) -> int:
    number = 0
    for event in events:
        number += 1
        handle(event)
    return number


def _apart(events: Iterable[GenerationEvent], handle: Callable[[GenerationEvent], Any]) -> int:
    """Run an async observer on a loop of its own, in a thread of its own: one may be running here."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    async def handled() -> int:
        number = 0
        for event in events:
            number += 1
            await handle(event)
        return number

    with ThreadPoolExecutor(1) as apart:
        return apart.submit(lambda: asyncio.run(handled())).result()


def _read(path: "str | os.PathLike[str]") -> Iterable[GenerationEvent]:
    import msgspec

    if not os.path.isfile(path):
        raise NotFound(f"{os.fspath(path)!r} is no file; give the path of a session_….jsonl")

    def events() -> Iterable[GenerationEvent]:
        with Path(path).open("rb") as file:
            for line in file:
                try:
                    said = msgspec.json.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
                if isinstance(said, dict):
                    yield GenerationEvent.of_line(said)

    return events()


def _given(events: Iterable[GenerationEvent | Mapping[str, Any]]) -> Iterable[GenerationEvent]:
    for each in events:
        yield each if isinstance(each, GenerationEvent) else GenerationEvent.of_line(each)


def _is_async(handle: Callable[..., Any]) -> bool:
    import inspect

    return inspect.iscoroutinefunction(handle) or inspect.iscoroutinefunction(getattr(handle, "__call__", None))  # noqa: B004 - an object whose __call__ is async


def _is_awaitable(answer: object) -> bool:
    return hasattr(type(answer), "__await__")


def _after_fork_in_child() -> None:
    """What waits is the parent's to deliver; the child's observers begin anew, for none of its threads runs here."""
    global _registering
    _registering = threading.Lock()
    for each in tuple(deliveries):
        each.reset()


atexit.register(flush, AT_EXIT_S)  # a program that only just logged something would lose it otherwise


def _before_fork() -> None:
    for each in tuple(deliveries):  # from Python 3.12 on a fork beside any thread makes the host print a warning
        each.rest(0.1)


os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)

__all__ = [
    "Observer",
    "add_observer",
    "deliver",
    "deliveries",
    "flush",
    "observer_stats",
    "remove_observer",
    "replay",
]
