"""How often whence names what was planted: `python -m benchmarks.diagnosis --seed 1 --runs 200`.

A goal that is missed is a line of the table and no error.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter

from benchmarks.diagnosis import judge, scores
from benchmarks.diagnosis.judge import Verdict
from benchmarks.diagnosis.planting import Planted
from benchmarks.diagnosis.runs import HISTORY, PIPELINES, Runs, recording
from whence.runtime.runtime import Runtime

_WIDTH = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the runs, diagnose them, print the table; returns the exit code."""
    given = _parser().parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="whence-diagnosis-", dir=given.temporary))
    name, diagnosis = ("whence.query.why", judge.by_claims) if given.claims else judge.latest()
    runs = Runs(given.seed, directory)
    verdicts: list[Verdict] = []
    took = 0.0
    try:
        with recording(directory, runs) as runtime:
            before = perf_counter()
            made = sum(1 for _ in _shown(runs.history(given.history), given.history * len(PIPELINES), "history"))
            runtime.drain()
            took += perf_counter() - before
            before = perf_counter()
            for run in _shown(runs.mixed(given.runs), given.runs, "diagnosed"):
                runtime.drain()
                took += perf_counter() - before
                made += 1
                verdicts.append(_judged(run, diagnosis, runtime, explain=given.explain))
                before = perf_counter()
    finally:
        _progress(0, 0, "")
        if given.keep:
            print(f"kept: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    found = scores.scores(
        verdicts, seed=given.seed, by=name, history=given.history * len(PIPELINES), runs_per_s=made / took
    )
    print(scores.as_json(found, verdicts).decode() if given.json else scores.as_text(found))
    if given.write is not None:
        scores.write_into(given.write, found)
    if given.measure is not None:
        given.measure.write_text(scores.as_measured(verdicts, given.seed), encoding="utf-8")
    return 0


def _judged(run: Planted, diagnosis: judge.Diagnosis, runtime: Runtime, *, explain: bool) -> Verdict:
    verdict = judge.judge(run, diagnosis, runtime.store())
    missed = verdict.bad and run.fault is not None and verdict.position != 1
    if explain and (missed or (run.fault is None and verdict.findings)):
        planted = f"{run.fault or 'clean'} in {run.pipeline} ({run.place})"
        print(f"{run.trace_id}  {planted}: named {', '.join(verdict.named) or 'nothing'}; position {verdict.position}")
    return verdict


def _shown(runs: Iterable[Planted], total: int, what: str) -> Iterable[Planted]:
    for number, run in enumerate(runs, 1):
        _progress(number, total, what)
        yield run


def _progress(done: int, total: int, what: str) -> None:
    """Draw how far it is, in one line that is written over; nothing where nobody looks."""
    if not sys.stderr.isatty():
        return
    filled = _WIDTH * done // total if total else 0
    bar = f"{what:<10} [{'#' * filled}{'.' * (_WIDTH - filled)}] {done}/{total}" if total else ""
    print(f"\r\x1b[K{bar}", end="", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="everything follows from it (default: 1)")
    parser.add_argument("--runs", type=_positive, default=200, help="faults and clean controls together (default: 200)")
    parser.add_argument(
        "--history", type=_positive, default=HISTORY, help=f"clean runs of each pipeline before (default: {HISTORY})"
    )
    parser.add_argument("--claims", action="store_true", help="judge what `whence why` said before it ranked causes")
    parser.add_argument("--explain", action="store_true", help="print a line for each run that was not diagnosed right")
    parser.add_argument("--json", action="store_true", help="print JSON, with a line for each run")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into the seed's block of a page")
    parser.add_argument(
        "--measure", type=Path, metavar="TOML", help="write how often causes of each rule were right (tuning seed only)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the data directory, for whence to look at")
    parser.add_argument("--temporary", type=Path, metavar="DIR", help="where to work")
    return parser


def _positive(given: str) -> int:
    value = int(given)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{given} is not at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
