"""For your tests: `capture()` records into a place of its own and hands back what was recorded; `CountingClock` makes
times and ids count up from one, so that a whole trace is one expected value."""

from whence.testing.capture import Captured, capture
from whence.testing.clock import CountingClock

__all__ = ["Captured", "CountingClock", "capture"]
