"""`python -m examples.research "How do I show a progress bar in a terminal?"`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import llm
from .pipeline import STAGES, Fault, Result, run
from .questions import DEMO_QUESTIONS


def main(arguments: list[str] | None = None) -> int:
    """Run one question, print what came of it; 0 when the report passed the gate, 1 when it did not."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.research",
        description="Answer a question from the documentation of what is installed.",
    )
    parser.add_argument("question", nargs="?", help="left out: each demo question in turn")
    parser.add_argument("--project", default="research-demo", help="project the trace belongs to")
    parser.add_argument(
        "--library", metavar="PACKAGE", help="read only this package's documentation and that of what it needs"
    )
    parser.add_argument("--out", type=Path, default=Path("research-reports"), help="where reports go")
    parser.add_argument("--model", metavar="URL", help="OpenAI-compatible endpoint that writes the report")
    parser.add_argument("--model-name", default="default", help="the model to ask that endpoint for")
    parser.add_argument("--no-trace", action="store_true", help="run without recording")
    faults = parser.add_mutually_exclusive_group()
    faults.add_argument("--fail-in", choices=STAGES, help="raise an exception in the middle of a stage")
    faults.add_argument("--kill-in", choices=STAGES, help="kill this process (SIGKILL) in the middle of a stage")
    given = parser.parse_args(arguments)

    stage = given.kill_in or given.fail_in
    results = [
        run(
            question,
            out_dir=given.out,
            project=given.project,
            library=given.library,
            model=llm.Endpoint(url=given.model, model=given.model_name) if given.model else None,
            fault=Fault(stage, kill=bool(given.kill_in)) if stage else None,
            traced=not given.no_trace,
        )
        for question in ([given.question] if given.question else [demo.question for demo in DEMO_QUESTIONS.values()])
    ]
    for result in results:
        print(_summary(result))
    return 0 if all(result.assessment.passed for result in results) else 1


def _summary(result: Result) -> str:
    lines = [result.question]
    for attempt in result.attempts:
        verdict = "PASS" if attempt.assessment.passed else "FAIL"
        lines.append(f"  attempt {attempt.plan.attempt}: {verdict} {attempt.assessment.overall:.2f}/3.00")
        lines += [f"    gap {g.principle.id} {g.principle.name}: {g.feedback}" for g in attempt.assessment.gaps]
    lines += [f"  report    {result.report_path}", f"  evidence  {result.evidence_path}"]
    lines += [f"  trace     {result.trace_id}"] if result.trace_id else []
    return "\n".join([*lines, f"  took      {result.seconds:.2f} s"])


if __name__ == "__main__":
    sys.exit(main())
