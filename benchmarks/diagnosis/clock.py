"""A clock that the benchmark moves: hours of runs in seconds, with the same times and ids for the same seed."""

from random import Random

SECOND_NS = 1_000_000_000
BEGIN_NS = 1_767_254_400_000_000_000
"""2026-01-01T08:00:00Z: the first run."""
LOOK_NS = 20_000
"""What one look at the clock takes: records in a row must not have one time."""


class PlannedClock:
    """Time goes on when work is said to be done (`spend`), and a little at every look.

    Args:
        random: where ids come from; nothing else draws from it.
    """

    def __init__(self, random: Random, start_ns: int = BEGIN_NS) -> None:
        self._random = random
        self._now = start_ns
        self._records = 0

    def spend(self, seconds: float) -> None:
        """Let time go by."""
        self._now += int(seconds * SECOND_NS)

    def now_ns(self) -> int:
        """Unix time, UTC."""
        self._now += LOOK_NS
        return self._now

    def monotonic_ns(self) -> int:
        """The same clock: nobody sets it."""
        return self.now_ns()

    def record_id(self, ts_ns: int) -> str:
        """A UUIDv7 whose counter goes on, so that ids sort in order of making."""
        self._records += 1
        tail = self._random.getrandbits(30)
        return "%012x7%03x8%07x%08x" % (
            ts_ns // 1_000_000,
            self._records >> 28 & 0xFFF,
            self._records & 0xFFFFFFF,
            tail,
        )

    def span_id(self) -> str:
        """16 hex digits, never all zero."""
        return "%016x" % (self._random.getrandbits(64) | 1)

    def otel_trace_id(self, ts_ns: int) -> str:
        """32 hex digits that begin with the second."""
        return "%08x%024x" % (ts_ns // SECOND_NS & 0xFFFFFFFF, self._random.getrandbits(96) | 1)
