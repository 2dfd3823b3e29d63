"""Judgements that cannot be right, or that hide a conflict, and quality gates that did not pass.

- J01-01: the weights of a judgement (event `action_evaluation`, or a decision that says `weights`) are not finite,
  negative, above 1, or add up to nothing; or its scores lie outside 0..1 (D0.3: weights of the original are 0.5 to 1).
- J01-03: an action was approved or denied although its objectives are far apart: one scored 0.8 or more, another 0.2 or less.
- J01-04: the quality gate's last word is that the run failed.

Minimum: one judgement. Confidence: 1, the records state it.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from whence.diagnose.detector import Detector, Settings
from whence.diagnose.detectors.raised import JUDGED, said_of
from whence.diagnose.run import Fact, History, Run
from whence.diagnose.saying import listed, named
from whence.model import record as kinds
from whence.model.finding import Finding
from whence.model.quality import GAP_BELOW, number

_NOT_FINITE: Final = ("nan", "infinity", "-infinity", "inf", "-inf")
"""How a recorder writes numbers that JSON has no word for (`redact.value`), in any case."""
TOLERANCE: Final = 1e-9
MOST_OBJECTIVES: Final = 100


class JudgementSettings(Settings, frozen=True, kw_only=True):
    """Scores and weights are shares, 0..1."""

    strong: float = 0.8  # an objective that is met: R0.46 lets a judge's score above 0.6 proceed; 0.8 is beyond doubt
    weak: float = 0.2  # one that is not: below 0.3 a judge's score escalates (R0.46); 0.2 is beyond doubt


class Judgement(Detector):
    """Whether what judged the run could judge."""

    name: ClassVar[str] = "judgement"
    codes: ClassVar[tuple[str, ...]] = ("J01-01", "J01-03", "J01-04")
    Settings = JudgementSettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return what is wrong with the judgements of one run."""
        wrong: dict[tuple[str, ...], list[tuple[Fact, list[str], dict[str, Any]]]] = {}
        torn: dict[tuple[str, ...], list[tuple[Fact, list[str], dict[str, Any]]]] = {}
        for fact, weights, scores, said in _judgements(run):
            problems = [*weight_problems(weights), *score_problems(scores)]
            freeze = {"weights": _kept(weights), "scores": _kept(scores), **_verdict(said)}
            if problems:
                names = tuple(sorted(problem.partition(" is ")[0] for problem in problems))
                wrong.setdefault((fact.who, *names), []).append((fact, problems, freeze))
            pair = self._apart(scores)
            if pair and "approved" in freeze:
                torn.setdefault((fact.who, *pair), []).append((fact, list(pair), freeze))
        for key, found in wrong.items():
            who = named(key[0], "a judge")
            title = f"{who} judged with values that cannot be right: {listed(found[-1][1])}"
            yield self._finding("J01-01", title, key, found, {"weights": "0..1, sum above 0", "scores": "0..1"})
        for key, found in torn.items():
            scores = found[-1][2]["scores"]
            verdict = "approved" if found[-1][2]["approved"] else "denied"
            title = (
                f"{named(key[0], 'a judge')} {verdict} an action whose objectives conflict: "
                f"{named(key[1])} {scores[key[1]]:.2f}, {named(key[2])} {scores[key[2]]:.2f}"
            )
            limits = {"strong": self.settings.strong, "weak": self.settings.weak}
            yield self._finding("J01-03", title, key, found, limits)
        yield from self._gate(run)

    def _apart(self, scores: Any) -> tuple[str, str] | None:
        known = {str(name): value for name, each in _items(scores) if (value := number(each)) is not None}
        if not known:
            return None
        best = max(sorted(known), key=lambda name: known[name])
        worst = min(sorted(known), key=lambda name: known[name])
        settings: JudgementSettings = self.settings
        if (
            not settings.strong - TOLERANCE <= known[best] <= 1.0
            or not 0.0 <= known[worst] <= settings.weak + TOLERANCE
        ):
            return None
        return best, worst

    def _finding(
        self,
        code: str,
        title: str,
        key: tuple[str, ...],
        found: list[tuple[Fact, list[str], dict[str, Any]]],
        thresholds: dict[str, Any],
    ) -> Finding:
        facts = [fact for fact, _, _ in found]
        return self.finding(
            code,
            title,
            same=key,
            basis_text="the judgement states its scores and weights",
            components=(key[0],) if key[0] else (),
            stage=facts[-1].record.stage,
            evidence=tuple(fact.id for fact in reversed(facts[-20:])),
            freeze=found[-1][2],
            thresholds=thresholds,
            first_ns=facts[0].ts_ns,
            last_ns=facts[-1].ts_ns,
            count=len(facts),
        )

    def _gate(self, run: Run) -> Iterator[Finding]:
        if run.row.quality_gate_passed is not False:
            return
        stage = run.view.stages.get("quality_gate")
        decisions = [each.record_id for each in stage.decisions] if stage is not None else []
        attempts = [each.end_record or each.start_record for each in stage.attempts] if stage is not None else []
        rounds = [record_id for record_id, _ in run.view.iteration_records]
        evidence = [
            each for each in (*reversed(decisions), *reversed(attempts), *reversed(rounds)) if each in run.by_id
        ]
        quality = run.view.quality
        gaps = {each: quality.scores.get(each) for each in quality.gaps}
        below = [f"{name} {score:g}" if score is not None else name for name, score in gaps.items()]
        score = f" with {quality.overall:g}" if quality.overall is not None else ""
        needed = f", {quality.threshold:g} needed" if quality.threshold is not None else ""
        least = f"; below threshold: {listed(below)}" if below else ""
        told = [run.by_id[each].ts_ns for each in evidence] or [run.last_ns]
        yield self.finding(
            "J01-04",
            f"The quality gate failed{score}{needed}{least}",
            same=sorted(gaps) or ("gate",),
            basis_text="the gate states it",
            components=tuple(dict.fromkeys(who for each in evidence[:1] if (who := run.by_id[each].who))),
            stage="quality_gate",
            evidence=tuple(evidence[:20]),
            freeze={"overall": quality.overall, "threshold": quality.threshold, "below": gaps},
            thresholds={"principle_below": GAP_BELOW},
            first_ns=min(told),
            last_ns=max(told),
        )


