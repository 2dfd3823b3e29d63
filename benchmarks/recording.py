"""One decision, the same disabled, and a stage: what a recording call costs on the caller's thread.

**decision** A text of 200 characters, two floats, a list of three, a small dict. whence: `Trace.record`, which redacts,
encodes and writes (the record is in the page cache when it returns). OpenTelemetry: `Span.add_event` with the same values
flattened to what it accepts, on a live span of a `BatchSpanProcessor` whose exporter discards; a new span every hundred
events, outside the timed part. Its event is neither redacted nor encoded yet, and a SIGKILL loses it.

**disabled** `record` on a trace that is switched off, and `whence.decision` outside any trace, in blocks of 2,000 calls
less an empty loop. OpenTelemetry: `add_event` on a span that is not recording.

**stage** `start_stage` and `end_stage` with four outputs: two records. OpenTelemetry: `start_span` with four attributes
and `end`, handed to the same processor. The form `with trace.stage(...)` also keeps the context.

The dicts are made before the timed part, for both. Each call is timed by itself; what timing costs is stated and stays in.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.rounds import block_ns, clock_overhead_ns, each_ns, percentile, ratios, spread
from benchmarks.table import Line, Options
from benchmarks.worker import Figures, Round, at_work, column, interleaved

_WHY = (
    "The passage answers the question directly, was published by the regulator itself and agrees with two others that "
    "were found independently; the older survey is contradicted by the new tariff tables, so it"
)
CASES = 64


def cases(extra: str = "") -> list[dict[str, Any]]:
    """Return decisions of one size and different content."""
    found = []
    for number in range(CASES):
        why = f"{_WHY} {chr(97 + number % 26) * 4}{extra} {chr(97 + number // 26)}"
        found.append(
            {
                "what": "keep the first passage",
                "why": why.ljust(200, "."),
                "confidence": 0.5 + number / 200,
                "alternatives_considered": ["keep both", "ask again", "drop it"],
                "inputs": {"intent": "validating", "score": 0.1 + number / 100, "passages": number},
            }
        )
    return found


def flattened(decision: dict[str, Any]) -> dict[str, Any]:
    """Return the same for OpenTelemetry, whose attributes are scalars and lists of scalars."""
    flat = {key: value for key, value in decision.items() if key != "inputs"}
    return {**flat, **{f"inputs.{key}": value for key, value in decision["inputs"].items()}}


def turns(of: list[Any], calls: int) -> list[Any]:
    """Return as many arguments as there are calls, taken in turns."""
    return [of[number % len(of)] for number in range(calls)]


def microseconds(taken: list[int]) -> Figures:
    """Return p50 and p99 of nanoseconds."""
    return {"p50": percentile(taken, 0.5) / 1e3, "p99": percentile(taken, 0.99) / 1e3}


# -- whence ---------------------------------------------------------------------------------------------------------


def whence_decision(config: dict[str, Any]) -> Round:
    """Record through the tracing door."""
    from whence.tracing import TraceContext

    given = cases(", ask ada@example.org" if config.get("masked") else "")
    trace = TraceContext.start(project_name="bench")
    trace.start_stage("synthesis")

    def record(data: Any) -> None:
        trace.record("synthesis", "choose_passage", data)

    return checked(lambda calls: microseconds(each_ns(record, turns(given, calls))))


def whence_masked(_: dict[str, Any]) -> Round:
    """The same with an e-mail address in the text, which is masked."""
    return whence_decision({"masked": True})


def whence_native(_: dict[str, Any]) -> Round:
    """Record through `whence.decision`, which finds trace and stage by itself."""
    import whence

    given = cases()
    whence.trace("bench")
    whence.stage("synthesis").__enter__()
    decision = whence.decision

    def record(data: Any) -> None:
        decision(
            "choose_passage",
            data["what"],
            data["why"],
            data["confidence"],
            data["alternatives_considered"],
            data["inputs"],
        )

    return checked(lambda calls: microseconds(each_ns(record, turns(given, calls))))


def whence_stage(_: dict[str, Any]) -> Round:
    """Start and end a stage by name."""
    from whence.tracing import TraceContext

    trace = TraceContext.start(project_name="bench")

    def both(outputs: Any) -> None:
        trace.start_stage("synthesis")
        trace.end_stage("synthesis", outputs)

    return checked(lambda calls: microseconds(each_ns(both, turns(_outputs(), calls))))


def whence_with_stage(_: dict[str, Any]) -> Round:
    """Start and end a stage as a context manager."""
    import whence

    trace = whence.trace("bench")

    def both(outputs: Any) -> None:
        with trace.stage("synthesis") as stage:
            stage.outputs = outputs

    return checked(lambda calls: microseconds(each_ns(both, turns(_outputs(), calls))))


def whence_disabled(_: dict[str, Any]) -> Round:
    """Calls that record nothing."""
    import whence
    from whence.tracing import TraceContext

    data = cases()[0]
    noop = TraceContext.start(project_name="bench", enabled=False)
    record = noop.record
    noop.end()
    decision = whence.decision

    def records(turns: int) -> None:
        for _ in range(turns):
            record("synthesis", "choose_passage", data)

    def decisions(turns: int) -> None:
        for _ in range(turns):
            decision("choose_passage", "keep the first passage", _WHY, 0.5)

    return lambda _: {"record": block_ns(records, _empty) / 1e3, "decision": block_ns(decisions, _empty) / 1e3}


def _outputs() -> list[dict[str, Any]]:
    return [{"kept": number, "score": number / 7, "model": "m-1", "passed": True} for number in range(CASES)]


def _empty(turns: int) -> None:
    for _ in range(turns):
        pass


def checked(work: Callable[[int], Figures]) -> Round:
    """Refuse figures of calls that recorded nothing, or not what they should."""
    import whence

    def run(calls: int) -> Figures:
        before = whence.stats()["written"]
        figures = work(calls)
        stats = whence.stats()
        if stats["written"] - before < calls or stats["dropped"] or stats["internal_errors"]:
            raise RuntimeError(f"{calls} calls: not everything was recorded: {stats}")
        return figures

    return run


# -- OpenTelemetry --------------------------------------------------------------------------------------------------


def discarding(*, recording: bool = True) -> Any:
    """Return a provider of OpenTelemetry's SDK whose exporter discards; without `recording` no span is sampled."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

    class Discard(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider(sampler=ALWAYS_ON if recording else ALWAYS_OFF)
    provider.add_span_processor(BatchSpanProcessor(Discard()))
    return provider


def under_way(span: Any) -> None:
    """Let what follows lie in this span. Not by `start_as_current_span`: it ends with the last reference to its block."""
    from opentelemetry.context import attach
    from opentelemetry.trace import set_span_in_context

    attach(set_span_in_context(span))


def _tracer(*, recording: bool = True) -> Any:
    return discarding(recording=recording).get_tracer("bench")


def otel_decision(_: dict[str, Any]) -> Round:
    """Add an event to a live span."""
    tracer = _tracer()
    given = [flattened(each) for each in cases()]

    def run(calls: int) -> Figures:
        taken: list[int] = []
        for start in range(0, calls, 100):
            span = tracer.start_span("synthesis")
            add_event = span.add_event

            def record(attributes: Any) -> None:
                add_event("choose_passage", attributes)  # noqa: B023 - used before the next turn

            taken += each_ns(record, turns(given, min(100, calls - start)))
            span.end()
        return microseconds(taken)

    return run


def otel_stage(_: dict[str, Any]) -> Round:
    """Start and end a span."""
    tracer = _tracer()

    def both(attributes: Any) -> None:
        tracer.start_span("synthesis", attributes=attributes).end()

    return lambda calls: microseconds(each_ns(both, turns(_outputs(), calls)))


def otel_disabled(_: dict[str, Any]) -> Round:
    """Add an event to a span that is not recording."""
    span = _tracer(recording=False).start_span("synthesis")
    add_event = span.add_event
    data = flattened(cases()[0])

    def records(turns: int) -> None:
        for _ in range(turns):
            add_event("choose_passage", data)

    return lambda _: {"record": block_ns(records, _empty) / 1e3}


# -- the lines ------------------------------------------------------------------------------------------------------


def decision(options: Options) -> list[Line]:
    """One decision."""
    subjects = {
        "whence": "recording:whence_decision",
        "otel": "recording:otel_decision",
        "native": "recording:whence_native",
        "masked": "recording:whence_masked",
    }
    with at_work(subjects, options.temporary / "decision") as workers:
        found = interleaved(workers, rounds=5 if options.quick else 21, calls=2_000 if options.quick else 4_000)
    p50, otel = column(found["whence"], "p50"), column(found["otel"], "p50")
    p99, otel_p99 = column(found["whence"], "p99"), column(found["otel"], "p99")
    native, masked = column(found["native"], "p50"), column(found["masked"], "p50")
    return [
        Line(
            work="one decision, p50",
            unit="µs",
            whence=spread(p50).median,
            otel=spread(otel).median,
            ratio=ratios(p50, otel),
            limit=5,
            ratio_limit=0.7,
            note=f"of it for timing: {clock_overhead_ns() / 1e3:.2f}",
        ),
        Line(
            work="one decision, p99",
            unit="µs",
            whence=spread(p99).median,
            otel=spread(otel_p99).median,
            ratio=ratios(p99, otel_p99),
            limit=15,
        ),
        Line(
            work="one decision by whence.decision, p50",
            unit="µs",
            whence=spread(native).median,
            ratio=ratios(native, otel),
            otel=spread(otel).median,
        ),
        Line(work="one decision with an address in it, masked, p50", unit="µs", whence=spread(masked).median),
    ]


def disabled(options: Options) -> list[Line]:
    """The same, switched off."""
    subjects = {"whence": "recording:whence_disabled", "otel": "recording:otel_disabled"}
    with at_work(subjects, options.temporary / "disabled") as workers:
        found = interleaved(workers, rounds=5 if options.quick else 15, calls=1)
    otel = column(found["otel"], "record")
    lines = []
    for figure, work in (("record", "trace.record, disabled"), ("decision", "whence.decision outside any trace")):
        ours = column(found["whence"], figure)
        lines.append(
            Line(
                work=work,
                unit="µs",
                whence=spread(ours).median,
                otel=spread(otel).median,
                ratio=ratios(ours, otel),
                limit=0.1,
            )
        )
    return lines


def stage(options: Options) -> list[Line]:
    """Start and end of a stage."""
    subjects = {
        "whence": "recording:whence_stage",
        "otel": "recording:otel_stage",
        "with": "recording:whence_with_stage",
    }
    with at_work(subjects, options.temporary / "stage") as workers:
        found = interleaved(workers, rounds=5 if options.quick else 21, calls=1_500 if options.quick else 3_000)
    p50, otel, block = (column(found[name], "p50") for name in ("whence", "otel", "with"))
    return [
        Line(
            work="stage start and end, 4 attributes, p50",
            unit="µs",
            whence=spread(p50).median,
            otel=spread(otel).median,
            ratio=ratios(p50, otel),
            limit=10,
            ratio_limit=0.7,
        ),
        Line(
            work="the same as `with trace.stage(...)`, p50",
            unit="µs",
            whence=spread(block).median,
            otel=spread(otel).median,
            ratio=ratios(block, otel),
        ),
    ]
