"""What OpenTelemetry says, understood: spans a second of `whence.wire.otlp.dialects.read`, and of reading OTLP JSON.

**a run** Ten spans: an agent, three calls of a model, two of tools, and four that are in no dialect (HTTP, a database; six
attributes). The calls are those that real libraries were seen to make (tests/wire/otlp/material): a chat with one tool
offered and called, one with the result of the tool, one that was streamed, with every attribute they had. A line for each
way of saying it.

**a call** The chat alone, the most there is to be read in one span.

**OTLP JSON** The same runs as a request a line, from bytes to spans (`otlp_json.read`), without reading what they mean.
"""

from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.rounds import spread
from benchmarks.table import Line, Options
from benchmarks.worker import Figures, Round, Worker

if TYPE_CHECKING:
    from whence.wire.otlp.spans import OtelSpan

LIBRARIES = {
    "OpenInference": "openinference",
    "Traceloop 0.47 (gen_ai ≤ 1.36)": "traceloop_0_47",
    "Traceloop 0.62 (gen_ai 1.37+)": "traceloop_0_62",
    "OpenTelemetry's own (gen_ai 1.37+)": "openai_v2_2_4",
}
CALLS = ("chat_tools", "chat_after_tool", "chat_stream")
START_NS = 1_767_225_600_000_000_000
_RUNS = 200
HTTP: dict[str, Any] = {
    "http.request.method": "GET",
    "url.full": "https://api.example.org/v1/tariffs?region=north",
    "server.address": "api.example.org",
    "server.port": 443,
    "http.response.status_code": 200,
    "network.protocol.version": "1.1",
}
_DATABASE: dict[str, Any] = {
    "db.system.name": "postgresql",
    "db.namespace": "tariffs",
    "db.query.text": "SELECT * FROM tariff WHERE region = $1 AND since < $2",
    "db.operation.name": "SELECT",
    "server.address": "db.example.org",
    "db.response.returned_rows": 17,
}
_AGENT: dict[str, dict[str, Any]] = {
    "openinference": {
        "openinference.span.kind": "AGENT",
        "agent.name": "forecaster",
        "input.value": "Weather in Paris?",
        "output.value": "It is sunny.",
    },
    "traceloop_0_47": {
        "traceloop.span.kind": "agent",
        "traceloop.entity.name": "forecaster",
        "traceloop.entity.input": '{"question": "Weather in Paris?"}',
        "traceloop.entity.output": '"It is sunny."',
    },
}
_AGENT["traceloop_0_62"] = _AGENT["traceloop_0_47"]
_AGENT["openai_v2_2_4"] = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.provider.name": "openai",
    "gen_ai.agent.name": "forecaster",
    "gen_ai.request.model": "gpt-4o",
}
_TOOL: dict[str, dict[str, Any]] = {
    "openinference": {
        "openinference.span.kind": "TOOL",
        "tool.name": "get_weather",
        "input.value": '{"city": "Paris"}',
        "input.mime_type": "application/json",
        "output.value": "sunny",
    },
    "traceloop_0_47": {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": "get_weather",
        "traceloop.entity.input": '{"city": "Paris"}',
        "traceloop.entity.output": '"sunny"',
    },
}
_TOOL["traceloop_0_62"] = _TOOL["traceloop_0_47"]
_TOOL["openai_v2_2_4"] = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "get_weather",
    "gen_ai.tool.call.id": "call_1",
    "gen_ai.tool.type": "function",
    "gen_ai.tool.call.arguments": '{"city": "Paris"}',
    "gen_ai.tool.call.result": "sunny",
}


