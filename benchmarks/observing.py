"""`@observable`: what observing a call costs its caller, beside OpenInference's decorator doing the same.

**one call** A function of three small arguments (a text of 24 characters, a number, a flag) that returns a text, with
arguments and result captured: sync, and a coroutine that awaits nothing, in a loop that runs. whence: two records,
redacted, encoded and written, inside a run that is under way. OpenInference: `OITracer.chain` on a `TracerProvider` of
OpenTelemetry's SDK with a `BatchSpanProcessor` whose exporter discards, inside a span that is under way; its span has
the arguments as JSON, and the result. Both keep the context, so that what is called inside lies in the call.

**switched off** The function of a project that is switched off, called inside a run of it and outside any; less the same
loop over the bare function. OpenInference: a tracer that samples nothing, which is how it is switched off.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from benchmarks.recording import CASES, checked, discarding, microseconds, under_way
from benchmarks.recording import turns as in_turns
from benchmarks.rounds import block_ns, clock_overhead_ns, ratios, spread
from benchmarks.table import Line, Options
from benchmarks.worker import Figures, Round, at_work, column, interleaved

_Call = Callable[..., Any]


def _render(template: str, attempt: int, strict: bool) -> str:
    return "def add(self, item): ..."


async def _render_later(template: str, attempt: int, strict: bool) -> str:
    return "def add(self, item): ..."


def _arguments() -> list[tuple[str, int, bool]]:
    return [(f"component_{number:02d}.py.jinja2 ", number, number % 2 == 0) for number in range(CASES)]


def _each_ns(call: _Call, given: list[Any]) -> list[int]:
    """As `rounds.each_ns`, for a function of these three."""
    clock = perf_counter_ns
    found: list[int] = []
    for template, attempt, strict in given:
        before = clock()
        call(template, attempt, strict)
        found.append(clock() - before)
    return found


async def _each_awaited_ns(call: _Call, given: list[Any]) -> list[int]:
    """The same of a coroutine function."""
    clock = perf_counter_ns
    found: list[int] = []
    for template, attempt, strict in given:
        before = clock()
        await call(template, attempt, strict)
        found.append(clock() - before)
    return found


def _both(render: _Call, render_later: _Call) -> Round:
    """Call the one, then the other, as often."""
    given = _arguments()

    def run(calls: int) -> Figures:
        sync = microseconds(_each_ns(render, in_turns(given, calls)))
        later = microseconds(asyncio.run(_each_awaited_ns(render_later, in_turns(given, calls))))
        return {**sync, **{f"async {name}": figure for name, figure in later.items()}}

    return run


def whence(_: dict[str, Any]) -> Round:
    """Observed by whence, inside a run."""
    import whence as library
    from whence.generation import observable

    library.trace("bench")
    library.stage("component_generation").__enter__()
    return checked(_both(observable("render")(_render), observable("render")(_render_later)))


def whence_session(_: dict[str, Any]) -> Round:
    """Observed by whence outside any run, in the session of the process."""
    from whence.generation import observable

    return checked(_both(observable("render")(_render), observable("render")(_render_later)))


def _openinference(*, recording: bool = True) -> Any:
    from openinference.instrumentation import OITracer, TraceConfig

    return OITracer(discarding(recording=recording).get_tracer("bench"), config=TraceConfig())


def openinference(_: dict[str, Any]) -> Round:
    """Decorated by OpenInference, inside a span."""
    tracer = _openinference()
    under_way(tracer.start_span("component_generation", openinference_span_kind="chain"))
    return _both(tracer.chain(name="render")(_render), tracer.chain(name="render")(_render_later))


def _blocks(render: _Call, count: int = 2_000) -> float:
    given = _arguments()[0]

    def observed(turns: int) -> None:
        for _ in range(turns):
            render(*given)

    def bare(turns: int) -> None:
        for _ in range(turns):
            _render(*given)

    return block_ns(observed, bare, turns=count) / 1e3


def whence_off(config: dict[str, Any]) -> Round:
    """Observed, and switched off."""
    import os

    import whence as library
    from whence.generation import observable

    os.environ["WHENCE_ENABLED"] = "false"
    render = observable("render")(_render)

    def run(_: int) -> Figures:
        outside = _blocks(render)
        with library.trace("bench"):
            inside = _blocks(render)
        if library.stats()["written"]:
            raise RuntimeError("it was not switched off")
        return {"outside": outside, "inside": inside}

    return run


def openinference_off(_: dict[str, Any]) -> Round:
    """Decorated, and nothing is sampled."""
    tracer = _openinference(recording=False)
    render = tracer.chain(name="render")(_render)
    return lambda _: {"off": _blocks(render, 100)}


def observable(options: Options) -> list[Line]:
    """The lines."""
    subjects = {
        "whence": "observing:whence",
        "openinference": "observing:openinference",
        "session": "observing:whence_session",
    }
    with at_work(subjects, options.temporary / "observable") as workers:
        found = interleaved(workers, rounds=5 if options.quick else 21, calls=1_000 if options.quick else 3_000)
    with at_work(
        {"whence": "observing:whence_off", "openinference": "observing:openinference_off"},
        options.temporary / "observable-off",
    ) as workers:
        off = interleaved(workers, rounds=3 if options.quick else 15, calls=1)
    return [*_calls(found), *_switched_off(off)]


def _calls(found: dict[str, list[Figures]]) -> list[Line]:
    lines = []
    timing = f"of it for timing: {clock_overhead_ns() / 1e3:.2f}"
    for figure, work, judged in (
        ("p50", "one call of an @observable function, p50", True),
        ("p99", "one call of an @observable function, p99", False),
        ("async p50", "one call of an @observable coroutine, p50", True),
        ("async p99", "one call of an @observable coroutine, p99", False),
    ):
        ours, theirs = column(found["whence"], figure), column(found["openinference"], figure)
        lines.append(
            Line(
                work=work,
                unit="µs",
                whence=spread(ours).median,
                otel=spread(theirs).median,
                ratio=ratios(ours, theirs),
                limit=12 if judged else None,
                ratio_limit=0.8 if judged else None,
                note=f"OpenInference's decorator; {timing}" if figure == "p50" else "",
            )
        )
    ours, theirs = column(found["session"], "p50"), column(found["openinference"], "p50")
    return [
        *lines,
        Line(
            work="one call outside any run, in the process's own session, p50",
            unit="µs",
            whence=spread(ours).median,
            otel=spread(theirs).median,
            ratio=ratios(ours, theirs),
        ),
    ]


def _switched_off(off: dict[str, list[Figures]]) -> list[Line]:
    lines = []
    for figure, where in (("inside", "inside a run"), ("outside", "outside any run")):
        ours, theirs = column(off["whence"], figure), column(off["openinference"], "off")
        lines.append(
            Line(
                work=f"@observable, project switched off, {where}",
                unit="µs",
                whence=spread(ours).median,
                otel=spread(theirs).median,
                ratio=ratios(ours, theirs),
                limit=0.15,
            )
        )
    return lines
