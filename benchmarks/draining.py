"""From spool to store: records a second, in a process that does nothing else and beside a busy thread.

The spool is written beforehand with realistic material (benchmarks/material.py) as a process leaves it that has ended.
Contents are drained as well, but only records count. A fresh process, spool and store for every round; the time is that
of `Drainer.drain`, from opening the spool to the last unlinked segment.

**beside a busy thread** The main thread counts in a pure-Python loop: alone, then while another thread of the same
process drains, in turns. Its loss is what the drain takes from a host that computes: mostly the time the drainer holds
the interpreter's lock. The last line drains in another process, as a server or `whence drain` does.
"""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.material import fill_spool
from benchmarks.rounds import spread
from benchmarks.table import Line, Options
from benchmarks.worker import ROOT, Figures, Round, Worker

_TURNS = 5_000


def drain_spool(spool: Path, database: Path, *, full_text: bool, after: bool = False) -> tuple[int, float]:
    """Drain everything into a new store; returns (records, seconds)."""
    from whence.collect.documents import DocumentWriter
    from whence.collect.drainer import AfterTrace, Drainer, DrainSettings
    from whence.diagnose.calibration import CalibrationFlags
    from whence.store.sqlite import SqliteStore

    store = SqliteStore.open(database, full_text=full_text)
    steps: tuple[AfterTrace, ...] = ()
    if after:
        steps = (DocumentWriter(database.parent, store, "whence/bench"), CalibrationFlags(store, database.parent))
    before = perf_counter()
    done = Drainer(DrainSettings(spool=spool), store, steps).drain()
    taken = perf_counter() - before
    if not done.complete or done.quarantined or done.duplicates or done.skipped_bytes:
        raise RuntimeError(f"the drain did not go as it should: {done}")
    store.close()
    return done.stored, taken


def alone(config: dict[str, Any]) -> Round:
    """Drain a spool of so many records."""
    folder = Path(config["folder"])

    def run(calls: int) -> Figures:
        fill_spool(folder / "spool", calls)
        full_text, after = config["full_text"], config["after"]
        records, taken = drain_spool(folder / "spool", folder / "whence.db", full_text=full_text, after=after)
        return {"rate": records / taken}

    return run


def _count(until: Callable[[], bool]) -> tuple[int, float]:
    """Count until told to stop; returns (turns, seconds)."""
    turns = 0
    before = perf_counter()
    while not until():
        for _ in range(_TURNS):
            turns += 1
    return turns, perf_counter() - before


def beside(config: dict[str, Any]) -> Round:
    """Count alone, then while a spool is drained by a thread or another process."""
    folder = Path(config["folder"])
    rounds = 0

    def alone_for(seconds: float) -> float:
        end = perf_counter() + seconds
        turns, taken = _count(lambda: perf_counter() > end)
        return turns / taken

    def run(calls: int) -> Figures:
        nonlocal rounds
        rounds += 1
        spool, database = folder / f"spool-{rounds}", folder / f"{rounds}" / "whence.db"
        fill_spool(spool, calls)
        before = alone_for(1.0)
        outcome: list[tuple[int, float]] = []

        def drain_here() -> None:
            outcome.append(drain_spool(spool, database, full_text=config["full_text"]))

        def drain_there() -> None:
            command = [sys.executable, "-m", "benchmarks.draining", str(spool), str(database)]
            said = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.split()
            outcome.append((int(said[0]), float(said[1])))

        thread = threading.Thread(target=drain_there if config["elsewhere"] else drain_here)
        thread.start()
        turns, taken = _count(lambda: not thread.is_alive())
        thread.join()
        if not outcome:
            raise RuntimeError("the drain failed; see above")
        after = alone_for(1.0)
        shutil.rmtree(spool)
        shutil.rmtree(database.parent)
        records, drained = outcome[0]
        return {"rate": records / drained, "lost": 100 * (1 - turns / taken / ((before + after) / 2))}

    return run


def drain(options: Options) -> list[Line]:
    """A process that drains and does nothing else."""
    kinds: dict[str, dict[str, Any]] = {
        "without full text": {"full_text": False, "after": False},
        "with full text": {"full_text": True, "after": False},
        "with full text, documents and flags": {"full_text": True, "after": True},
    }
    found: dict[str, list[float]] = {name: [] for name in kinds}
    records = 20_000 if options.quick else 200_000
    for number in range(2 if options.quick else 5):
        for name, config in kinds.items():
            folder = options.temporary / "drain" / f"{name.replace(' ', '_')}-{number}"
            with Worker("draining:alone", folder, {**config, "folder": str(folder)}) as worker:
                found[name].append(worker.round(records)["rate"])
            shutil.rmtree(folder)
    limits = {"without full text": 100_000, "with full text": 45_000}
    return [
        Line(
            work=f"drain into SQLite, all indexes, {name}",
            unit="records/s",
            whence=spread(rates).median,
            limit=limits.get(name),
            at_least=True,
            note=f"{records:,} records",
        )
        for name, rates in found.items()
    ]


def host(options: Options) -> list[Line]:
    """A drain beside a busy thread."""
    kinds: dict[str, dict[str, Any]] = {
        "a busy thread": {"full_text": False, "elsewhere": False},
        "a busy thread, full text": {"full_text": True, "elsewhere": False},
        "a busy thread, drained by another process": {"full_text": True, "elsewhere": True},
    }
    lines = []
    records = 10_000 if options.quick else 50_000
    for name, config in kinds.items():
        folder = options.temporary / "host" / name.replace(" ", "_")
        with Worker("draining:beside", folder, {**config, "folder": str(folder)}) as worker:
            rounds = [worker.round(records) for _ in range(2 if options.quick else 5)]
        judged = name == "a busy thread"
        lines += [
            Line(
                work=f"drain beside {name}",
                unit="records/s",
                whence=spread([each["rate"] for each in rounds]).median,
                limit=20_000 if judged else None,
                at_least=True,
            ),
            Line(
                work="of which the busy thread loses" if judged else f"lost by {name}",
                unit="%",
                whence=spread([each["lost"] for each in rounds]).median,
                limit=5 if judged else None,
            ),
        ]
    return lines


if __name__ == "__main__":
    print(*drain_spool(Path(sys.argv[1]), Path(sys.argv[2]), full_text=True))
