"""The only place that reads time and makes ids.

Ids are UUIDv7 (RFC 9562 §5.7) written as 32 hex digits: 48 bits of Unix milliseconds, a 12-bit counter, 62 random
bits. They sort by time of creation, which makes an index on them three times cheaper than on random ids.
"""

import os
import random
import time
from itertools import count
from typing import Protocol

_SECOND_NS = 1_000_000_000


class Clock(Protocol):
    """Time and identity for a recorder; tests pass one that counts (`whence.testing`)."""

    def now_ns(self) -> int:
        """Unix time, UTC, in nanoseconds."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back; only differences mean anything."""
        ...

    def record_id(self, ts_ns: int) -> str:
        """A fresh UUIDv7 as 32 hex digits, never used before by this process."""
        ...

    def span_id(self) -> str:
        """16 hex digits, never all zero (OpenTelemetry's span id)."""
        ...

    def otel_trace_id(self, ts_ns: int) -> str:
        """32 hex digits whose first 8 are Unix seconds (as AWS X-Ray asks for) and whose rest is random."""
        ...


class SystemClock:
    """The real clock. Safe in any thread; a forked child calls `reseed`."""

    __slots__ = ("_bits", "_last_ms", "_ms_hex", "_tail", "_tick", "_ticks", "monotonic_ns", "now_ns")

    def __init__(self) -> None:
        self.now_ns = time.time_ns
        self.monotonic_ns = time.perf_counter_ns
        self._last_ms = 0
        self._ms_hex = "%012x7" % 0
        self._ticks = tuple("%03x" % tick for tick in range(4096))  # to look up is twice as fast as to format
        self.reseed()

    def reseed(self) -> None:
        """Take new randomness from the system; two processes must never share a stream of ids."""
        self._bits = random.Random(os.urandom(32)).getrandbits
        self._tick = count().__next__
        self._tail = self._new_tail()

    def _new_tail(self) -> str:
        return "%016x" % (self._bits(62) | 0x8000000000000000)

    def record_id(self, ts_ns: int) -> str:
        # The counter tells the ids of one millisecond apart, the random tail tells processes apart; so the tail is
        # drawn anew only when the counter wraps, which spares the hot path the formatting of it.
        ms = ts_ns // 1_000_000
        if ms > self._last_ms:  # a wall clock that steps back must not make ids that sort before their predecessors
            self._ms_hex = "%012x7" % ms
            self._last_ms = ms
        tick = self._tick() & 0xFFF
        if not tick:
            self._tail = self._new_tail()
        return self._ms_hex + self._ticks[tick] + self._tail

    def span_id(self) -> str:
        return "%016x" % (self._bits(64) | 1)

    def otel_trace_id(self, ts_ns: int) -> str:
        return "%08x%024x" % (ts_ns // _SECOND_NS & 0xFFFFFFFF, self._bits(96) | 1)


def trace_id_of(otel_trace_id: str, ts_ns: int) -> str:
    """Return the readable name of a trace: `trc_YYYYMMDD_HHMMSS_<hex>` (R1.34), UTC.

    The hex digits are the low 64 bits of the OpenTelemetry trace id, so the two are bound to each other. The seed's
    eight digits collide once in two hours at 1,000 traces a second (docs/decisions/0004-ids.md).
    """
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(ts_ns // _SECOND_NS))
    return f"trc_{stamp}_{otel_trace_id[16:]}"


def derived_id(ts_ns: int, seed: bytes) -> str:
    """Return a UUIDv7-shaped id that is the same for the same arguments.

    What the drainer says about a trace (lost, documented, flagged) may be said twice after a crash; a derived id
    makes the second time a duplicate instead of a second statement.
    """
    import hashlib

    digest = hashlib.sha256(seed).digest()
    random_bits = int.from_bytes(digest[:8], "big") & 0x3FFFFFFFFFFFFFFF
    return "%012x7%03x%016x" % (
        max(0, ts_ns) // 1_000_000,
        int.from_bytes(digest[8:10], "big") & 0xFFF,
        random_bits | 0x8000000000000000,
    )


def iso_utc(ts_ns: int) -> str:
    """Return an ISO 8601 time in UTC with microseconds and `Z`."""
    seconds, ns = divmod(ts_ns, _SECOND_NS)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{ns // 1000:06d}Z"
