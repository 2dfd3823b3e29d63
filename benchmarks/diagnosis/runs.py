"""Runs one after another, hours apart: first clean ones that make the history, then faults and clean controls mixed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.diagnosis import generate, research
from benchmarks.diagnosis.around import Ran
from benchmarks.diagnosis.clock import PlannedClock
from benchmarks.diagnosis.faults import FAULTS
from benchmarks.diagnosis.planting import Fault, Pipeline, Planted, Site
from whence.runtime import runtime as process
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings

PIPELINES: Final[tuple[Pipeline, ...]] = ("research", "generate")
HISTORY: Final = 24
"""Clean runs of each pipeline before the first fault."""
CLEAN_SHARE: Final = 0.35
"""Of the runs after the history."""
BETWEEN_S: Final = 2700.0
"""From one run to the next, on average."""


class Runs:
    """Makes runs and remembers nothing; the same seed makes the same ones.

    Args:
        seed: all that differs between runs follows from it.
        directory: where the pipelines write.
    """

    def __init__(self, seed: int, directory: Path) -> None:
        self._random = Random(seed)
        self.clock = PlannedClock(Random(f"ids of {seed}"))
        self._directory = directory
        self._waiting: list[tuple[Fault, Pipeline]] = []

    def history(self, runs: int = HISTORY) -> Iterator[Planted]:
        """Make clean runs of both pipelines, taking turns."""
        for _ in range(runs):
            for pipeline in PIPELINES:
                yield self.one(pipeline)

    def mixed(self, runs: int, clean_share: float = CLEAN_SHARE) -> Iterator[Planted]:
        """Make runs of both pipelines, most with a fault; every fault is planted about as often as any other."""
        for _ in range(runs):
            if self._random.random() < clean_share:
                yield self.one(self._random.choice(PIPELINES))
            else:
                fault, pipeline = self._next()
                yield self.one(pipeline, fault)

    def _next(self) -> tuple[Fault, Pipeline]:
        if not self._waiting:
            self._waiting = [(fault, self._random.choice(sorted(fault.plants))) for fault in FAULTS]
            self._random.shuffle(self._waiting)
        return self._waiting.pop()

    def one(self, pipeline: Pipeline, fault: Fault | None = None) -> Planted:
        """Make one run, with a fault planted in it or without."""
        random = Random(self._random.getrandbits(64))
        self.clock.spend(random.expovariate(1 / BETWEEN_S) + 60)
        job: Any
        parts: Any
        if pipeline == "research":
            job, parts = research.job(random), research.good_parts(random, self.clock)
        else:
            job = generate.job(random, kinds=fault.kinds if fault is not None else ())
            parts = generate.good_parts(random)
        if fault is None:
            ran = self._run(pipeline, job, parts, random)
            return Planted(
                trace_id=ran.trace_id, otel_trace_id=ran.otel_trace_id, pipeline=pipeline, fault=None, good=ran.good
            )
        planting = fault.plants[pipeline](Site(parts, job, self.clock, random))
        ran = self._run(pipeline, job, planting.parts, random)
        return Planted(
            trace_id=ran.trace_id,
            otel_trace_id=ran.otel_trace_id,
            pipeline=pipeline,
            fault=fault.name,
            place=planting.place,
            accepted=planting.accepted,
            codes=planting.codes,
            good=ran.good,
        )

    def _run(self, pipeline: Pipeline, job: Any, parts: Any, random: Random) -> Ran:
        if pipeline == "research":
            return research.run(job, parts, self.clock, random)
        target = self._directory / "generated"
        shutil.rmtree(target, ignore_errors=True)
        return generate.run(job, parts, self.clock, random, target)


@contextmanager
def recording(directory: Path, runs: Runs) -> Iterator[Runtime]:
    """Record into a directory while the block runs, by the clock of the runs; nothing is drained unless asked for.

    Not for use in several threads at once: it replaces the runtime of the whole process.
    """
    before = process.peek()
    runtime = Runtime(Settings(data=directory, documents=directory, drain=False), runs.clock)
    runtime.recorder.on_trace_end.clear()  # the benchmark drains itself
    process.use(runtime)
    try:
        yield runtime
    finally:
        process.use(before)
        runtime.close()
