"""The pipeline: intake, rubric, then collection, synthesis and the gate until a report passes or no remedy is left."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from whence.tracing import TraceContext, traced_research

from . import collection, corpus, intake, llm, quality_gate, rubric, synthesis
from .evidence import THRESHOLD, Evidence
from .index import Index
from .plan import Plan, first_plan, revise

STAGES = ("intake", "rubric", "collection", "synthesis", "quality_gate")
MAX_ATTEMPTS = 3


class InjectedFailure(Exception):
    """The failure that was asked for with `fail_in`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure to inject in the middle of a stage: an exception, or the end of the process without a goodbye."""

    stage: str
    kill: bool = False

    def strike(self, stage: str) -> None:
        """Strike if `stage` is the one; never returns when it strikes."""
        if stage != self.stage:
            return
        if self.kill:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # Windows has no SIGKILL
        raise InjectedFailure(f"{stage} was asked to fail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One report and what the gate said."""

    plan: Plan
    evidence: Evidence
    report: synthesis.Report
    assessment: quality_gate.Assessment


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to. The last attempt is the one that was published."""

    question: str
    attempts: tuple[Attempt, ...]
    report_path: Path
    evidence_path: Path
    trace_id: str | None  # None: tracing is off
    seconds: float

    @property
    def assessment(self) -> quality_gate.Assessment:
        """The gate's last word."""
        return self.attempts[-1].assessment


def run(
    question: str,
    *,
    out_dir: Path,
    project: str = "research-demo",
    model: llm.Endpoint | None = None,
    fault: Fault | None = None,
    index: Index | None = None,
    library: str | None = None,
    traced: bool = True,
) -> Result:
    """Answer a question from the packages installed, and write report and evidence into `out_dir`.

    Args:
        index: the passages to answer from; None takes the documentation of what is installed.
        library: only the documentation of this package and of what it needs; otherwise of all that is installed.
        fault: a failure to inject, to see what is left of a run that dies.
        traced: whether `whence` records the run; the result is the same either way.
    """
    started = time.monotonic()
    index = index or installed_index(datetime.now(UTC).date(), library)
    with traced_research(
        question,
        project_name=project,
        # A trace is filed under its intent and domain from its first record on, so that a killed run is found by them.
        intent=intake.classify("intent", question).label,
        domain=intake.classify("domain", question).label,
        report_type="package_research",
        research_type="documentation",
        enabled=traced,
    ) as trace:
        attempts = _investigate(question, index, model, fault)
        trace_id = trace.trace_id if trace else None
        report_path, evidence_path = _publish(question, attempts[-1], out_dir, trace_id)
        if trace:
            trace.set_outputs(
                {"report_path": str(report_path), "evidence_paths": [str(evidence_path)], "knowledge_paths": []}
            )
            trace.mark_complete()
    return Result(
        question=question,
        attempts=tuple(attempts),
        report_path=report_path,
        evidence_path=evidence_path,
        trace_id=trace_id,
        seconds=time.monotonic() - started,
    )


@cache
def installed_index(as_of: date, library: str | None = None) -> Index:
    """Return the index over what is installed, or over one package and what it needs; built once per process."""
    return Index(corpus.installed(as_of, library))


def _investigate(question: str, index: Index, model: llm.Endpoint | None, fault: Fault | None) -> list[Attempt]:
    with _stage("intake", fault) as outputs:
        brief = intake.take_in(question, index)
        outputs |= {
            "research_brief": brief.text,
            "intent": brief.intent.label,
            "domain": brief.domain.label,
            "bias_flags": brief.bias_flags,
        }
    with _stage("rubric", fault) as outputs:
        held_to = rubric.load(brief)
        outputs |= {
            "total_principles": len(held_to.active) + len(held_to.inactive),
            "activated_count": len(held_to.active),
            "deactivated_count": len(held_to.inactive),
            "critical_principles": [p.id for p in held_to.active if p.critical],
            "principle_list": [f"{p.id} {p.name}" for p in held_to.active],
        }
    plan, changes = first_plan(brief), list[str]()
    attempts: list[Attempt] = []
    while True:
        before = attempts[-1].assessment.overall if attempts else None
        attempt = _attempt(plan, brief, held_to, index, model, fault)
        attempts.append(attempt)
        _record_iteration(attempt, changes)
        if attempt.assessment.passed:
            return attempts
        plan, changes = revise(
            plan,
            tuple(gap.principle for gap in attempt.assessment.gaps),
            overall=attempt.assessment.overall,
            before=before,
            attempts_left=MAX_ATTEMPTS - len(attempts),
        )
        if not changes:
            return attempts