def run_of(library: str, number: int) -> "list[OtelSpan]":
    """Return the spans of one run as this library says them, as they end: the root is the last one."""
    import msgspec

    from tests.wire.otlp import seen
    from whence.wire.otlp.spans import OtelSpan

    trace, resource = f"{number + 1:032x}", {"service.name": "forecasts", "telemetry.sdk.language": "python"}
    start_ns = START_NS + number * 10_000_000_000
    calls = [seen.span(library, call) for call in CALLS]
    plain = {"GET": HTTP, "SELECT tariff": _DATABASE}
    tool, scope = _TOOL[library], calls[0].scope
    said: list[OtelSpan] = []
    for call in calls:
        said.append(call)
        if len(said) < 8:
            said += [
                OtelSpan(trace="", span="", name=name, attributes=attributes, scope="app")
                for name, attributes in plain.items()
            ]
            said.append(OtelSpan(trace="", span="", name="get_weather", attributes=tool, scope=scope))
    said.append(OtelSpan(trace="", span="", name="forecaster", attributes=_AGENT[library], scope=scope))
    root = f"{number + 1:08x}{len(said):08x}"
    return [
        msgspec.structs.replace(
            each,
            trace=trace,
            span=f"{number + 1:08x}{place:08x}",
            parent="" if place == len(said) else root,
            attributes=dict(each.attributes),
            resource=resource,
            start_ns=start_ns + place * 1_000_000,
            end_ns=start_ns + place * 1_000_000 + 900_000,
        )
        for place, each in enumerate(said, 1)
    ]


def traces(spans: int) -> "Iterator[list[OtelSpan]]":
    """Yield runs of all libraries in turns, until there are so many spans."""
    libraries, made, number = list(LIBRARIES.values()), 0, 0
    while made < spans:
        run = run_of(libraries[number % len(libraries)], number)
        yield run
        made += len(run)
        number += 1


def understood(config: dict[str, Any]) -> Round:
    """Read what spans mean."""
    from whence.wire.otlp.dialects import read

    spans = [span for number in range(_RUNS) for span in run_of(config["library"], number)]
    chats = [span for span in spans if span.span.endswith("00000001")]
    if read(chats[0]).type != "llm" or not read(chats[0]).llm.get("messages"):
        raise RuntimeError(f"{config['library']}: the chat was not understood")

    def rate(given: "list[OtelSpan]", turns: int) -> float:
        before = perf_counter()
        for _ in range(turns):
            for span in given:
                read(span)
        return turns * len(given) / (perf_counter() - before)

    return lambda turns: {"run": rate(spans, turns), "chat": rate(chats, turns * 5)}


def parsed(config: dict[str, Any]) -> Round:
    """Read OTLP JSON, a request a line."""
    from whence.wire.otlp import otlp_json

    lines = [otlp_json.encode(run_of(config["library"], number)) + b"\n" for number in range(_RUNS)]

    def run(turns: int) -> Figures:
        spans = 0
        before = perf_counter()
        for _ in range(turns):
            spans += sum(1 for _ in otlp_json.read(lines))
        taken = perf_counter() - before
        if spans != turns * _RUNS * 10:
            raise RuntimeError(f"{turns * _RUNS * 10} spans were written, {spans} read")
        return {"rate": spans / taken}

    return run


def dialects(options: Options) -> list[Line]:
    """The lines."""
    rounds, turns = (3, 1) if options.quick else (11, 3)
    lines = []
    for name, library in LIBRARIES.items():
        with Worker("dialects:understood", options.temporary / f"dialects-{library}", {"library": library}) as worker:
            worker.round(1)
            figures = [worker.round(turns) for _ in range(rounds)]
        lines += [
            Line(
                work=f"mapping a run, {name}",
                unit="spans/s",
                whence=spread([each["run"] for each in figures]).median,
                limit=100_000,
                at_least=True,
            ),
            Line(
                work=f"mapping a chat with messages and tools, {name}",
                unit="spans/s",
                whence=spread([each["chat"] for each in figures]).median,
            ),
        ]
    rates = []
    for library in LIBRARIES.values():
        with Worker("dialects:parsed", options.temporary / f"otlp-{library}", {"library": library}) as worker:
            worker.round(1)
            rates.append(spread([worker.round(turns)["rate"] for _ in range(rounds)]).median)
    mean = len(rates) / sum(1 / rate for rate in rates)
    return [*lines, Line(work="decoding OTLP JSON, the same runs", unit="spans/s", whence=mean)]
