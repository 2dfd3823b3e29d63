"""Questions to a large store: 5 million records over 30 days (quick: 50,000), made through `accept` in batches of 2,000.

Each kind of question is asked at least 200 times with random arguments (fewer when 200 take longer than the time limit;
the line says how often), the kinds in turns, through `SqliteStore` on a warm page cache: 95th percentile.

A page is what a caller gets: 50 traces, 100 records, 20 hits. The filter on a JSON key is asked twice: for a value that a
quarter of the decisions have (the first page is full soon), and for one of 20,000 customers (the whole day is read).
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import material
from benchmarks.material import Material, Samples
from benchmarks.rounds import percentile
from benchmarks.table import Line, Options, number
from benchmarks.worker import Figures, Round, Worker

if TYPE_CHECKING:
    from whence.store.interface import Store

RECORDS = 5_000_000
RECORDS_QUICK = 50_000
BIG_TRACE_SPANS = 33_000
_BATCH = 2_000
_LIMIT_S = {True: 1.0, False: 45.0}
"""The most that one kind of question may take, quick or not."""


def build(path: Path, records: int, say: Callable[[str], None]) -> Samples:
    """Make the store, and note what there is to ask for beside it."""
    from whence.store.sqlite import SqliteStore

    path.parent.mkdir(parents=True, exist_ok=True)
    store = SqliteStore.open(path)
    made = Material(records)
    before = said = perf_counter()
    for batch in made.batches(_BATCH):
        accepted = store.accept(batch)
        if accepted.quarantined or accepted.duplicates:
            raise RuntimeError(f"the store refused material: {accepted}")
        if perf_counter() - said > 1:
            said = perf_counter()
            rate = made.samples.records / (said - before)
            say(f"building the store: {made.samples.records:,} of {records:,} records, {rate:,.0f} a second")
    for batch in made.big_trace(BIG_TRACE_SPANS, _BATCH):
        store.accept(batch)
    store.checkpoint()
    store.close()
    _samples_path(path).write_bytes(msgspec.json.encode(made.samples))
    return made.samples


def _samples_path(path: Path) -> Path:
    return path.with_suffix(".samples.json")


Question = Callable[[], object]


def questions(store: "Store", samples: Samples, chance: random.Random) -> dict[str, Question]:
    """Return each kind of question, asking with random arguments; an answer of nothing is falsy, and an error."""
    from whence.model import record as kinds
    from whence.model.filters import Condition, RecordFilter, TraceFilter
    from whence.store.interface import DIMENSIONS

    choose = chance.choice

    def a_day() -> tuple[int, int]:
        start = material.START_NS + chance.randrange((material.DAYS - 1) * 24) * (material.DAY_NS // 24)
        return start, start + material.DAY_NS

    def day_filter(key: str, value: str) -> object:
        since, until = a_day()
        where = RecordFilter(
            kinds=(kinds.DECISION,), since_ns=since, until_ns=until, where=(Condition(("inputs", key), "=", value),)
        )
        return store.records(where)

    def filtered() -> TraceFilter:
        return choose(
            (
                lambda: TraceFilter(project=choose(material.PROJECTS)),
                lambda: TraceFilter(intent=choose(material.INTENTS), statuses=("complete",)),
                lambda: TraceFilter(statuses=("failed", "incomplete")),
                lambda: TraceFilter(domain=choose(material.DOMAINS), gate_passed=False),
                lambda: TraceFilter(until_ns=a_day()[0] + material.DAY_NS),
            )
        )()

    def big(*kind: str) -> object:
        return store.records(RecordFilter(trace=samples.big_trace, kinds=kind)).items

    return {
        "record": lambda: store.record(choose(samples.record_ids)),
        "traces": lambda: store.traces(TraceFilter(), limit=50).items,
        "traces, filtered": lambda: store.traces(filtered(), limit=50).items,
        "trace": lambda: len(list(store.trace_records(choose(samples.long_traces)))) == material.LONG_TRACE,
        "key, common": lambda: day_filter("intent", choose(material.INTENTS)),
        "key, rare": lambda: day_filter("customer", f"c-{chance.randrange(material.CUSTOMERS):05d}"),
        "search": lambda: store.search(choose(samples.rare_words)),
        "search, two": lambda: store.search(f"{choose(samples.rare_words)[:4]} generate"),
        "summary": lambda: store.totals(),
        "principle_patterns": lambda: store.principle_patterns(),
        "totals by day": lambda: store.totals_by("day"),
        "totals by another dimension": lambda: store.totals_by(choose(DIMENSIONS)),
        "big": lambda: big(),
        "big, spans": lambda: big(kinds.SPAN_START, kinds.SPAN_END),
    }


def asked(config: dict[str, Any]) -> Round:
    """Ask a store; a round is so many of each kind."""
    from whence.store.sqlite import SqliteStore

    path = Path(config["store"])
    store = SqliteStore.open(path, read_only=True)
    samples = msgspec.json.decode(_samples_path(path).read_bytes(), type=Samples)
    ask = questions(store, samples, random.Random(7))
    for question in ask.values():  # warm up
        question()

    def run(calls: int) -> Figures:
        taken: dict[str, list[int]] = {name: [] for name in ask}
        for _ in range(calls):
            for name, question in ask.items():
                if sum(taken[name]) > config["limit_s"] * 1e9:
                    continue
                before = perf_counter_ns()
                answer = question()
                taken[name].append(perf_counter_ns() - before)
                if not answer:
                    raise RuntimeError(f"{name}: nothing was found, so nothing was measured")
                del answer  # now, or the next question would be charged for letting go of it
        figures: Figures = {}
        for name, each in taken.items():
            figures[name] = percentile(each, 0.95) / 1e6
            figures[f"{name}: p50"] = percentile(each, 0.5) / 1e6
            figures[f"{name}: asked"] = len(each)
        return figures

    return run


_LINES = {
    "record": ("record by id", 1),
    "traces": ("newest 50 traces", 5),
    "traces, filtered": ("newest 50 traces of a project, intent, status, domain, or before a day", 5),
    "trace": ("one trace of 500 records", 5),
    "key, common": ("JSON-key filter within 24 h, common value, first page", 50),
    "key, rare": ("JSON-key filter within 24 h, rare value, whole window", 50),
    "search": ("full text, rare word", 50),
    "search, two": ("full text, beginning of a rare word and a name", None),
    "summary": ("summary over everything", 50),
    "principle_patterns": ("principle_patterns over everything", 50),
    "totals by day": ("totals by day over everything", 50),
    "totals by another dimension": ("totals by any dimension over everything", 50),
    "big": (f"first page of a trace with {BIG_TRACE_SPANS:,} spans", 50),
    "big, spans": ("the same, spans only", 50),
}


def read(options: Options) -> list[Line]:
    """The lines."""
    path = options.store or options.temporary / "read" / "whence.db"
    if not _samples_path(path).exists():
        build(path, RECORDS_QUICK if options.quick else RECORDS, options.say)
    samples = msgspec.json.decode(_samples_path(path).read_bytes(), type=Samples)
    options.say(f"asking a store of {samples.records:,} records")
    config = {"store": str(path), "limit_s": _LIMIT_S[options.quick]}
    with Worker("reading:asked", options.temporary / "read-worker", config) as worker:
        figures = worker.round(200)
    if options.store is None:
        shutil.rmtree(path.parent)
    lines = []
    for name, (work, limit) in _LINES.items():
        times = figures[f"{name}: asked"]
        about = f"p50 {number(figures[f'{name}: p50'])}" + (f", asked {times:.0f} times" if times < 200 else "")
        lines.append(Line(work=f"{work}, p95", unit="ms", whence=figures[name], limit=limit, note=about))
    at = f"at {samples.records / 1e6:.3g} M records: "
    return [msgspec.structs.replace(line, work=at + line.work) for line in lines]
