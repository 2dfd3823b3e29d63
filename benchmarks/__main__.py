"""The table of whence's figures, beside OpenTelemetry's: `python -m benchmarks [--quick] [--only NAME,NAME]`.

A target that is missed is a line of the table and no error; a benchmark that cannot be run is (exit 1).
"""

import argparse
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import msgspec

from benchmarks import (
    diagnosing,
    dialects,
    doors,
    draining,
    findings,
    importing,
    listening,
    machine,
    memory,
    observing,
    pricing,
    provenance,
    reading,
    recording,
    table,
    transfer,
    whole_run,
)
from benchmarks.table import Line, Options, Report

BENCHMARKS: dict[str, Callable[[Options], list[Line]]] = {
    "decision": recording.decision,
    "disabled": recording.disabled,
    "stage": recording.stage,
    "run": whole_run.run,
    "memory": memory.memory,
    "import": importing.importing,
    "drain": draining.drain,
    "host": draining.host,
    "read": reading.read,
    "observable": observing.observable,
    "processor": listening.processor,
    "dialects": dialects.dialects,
    "transfer": transfer.transfer,
    "blame": provenance.blame,
    "checks": provenance.checks,
    "price": pricing.price,
    "doors": doors.doors,
    "diagnose": diagnosing.diagnose,
    "window": findings.window,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that were asked for; returns the exit code."""
    given = _parser().parse_args(arguments)
    names = [name for part in given.only for name in part.split(",")] or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            print(f"no benchmark {name!r}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
            return 2
    temporary = Path(tempfile.mkdtemp(prefix="whence-bench-", dir=given.temporary))
    report = Report(quick=given.quick, machine=machine.facts(temporary), lines=[])
    options = Options(quick=given.quick, temporary=temporary, store=given.store, say=_progress)
    broken = []
    try:
        for number, name in enumerate(names, 1):
            _progress(f"[{number}/{len(names)}] {name}")
            before = perf_counter()
            try:
                report.lines.extend(BENCHMARKS[name](options))
            except Exception:  # noqa: BLE001 - one that breaks must not hide the others
                broken.append(name)
                _progress("")
                print(f"benchmark {name} broke:\n{traceback.format_exc()}", file=sys.stderr)
            _progress("")
            print(f"{name}: {perf_counter() - before:.0f} s", file=sys.stderr)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(table.as_markdown(report) if given.markdown else table.as_text(report))
    print(f"\n{table.summary(report.lines)}" + (f"; broken: {', '.join(broken)}" if broken else ""))
    if given.json is not None:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(_with_verdicts(report)), indent=2) + b"\n")
    if given.write is not None:
        given.write.write_text(table.write_into(given.write.read_text(encoding="utf-8"), report), encoding="utf-8")
    return 1 if broken else 0


def _with_verdicts(report: Report) -> dict[str, object]:
    lines = [{**msgspec.to_builtins(line), "holds": line.holds} for line in report.lines]
    return {"quick": report.quick, "machine": report.machine, "lines": lines}


def _progress(text: str) -> None:
    """Show what is being done, in one line that is written over; nothing where nobody looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds: within a minute")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME,…", help=f"some of: {', '.join(BENCHMARKS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into the marked block of a page")
    parser.add_argument("--store", type=Path, metavar="PATH", help="read from this store; it is made there if need be")
    parser.add_argument("--temporary", type=Path, metavar="DIR", help="where to work; 12 GB for a full run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
