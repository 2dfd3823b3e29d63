"""How long something took."""

import time
from typing import Literal


class Timer:
    """How long something takes, in milliseconds; also a context manager.

    with telemetry.start_timer() as timer:
        …
    telemetry.log_event(component="CoderAgent", event_type="generated", duration_ms=timer.elapsed_ms)
    """

    def __init__(self) -> None:
        self._started = time.perf_counter_ns()
        self._stopped: int | None = None

    @property
    def elapsed_ms(self) -> float:
        """From the start to `stop`, or to now."""
        return ((self._stopped or time.perf_counter_ns()) - self._started) / 1e6

    def stop(self) -> float:
        """Stop; returns the milliseconds. Stopping twice changes nothing."""
        self._stopped = self._stopped or time.perf_counter_ns()
        return self.elapsed_ms

    def __enter__(self) -> "Timer":
        return self

    def __exit__(self, *args: object) -> Literal[False]:
        self.stop()
        return False
