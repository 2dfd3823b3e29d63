"""Out of a store and into another: `whence export` and `whence import`, records a second and the most memory either takes.

The commands themselves, each in a process of its own that has loaded its modules: reading, writing, and with an import
everything that follows from the end of a trace (row, document, flags), to the last byte. The store is made of the records
of benchmarks/material.py; records count, the texts that travel with them come on top. Peak memory is that of the process
(VmHWM), interpreter and modules included. A full run does the same with a file of about 1 GB: the memory is to be flat.

**OTLP JSON** A file as the collector's file exporter writes it, a request a line: spans of agents with calls of models and
tools, in the dialects that benchmarks/dialects.py has. Each is read, redacted, spooled and drained.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import dialects
from benchmarks.material import Material
from benchmarks.rounds import spread
from benchmarks.table import Line, Options, number
from benchmarks.worker import Figures, Round, Worker

RECORDS = {True: 10_000, False: 100_000}
SPANS = {True: 2_000, False: 50_000}
LARGE_BYTES = 1_000_000_000
LARGE_RECORDS = 960_000
"""So many records of the material make a file of about LARGE_BYTES."""
_BATCH = 2_000
_RECORDS_A_SECOND = 50_000
_MOST_MB = 200


def peak_mb() -> float:
    """Return the most resident memory that this process ever had.

    Not `ru_maxrss`: what a parent had before it started this program counts in that one.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1e3
    except (OSError, IndexError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (1e6 if sys.platform == "darwin" else 1e3)


def _command(*words: str) -> float:
    """Run a command of whence here; returns the seconds it took."""
    from whence.cli import main

    before = perf_counter()
    code = main(words)
    taken = perf_counter() - before
    if code:
        raise RuntimeError(f"whence {' '.join(words)} ended with {code}")
    return taken


def built(config: dict[str, Any]) -> Round:
    """Make a store of so many records."""

    def run(calls: int) -> Figures:
        from whence.runtime.runtime import runtime
        from whence.store.sqlite import SqliteStore

        store = runtime().store()
        assert isinstance(store, SqliteStore)
        made = Material(calls, seed=config.get("seed", 1))
        for batch in made.batches(_BATCH):
            accepted = store.accept(batch)
            if accepted.quarantined or accepted.duplicates:
                raise RuntimeError(f"the store refused material: {accepted}")
        store.checkpoint()
        return {"records": made.samples.records, "contents": made.samples.contents}

    return run


def exported(config: dict[str, Any]) -> Round:
    """Export everything in the store to a file."""
    import whence.cli.transfer  # noqa: F401 - loaded before the timed part

    def run(calls: int) -> Figures:
        base = peak_mb()
        taken = _command("export", "--output", config["file"])
        return {"rate": calls / taken, "mb": peak_mb(), "base_mb": base, "bytes": Path(config["file"]).stat().st_size}

    return run


def imported(config: dict[str, Any]) -> Round:
    """Import a file into an empty store, and look whether everything is there."""
    import whence.cli.transfer
    import whence.collect.importing  # noqa: F401

    def run(calls: int) -> Figures:
        from whence.runtime.runtime import runtime

        base = peak_mb()
        taken = _command("import", config["file"])
        figures = {"rate": calls / taken, "mb": peak_mb(), "base_mb": base}
        stored = int(runtime().store().stats()["records"])
        if stored < calls:
            raise RuntimeError(f"{calls} were to be imported, {stored} are there")
        return figures

    return run


def write_otlp(path: Path, spans: int) -> int:
    """Write a file of OTLP JSON with about so many spans; returns how many there are."""
    from whence.wire.otlp import otlp_json

    written = 0
    with path.open("wb") as file:
        for trace in dialects.traces(spans):
            file.write(otlp_json.encode(trace) + b"\n")
            written += len(trace)
    return written


def _there_and_back(options: Options, folder: Path, records: int) -> tuple[list[Figures], dict[str, float]]:
    """Make a store, export it, import that; returns the figures of both and what there was."""
    file = folder / "export.jsonl"
    options.say(f"making a store of {records:,} records to export")
    with Worker("transfer:built", folder / "from") as worker:
        there = worker.round(records)
    count = int(there["records"])
    options.say(f"exporting {count:,} records")
    with Worker("transfer:exported", folder / "from", {"file": str(file)}) as worker:
        out = worker.round(count)
    shutil.rmtree(folder / "from")
    options.say(f"importing {count:,} records")
    with Worker("transfer:imported", folder / "to", {"file": str(file)}) as worker:
        back = worker.round(count)
    shutil.rmtree(folder)
    return [out, back], {"records": count, "contents": there["contents"], "bytes": out["bytes"]}


def transfer(options: Options) -> list[Line]:
    """The lines."""
    rounds = [
        _there_and_back(options, options.temporary / f"transfer-{each}", RECORDS[options.quick])
        for each in range(1 if options.quick else 3)
    ]
    about = _about(rounds[0][1])
    lines = _lines("export to JSON lines", [each[0][0] for each in rounds], about)
    lines += _lines("import of JSON lines", [each[0][1] for each in rounds], about)
    if not options.quick:
        (out, back), there = _there_and_back(options, options.temporary / "transfer-large", LARGE_RECORDS)
        lines += _lines("export to JSON lines", [out], _about(there))
        lines += _lines("import of JSON lines", [back], _about(there))
    return [*lines, *_otlp(options)]


def _about(there: dict[str, float]) -> str:
    return f"{there['records']:,.0f} records, {there['contents']:,.0f} texts, {there['bytes'] / 1e6:,.0f} MB"


def _lines(work: str, figures: list[Figures], about: str) -> list[Line]:
    median = _median(figures)
    return [
        Line(
            work=work,
            unit="records/s",
            whence=median("rate"),
            limit=_RECORDS_A_SECOND,
            at_least=True,
            note=about,
        ),
        Line(
            work=f"{work}, peak memory",
            unit="MB",
            whence=median("mb"),
            limit=_MOST_MB,
            note=f"{number(median('base_mb'))} before it",
        ),
    ]


def _median(figures: list[Figures]) -> Callable[[str], float]:
    return lambda name: spread([each[name] for each in figures]).median


def _otlp(options: Options) -> list[Line]:
    folder = options.temporary / "transfer-otlp"
    folder.mkdir()
    file = folder / "spans.jsonl"
    spans = write_otlp(file, SPANS[options.quick])
    found = []
    for each in range(1 if options.quick else 3):
        with Worker("transfer:imported", folder / f"to-{each}", {"file": str(file)}) as worker:
            found.append(worker.round(spans))
    about = f"{spans:,} spans, {file.stat().st_size / 1e6:,.0f} MB"
    shutil.rmtree(folder)
    median = _median(found)
    return [
        Line(work="import of OTLP JSON", unit="spans/s", whence=median("rate"), note=about),
        Line(
            work="import of OTLP JSON, peak memory",
            unit="MB",
            whence=median("mb"),
            limit=_MOST_MB,
            note=f"{number(median('base_mb'))} before it",
        ),
    ]
