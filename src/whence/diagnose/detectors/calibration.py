"""Whether confidence means what it says: how often those who say they are 90 % sure are right.

C01-05 within a run: decisions with a stated confidence, each judged later by a check that names it (a check of type
`judgement`, or one that has a confidence itself). Flagged when so few, or so many, turned out right that it comes by chance
with p < 0.0001, had the confidences been true, and the mean is off by more than 0.15. The chance is exact (the distribution
of a sum of unequal coins, Hoeffding 1956), so 5 judged decisions are enough; it is confirmed by the records themselves.

C01-05 across runs (survey): a component's confidence in each run, the mean of its decisions there, against whether the run
went well. One pair for each run, because decisions of one run share its outcome: counted singly, twenty decisions in each of
two runs would look like forty observations. For checks whose name speaks of a judge or a confidence the score takes the
confidence's place. Flagged from 30 runs on, with an expected calibration error (ECE) above 0.15 and Spiegelhalter's p < 0.01
(adjusted for the components looked at). A run's outcome is more than one component's doing, so the severity of these is low.

C01-01 to C01-04 compare quality scores of many runs and are asked for at the end of each (`whence.diagnose.calibration`).
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from whence.diagnose.detector import Detector, Settings, Window
from whence.diagnose.run import Fact, History, Run
from whence.diagnose.saying import named
from whence.measure.calibration import brier, calibration_test, ece, reliability
from whence.measure.chance import adjusted
from whence.model import record as kinds
from whence.model.digest import RunDigest
from whence.model.finding import Finding
from whence.model.quality import number
from whence.model.severity import Severity

JUDGEMENT: Final = "judgement"
_JUDGES: Final = ("judge", "judgement", "confidence")
_MOST_JUDGED: Final = 500  # of a component in a run; the exact distribution costs their square
_MOST_EVIDENCE: Final = 20

Pair = tuple[float, bool]


class CalibrationSettings(Settings, frozen=True, kw_only=True):
    """What stated confidence is judged by."""

    minimum: int = 30  # runs, or the interval of a share of them is wider than the error looked for
    ece: float = 0.15  # expected calibration error, 0 to 1
    p: float = 0.01  # Spiegelhalter's, adjusted
    each_outcome: int = 5  # runs that went well, and that did not: where all do, nobody can tell confidence from habit
    judged: int = 5  # decisions within a run: fewer cannot reach judged_p unless confidences are extreme
    judged_p: float = 1e-4


class Calibration(Detector):
    """Whether stated confidence agrees with what came of it."""

    name: ClassVar[str] = "calibration"
    codes: ClassVar[tuple[str, ...]] = ("C01-01", "C01-02", "C01-03", "C01-04", "C01-05")
    Settings = CalibrationSettings

    # -- within a run --------------------------------------------------------------------------------------------------

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return who was far surer of decisions than the checks of them bear out."""
        judged: dict[str, list[tuple[Fact, Fact, float, bool]]] = {}
        for check in run.checks:
            found = _judged(run, check)
            if found is not None:
                judged.setdefault(found[0].who, []).append(found)
        for who, pairs in sorted(judged.items()):
            known = [(confidence, right) for _, _, confidence, right in pairs[:_MOST_JUDGED]]
            finding = self._within(who, pairs[:_MOST_JUDGED], known)
            if finding is not None:
                yield finding

    def _within(self, who: str, pairs: list[tuple[Fact, Fact, float, bool]], known: list[Pair]) -> Finding | None:
        s, n = self.settings, len(known)
        right = sum(outcome for _, outcome in known)
        mean = sum(confidence for confidence, _ in known) / n
        bias = mean - right / n
        p = chance_of(known)
        if n < s.judged or abs(bias) <= s.ece or p >= s.judged_p:
            return None
        # The decisions that say the most: sure and wrong, or unsure and right.
        telling = sorted(pairs, key=lambda each: (-abs(each[2] - each[3]), each[0].ts_ns, each[0].id))
        return self.finding(
            "C01-05",
            f"{named(who)} is {_word(bias)} by {abs(bias):.2f}: {right} of {n} judged decisions were right, at a mean "
            f"confidence of {mean:.2f}",
            same=(who, _word(bias)),
            anchor=who[:200],
            kind="calibration",
            basis="statistical",
            basis_text=f"exact probability of {right} right ones of {n}, had the confidences been true, p = {p:.2g}",
            confidence=1.0 - p,
            components=(who,) if who else (),
            stage=telling[0][0].record.stage,
            evidence=tuple(dict.fromkeys(f.id for each in telling[:10] for f in each[:2])),
            freeze={"judged": n, "right": right, "mean_confidence": round(mean, 4), "bias": round(bias, 4)},
            thresholds={"bias": s.ece, "p": s.judged_p, "judged": s.judged},
            first_ns=min(fact.ts_ns for each in pairs for fact in each[:2]),
            last_ns=max(fact.ts_ns for each in pairs for fact in each[:2]),
            count=n,
        )

    # -- across runs ---------------------------------------------------------------------------------------------------

    def survey(self, window: Window) -> Iterable[Finding]:
        """Return whose confidence does not agree with how runs go."""
        s, groups = self.settings, _pairs(window.runs)
        for who, found in list(groups.items()):
            well = sum(outcome for _, (_, outcome) in found)
            if len(found) < s.minimum or min(well, len(found) - well) < s.each_outcome:
                del groups[who]
        tested = [(who, test) for who in sorted(groups) if (test := calibration_test(p for _, p in groups[who]))]
        fair = adjusted([test.p for _, test in tested])
        for (who, test), p in zip(tested, fair, strict=True):
            pairs = [pair for _, pair in groups[who]]
            error = ece(pairs)
            if error is not None and error > s.ece and p < s.p:
                yield self._across(who, groups[who], error, test.bias, p)

    def _across(
        self, who: tuple[str, str], found: list[tuple[RunDigest, Pair]], error: float, bias: float, p: float
    ) -> Finding:
        s, (component, source) = self.settings, who
        pairs = [pair for _, pair in found]
        right = sum(outcome for _, outcome in pairs)
        mean = sum(confidence for confidence, _ in pairs) / len(pairs)
        score = brier(pairs)
        wrong = sorted(found, key=lambda each: (-abs(each[1][0] - each[1][1]), each[0].started_ns, each[0].trace))
        what = "confidence" if source == "decisions" else f"score {named(source)}"
        return self.finding(
            "C01-05",
            f"The {what} of {named(component)} is {_word(bias)} by {abs(bias):.2f}: it says {mean:.2f}, and {right} of "
            f"{len(pairs)} runs went well",
            same=(component, source, _word(bias)),
            anchor=found[0][0].trace,
            severity=Severity.LOW,
            kind="calibration",
            scope="component",
            basis="statistical",
            basis_text=f"Spiegelhalter's test over {len(pairs)} runs, p = {p:.2g} after adjustment",
            confidence=1.0 - p,
            components=(component,) if component else (),
            evidence=tuple(run.trace for run, _ in wrong[:_MOST_EVIDENCE]),
            freeze={
                "ece": round(error, 4),
                "brier": round(score, 4) if score is not None else None,
                "bias": round(bias, 4),
                "runs": len(pairs),
                "mean_confidence": round(mean, 4),
                "went_well": right,
            },
            thresholds={"ece": s.ece, "p": s.p, "runs": s.minimum},
            first_ns=found[0][0].started_ns,
            last_ns=max(found[0][0].started_ns, found[-1][0].ended_ns),
            count=len(pairs),
            attributes={
                "source": source,
                "reliability": [
                    {
                        "from": each.low,
                        "to": each.high,
                        "runs": each.n,
                        "confidence": round(each.confidence, 4),
                        "went_well": round(each.accuracy, 4),
                        "interval": [round(each.accuracy_low, 4), round(each.accuracy_high, 4)],
                    }
                    for each in reliability(pairs)
                ],
            },
        )


