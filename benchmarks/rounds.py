"""Timing single calls, and comparing two subjects round by round."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from time import perf_counter_ns

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """The least, the median and the most of some figures."""

    least: float
    median: float
    most: float


def spread(figures: Sequence[float]) -> Spread:
    """Return the spread of at least one figure."""
    return Spread(min(figures), median(figures), max(figures))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return the spread of ours/theirs, pair by pair: a pair was measured one right after the other.

    Raises:
        ValueError: the numbers of rounds differ, or there are none.
    """
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def percentile(figures: Iterable[float], share: float) -> float:
    """Return the smallest figure that at least this share of all figures does not exceed (0.5: the lower median)."""
    ordered = sorted(figures)
    if not ordered:
        raise ValueError("no figures; measure at least once")
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def each_ns(call: Callable[[object], object], arguments: Iterable[object]) -> list[int]:
    """Call once per argument; return the nanoseconds of each call, with the overhead of looking at the clock."""
    clock = perf_counter_ns
    found: list[int] = []
    note = found.append
    for argument in arguments:
        before = clock()
        call(argument)
        note(clock() - before)
    return found


def clock_overhead_ns(calls: int = 20_000) -> float:
    """Return what `each_ns` shows for a call that does nothing: it is contained in every figure made with it."""
    return percentile(each_ns(_nothing, range(calls)), 0.5)


def _nothing(_: object) -> None:
    pass


def block_ns(
    loop: Callable[[int], object], empty: Callable[[int], object], turns: int = 2000, blocks: int = 25
) -> float:
    """Return nanoseconds per turn of a loop, less an empty loop's: for calls too short to be timed one by one."""

    def best(run: Callable[[int], object]) -> float:
        found = []
        for _ in range(blocks):
            before = perf_counter_ns()
            run(turns)
            found.append((perf_counter_ns() - before) / turns)
        return median(found)

    return best(loop) - best(empty)
