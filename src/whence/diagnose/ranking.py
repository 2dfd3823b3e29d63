"""Which of the odd things in a run is its cause: places ranked by causal position, then by weight. Pure.

What is odd, what detectors found and what the records state are brought together by place (component within stage): a
place is one candidate, whatever number of things are wrong with it. Candidates are then ordered:

1. what is odd or went wrong somewhere in the pipeline, the earliest first: data flows from earlier records to later ones, so
   what is odd downstream may follow from what was odd upstream, and never the other way round;
2. what is odd but weighs less than half of the weightiest, or went together with bad runs only by chance so far;
3. hypotheses of `whence.query.why` (unsure decisions, changes since the last good run), where nothing else is odd;
4. symptoms: verdicts of checks and gates, and that the run failed. These say that something is wrong, not what.

A part that took long is a candidate only if the run as a whole took longer for it; what also happens in good runs is none.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from whence.diagnose.oddities import Oddity, Past
from whence.diagnose.run import Fact, History, Run
from whence.diagnose.traits import SECONDS, STANDS, owners_of, place_of
from whence.measure.spread import median
from whence.model import record as kinds
from whence.model.finding import Finding
from whence.model.severity import Severity
from whence.query.claims import NO_CAUSE, Claim

Tier = Literal[1, 2, 3, 4]
MATERIAL: Final = 0.25
"""Of the usual duration of the whole run: what a part took more than usual matters from that on."""
HEAVY: Final = 0.5
"""Of the weight of the weightiest candidate."""
STATED: Final = 8.0
"""What a claim or finding weighs that good runs do not have; as much as a rule that held in thirty runs and broke."""
COMMON: Final = 0.2
"""Share of the good runs in which a code or error occurs, from which on it explains nothing."""
_OUTCOMES: Final = ("failed", "not_marked", "gate", "principle", "worse_retry", "cancelled", "killed", "process_lost")
_VERDICTS: Final = ("check", "file")
_HAND_OVERS: Final = ("interface", "drift", "score")
"""Types of checks that speak of the component that they name, not of whoever came before it."""
_OF_SYMPTOMS: Final = ("T01-02", "T01-07", "A01-08", "J01", "O01-04", "O01-05", "O01-08", "O01-1", "A01-0", "C01")
_OF_DEVIATIONS: Final = ("D01", "P01", "V01", "O01-07", "A01-03")
"""Codes that name what oddities name as well, with less of a reason: they give a candidate its code, and make none."""


class Candidate(msgspec.Struct, kw_only=True):
    """One place, and all that speaks against it."""

    stage: str
    component: str
    ts_ns: int
    tier: int = 1
    oddities: list[Oddity] = []
    findings: list[Finding] = []
    claims: list[Claim] = []

    @property
    def weight(self) -> float:
        """How much speaks against it: the strongest, and a little for each more."""
        strengths = [each.strength for each in self.oddities]
        strengths += [STATED for each in self.findings if each.severity >= Severity.MEDIUM]
        strengths += [STATED for each in self.claims if each.kind == "confirmed"]
        return max(strengths, default=0.0) + 0.1 * min(len(strengths), 10)

    @property
    def order(self) -> tuple[Any, ...]:
        """The best first."""
        return self.tier, self.ts_ns, -self.weight, self.stage, self.component


class Ranking:
    """Candidates of one run."""

    def __init__(self, run: Run, history: History, past: Past) -> None:
        self.run = run
        self.good = history.good
        self.past = past
        self.owners = owners_of(run)
        self.places: dict[tuple[str, int], Candidate] = {}
        durations = [each.duration_ns / 1e9 for each in self.good if each.duration_ns]
        self.usual_s = median(durations) if durations else 0.0

    def ranked(self, odd: Sequence[Oddity], findings: Iterable[Finding], claims: Iterable[Claim]) -> list[Candidate]:
        """Return the candidates, the likeliest first."""
        verdicts = self._first_verdicts(odd)
        for each in odd:
            if self._matters(each):
                late = each.ts_ns >= verdicts.get(each.place, each.ts_ns + 1)
                tier = 4 if late or not each.place or symptom(each) else 1
                self._at(each.place, tier, each.ts_ns, each.fact).oddities.append(each)
        for claim in sorted(claims, key=lambda each: (each.ts_ns, each.rule, each.statement)):
            self._claim(claim)
        for finding in sorted(findings, key=lambda each: (each.first_ns, each.code, each.fingerprint)):
            self._finding(finding)
        found = list(self.places.values())
        most = max((place.weight for place in found if place.tier == 1), default=0.0)
        for place in found:
            if place.tier == 1 and place.weight < HEAVY * most:
                place.tier = 2
            # What weighs little beside the rest may be chance: it does not make a place earlier.
            heavy = [each.ts_ns for each in place.oddities if each.strength >= HEAVY * most]
            if heavy and not place.claims and not place.findings:
                place.ts_ns = min(heavy)
        return sorted(found, key=lambda place: place.order)

    def _matters(self, odd: Oddity) -> bool:
        if odd.field != SECONDS:
            return True
        return float(odd.value or 0) - float(odd.usual[-1]) >= MATERIAL * self.usual_s

    def _first_verdicts(self, odd: Sequence[Oddity]) -> dict[str, int]:
        """Return place → when a check there first said that something is wrong: what is odd there after that follows from it."""
        found: dict[str, int] = {}
        for each in odd:
            if symptom(each) and each.field in ("passed", STANDS):
                found[each.place] = min(each.ts_ns, found.get(each.place, each.ts_ns))
        return found

    def _at(self, place: str, tier: int, ts_ns: int, fact: Fact | None) -> Candidate:
        symptoms = 1 if tier == 4 else 0
        known = self.places.get((place, symptoms))
        if known is None:
            stage, _, component = place.partition(">")
            if fact is not None:
                stage, component = fact.record.stage or stage, fact.record.component or component
            known = Candidate(stage=stage, component=component, ts_ns=ts_ns, tier=tier)
            self.places[place, symptoms] = known
        if tier < known.tier:
            known.tier, known.ts_ns = tier, ts_ns
        elif tier == known.tier:
            known.ts_ns = min(known.ts_ns, ts_ns)
        return known

    def _claim(self, claim: Claim) -> None:
        fact = self.run.by_id.get(claim.record_id)
        place = place_of(fact, self.owners) if fact is not None else claim.stage
        if claim.rule in NO_CAUSE or (claim.kind == "confirmed" and self._usual_error(claim, fact)):
            return
        if claim.rule in _OUTCOMES:
            tier = 4
        elif claim.rule in _VERDICTS:
            tier = 1 if fact is not None and fact.data.get("type") in _HAND_OVERS else 4
        elif claim.kind == "hypothesis" and claim.rule not in ("introduced", "decided"):
            tier = 3
        else:
            tier = 1
        at = fact.ts_ns if fact is not None else claim.ts_ns
        self._at(place, tier, at or self.run.last_ns, fact).claims.append(claim)

    def _usual_error(self, claim: Claim, fact: Fact | None) -> bool:
        """Return whether good runs have that error, in that stage, as well."""
        if claim.rule not in ("stage_error", "llm", "event", "error") or not self.good:
            return False
        who = fact.who if fact is not None else ""
        same = sum(
            any(error.stage == claim.stage and (not who or error.component == who) for error in each.errors)
            for each in self.good
        )
        return same >= COMMON * len(self.good)

    def _finding(self, finding: Finding) -> None:
        if finding.code.startswith(_OF_SYMPTOMS) and not finding.code.startswith("A01-03"):
            return
        usual = sum(finding.code in each.codes for each in self.good)
        if self.good and usual >= COMMON * len(self.good):
            return
        fact = next((self.run.by_id[each] for each in finding.evidence if each in self.run.by_id), None)
        components = {each for each in finding.components if each}
        for candidate in self.places.values():
            here = {candidate.component} if candidate.component else {candidate.stage}
            if candidate.tier == 1 and (here & components if components else candidate.stage == finding.stage):
                candidate.findings.append(finding)
                return
        if finding.severity < Severity.MEDIUM or finding.code.startswith(_OF_DEVIATIONS) or fact is None:
            return
        who = finding.components[0] if finding.components else fact.record.component
        stage = finding.stage or fact.record.stage
        place = stage if not who or who in self.owners.get(stage, ()) else f"{stage}>{who}"
        made = self._at(place, 1, finding.first_ns or fact.ts_ns, None)
        made.findings.append(finding)


def symptom(odd: Oddity) -> bool:
    """Return whether an oddity is the verdict of a check on what others made."""
    return odd.fact.record.kind == kinds.CHECK and odd.fact.data.get("type") not in _HAND_OVERS
