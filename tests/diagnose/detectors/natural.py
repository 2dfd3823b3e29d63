"""Runs as they naturally vary: other questions, durations, counts, a warning now and then, a retry that mends it."""

import random

from tests.diagnose.detectors.said import Said
from whence.model.severity import Severity

STAGES = ("intake", "rubric", "collection", "synthesis", "quality_gate")


def natural_run(number: int, chance: random.Random, *, decisions: int = 0) -> Said:
    """Return a good run.

    Args:
        decisions: in each stage; without it two to six.
    """
    run = Said(number, intent=chance.choice(("exploring", "validating")), query=f"question {number}", code="abc123")
    for stage in STAGES:
        who = f"{stage}_agent"
        span = run.begin(stage, component=who)
        for n in range(decisions or chance.randint(2, 6)):
            what = chance.choice("abc") if n % 2 else f"text {chance.random()}"
            after_s = chance.lognormvariate(-3, 0.4)
            said = {"confidence": chance.uniform(0.6, 1), "inputs": {"n": chance.randint(0, 50)}}
            run.decision(f"choose_{n % 5}", what, **said, stage=stage, component=who, span=span, after_s=after_s)
        if chance.random() < 0.1:
            run.event("warn", "disk is full", level=Severity.MEDIUM, stage=stage, span=span)
        if chance.random() < 0.05:
            run.event("retry", "no answer; attempt 2 follows", level=Severity.LOW, stage=stage, span=span)
        if chance.random() < 0.03:
            run.error(who, f"timeout after {chance.randint(1, 9)} s", stage=stage, span=span)
        if stage == "synthesis":
            used = {
                "model": "m-1",
                "prompt_name": "p",
                "prompt_version": "1",
                "input_tokens": chance.randint(500, 1500),
            }
            seconds = chance.lognormvariate(1, 0.4)
            run.llm(stage=stage, component="writer", seconds=seconds, parent=span, attributes=used)
        if chance.random() < 0.05:
            for error in ({"type": "TimeoutError", "message": "no answer"}, None):
                run.tool("fetch", component="fetcher", parent=span, stage=stage, seconds=0.5, error=error)
        outputs = {"score": chance.random(), "n": chance.randint(1, 30)}
        run.finish(span, outputs={"passed": True, "overall_score": 2.5} if stage == "quality_gate" else outputs)
    run.end()
    return run
