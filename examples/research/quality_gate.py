"""The quality gate: every active principle scored, and whether the report may leave."""

from __future__ import annotations

from dataclasses import dataclass

from whence.tracing import TraceContext

from .evidence import Evidence
from .index import Index
from .intake import Brief
from .rubric import Principle, Rubric
from .rules import RULES, Draft, read

THRESHOLD = 2.0
_BANDS = (0.35, 0.65, 0.90)  # ratio at which a score of 1, 2, 3 begins


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipleScore:
    """One principle's score, 0..3."""

    principle: Principle
    score: int
    ratio: float  # how well the rule is met, before it is cut into bands
    feedback: str

    def as_record(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"id": self.principle.id, "name": self.principle.name, "score": self.score, "feedback": self.feedback}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What the gate says about one report."""

    scores: tuple[PrincipleScore, ...]
    overall: float  # weighted mean, 0..3
    passed: bool
    why: str
    confidence: float

    @property
    def gaps(self) -> tuple[PrincipleScore, ...]:
        """Principles that score below 2, the weightiest first."""
        return tuple(sorted((s for s in self.scores if s.score < 2), key=lambda s: -s.principle.weight))

    @property
    def strengths(self) -> tuple[PrincipleScore, ...]:
        """Principles met in full."""
        return tuple(s for s in self.scores if s.score == 3)

    def as_record(self) -> dict[str, object]:
        """Return the stage's outputs."""
        return {
            "passed": self.passed,
            "passing": self.passed,
            "overall_score": self.overall,
            "threshold": THRESHOLD,
            "principle_scores": [score.as_record() for score in self.scores],
            "gaps": [score.as_record() for score in self.gaps],
            "strengths": [score.as_record() for score in self.strengths],
            "gap_principles": [score.principle.id for score in self.gaps],
        }


def assess(markdown: str, brief: Brief, rubric: Rubric, evidence: Evidence, index: Index) -> Assessment:
    """Return the gate's judgement of a report."""
    assessment = weigh(score_principles(read(markdown, brief, evidence, index), rubric))
    trace = TraceContext.current()
    if trace:
        verdict = "PASS" if assessment.passed else "FAIL"
        trace.record(
            "quality_gate",
            "quality_assessment",
            {
                "what": f"{verdict} (overall: {assessment.overall:.2f}/3.00, threshold: {THRESHOLD:.2f})",
                "why": assessment.why,
                "confidence": assessment.confidence,
                "alternatives_considered": ["FAIL and retry" if assessment.passed else "PASS with gaps noted"],
                "inputs": {"report_length_chars": len(markdown), "rubric": rubric.ids()},
            },
        )
    return assessment


def score_principles(draft: Draft, rubric: Rubric) -> tuple[PrincipleScore, ...]:
    """Return the score of every active principle."""
    marks = ((principle, RULES[principle.rule](draft)) for principle in rubric.active)
    return tuple(
        PrincipleScore(
            principle=principle,
            score=sum(mark.ratio >= band for band in _BANDS),
            ratio=round(mark.ratio, 3),
            feedback=mark.feedback,
        )
        for principle, mark in marks
    )


def weigh(scores: tuple[PrincipleScore, ...]) -> Assessment:
    """Return the verdict on scored principles: the weighted mean decides, and no critical one may be a gap."""
    weights = sum(s.principle.weight for s in scores)
    overall = round(sum(s.principle.weight * s.score for s in scores) / weights, 2)
    critical = [s for s in scores if s.principle.critical]
    failing = [s for s in critical if s.score < 2]
    passed = overall >= THRESHOLD and not failing
    met = sum(s.score >= 2 for s in scores)
    why = f"{met} of {len(scores)} principles score 2 or more"
    if failing:
        why += "; critical: " + "; ".join(f"{s.principle.id} {s.principle.name} scores {s.score}" for s in failing)
    # The confidence is the distance to the nearest thing that would turn the verdict, between 0.5 and 1.
    if passed:
        to_turn = min([overall - THRESHOLD, *((s.ratio - _BANDS[1]) / (1 - _BANDS[1]) for s in critical)])
    else:
        to_turn = max([(THRESHOLD - overall) / THRESHOLD, *((_BANDS[1] - s.ratio) / _BANDS[1] for s in failing)])
    confidence = round(0.5 + 0.5 * min(max(to_turn, 0.0), 1.0), 2)
    return Assessment(scores=scores, overall=overall, passed=passed, why=why, confidence=confidence)
