"""Whether components that hold the same state hold the same state: S01-01 diverged, S01-02 missing, S01-03 came late.

Compared are the last snapshots of components of one type under one checkpoint in one operation (`diagnose.replicas`), over
the union of their keys, with types (C4.16), by `measure.states`. What names a component or a moment (`ignored`) may differ.

- S01-01: keys or values differ. Where they did in most of 5 or more earlier good runs too, these are no replicas: low.
- S01-02: a component has no snapshot that snapshots name (`expected_nodes`), or that had one in each of 5 or more earlier
  good runs.
- S01-03: more than 5 s from the first to the last snapshot (D4.3), or more than is usual in 8 earlier good runs.

Minimum: two components. Confidence: 1 where records state it; for what history expects, by Laplace's rule of succession or 1 - p.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final

from whence.diagnose.detector import Detector, Settings
from whence.diagnose.replicas import (
    DIFFERENT,
    IGNORED,
    LAG,
    NODES,
    Group,
    expected_of,
    groups,
    names,
    replicated,
    without,
)
from whence.diagnose.run import NO_HISTORY, Fact, History, Run
from whence.diagnose.saying import listed, named
from whence.diagnose.usual import Usual, exceeded
from whence.measure.states import StateComparison, compare_states, lag_ns, sentence
from whence.model.finding import Basis, Finding
from whence.model.severity import Severity

_NS: Final = 1_000_000_000
MOST_LISTED: Final = 20


class StateSettings(Settings, frozen=True, kw_only=True):
    """What the rules are judged by."""

    minimum: int = 2  # components
    lag_s: float = 5.0  # D4.3, where there is no history
    history: int = 5  # earlier good runs that say which components report, and whether they usually agree
    ignored: tuple[str, ...] = IGNORED  # keys that name a component or a moment


class StateConsistency(Detector):
    """Whether several components agree."""

    name: ClassVar[str] = "state_consistency"
    codes: ClassVar[tuple[str, ...]] = ("S01-01", "S01-02", "S01-03")
    Settings = StateSettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return where the states of one run disagree."""
        for group in groups(run):
            alike = replicated(group)
            known = self._usual_nodes(group, history)
            if len(alike) >= self.settings.minimum:
                expected = expected_of(alike.values())
                yield from compare_operation(list(alike.values()), expected, self.settings, history, place=group.place)[
                    1
                ]
            yield from self._silent(group, known, alike or group.snapshots)

    def _usual_nodes(self, group: Group, history: History) -> list[set[str]]:
        key = f"{NODES}{group.place}"[:80]
        return [set(names(each.attributes[key])) for each in history.good if key in each.attributes]

    def _silent(self, group: Group, known: list[set[str]], snapshots: dict[str, Fact]) -> Iterator[Finding]:
        n = len(known)
        if n < max(1, self.settings.history):
            return
        told = {_own(each) for each in expected_of(snapshots.values())}
        gone = sorted(each for each in set.intersection(*known) - group.snapshots.keys() if _own(each) not in told)
        if gone:
            basis_text = f"rule of succession: {'they' if len(gone) > 1 else 'it'} reported in {n} of {n} earlier runs"
            yield _missing(
                self,
                group.place,
                gone,
                sorted(snapshots.values(), key=_time),
                "statistical",
                (n + 1) / (n + 2),
                basis_text,
            )


def compare_operation(
    snapshots: Iterable[Fact],
    expected_nodes: Sequence[str] = (),
    settings: StateSettings | None = None,
    history: History = NO_HISTORY,
    *,
    place: str = "",
) -> tuple[StateComparison, list[Finding]]:
    """Return how the states of one operation compare, and what is wrong with them. Whoever asks says that they are replicas.

    Args:
        snapshots: of kind snapshot, in any order; the last one of each component counts.
        expected_nodes: components that should have one, as `type/id` or by their id.
        settings: those of the detector.
        history: runs before it, for what is usual.
        place: where, `type.checkpoint`; without it, those of the snapshots.
    """
    settings = settings or StateSettings()
    detector = StateConsistency(settings)
    last: dict[str, Fact] = {}
    for fact in sorted(snapshots, key=_time):
        last[fact.record.component or fact.id] = fact
    states = {who: without(fact.data.get("state"), settings.ignored) for who, fact in last.items()}
    own = {_own(who): who for who in last}
    comparison = compare_states(states, [own.get(_own(each), each) for each in expected_nodes])
    if not place and last:
        place = place_of(last)
    facts = sorted(last.values(), key=_time)
    found: list[Finding] = []
    if comparison.total:
        found.append(_diverged(detector, place, comparison, last, history))
    if comparison.missing_nodes and facts:
        said = "snapshots or the caller name them"
        found.append(_missing(detector, place, list(comparison.missing_nodes), facts, "stated", 1.0, said))
    found += _late(detector, place, facts, history)
    return comparison, found


def place_of(snapshots: dict[str, Fact]) -> str:
    """Return where snapshots were taken, `type.checkpoint`, by the first of them."""
    who = min(snapshots)
    return f"{who.partition('/')[0] if '/' in who else ''}.{snapshots[who].record.name}"[:70]


