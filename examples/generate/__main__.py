"""`python -m examples.generate --target generated`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .pipeline import FAULTS, Outcome, Result, run
from .rendering import NoTemplateEngine
from .spec import BadSpec, shipped


def main(arguments: list[str] | None = None) -> int:
    """Make the components, print what became of each; 0 when all are good, 1 when one is not, 2 when none was begun."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.generate", description="Make Python modules of the specs in examples/generate/specs."
    )
    parser.add_argument("spec", nargs="*", help="left out: every spec there is")
    parser.add_argument("--target", type=Path, default=Path("generated"), help="where the modules go")
    parser.add_argument("--project", default="generate", help="project the trace belongs to")
    parser.add_argument(
        "--fault", choices=[*FAULTS, "none"], default="healer", help="the step that has the worse of its rule tables"
    )
    parser.add_argument("--no-healer", action="store_true", help="leave out healing")
    parser.add_argument("--no-trace", action="store_true", help="run without recording")
    given = parser.parse_args(arguments)
    try:
        result = run(
            shipped(given.spec),
            given.target,
            fault=None if given.fault == "none" else given.fault,
            healer=not given.no_healer,
            project=given.project,
            traced=not given.no_trace,
        )
    except (BadSpec, NoTemplateEngine) as exc:
        print(f"{parser.prog}: {exc}", file=sys.stderr)
        return 2
    print(_summary(result))
    return 1 if result.failed else 0


def _summary(result: Result) -> str:
    lines = [line for outcome in result.outcomes for line in _lines(outcome)]
    lines += [f"target    {result.target}"]
    lines += [f"trace     {result.trace_id}"] if result.trace_id else []
    return "\n".join([*lines, f"took      {result.seconds:.2f} s"])


def _lines(outcome: Outcome) -> list[str]:
    times = f" after {outcome.attempts} attempts of healing" if outcome.attempts else ""
    return [
        f"{outcome.status:<8}  {outcome.file or outcome.component}{times}",
        *(f"          {f'line {each.line}: ' if each.line else ''}{each.message}" for each in outcome.failures),
    ]


if __name__ == "__main__":
    sys.exit(main())
