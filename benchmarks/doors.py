"""The doors of diagnosis: what a call costs the program that makes it, and the comparisons behind it.

**recording** `TelemetryService.log_event` without vectors and with two of 768 dimensions (new ones each time, as lists of
floats: checked, packed, hashed, compared and recorded, each once), and `DebugCollector.record_event`, which the coroutine
`collect_event` calls, and that coroutine itself; each of a run that is under way. Every round checks that as many records
were written as were asked for.

**comparing** The cosine distance of two vectors of 768 dimensions, in a process in which numpy was never imported; the same
from whatever a caller gives, two comparisons of it with the checks (`drift`). A hand-over of 50 fields against what is
expected, of which three are missing, two are of another type and three are extra: against a contract that was prepared
once, as a component that declares one has it, and against an example, which is read anew each time.

**cache** A hit in a `DebugCache` of 1,000 entries.

Each call is timed by itself; what timing costs is stated with `decision` and stays in. Arguments are made beforehand.
"""

import asyncio
import random
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.recording import checked, microseconds, turns
from benchmarks.rounds import each_ns, percentile, spread
from benchmarks.table import Line, Options
from benchmarks.worker import Figures, Round, Worker, column

DIMENSIONS = 768
FIELDS = 50
_VECTORS = 64
_ENTRIES = 1_000


