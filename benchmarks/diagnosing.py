"""What a diagnosis costs at the end of a run, and a drain of runs that end.

Material is that of benchmarks/material.py, with 200 records in every trace.

**as it ends** A store with the runs of four projects, all but the last 200 runs diagnosed, so that each of these has the
newest hundred runs of its project before it. Each is then diagnosed as the drainer does it at the end of a trace
(`Diagnoser`), from its records in the store to the records of what was found. The parts are timed in a second pass over
the same runs: reading and decoding rows, preparing the run (payloads, spans, row), the digests of its history, its own
digest, detectors and the order of what they found. Every run must have a history of the full length and a digest. A detector
is cut after 0.25 s, which on a machine that is busy with other things happens; how often is said, and more than one run in
fifty is an error.

A store keeps the digests that it decoded last, so the history of a project is decoded once and then a run at a time; what it
takes the first time in a process is said as well.

**beside a drain** As `drain` with documents and flags, every trace ended: with diagnosis and without, in pairs. The ratio is
that of the times, and depends on how many records make a run.
"""

import shutil
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any

from benchmarks.material import Material, Samples, fill_spool
from benchmarks.rounds import percentile, ratios, spread
from benchmarks.table import Line, Options, number
from benchmarks.worker import Figures, Round, Worker, column

if TYPE_CHECKING:
    from whence.collect.drainer import AfterTrace
    from whence.store.interface import Store
    from whence.store.sqlite import SqliteStore

DRAINED = {True: 4_000, False: 100_000}
PER_TRACE = 200
HISTORY = {True: 5, False: 100}
ENDED = {True: 8, False: 200}
"""Runs that are diagnosed as they end."""
_BATCH = 2_000


def filled(path: Path, records: int) -> "tuple[SqliteStore, Samples]":
    """Make a store of runs of PER_TRACE records each."""
    from whence.store.sqlite import SqliteStore

    store = SqliteStore.open(path)
    made = Material(records, per_trace=PER_TRACE)
    for batch in made.batches(_BATCH):
        accepted = store.accept(batch)
        if accepted.quarantined or accepted.duplicates:
            raise RuntimeError(f"the store refused material: {accepted}")
    return store, made.samples


def runs_of(store: "Store") -> list[tuple[int, str]]:
    """Return (start, OpenTelemetry id) of all runs, in order of their start."""
    from whence.model.filters import TraceFilter

    found, cursor = [], None
    while True:
        page = store.traces(TraceFilter(), limit=1000, cursor=cursor)
        found += [(row.started_ns, row.id) for row in page.items]
        cursor = page.cursor
        if cursor is None:
            return sorted(found)


# -- a run as it ends ------------------------------------------------------------------------------------------------------


def ended(config: dict[str, Any]) -> Round:
    """Diagnose runs one by one, as they end."""
    from whence.collect.ended import Ended
    from whence.diagnose.digesting import digest_of
    from whence.diagnose.run import Run
    from whence.diagnose.running import Diagnoser, diagnose_run, diagnose_window, history_before
    from whence.model import record as kinds
    from whence.store.sqlite import SqliteStore
    from whence.wire import records

    runs, history = config["runs"], config["history"]
    path = Path(config["folder"]) / "whence.db"
    store, _ = filled(path, (runs + 5 * history) * PER_TRACE)
    last = runs_of(store)[-runs:]
    diagnose_window(store, until_ns=last[0][0])

    cut: set[str] = set()

    def whole(trace: str) -> float:
        """Diagnose as at a trace end; what is found is stored afterwards, outside the time."""
        before = perf_counter_ns()
        said = Diagnoser(store)([Ended(trace, store)])
        taken = perf_counter_ns() - before
        decoded = [records.decode(each) for each in said]
        if "O01-11" in {each.name for each in decoded}:
            cut.add(trace)
        elif kinds.DIGEST not in {each.kind for each in decoded}:
            raise RuntimeError(f"trace {trace} was not diagnosed: {[each.name for each in decoded]}")
        store.accept(said)
        return taken / 1e6

    def parts(trace: str) -> dict[str, float]:
        clock = [perf_counter_ns()]
        read = tuple(Ended(trace, store).records)
        clock.append(perf_counter_ns())
        run = Run.of(read, trace)
        _ = run.view, run.row, run.spans, run.errors
        clock.append(perf_counter_ns())
        before = history_before(store, run)
        clock.append(perf_counter_ns())
        run.__dict__["digest"] = digest_of(run)
        clock.append(perf_counter_ns())
        diagnosed = diagnose_run(run, before)
        clock.append(perf_counter_ns())
        if diagnosed.failures:
            cut.add(trace)
        if len(before.runs) < history:
            raise RuntimeError(f"trace {trace}: {len(before.runs)} runs of history")
        steps = zip(("read", "prepare", "history", "digest", "detectors"), clock, clock[1:], strict=False)
        return {name: (after - start) / 1e6 for name, start, after in steps}

    def first(trace: str) -> float:
        """Read a history as a process does that has just begun."""
        run = Run.of(store.trace_records(trace), trace)
        other = SqliteStore.open(path, read_only=True)
        before = perf_counter_ns()
        found = history_before(other, run)
        taken = perf_counter_ns() - before
        other.close()
        if len(found.runs) < history:
            raise RuntimeError(f"{len(found.runs)} runs of history")
        return taken / 1e6

    def run_all(_: int) -> Figures:
        cut.clear()
        taken = [whole(trace) for _, trace in last]
        each = [parts(trace) for _, trace in last]
        if 50 * len(cut) > len(last):
            raise RuntimeError(f"detectors were cut in {len(cut)} of {len(last)} runs")
        figures = {
            "p50": percentile(taken, 0.5),
            "p95": percentile(taken, 0.95),
            "first": first(last[-1][1]),
            "cut": len(cut),
        }
        return figures | {name: percentile([one[name] for one in each], 0.5) for name in each[0]}

    return run_all


