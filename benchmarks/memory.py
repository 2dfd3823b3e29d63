"""Growth of a process that records 100,000 decisions while nothing drains them.

Resident memory (/proc/self/statm) after a garbage collection, before and after, following 1,000 records of warm-up; a
fresh process for every round. OpenTelemetry: the same as events, spans of a hundred, in a `BatchSpanProcessor` whose
queue holds them all and whose exporter has not had its turn.
"""

import gc
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.recording import cases, flattened
from benchmarks.rounds import ratios, spread
from benchmarks.table import Line, Options
from benchmarks.worker import Figures, Round, Worker

RECORDS = 100_000
_WARM_UP = 1_000


def resident_mb() -> float:
    """Return the resident memory of this process; where /proc is missing, the most it ever was."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (1e6 if sys.platform == "darwin" else 1e3)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _growth(record: Callable[[int], None]) -> Round:
    def run(calls: int) -> Figures:
        for number in range(_WARM_UP):
            record(number)
        before = resident_mb()
        for number in range(calls):
            record(number)
        return {"mb": resident_mb() - before}

    return run


def whence(_: dict[str, Any]) -> Round:
    """Record decisions."""
    from whence.tracing import TraceContext

    given = cases()
    trace = TraceContext.start(project_name="bench")
    trace.start_stage("synthesis")
    return _growth(lambda number: trace.record("synthesis", "choose_passage", given[number % len(given)]))


def otel(_: dict[str, Any]) -> Round:
    """Add events."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Later(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    room = 1 << 16
    provider = TracerProvider()
    provider.add_span_processor(
        BatchSpanProcessor(Later(), max_queue_size=room, max_export_batch_size=room, schedule_delay_millis=3_600_000)
    )
    tracer = provider.get_tracer("bench")
    given = [flattened(each) for each in cases()]
    span = tracer.start_span("synthesis")

    def record(number: int) -> None:
        nonlocal span
        if not number % 100:
            span.end()
            span = tracer.start_span("synthesis")
        span.add_event("choose_passage", given[number % len(given)])

    return _growth(record)


def memory(options: Options) -> list[Line]:
    """The line."""
    found: dict[str, list[float]] = {"whence": [], "otel": []}
    for number in range(2 if options.quick else 5):
        for name, figures in found.items():
            with Worker(f"memory:{name}", options.temporary / f"memory-{name}-{number}") as worker:
                figures.append(worker.round(RECORDS)["mb"])
    return [
        Line(
            work="growth over 100,000 records, nothing draining",
            unit="MB",
            whence=spread(found["whence"]).median,
            otel=spread(found["otel"]).median,
            ratio=ratios(found["whence"], found["otel"]),
            limit=2,
        )
    ]