def _attempt(
    plan: Plan,
    brief: intake.Brief,
    held_to: rubric.Rubric,
    index: Index,
    model: llm.Endpoint | None,
    fault: Fault | None,
) -> Attempt:
    def interrupt(sources_done: int) -> None:
        if fault and sources_done == 2:  # some passages are scored, some are not
            fault.strike("collection")

    with _stage("collection", fault) as outputs:
        evidence = collection.collect(brief, plan, index, after_source=interrupt)
        outputs |= {
            "evidence_passed": len(evidence.kept),
            "evidence_filtered": len(evidence.filtered),
            "quality_threshold_used": THRESHOLD,
        }
    with _stage("synthesis", fault) as outputs:
        report = synthesis.synthesize(brief, held_to, evidence, plan, index, model=model)
        outputs |= {
            "report_length_chars": len(report.markdown),
            "sources_cited": len(report.cited),
            "sections_generated": report.sections,
            "model": report.writer,
            "token_usage": {
                "input_tokens": report.input_tokens,
                "output_tokens": report.output_tokens,
                "total_tokens": report.input_tokens + report.output_tokens,
            },
        }
    with _stage("quality_gate", fault) as outputs:
        assessment = quality_gate.assess(report.markdown, brief, held_to, evidence, index)
        outputs |= assessment.as_record() | {"iteration": plan.attempt}
    return Attempt(plan=plan, evidence=evidence, report=report, assessment=assessment)


@contextmanager
def _stage(name: str, fault: Fault | None) -> Iterator[dict[str, object]]:
    """Time one stage; the block fills the outputs."""
    outputs: dict[str, object] = {}
    trace = TraceContext.current()
    if trace:
        trace.start_stage(name)
    try:
        yield outputs
        if fault:
            fault.strike(name)
    except BaseException as error:
        if trace:
            trace.end_stage(name, outputs, f"{type(error).__name__}: {error}")
        raise
    if trace:
        trace.end_stage(name, outputs)


def _record_iteration(attempt: Attempt, changes: list[str]) -> None:
    trace = TraceContext.current()
    if trace:
        record: dict[str, object] = {
            "iteration": attempt.plan.attempt,
            "quality_gate_result": "PASS" if attempt.assessment.passed else "FAIL",
            "overall_score": attempt.assessment.overall,
            "gaps": [gap.principle.id for gap in attempt.assessment.gaps],
            "synthesis_tokens": attempt.report.input_tokens + attempt.report.output_tokens,
        }
        if changes:
            record["changes_from_previous"] = "; ".join(changes)
        trace.record_iteration(record)


def _publish(question: str, attempt: Attempt, out_dir: Path, trace_id: str | None) -> tuple[Path, Path]:
    """Write report and evidence; the trace id in the name keeps two runs of one question apart."""
    slug = re.sub(r"[^a-z0-9]+", "-", question.lower()).strip("-")[:60]
    stem = f"{slug}-{trace_id}" if trace_id else slug
    out_dir.mkdir(parents=True, exist_ok=True)
    report_path, evidence_path = out_dir / f"{stem}.md", out_dir / f"{stem}-evidence.json"
    report_path.write_text(attempt.report.markdown, encoding="utf-8")
    evidence_path.write_text(json.dumps(attempt.evidence.as_record(), indent=2, ensure_ascii=False), encoding="utf-8")
    return report_path.resolve(), evidence_path.resolve()