def _diverged(
    detector: Detector, place: str, comparison: StateComparison, last: dict[str, Fact], history: History
) -> Finding:
    first = comparison.differences[0]
    key = f"{DIFFERENT}{place}"[:80]
    earlier = [each.numbers[key] for each in history.good if key in each.numbers]
    usually = len(earlier) >= detector.settings.history and 2 * sum(1 for each in earlier if each > 0) > len(earlier)
    odd = {
        who for each in comparison.differences for who in (*each.values, *each.absent_on) if who not in each.majority
    }
    order = [*sorted(odd), *sorted(set(last) - odd)]
    more = (
        f", and {comparison.total - 1} more place{'s' if comparison.total > 2 else ''}" if comparison.total > 1 else ""
    )
    note = "; they usually differ, and may be no replicas" if usually else ""
    facts = [last[who] for who in order if who in last]
    where = named(place.strip("."), "one moment")
    title = f"States of {listed(sorted(last))} differ at {where}: {named(sentence(first), '', 200)}{more}"
    return detector.finding(
        "S01-01",
        title + note,
        same=(place, *sorted(each.pointer for each in comparison.differences)[:5]),
        anchor=place,
        severity=Severity.LOW if usually else None,
        scope="distributed",
        basis="derived",
        basis_text="snapshots compared key by key",
        components=tuple(order[:MOST_LISTED]),
        evidence=tuple(fact.id for fact in facts[:MOST_LISTED]),
        freeze={
            "differences": [
                {
                    "pointer": each.pointer,
                    "values": {who: _short(value) for who, value in list(each.values.items())[:MOST_LISTED]},
                    "absent_on": list(each.absent_on[:MOST_LISTED]),
                    "types_differ": each.types_differ,
                }
                for each in comparison.differences[:MOST_LISTED]
            ],
            "total": comparison.total,
            "agreement": round(comparison.agreement, 6),
            "partial": comparison.partial,
        },
        thresholds={"ignored": list(detector.settings.ignored)},
        first_ns=min(fact.ts_ns for fact in facts),
        last_ns=max(fact.ts_ns for fact in facts),
        count=comparison.total,
        attributes={"expected_nodes": len(last) + len(comparison.missing_nodes)},
    )


def _missing(
    detector: Detector, place: str, gone: list[str], facts: list[Fact], basis: Basis, confidence: float, basis_text: str
) -> Finding:
    there = len({fact.record.component for fact in facts})
    return detector.finding(
        "S01-02",
        f"{listed(gone)} {'have' if len(gone) > 1 else 'has'} no state at {named(place.strip('.'), 'one moment')}; "
        f"{there} other{'s have' if there != 1 else ' has'}",
        same=(place, *gone[:5]),
        anchor=place,
        scope="distributed",
        basis=basis,
        confidence=confidence,
        basis_text=basis_text,
        components=tuple(gone[:MOST_LISTED]),
        evidence=tuple(fact.id for fact in facts[:MOST_LISTED]),
        freeze={
            "missing": gone[:MOST_LISTED],
            "reported": sorted({fact.record.component for fact in facts})[:MOST_LISTED],
        },
        thresholds={"history": detector.settings.history} if basis == "statistical" else {},
        first_ns=facts[0].ts_ns,
        last_ns=facts[-1].ts_ns,
        count=len(gone),
    )


def _late(detector: Detector, place: str, facts: list[Fact], history: History) -> Iterator[Finding]:
    lag = lag_ns({fact.id: fact.ts_ns for fact in facts}) / _NS
    limit = detector.settings.lag_s
    if lag <= limit:
        return
    key = f"{LAG}{place}"[:80]
    earlier = [each.numbers[key] for each in history.good if key in each.numbers]
    usual: Usual | None = None
    if len(earlier) >= 8:
        usual = exceeded(lag, earlier)
        if usual is None:
            return
    last = facts[-1]
    yield detector.finding(
        "S01-03",
        f"{named(last.record.component)} had its state at {named(place.strip('.'), 'one moment')} {lag:.1f} s after the first; "
        f"more than {usual.upper if usual is not None else limit:.3g} s" + (" is unusual" if usual is not None else ""),
        same=(place, last.record.component),
        anchor=place,
        scope="distributed",
        basis="statistical" if usual is not None else "stated",
        confidence=usual.confidence if usual is not None else None,
        basis_text=usual.basis_text
        if usual is not None
        else "the times of the snapshots; the threshold is the design's",
        components=tuple(dict.fromkeys(fact.record.component for fact in reversed(facts)))[:MOST_LISTED],
        evidence=tuple(dict.fromkeys((last.id, facts[0].id))),
        freeze={"lag_s": lag, "first": facts[0].record.component, "last": last.record.component},
        thresholds={"lag_s": usual.upper if usual is not None else limit},
        first_ns=facts[0].ts_ns,
        last_ns=last.ts_ns,
    )


def _time(fact: Fact) -> tuple[int, str]:
    return fact.ts_ns, fact.id


def _own(component: str) -> str:
    return component.rpartition("/")[2]


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= 200 else f"{text[:199]}…"
