"""Output that drifted from what it should say, and where on its way through the run it changed course.

- T01-04, T01-05: a comparison of generated and expected vectors came out as DRIFTED (0.2 <= d <= 0.4) or CRITICAL_MISS (d > 0.4;
  R0.25, C0.1, tolerance 1e-9). Where the same output was aligned later in the run: low, `recovered`.
- T01-03, E01-03: vectors could not be compared: of other dimensions, or zero or not finite (C0.20). A comparison says so
  (`code`, `codes`), or an event or hand-over that was given such a vector (`vector_codes`), or it follows: what went in and
  came out of an event, or two outputs of one component, have different dimensions.
- E01-04: an output vector lies more than 0.3 from the one before it in the run (D0.2); high above 0.4. D0.2 calls more
  than 0.6 critical: that is said (`freeze.level`), and the finding stays high, because critical codes halt a system and a
  distance is no proof. A pair of components that is usually that far apart, in 8 earlier runs, has not diverged.

Minimum: one comparison; 8 earlier distances for what is usual. Confidence: 1 for what records state; for E01-04 with
history 1 - p.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from whence.diagnose.detector import Detector, Settings
from whence.diagnose.detectors.raised import well
from whence.diagnose.handed import DISTANCE, distance_from
from whence.diagnose.run import Fact, History, Run, text_of
from whence.diagnose.saying import named
from whence.diagnose.usual import Usual, exceeded
from whence.measure.vectors import DEFAULT, MISMATCH, NOT_NORMAL, Alignment
from whence.model import record as kinds
from whence.model.finding import Basis, Finding
from whence.model.quality import number
from whence.model.severity import Severity

_CODES: Final = {Alignment.DRIFTED: "T01-04", Alignment.CRITICAL_MISS: "T01-05"}
_PROBLEMS: Final = {MISMATCH: "vectors cannot be compared", NOT_NORMAL: "a vector is zero or not finite"}


class DriftSettings(Settings, frozen=True, kw_only=True):
    """Cosine distances, 0 to 2."""

    minimum: int = 8  # earlier distances, for E01-04 (measure.spread.MIN_SAMPLE)
    aligned_below: float = DEFAULT.aligned_below  # 0.2, R0.25; only where a record carries no status
    critical_above: float = DEFAULT.critical_above  # 0.4, R0.25
    diverged_above: float = DEFAULT.diverged_above  # 0.3, D0.2
    severe_above: float = DEFAULT.severe_above  # 0.4, D0.2: high
    extreme_above: float = DEFAULT.extreme_above  # 0.6, D0.2: its level is critical
    tolerance: float = DEFAULT.tolerance  # 1e-9, C0.1


class Drift(Detector):
    """How far outputs are from where they should be."""

    name: ClassVar[str] = "drift"
    codes: ClassVar[tuple[str, ...]] = ("T01-03", "T01-04", "T01-05", "E01-03", "E01-04")
    Settings = DriftSettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return the drift of one run."""
        groups: dict[tuple[str, str], list[Fact]] = {}
        for fact in run.checks:
            if fact.data.get("type") == "drift":
                artifact = text_of(fact.data.get("subject"), 200) or text_of(fact.attributes.get("prompt_id"), 200)
                groups.setdefault((fact.record.component or fact.who, artifact or fact.id), []).append(fact)
        of: dict[tuple[str, str], list[tuple[Fact, bool]]] = {}
        for (who, _), facts in groups.items():
            aligned = max((n for n, fact in enumerate(facts) if self._status(fact) is Alignment.ALIGNED), default=-1)
            for n, fact in enumerate(facts):
                code = _CODES.get(self._status(fact))
                if code is not None:
                    of.setdefault((code, who), []).append((fact, n < aligned))
                for problem in _problems(fact):
                    of.setdefault((problem, who), []).append((fact, n < aligned))
        for fact in run.of_kind(kinds.EVENT, kinds.CHECK):
            for problem in _given(fact):
                of.setdefault((problem, fact.who), []).append((fact, False))
        for who, odd in _unlike(run.events):
            of.setdefault((MISMATCH, who), []).append((odd, False))
        for (code, who), found in of.items():
            yield self._compared(code, who, found)
        yield from self._diverged(run, history)

    def _status(self, fact: Fact) -> Alignment:
        label = fact.data.get("label")
        if isinstance(label, str) and label in Alignment.__members__:
            return Alignment[label]  # as judged when it was recorded, by whatever thresholds applied then
        settings: DriftSettings = self.settings
        distance = number(fact.data.get("score"))
        if distance is None:
            return Alignment.UNKNOWN
        if distance < settings.aligned_below - settings.tolerance:
            return Alignment.ALIGNED
        return Alignment.CRITICAL_MISS if distance > settings.critical_above + settings.tolerance else Alignment.DRIFTED

    def _compared(self, code: str, who: str, found: list[tuple[Fact, bool]]) -> Finding:
        from whence.diagnose.catalog import catalog

        settings: DriftSettings = self.settings
        still = [each for each in found if not each[1]]
        worst, _ = max(
            still or found, key=lambda each: (number(each[0].data.get("score")) or 0.0, each[0].ts_ns, each[0].id)
        )
        recovered = not still
        said = worst.attributes
        distance = number(worst.data.get("score"))
        of = named(worst.data.get("subject") if isinstance(worst.data.get("subject"), str) else "", "output")
        if code in _PROBLEMS:
            title = f"{named(who)}: {_PROBLEMS[code]}: {named(_problem_of(worst), 'no reason is named', 160)}"
        else:
            limit = (
                f"more than {settings.critical_above:g}"
                if code == "T01-05"
                else f"aligned is below {settings.aligned_below:g}"
            )
            far = f"{distance:.3f}" if distance is not None else "too far"
            title = f"{of} of {named(who)} lies {far} (cosine distance) from its specification; {limit}"
        severity = catalog().severity(code)
        facts = sorted((fact for fact, _ in found), key=lambda each: (each.ts_ns, each.id))
        return self.finding(
            code,
            title + ("; it was aligned after that" if recovered else ""),
            same=(who,),
            severity=min(severity, Severity.LOW) if recovered else severity,
            kind="drift",
            basis_text="the comparison is recorded",
            components=(who,) if who else (),
            stage=worst.record.stage,
            evidence=tuple(dict.fromkeys([worst.id, *(fact.id for fact in facts[:20])])),
            freeze={
                "status": text_of(worst.data.get("label"), 40),
                "generated_to_expected": distance,
                "prompt_to_generated": number(said.get("prompt_to_generated")),
                "artifact": text_of(worst.data.get("subject"), 200),
                "problem": _problem_of(worst),
            },
            thresholds=_numbers(said.get("thresholds"))
            or {"aligned_below": settings.aligned_below, "critical_above": settings.critical_above},
            first_ns=facts[0].ts_ns,
            last_ns=facts[-1].ts_ns,
            count=len(facts),
            attributes={"recovered": recovered},
        )

    # -- E01-04 --------------------------------------------------------------------------------------------------------

    def _diverged(self, run: Run, history: History) -> Iterator[Finding]:
        settings: DriftSettings = self.settings
        found: dict[tuple[str, str], list[tuple[float, Fact]]] = {}
        for fact in run.events:
            told = distance_from(fact)
            if told is not None and told[1] > settings.diverged_above + settings.tolerance:
                found.setdefault((told[0], fact.who), []).append((told[1], fact))
        harmless = bool(found) and well(run)
        for (source, who), points in sorted(found.items()):
            distance, fact = max(points, key=lambda each: (each[0], -each[1].ts_ns, each[1].id))
            key = f"{DISTANCE}{source}>{who}"[:80]
            earlier = [each.numbers[key] for each in history.good if key in each.numbers]
            usual: Usual | None = None
            if len(earlier) >= max(1, settings.minimum):
                usual = exceeded(distance, earlier, minimum=settings.minimum, ratio=1.0)
                if usual is None:
                    continue
            severe = distance > settings.severe_above + settings.tolerance
            extreme = distance > settings.extreme_above + settings.tolerance
            severity = Severity.LOW if harmless else Severity.HIGH if severe else Severity.MEDIUM
            basis: Basis = "statistical" if usual is not None else "stated"
            limit = usual.upper if usual is not None else settings.diverged_above
            yield self.finding(
                "E01-04",
                f"Output of {named(who, 'a component')} lies {distance:.3f} (cosine distance) from that of "
                f"{named(source, 'the component')} before it; more than {limit:.3g}" + (" is unusual" if usual else ""),
                same=(source, who),
                anchor=f"{source}>{who}"[:120],
                severity=severity,
                kind="drift",
                basis=basis,
                confidence=usual.confidence if usual is not None else None,
                basis_text=usual.basis_text
                if usual is not None
                else "the distance is recorded; the threshold is the design's",
                components=tuple(each for each in (who, source) if each),
                stage=fact.record.stage,
                evidence=tuple(dict.fromkeys([fact.id, *(each.id for _, each in points[:20])])),
                freeze={
                    "from": source,
                    "to": who,
                    "distance": distance,
                    "level": "critical" if extreme else "high" if severe else "medium",
                },
                thresholds={"diverged_above": limit},
                first_ns=min(each.ts_ns for _, each in points),
                last_ns=max(each.ts_ns for _, each in points),
                count=len(points),
            )