def _vectors() -> list[list[float]]:
    chance = random.Random(5)
    return [[chance.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(_VECTORS)]


def _refuse_numpy() -> None:
    if "numpy" in sys.modules:
        raise RuntimeError("numpy was imported, so this does not say what it costs without")


# -- recording ---------------------------------------------------------------------------------------------------------


def logged(config: dict[str, Any]) -> Round:
    """Log events through the telemetry door."""
    from whence.telemetry import TelemetryService

    service = TelemetryService(project="bench")
    service.log_event("planner", "began")
    plain = [
        {"metadata": {"step": number, "source": f"s-{number}"}, "duration_ms": 12.5 + number} for number in range(64)
    ]
    chance = random.Random(6)

    def log(given: Any) -> None:
        service.log_event("retriever", "fetched", **given)

    def work(calls: int) -> Figures:
        given = turns(plain, calls)
        if config["vectors"]:
            base = _vectors()
            # New ones: a vector that is known is not stored again.
            given = [
                {
                    **each,
                    "input_embedding": [chance.random(), *base[number % _VECTORS][1:]],
                    "output_embedding": [chance.random(), *base[(number + 7) % _VECTORS][1:]],
                }
                for number, each in enumerate(given)
            ]
        return microseconds(each_ns(log, given))

    return checked(work)


def collected(config: dict[str, Any]) -> Round:
    """Collect events through the debug door."""
    from whence.debug import DebugCollector

    collector = DebugCollector("bench")
    given = [
        {
            "event_type": "tool_call",
            "component_type": "agent",
            "component_id": f"agent-{number % 8}",
            "correlation_id": "workflow-789",
            "level": "INFO",
            "message": f"asked the registry for page {number}",
            "data": {"page": number, "hits": number * 3, "source": "registry"},
        }
        for number in range(64)
    ]

    def record(each: Any) -> None:
        collector.record_event(**each)

    async def awaited(calls: int) -> list[int]:
        from time import perf_counter_ns

        taken = []
        for each in turns(given, calls):
            before = perf_counter_ns()
            await collector.collect_event(**each)
            taken.append(perf_counter_ns() - before)
        return taken

    def work(calls: int) -> Figures:
        if config["awaited"]:
            return microseconds(asyncio.run(awaited(calls)))
        return microseconds(each_ns(record, turns(given, calls)))

    return checked(work)


# -- comparing and keeping -----------------------------------------------------------------------------------------------


def _expected() -> dict[str, Any]:
    """Return an example of 50 fields: texts, whole numbers, numbers, booleans and lists."""
    kinds: tuple[Callable[[int], Any], ...] = (
        lambda n: f"text {n}",
        lambda n: n,
        lambda n: n / 3,
        lambda n: n % 2 == 0,
        lambda n: [f"tag-{n}"],
    )
    return {f"field_{number:02d}": kinds[number % len(kinds)](number) for number in range(FIELDS)}


def _handed_over() -> dict[str, Any]:
    """Return an artifact of 50 fields that does not fit in eight places."""
    given = _expected()
    for number in (4, 17, 33):
        del given[f"field_{number:02d}"]
    given |= {"field_05": 5, "field_12": "twelve", "more_1": 1, "more_2": "x", "more_3": None}
    return given


def compared(_: dict[str, Any]) -> Round:
    """Compare vectors and schemas."""
    from whence.measure.contracts import contract_of
    from whence.measure.schemas import compare
    from whence.measure.vectors import cosine_distance, drift

    vectors = _vectors()
    pairs = [(vectors[n], vectors[(n + 1) % _VECTORS], vectors[(n + 2) % _VECTORS]) for n in range(_VECTORS)]
    example, actual = _expected(), _handed_over()
    contract = contract_of(example)
    found = compare(contract, actual)
    if (len(found.missing), len(found.mistyped), len(found.extra)) != (3, 2, 3):
        raise RuntimeError(f"the gap is not the one that was made: {found}")
    if compare(example, actual) != found:
        raise RuntimeError("a prepared contract and its example say different things")

    def cosine(pair: Any) -> None:
        cosine_distance(pair[0], pair[1])

    def both(pair: Any) -> None:
        drift(*pair)

    def prepared(_: Any) -> None:
        compare(contract, actual)

    def raw(_: Any) -> None:
        compare(example, actual)

    def work(calls: int) -> Figures:
        figures = {}
        for name, call in {"cosine": cosine, "drift": both, "prepared": prepared, "raw": raw}.items():
            figures[name] = percentile(each_ns(call, turns(pairs, calls)), 0.5) / 1e3
        _refuse_numpy()
        return figures

    return work


def cached(_: dict[str, Any]) -> Round:
    """Look up what the cache has."""
    from whence.debug import DebugCache

    cache = DebugCache(max_size=_ENTRIES)
    names = [f"{number:032x}" for number in range(_ENTRIES)]
    for name in names:
        cache.set_insight(name, {"id": name, "title": "the retriever is slow"})
    chance = random.Random(8)

    def hit(name: Any) -> None:
        cache.get_insight(name)

    def work(calls: int) -> Figures:
        figures = microseconds(each_ns(hit, chance.choices(names, k=calls)))
        if cache.stats()["misses"]:
            raise RuntimeError(f"these were to be hits: {cache.stats()}")
        return figures

    return work


# -- the lines -------------------------------------------------------------------------------------------------------------


def doors(options: Options) -> list[Line]:
    """The lines."""
    calls = 400 if options.quick else 4_000
    rounds = 2 if options.quick else 15
    folder = options.temporary / "doors"

    def figures(subject: str, name: str, config: dict[str, Any] | None = None, of: int = calls) -> list[Figures]:
        with Worker(f"doors:{subject}", folder / name, config) as worker:
            worker.round(of)
            return [worker.round(of) for _ in range(rounds)]

    def line(work: str, found: list[Figures], figure: str, limit: float | None = None) -> Line:
        return Line(work=work, unit="µs", whence=spread(column(found, figure)).median, limit=limit)

    hits = figures("cached", "cached")
    against = figures("compared", "compared")
    plain = figures("logged", "logged", {"vectors": False})
    vectors = figures("logged", "logged-vectors", {"vectors": True}, calls // 4)
    event = figures("collected", "collected", {"awaited": False})
    awaited = figures("collected", "collected-awaited", {"awaited": True})
    return [
        line("debug cache, a hit, p50", hits, "p50", 5),
        line(f"gap check of two structures of {FIELDS} fields, prepared contract, p50", against, "prepared", 100),
        line("the same against an example, p50", against, "raw", 100),
        line(f"cosine distance of {DIMENSIONS} dimensions without numpy, p50", against, "cosine", 60),
        line("prompt, generated and expected with the checks, p50", against, "drift"),
        line("telemetry.log_event, p50", plain, "p50"),
        line("telemetry.log_event, p99", plain, "p99", 10_000),
        line(f"telemetry.log_event with two vectors of {DIMENSIONS} dimensions, p50", vectors, "p50"),
        line("telemetry.log_event with two vectors, p99", vectors, "p99", 10_000),
        line("debug record_event, p50", event, "p50"),
        line("debug record_event, p99", event, "p99", 10_000),
        line("await debug collect_event, p50", awaited, "p50"),
    ]