def chance_of(pairs: Sequence[Pair]) -> float:
    """Return how probable at least so large a deviation is on its side, had each confidence been true; exact, two-sided.

    The number of right ones is a sum of independent coins, one for each confidence; its distribution is built coin by coin.
    """
    right = sum(outcome for _, outcome in pairs)
    chances = [1.0]
    for confidence, _ in pairs:
        sure = min(
            max(confidence, 1e-6), 1 - 1e-6
        )  # to be wrong once at 1.0 is a finding, to be wrong is not impossible
        stay = [each * (1 - sure) for each in chances]
        chances = [a + b for a, b in zip([*stay, 0.0], [0.0, *(each * sure for each in chances)], strict=True)]
    return min(1.0, 2 * min(sum(chances[: right + 1]), sum(chances[right:])))


def _word(bias: float) -> str:
    return "overconfident" if bias > 0 else "underconfident"


def _judged(run: Run, check: Fact) -> tuple[Fact, Fact, float, bool] | None:
    """Return the decision that a check judges, the check, the stated confidence, and whether it was right."""
    passed, named_by = check.data.get("passed"), check.attributes.get("decision")
    decision = run.by_id.get(named_by if isinstance(named_by, str) else check.record.parent)
    if not isinstance(passed, bool) or decision is None or decision.record.kind != kinds.DECISION:
        return None
    if check.data.get("type") != JUDGEMENT and number(check.attributes.get("confidence")) is None:
        return None
    confidence = number(decision.data.get("confidence"))
    if confidence is None or not 0.0 <= confidence <= 1.0:
        return None
    return decision, check, confidence, passed


def _pairs(runs: Sequence[RunDigest]) -> dict[tuple[str, str], list[tuple[RunDigest, Pair]]]:
    """Return (component, what it said) → for each run that ended, its mean confidence and whether the run went well."""
    found: dict[tuple[str, str], list[tuple[RunDigest, Pair]]] = {}
    for run in runs:
        if run.outcome not in ("good", "bad"):
            continue
        good = run.outcome == "good"
        for who, part in run.parts.items():
            stated = [each for each in part.confidences if 0.0 <= each <= 1.0]
            if stated:
                found.setdefault((who, "decisions"), []).append((run, (sum(stated) / len(stated), good)))
        for key, score in run.numbers.items():
            family, _, name = key.partition(":")
            if family == "check" and 0.0 <= score <= 1.0 and any(word in name.lower() for word in _JUDGES):
                found.setdefault((name.partition(".")[0], name), []).append((run, (score, good)))
    return found
