"""Interfaces that do not fit: what one component handed over, against what the next expects, or against what it always was.

- I01-03: a hand-over did not meet its declared contract. Its severity is the gap's own (C0.6): missing critical field high,
  missing optional or wrong type medium, only additional fields low. Where the same interface fitted later in the run:
  low, `recovered`.
- I01-04: more than 3 gaps between two components, or in the run (R0.40, C0.4). Extra fields alone and gaps that were
  mended do not count.
- I01-05: the fields changed against those of earlier hand-overs of the same artifact between the same components, in runs
  that went well: a field that all of them had is missing or of another type (medium; high if the consumer then failed), or
  there is a new one (low).

Minimum: one hand-over; for I01-05 5 earlier ones. Confidence: 1 where records state the gap; else by Laplace's rule of
succession: a field that n of n hand-overs had will be in the next one with probability (n + 1) / (n + 2).
"""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from whence.diagnose.detector import Detector, Settings
from whence.diagnose.handed import Interface, fields_of, handovers, unpacked
from whence.diagnose.run import Fact, History, Run, text_of
from whence.diagnose.saying import listed, named
from whence.model.finding import Finding
from whence.model.quality import number
from whence.model.severity import Severity

_LABELS: Final = {each.label: each for each in Severity}
_LISTS: Final = (
    "missing_fields",
    "missing_critical",
    "missing_optional",
    "mistyped_fields",
    "extra_fields",
)
MOST_FIELDS: Final = 50


class GapSettings(Settings, frozen=True, kw_only=True):
    """What the rules are judged by."""

    minimum: int = 5  # earlier hand-overs, for I01-05: below that a field that comes and goes looks like a rule
    gaps: int = 3  # R0.40: more than that escalate