def weight_problems(weights: Any) -> Iterator[str]:
    """Yield what is wrong with weights, a phrase each; values that are stored by hash say nothing."""
    total, known = 0.0, 0
    for name, value in _items(weights):
        found = number(value)
        if found is not None:
            known += 1
            total += max(0.0, found)
            if found < 0.0 or found > 1.0 + TOLERANCE:
                yield f"weight {named(name)} is {found:g}"
        elif _no_number(value):
            yield f"weight {named(name)} is {_shown(value)}"
    if known and total <= TOLERANCE:
        yield "the sum of the weights is 0"


def score_problems(scores: Any) -> Iterator[str]:
    """Yield what is wrong with scores."""
    for name, value in _items(scores):
        found = number(value)
        if found is not None and not -TOLERANCE <= found <= 1.0 + TOLERANCE:
            yield f"score {named(name)} is {found:g}"
        elif found is None and _no_number(value):
            yield f"score {named(name)} is {_shown(value)}"


def _judgements(run: Run) -> Iterator[tuple[Fact, Any, Any, dict[str, Any]]]:
    """Yield (record, weights, scores, what else was said) of each judgement. Scores of other scales are no judge's."""
    for fact in run.events:
        if fact.record.name == JUDGED:
            said = said_of(fact)
            yield fact, said.get("weights"), said.get("scores"), said
    for fact in run.of_kind(kinds.DECISION):
        inputs = fact.data.get("inputs")
        for said in (fact.attributes, inputs if isinstance(inputs, dict) else {}):
            if "weights" in said:
                yield fact, said["weights"], None, said
                break


def _items(given: Any) -> list[tuple[Any, Any]]:
    if isinstance(given, dict):
        return [] if "content_sha256" in given or "hash" in given else list(given.items())[:MOST_OBJECTIVES]
    return list(enumerate(given))[:MOST_OBJECTIVES] if isinstance(given, list) else []


def _no_number(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOT_FINITE)


def _shown(value: Any) -> str:
    return "missing" if value is None else str(value).strip()


def _kept(given: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in _items(given):
        if value is None or isinstance(value, str | int | float):
            plain = number(value)
            shown[str(name)] = plain if plain is not None else str(value)[:40] if value is not None else None
    return shown


def _verdict(said: dict[str, Any]) -> dict[str, Any]:
    final = number(said.get("final_score"))
    found: dict[str, Any] = {"final_score": final} if final is not None and math.isfinite(final) else {}
    for name in ("approved", "success"):
        if isinstance(said.get(name), bool):
            found["approved"] = said[name]
            break
    if isinstance(said.get("action_type"), str):
        found["action_type"] = said["action_type"][:100]
    return found