def drained(config: dict[str, Any]) -> Round:
    """Drain ended traces with all that follows; with diagnosis or without."""
    from whence.collect.documents import DocumentWriter
    from whence.collect.drainer import Drainer, DrainSettings
    from whence.diagnose.calibration import CalibrationFlags
    from whence.diagnose.running import Diagnoser
    from whence.store.sqlite import SqliteStore

    root, rounds = Path(config["folder"]), 0

    def run(calls: int) -> Figures:
        nonlocal rounds
        rounds += 1
        folder = root / f"{rounds}"
        fill_spool(folder / "spool", calls, per_trace=PER_TRACE)
        store = SqliteStore.open(folder / "whence.db")
        diagnosis: tuple[AfterTrace, ...] = (Diagnoser(store),) if config["diagnose"] else ()
        steps: tuple[AfterTrace, ...] = (DocumentWriter(folder, store, "whence/bench"), *diagnosis)
        steps += (CalibrationFlags(store, folder),)
        before = perf_counter()
        done = Drainer(DrainSettings(spool=folder / "spool"), store, steps).drain()
        taken = perf_counter() - before
        digests = sum(1 for _ in store.digests())
        if not done.complete or done.failed or done.quarantined or bool(digests) != config["diagnose"]:
            raise RuntimeError(f"the drain did not go as it should: {done}")
        store.close()
        shutil.rmtree(folder)
        return {"seconds": taken, "rate": calls / taken}

    return run


def diagnose(options: Options) -> list[Line]:
    """The lines of a run as it ends, and of the drain."""
    quick, folder = options.quick, options.temporary / "diagnose"
    history = HISTORY[quick]
    config = {"folder": str(folder / "ended"), "history": history, "runs": ENDED[quick]}
    options.say(f"diagnosing {ENDED[quick]} runs as they end")
    with Worker("diagnosing:ended", folder / "ended", config) as worker:
        worker.round(1)
        rounds = [worker.round(1) for _ in range(1 if quick else 5)]
    median = {name: spread(column(rounds, name)).median for name in rounds[0]}
    split = ("read", "prepare", "history", "digest", "detectors")
    about = ", ".join(f"{name} {number(median[name])}" for name in split)
    about += f"; history the first time {number(median['first'])}"
    if times := sum(column(rounds, "cut")):
        about += f"; cut {times:.0f} times"
    work = f"diagnosing a run of {PER_TRACE} records at its end, {history} runs before it"
    lines = [
        Line(work=f"{work}, p50", unit="ms", whence=median["p50"], limit=20, note=f"p50: {about}"),
        Line(work=f"{work}, p95", unit="ms", whence=median["p95"], limit=20),
    ]
    options.say("draining with diagnosis and without")
    workers = {
        name: Worker("diagnosing:drained", folder / name, {"folder": str(folder / name), "diagnose": name == "with"})
        for name in ("with", "without")
    }
    found: dict[str, list[float]] = {name: [] for name in workers}
    with workers["with"], workers["without"]:
        for turn in range(2 if quick else 6):
            for name, worker in workers.items():
                seconds = worker.round(DRAINED[quick])["seconds"]
                if turn:  # the first is not counted
                    found[name].append(seconds)
    shutil.rmtree(folder)
    rates = {name: DRAINED[quick] / spread(seconds).median for name, seconds in found.items()}
    note = f"{DRAINED[quick]:,} records, {PER_TRACE} a run; without {number(rates['without'])}, ratio of the times"
    lines.append(
        Line(
            work="drain into SQLite with full text, documents, flags and diagnosis",
            unit="records/s",
            whence=rates["with"],
            ratio=ratios(found["with"], found["without"]),
            note=note,
        )
    )
    return lines