def _problems(fact: Fact) -> list[str]:
    said = fact.attributes
    codes = said.get("codes")
    given = [said.get("code"), *(codes[:5] if isinstance(codes, list) else ())]
    return [code for code in _PROBLEMS if code in [each for each in given if isinstance(each, str)]]


def _given(fact: Fact) -> list[str]:
    """Return the problems of the vectors that an event or a hand-over was given."""
    codes = fact.attributes.get("vector_codes")
    return [code for code in _PROBLEMS if isinstance(codes, list) and code in codes[:10]]


def _unlike(events: list[Fact]) -> Iterator[tuple[str, Fact]]:
    """Yield (component, event) where vectors have different dimensions: in and out, or from the component's other outputs."""
    outputs: dict[str, list[tuple[int, Fact]]] = {}
    for fact in events:
        came, went = (_dimensions(fact, f"{name}_vector") for name in ("output", "input"))
        if came and went and came != went:
            yield fact.who, fact
        elif came:
            outputs.setdefault(fact.who, []).append((came, fact))
    for who, every in outputs.items():
        usual = Counter(dimensions for dimensions, _ in every).most_common(1)[0][0]  # the earlier of two equally common
        yield from ((who, fact) for dimensions, fact in every if dimensions != usual)


def _dimensions(fact: Fact, name: str) -> int:
    reference = fact.attributes.get(name)
    found = reference.get("dimensions") if isinstance(reference, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def _problem_of(fact: Fact) -> str:
    said = fact.attributes
    told = text_of(said.get("problem"), 300) or text_of(said.get("vector_problem"), 300)
    sizes = [_dimensions(fact, f"{name}_vector") for name in ("input", "output")]
    if told or not sizes[1]:
        return told
    if sizes[0] not in (0, sizes[1]):
        return f"input has {sizes[0]} dimensions, output {sizes[1]}"
    return f"an output of {sizes[1]} dimensions among outputs of others"


def _numbers(given: Any) -> dict[str, float]:
    items = list(given.items())[:20] if isinstance(given, dict) else []
    return {str(name)[:60]: found for name, value in items if (found := number(value)) is not None}
