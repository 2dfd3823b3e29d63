"""Time and ids that count up from one."""

from itertools import count


class CountingClock:
    """A clock for tests: every look at it is a millisecond later, every id is the next number.

    Args:
        start_ns: the first moment; 2026-01-01T00:00:00Z unless given.
    """

    def __init__(self, start_ns: int = 1_767_225_600_000_000_000) -> None:
        self._now = count(start_ns, 1_000_000)
        self._monotonic = count(0, 1_000_000)
        self._records = count(1)
        self._spans = count(1)
        self._traces = count(1)

    def now_ns(self) -> int:
        """Unix time, UTC."""
        return next(self._now)

    def monotonic_ns(self) -> int:
        """Nanoseconds since the clock was made."""
        return next(self._monotonic)

    def record_id(self, ts_ns: int) -> str:
        """The next record id; sorts in order of making."""
        return "%032x" % next(self._records)

    def span_id(self) -> str:
        """The next span id."""
        return "%016x" % next(self._spans)

    def otel_trace_id(self, ts_ns: int) -> str:
        """The next trace id."""
        return "%032x" % next(self._traces)
