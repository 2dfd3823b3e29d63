"""What listening to OpenTelemetry costs a program that is instrumented: microseconds added to a span.

The same provider of OpenTelemetry's SDK (a `BatchSpanProcessor` whose exporter discards), with and without
`WhenceSpanProcessor`, in processes that take turns; a span is started and ended inside a root that stays under way, so
that nothing is drained meanwhile (what that takes from a busy program is measured by `host`). The figure of a round is
the difference of the two medians. What whence adds is two records a span, redacted, encoded and written, and of a call of
a model its meaning.

**a plain span** Six attributes, as an instrumented HTTP client sets them. **a call of a model** In the words of
OpenTelemetry's own instrumentation, with messages and a tool call (tests/wire/otlp/material). Spans are given their
attributes when they start, so that setting them is not measured.
"""

from typing import Any

from benchmarks.dialects import HTTP
from benchmarks.recording import checked, discarding, under_way
from benchmarks.rounds import each_ns, percentile, spread
from benchmarks.table import Line, Options
from benchmarks.worker import Figures, Round, at_work, column, interleaved


def _spans(*, listening: bool) -> Round:
    from tests.wire.otlp import seen

    provider = discarding()
    if listening:
        from whence.instrument.opentelemetry import WhenceSpanProcessor

        provider.add_span_processor(WhenceSpanProcessor())
    under_way(provider.get_tracer("app").start_span("root"))
    chat = seen.span("openai_v2_2_4", "chat_tools")
    kinds = {
        "plain": (provider.get_tracer("opentelemetry.instrumentation.httpx"), "GET", HTTP),
        "llm": (provider.get_tracer(chat.scope), chat.name, chat.attributes),
    }

    def run(calls: int) -> Figures:
        figures: Figures = {}
        for kind, (tracer, name, attributes) in kinds.items():

            def one(_: object) -> None:
                tracer.start_span(name, attributes=attributes).end()  # noqa: B023 - used before the next turn

            taken = each_ns(one, range(calls))
            figures[kind] = percentile(taken, 0.5) / 1e3
            figures[f"{kind} p99"] = percentile(taken, 0.99) / 1e3
        return figures

    return run


def listened(_: dict[str, Any]) -> Round:
    """With whence's processor."""
    return checked(_spans(listening=True))


def alone(_: dict[str, Any]) -> Round:
    """Without it."""
    return _spans(listening=False)


def processor(options: Options) -> list[Line]:
    """The lines."""
    subjects = {"with": "listening:listened", "without": "listening:alone"}
    with at_work(subjects, options.temporary / "processor") as workers:
        found = interleaved(workers, rounds=5 if options.quick else 21, calls=1_000 if options.quick else 3_000)
    lines = []
    for figure, work, limit in (
        ("plain", "added to a plain OpenTelemetry span, 6 attributes, p50", 15),
        ("plain p99", "added to a plain OpenTelemetry span, p99", None),
        ("llm", "added to the span of a chat with messages, p50", None),
        ("llm p99", "added to the span of a chat with messages, p99", None),
    ):
        listened_to, by_itself = column(found["with"], figure), column(found["without"], figure)
        added = [ours - theirs for ours, theirs in zip(listened_to, by_itself, strict=True)]
        lines.append(
            Line(
                work=work,
                unit="µs",
                whence=spread(added).median,
                limit=limit,
                note=f"the span by itself {spread(by_itself).median:.1f}",
            )
        )
    return lines
