"""A whole small run: one trace, five stages, 25 decisions, two LLM calls with prompts of 4 kB.

whence: from `TraceContext.start` to the end of the trace, every record written to the spool, where it survives SIGKILL.
The prompts differ from run to run, since a text that was stored once is not stored again; the second line shows a
system prompt that repeats (and a user's that does not). OpenTelemetry: a span per run, stage and LLM call, an event per
decision, the prompts as attributes; then `force_flush` through the OTLP/HTTP exporter to a sink in another process on
this machine, which is when the run has left the process and survives it.

**finish** What `TraceContext.finish_sync` costs afterwards: drain into SQLite with full text, row, document, flags. It is
no part of the run's figure: it may as well be done by a server, or by the next question.
"""

import subprocess
import sys
from time import perf_counter_ns
from typing import Any

from benchmarks.recording import cases, flattened
from benchmarks.rounds import percentile, ratios, spread
from benchmarks.table import Line, Options
from benchmarks.worker import ROOT, Figures, Round, at_work, column, interleaved

STAGES = ("intake", "rubric", "collection", "synthesis", "quality_gate")
PROMPT_CHARS = 4096
_SENTENCE = "Answer from the passages alone, name the passage for each claim, and say so where they are silent. "
_SYSTEM = (_SENTENCE * 50)[:PROMPT_CHARS]
_WORDS = ("amber", "birch", "cedar", "delta", "fjord", "grove", "heron", "inlet")


def prompt(number: int) -> str:
    """Return a prompt of 4 kB that no other number gives: prose, with the dates and figures that real ones have."""
    about = " ".join(_WORDS[number >> shift & 7] for shift in range(0, 24, 3))
    passages = (f"[{each}] On {each % 28 + 1} March 2024 it rose by 3.{each} %. {_SENTENCE}" for each in range(1, 40))
    return f"The passages are about {about}. {''.join(passages)}"[:PROMPT_CHARS]


def _one(number: int, decisions: list[dict[str, Any]], system: str | None, *, finish: bool) -> tuple[int, int]:
    """Do one run with whence; returns nanoseconds to record it and to finish it."""
    from whence.tracing import TraceContext

    prompts = (system or prompt(2 * number), prompt(2 * number + 1))
    before = perf_counter_ns()
    trace = TraceContext.start(project_name="bench", query="what changed in the tariff?", intent="validating")
    for place, stage in enumerate(STAGES):
        trace.start_stage(stage)
        for each in range(5):
            trace.record(stage, "choose_passage", decisions[(5 * place + each) % len(decisions)])
        if stage in ("collection", "synthesis"):
            trace.llm_call(
                "generate",
                stage=stage,
                model="m-1",
                prompt=prompts[stage == "synthesis"],
                response="It rose in March, says passage two.",
                input_tokens=1024,
                output_tokens=12,
                duration_s=1.25,
            )
        trace.end_stage(stage, {"kept": place, "score": 0.7, "model": "m-1", "passed": True})
    trace.mark_complete()
    trace.end()
    recorded = perf_counter_ns()
    if finish:
        result = TraceContext.finish_sync(trace)
        if result.get("supabase") != "saved" or "file_path" not in result:
            raise RuntimeError(f"finish did not finish: {result}")
    return recorded - before, perf_counter_ns() - recorded


def _whence(*, system: str | None = None, finish: bool = False) -> Round:
    import whence

    decisions = cases()
    runs = 0

    def run(calls: int) -> Figures:
        nonlocal runs
        taken = [_one(runs + each, decisions, system, finish=finish) for each in range(calls)]
        runs += calls
        stats = whence.stats()
        if stats["dropped"] or stats["internal_errors"] or stats["written"] < 40 * runs:
            raise RuntimeError(f"not everything was recorded: {stats}")
        return {
            "run": percentile((recorded for recorded, _ in taken), 0.5) / 1e6,
            "finish": percentile((finished for _, finished in taken), 0.5) / 1e6,
            "finish_p95": percentile((finished for _, finished in taken), 0.95) / 1e6,
        }

    return run


def whence_distinct(_: dict[str, Any]) -> Round:
    """Two new prompts in every run."""
    return _whence()


def whence_repeated(_: dict[str, Any]) -> Round:
    """One new prompt, and a system prompt that repeats."""
    return _whence(system=_SYSTEM)


def whence_finished(_: dict[str, Any]) -> Round:
    """Each run is finished: drained into the store, with its document."""
    return _whence(finish=True)


def otel(config: dict[str, Any]) -> Round:
    """The same run through the OTLP/HTTP exporter."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"http://127.0.0.1:{config['port']}/v1/traces"))
    )
    tracer = provider.get_tracer("bench")
    given = [flattened(each) for each in cases()]
    runs = 0

    def one(number: int) -> int:
        prompts = (prompt(2 * number), prompt(2 * number + 1))
        before = perf_counter_ns()
        about = {"project": "bench", "query": "what changed in the tariff?", "intent": "validating"}
        with tracer.start_as_current_span("run", attributes=about):
            for place, stage in enumerate(STAGES):
                with tracer.start_as_current_span(stage) as span:
                    for each in range(5):
                        span.add_event("choose_passage", given[(5 * place + each) % len(given)])
                    if stage in ("collection", "synthesis"):
                        attributes: dict[str, Any] = {
                            "gen_ai.request.model": "m-1",
                            "gen_ai.prompt": prompts[stage == "synthesis"],
                            "gen_ai.response": "It rose in March, says passage two.",
                            "gen_ai.usage.input_tokens": 1024,
                            "gen_ai.usage.output_tokens": 12,
                        }
                        tracer.start_span("generate", attributes=attributes).end()
                    span.set_attributes({"kept": place, "score": 0.7, "model": "m-1", "passed": True})
        if not provider.force_flush():
            raise RuntimeError("force_flush failed; is the sink there?")
        return perf_counter_ns() - before

    def run(calls: int) -> Figures:
        nonlocal runs
        taken = [one(runs + each) for each in range(calls)]
        runs += calls
        return {"run": percentile(taken, 0.5) / 1e6}

    return run


def run(options: Options) -> list[Line]:
    """The lines."""
    sink = subprocess.Popen([sys.executable, "-m", "benchmarks.sink"], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert sink.stdout is not None
        config = {"port": int(sink.stdout.readline())}
        subjects = {
            "whence": "whole_run:whence_distinct",
            "otel": "whole_run:otel",
            "repeated": "whole_run:whence_repeated",
            "finished": "whole_run:whence_finished",
        }
        with at_work(subjects, options.temporary / "run", config) as workers:
            found = interleaved(workers, rounds=5 if options.quick else 21, calls=20 if options.quick else 50)
    finally:
        sink.terminate()
        sink.wait()
    ours, theirs, repeated = (column(found[name], "run") for name in ("whence", "otel", "repeated"))
    return [
        Line(
            work="whole run, two new prompts of 4 kB, on disk, p50",
            unit="ms",
            whence=spread(ours).median,
            otel=spread(theirs).median,
            ratio=ratios(ours, theirs),
            limit=0.6,
            ratio_limit=0.4,
        ),
        Line(
            work="the same, one of them a system prompt that repeats",
            unit="ms",
            whence=spread(repeated).median,
            otel=spread(theirs).median,
            ratio=ratios(repeated, theirs),
        ),
        Line(
            work="finish: drain, row, document, flags, p50",
            unit="ms",
            whence=spread(column(found["finished"], "finish")).median,
            limit=100,
        ),
        Line(
            work="finish, p95",
            unit="ms",
            whence=spread(column(found["finished"], "finish_p95")).median,
            limit=100,
        ),
    ]