class StructuralGap(Detector):
    """Whether what was handed over is what was expected."""

    name: ClassVar[str] = "structural_gap"
    version: ClassVar[str] = "1"
    codes: ClassVar[tuple[str, ...]] = ("I01-03", "I01-04", "I01-05")
    Settings = GapSettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return the gaps of one run."""
        counting: dict[tuple[str, str], list[Fact]] = {}
        for interface, facts in sorted(handovers(run.checks).items()):
            last_fit = max((n for n, fact in enumerate(facts) if fact.data.get("passed") is True), default=-1)
            gaps: dict[tuple[str, ...], list[tuple[Fact, bool]]] = {}
            for n, fact in enumerate(facts):
                if fact.data.get("passed") is False:
                    gaps.setdefault(_differing(fact), []).append((fact, n < last_fit))
                    if n > last_fit and _counts(fact):
                        counting.setdefault((interface.source, interface.target), []).append(fact)
            for same, found in sorted(gaps.items()):
                yield self._gap(interface, same, found)
            yield from self._changed(run, interface, facts, history)
        yield from self._incompatible(counting)

    def _gap(self, interface: Interface, same: tuple[str, ...], found: list[tuple[Fact, bool]]) -> Finding:
        last, recovered = found[-1]
        said = _lists(last)
        label = last.data.get("label")
        severity = _LABELS.get(label, Severity.MEDIUM) if isinstance(label, str) else Severity.MEDIUM
        artifact = named(interface.artifact, "artifact")
        source, target = named(interface.source, "its source"), named(interface.target, "its consumer")
        fits = f"{artifact} from {source} does not fit what {target} expects"
        title = f"{fits}: {_words(last, said)}"
        distance = number(last.data.get("score"))
        return self.finding(
            "I01-03",
            title + ("; it fitted after that" if recovered else ""),
            same=(interface.source, interface.target, interface.artifact, *same),
            anchor=f"{interface.source}>{interface.target}:{interface.artifact}"[:120],
            severity=min(severity, Severity.LOW) if recovered else severity,
            kind="gap",
            basis_text="the contract was declared, and what was handed over is recorded",
            components=tuple(each for each in (interface.source, interface.target) if each),
            stage=last.record.stage,
            evidence=tuple(fact.id for fact, _ in reversed(found[-20:])),
            freeze={**said, "semantic_distance": distance, "artifact_type": interface.artifact},
            first_ns=found[0][0].ts_ns,
            last_ns=last.ts_ns,
            count=len(found),
            attributes={
                "source_component": interface.source,
                "target_component": interface.target,
                "gap_ids": [
                    text_of(fact.attributes.get("gap_id"), 100)
                    for fact, _ in found[-20:]
                    if fact.attributes.get("gap_id")
                ],
                "recovered": recovered,
            },
        )

    def _incompatible(self, counting: dict[tuple[str, str], list[Fact]]) -> Iterator[Finding]:
        limit = self.settings.gaps
        every = sorted((fact for facts in counting.values() for fact in facts), key=lambda each: (each.ts_ns, each.id))
        pairs = {pair: facts for pair, facts in counting.items() if len(facts) > limit}
        for (source, target), facts in sorted(pairs.items()):
            title = (
                f"{named(source)} and {named(target)} do not fit together: {len(facts)} gaps between them in one run"
            )
            yield self._many(title, (source, target), facts)
        if not pairs and len(every) > limit:
            components = tuple(dict.fromkeys(each for pair in sorted(counting) for each in pair if each))
            title = f"The interfaces of this run do not fit: {len(every)} gaps, between {listed(components)}"
            yield self._many(title, components, every)

    def _many(self, title: str, components: tuple[str, ...], facts: list[Fact]) -> Finding:
        return self.finding(
            "I01-04",
            title + f" (more than {self.settings.gaps})",
            same=components,
            kind="gap",
            basis="derived",
            basis_text="counted",
            components=tuple(each for each in components if each),
            evidence=tuple(fact.id for fact in facts[:20]),
            freeze={"gaps": len(facts), "artifacts": sorted({fact.record.name for fact in facts})[:20]},
            thresholds={"gaps": self.settings.gaps},
            first_ns=facts[0].ts_ns,
            last_ns=facts[-1].ts_ns,
            count=len(facts),
        )

    # -- I01-05 --------------------------------------------------------------------------------------------------------

    def _changed(self, run: Run, interface: Interface, facts: list[Fact], history: History) -> Iterator[Finding]:
        told = [(fact, fields) for fact in facts if (fields := fields_of(fact.data.get("actual"))) is not None]
        if not told:
            return
        fact, now = told[-1]
        key = interface.key
        texts = [each.attributes[key] for each in history.good if key in each.attributes]
        known = {text: unpacked(text) for text in set(texts)}
        before = [known[text] for text in texts if known[text]]
        if len(before) < max(1, self.settings.minimum):
            return
        always = set.intersection(*(set(each) for each in before))
        missing = sorted(name for name in always - now.keys() if name.rpartition(".")[0] not in always - now.keys())
        other: dict[str, tuple[str, str]] = {}
        for name in sorted(always & now.keys()):
            types = {word for each in before for word in each[name].split("|")}
            new = set(now[name].split("|")) - types
            if new - {"null", "any"} and "any" not in types:  # a value that is null for once is still the same field
                other[name] = ("|".join(sorted(types)), now[name])
        seen = set[str]().union(*before)
        extra = sorted(now.keys() - seen)
        if not missing and not other and not extra:
            return
        failed = self._consumer_failed(run, interface, fact) if missing or other else None
        words = [f"{listed(missing)} missing"] if missing else []
        words += [f"{name} is {is_now} instead of {was}" for name, (was, is_now) in list(other.items())[:3]]
        words += [f"{listed(extra)} new"] if extra else []
        n = len(before)
        severity = (
            Severity.LOW if not missing and not other else Severity.HIGH if failed is not None else Severity.MEDIUM
        )
        after = f"; {named(interface.target)} failed after that" if failed is not None else ""
        yield self.finding(
            "I01-05",
            f"{named(interface.artifact, 'artifact')} from {named(interface.source)} to {named(interface.target)} changed: "
            f"{', '.join(words)}, against {n} earlier hand-overs{after}",
            same=(interface.source, interface.target, interface.artifact, *missing, *other, *extra),
            anchor=f"{interface.source}>{interface.target}:{interface.artifact}"[:120],
            severity=severity,
            kind="gap",
            basis="statistical",
            confidence=(n + 1) / (n + 2),
            basis_text=f"rule of succession over {n} earlier hand-overs in runs that went well",
            components=tuple(each for each in (interface.source, interface.target) if each),
            stage=fact.record.stage,
            evidence=tuple(each for each in (fact.id, failed.id if failed is not None else "") if each),
            freeze={
                "missing": missing[:MOST_FIELDS],
                "types": {
                    name: {"before": was, "now": is_now} for name, (was, is_now) in list(other.items())[:MOST_FIELDS]
                },
                "new": extra[:MOST_FIELDS],
                "earlier": n,
            },
            thresholds={"minimum": self.settings.minimum},
            first_ns=fact.ts_ns,
            last_ns=max(fact.ts_ns, failed.ts_ns if failed is not None else 0),
        )

    def _consumer_failed(self, run: Run, interface: Interface, fact: Fact) -> Fact | None:
        after = (each for each in run.errors if each.ts_ns >= fact.ts_ns and each.who == interface.target)
        return next(after, None) if interface.target else None


def _lists(fact: Fact) -> dict[str, list[str]]:
    found = {}
    for name in _LISTS:
        said = fact.attributes.get(name)
        found[name] = [text_of(_name_in(each), 100) for each in said[:MOST_FIELDS]] if isinstance(said, list) else []
    return found


def _name_in(field: Any) -> Any:
    return field.get("field") or field.get("name") if isinstance(field, dict) else field


def _differing(fact: Fact) -> tuple[str, ...]:
    said = _lists(fact)
    return tuple(
        sorted({f"{name[:1]}:{each}" for name in ("missing_fields", "mistyped_fields") for each in said[name]})
    )


def _counts(fact: Fact) -> bool:
    counts = fact.attributes.get("counts")
    return counts if isinstance(counts, bool) else fact.data.get("label") not in ("low", "info")


def _words(fact: Fact, said: dict[str, list[str]]) -> str:
    words = {"missing_fields": "missing", "mistyped_fields": "of another type", "extra_fields": "not expected"}
    found = [f"{listed(said[name])} {word}" for name, word in words.items() if said[name]]
    distance = number(fact.data.get("score"))
    if not found and distance is not None:
        found = [f"it means something else (cosine distance {distance:.2f})"]
    failures = fact.data.get("failures")
    if not found and isinstance(failures, list) and failures and isinstance(failures[0], dict):
        found = [named(text_of(failures[0].get("message")), "no reason is named", 160)]
    return "; ".join(found) or "no reason is named"
