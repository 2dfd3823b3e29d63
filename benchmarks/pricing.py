"""What calls of models cost: calls a second that get their price, and what a question pays for there being none to price.

A SQLite store of runs with ten calls each, of four models, with the token counts of a chat (cached ones among them). Each
round prices a store of its own, by `keep_priced`, as every question does after its drain; a round that is not counted has
loaded the public prices, which takes half a second, once, of whoever has a call to price. Then it is asked again, with
nothing new: that is what every other question pays.
"""

import shutil
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any

from benchmarks.rounds import percentile, spread
from benchmarks.table import Line, Options
from benchmarks.worker import Figures, Round, Worker, column

CALLS = {True: 2_000, False: 20_000}
_MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-3-5-sonnet-20241022"),
    ("anthropic", "claude-3-haiku-20240307"),
)
_A_RUN = 10
_ASKED = 200
_START_NS = 1_767_225_600_000_000_000


def _records(calls: int) -> list[bytes]:
    from whence.clock import trace_id_of
    from whence.model.record import Record
    from whence.wire import records

    made: list[bytes] = []

    def add(kind: str, name: str, trace: str, span: str, said: Any) -> None:
        number = len(made) + 1
        at_ns = _START_NS + number * 1_000_000
        record_id = f"{at_ns // 1_000_000:012x}7{number & 0xFFF:03x}{number | 1 << 63:016x}"
        where = (trace, span, "", "", "bench", "writer", 0, 0)
        made.append(records.encode(Record(record_id, kind, name, at_ns, *where, records.payload(said))))

    for number in range(calls):
        trace = f"{number // _A_RUN + 1:032x}"
        if number % _A_RUN == 0:
            add("trace.start", "trace", trace, "f" * 16, {"trace_id": trace_id_of(trace, _START_NS + number)})
        provider, model = _MODELS[number % len(_MODELS)]
        said = {
            "provider": provider,
            "model": model,
            "input_tokens": 1_200 + number % 400,
            "cache_read_tokens": 1_000,
            "output_tokens": 200 + number % 90,
            "prompt": "What changed in the tariff?",
            "response": "It rose in March.",
        }
        ended = {"type": "llm", "duration_ns": 1_200_000_000, "attributes": said}
        add("span.end", "generate", trace, f"{number + 1:016x}", ended)
        if number % _A_RUN == _A_RUN - 1:
            add("trace.end", "trace", trace, "f" * 16, {"status": "complete", "duration_ns": 10**10})
    return made


def priced(config: dict[str, Any]) -> Round:
    """Price a store of so many calls, then ask again."""
    from whence.price.pricing import keep_priced
    from whence.store.sqlite import SqliteStore

    root = Path(config["folder"])
    rounds = 0

    def run(calls: int) -> Figures:
        nonlocal rounds
        rounds += 1
        folder = root / f"{rounds}"
        store = SqliteStore.open(folder / "whence.db")
        made = _records(calls)
        for start in range(0, len(made), 2_000):
            store.accept(made[start : start + 2_000])
        before = perf_counter()
        done = keep_priced(store, folder)
        taken = perf_counter() - before
        if done.priced != calls or done.unknown or done.trouble:
            raise RuntimeError(f"not every call got a price: {done.priced}, {done.unknown} unknown, {done.trouble}")
        asked: list[int] = []
        for _ in range(_ASKED):
            begun = perf_counter_ns()
            again = keep_priced(store, folder)
            asked.append(perf_counter_ns() - begun)
            if again.looked or again.trouble:
                raise RuntimeError(f"there was nothing new to price: {again}")
        store.close()
        shutil.rmtree(folder)
        return {"rate": calls / taken, "nothing": percentile(asked, 0.5) / 1e3}

    return run


def price(options: Options) -> list[Line]:
    """The lines."""
    folder = options.temporary / "price"
    calls = CALLS[options.quick]
    with Worker("pricing:priced", folder, {"folder": str(folder)}) as worker:
        worker.round(_A_RUN)
        rounds = [worker.round(calls) for _ in range(3 if options.quick else 7)]
    return [
        Line(
            work="pricing calls of models that are new",
            unit="calls/s",
            whence=spread(column(rounds, "rate")).median,
            note=f"{calls:,} calls",
        ),
        Line(
            work="what a question pays when there is none to price, p50",
            unit="µs",
            whence=spread(column(rounds, "nothing")).median,
        ),
    ]
