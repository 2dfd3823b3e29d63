"""What a run does that good runs of its project do not: choices, values, versions, steps left out or added, order.

Minimum: 8 good runs, preferably of the same intent and report type. Each way of differing is judged by how concentrated
its history is, because what varies by nature (questions, identifiers, counts) says nothing when it is new:

- choice: one value had at least 90 % of the earlier runs, and this run's was never seen (or in at most 2 % of them).
- number: a value that never changed has another one; or it lies outside everything seen, 6 robust standard deviations away.
- version: of a model, prompt, tools, parameters or code that none of the good runs had, unless every run brings a new one.
- missing_step, missing_record: a stage, component, tool or transformation, or a decision or check, of at least 95 % of the
  earlier runs is not here. In a run that stopped early only what usually comes before its last step is missed.
- new_step: never seen before; only where runs seldom bring anything new. How often they do is estimated by Good and Turing:
  the number of names seen in one run only, by the number of runs (Good, "The population frequencies of species", 1953).
- order: two steps came the other way round in at least 95 % of the earlier runs that have both.

Confidence: the lower bound of Wilson's interval of the usual share among the earlier runs, for numbers 1 - p of the rank.
A deviation is not a fault, so findings are low; only a step that each of 10 and more good runs has is medium (D01-02).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, Final, Literal

import msgspec

from whence.diagnose.detector import Detector, Settings
from whence.diagnose.run import History, Run
from whence.diagnose.saying import named, share
from whence.diagnose.usual import MIN_RUNS, peers
from whence.measure.rates import wilson
from whence.measure.spread import robust_z
from whence.model.digest import RunDigest
from whence.model.finding import Finding
from whence.model.severity import Severity
from whence.model.trace import COMPLETE

USUAL: Final = 0.9
"""Share of the earlier runs that one value must have had, for another one to be unusual."""
RARE: Final = 0.02
"""Share of the earlier runs in which a value may have occurred and still be unusual."""
ALWAYS: Final = 0.95
"""Share of the earlier runs that a step or an order must have, to be missed."""
FAR: Final = 6.0
"""Robust standard deviations from the median."""
NEW: Final = 0.1
"""New names per run up to which a new name is news."""

Kind = Literal["choice", "missing_step", "new_step", "number", "version", "order", "missing_record"]
_STEPS: Final = ("tool", "step")
_RECORDS: Final = ("decision", "check")
_VERSIONS: Final = ("model", "prompt", "tools", "parameters", "code")


class Deviation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in which a run differs from good runs."""

    kind: Kind
    attribute: str  # its name in the digest: decision:…, number's name, version:<kind>:<component>, step's name
    component: str = ""
    stage: str = ""
    value: str | float | None = None  # of this run; None: it is not there
    usual: tuple[tuple[str, float], ...] = ()  # values of good runs with their shares, the most common first, at most 3
    support: int = 0  # good runs that tell
    p: float = 1.0  # how probable at least that much is in one more good run: (k + 1) / (n + 1)
    lift: float | None = None  # share of the usual value before, by the share of this one (with one run added)
    confidence: float = 0.0
    record_id: str = ""


def deviations(mine: RunDigest, history: History) -> tuple[Deviation, ...]:
    """Return how a run differs from the good runs before it, the surest first; nothing below 8 of them."""
    earlier = peers(history, mine.intent, mine.report_type)
    if len(earlier) < MIN_RUNS:
        return ()
    found = [*_versions(mine, earlier), *_missing(mine, earlier)]
    found += _choices(mine, earlier)
    found += _numbers(mine, earlier)
    found += _order(mine, earlier)
    weight = {"missing_step": 0, "version": 1, "choice": 2, "missing_record": 3, "number": 4, "order": 5, "new_step": 6}
    found.sort(key=lambda each: (each.p, -each.confidence, weight[each.kind], each.attribute))
    return tuple(found)


def _versions(mine: RunDigest, earlier: Sequence[RunDigest]) -> Iterator[Deviation]:
    told: set[str] = set()
    for who, part in sorted(mine.parts.items()):
        for kind, value in sorted(part.versions.items()):
            if kind == "code" and "code" in told:
                continue  # that of the program is the same for all of its components
            before = Counter(each.parts[who].versions[kind] for each in earlier if kind in _versions_of(each, who))
            n = sum(before.values())
            if n < MIN_RUNS or value in before or _novelty(before, n) > NEW:
                continue
            told.add(kind)
            name = "code" if kind == "code" else f"{kind}:{who}"
            yield _choice("version", name, "" if kind == "code" else who, value, before, n, mine, part.stage)


def _versions_of(run: RunDigest, who: str) -> Mapping[str, str]:
    part = run.parts.get(who)
    return part.versions if part is not None else {}


def _novelty(counts: Mapping[str, int], runs: int) -> float:
    """Return the expected number of new names in one more run (Good and Turing)."""
    return sum(1 for each in counts.values() if each == 1) / runs if runs else 1.0


def _choice(
    kind: Kind,
    attribute: str,
    who: str,
    value: str,
    before: Mapping[str, int],
    n: int,
    mine: RunDigest,
    stage: str = "",
) -> Deviation:
    usual = sorted(before.items(), key=lambda each: (-each[1], each[0]))[:3]
    same, top = before.get(value, 0), usual[0][1]
    known = sum(before.values()) if kind == "version" else top
    return Deviation(
        kind=kind,
        attribute=attribute,
        component=who,
        stage=stage,
        value=value,
        usual=tuple((text, round(count / n, 4)) for text, count in usual),
        support=n,
        p=(same + 1) / (n + 1),
        lift=round(top / n * (n + 1) / (same + 1), 3),
        confidence=wilson(known, n)[0],
        record_id=mine.records_of.get(attribute, ""),
    )


def _choices(mine: RunDigest, earlier: Sequence[RunDigest]) -> Iterator[Deviation]:
    n = len(earlier)
    names: Counter[str] = Counter(key for each in earlier for key in each.attributes)
    new: dict[str, list[str]] = {}
    for key in sorted(mine.attributes):
        family = key.partition(":")[0]
        if family in _VERSIONS:
            continue
        if key not in names:
            if family in _STEPS or family in _RECORDS:
                new.setdefault(family, []).append(key)
            continue
        if names[key] < MIN_RUNS:
            continue
        before = Counter(each.attributes[key] for each in earlier if key in each.attributes)
        value, known = mine.attributes[key], sum(before.values())
        if before.most_common(1)[0][1] >= USUAL * known and before.get(value, 0) <= RARE * known:
            yield _choice("choice", key, _component_in(key, mine), value, before, known, mine)
    for family, keys in new.items():
        if _novelty({key: c for key, c in names.items() if key.startswith(f"{family}:")}, n) > NEW:
            continue
        for key in keys:
            yield Deviation(
                kind="new_step",
                attribute=key,
                component=_component_in(key, mine),
                value=mine.attributes[key],
                support=n,
                p=1 / (n + 1),
                confidence=wilson(n, n)[0],
                record_id=mine.records_of.get(key, ""),
            )


def _component_in(key: str, run: RunDigest) -> str:
    """Return the component that an attribute is of: the longest name that it begins with."""
    text = key.partition(":")[2]
    fitting = [who for who in run.parts if text == who or text.startswith(f"{who}.")]
    return max(fitting, key=len, default="")


def _numbers(mine: RunDigest, earlier: Sequence[RunDigest]) -> Iterator[Deviation]:
    for key in sorted(mine.numbers):
        if key.startswith("retries:"):
            continue  # a run without any says nothing, so what is there is not all there was (see `flow`)
        value, before = mine.numbers[key], [each.numbers[key] for each in earlier if key in each.numbers]
        n = len(before)
        if n < MIN_RUNS or min(before) <= value <= max(before):
            continue
        constant = min(before) == max(before)
        z = robust_z(value, before)
        if not constant and (z is None or abs(z) < FAR):
            continue
        shown = Counter(f"{each:g}" for each in before)
        if (
            not constant
            and shown.most_common(1)[0][1] < USUAL * n
            and abs(value - _nearest(value, before)) < _width(before)
        ):
            continue  # a long tail goes on a little further
        yield Deviation(
            kind="number",
            attribute=key,
            component=_owner(key, mine),
            stage=_stage_in(key, mine),
            value=value,
            usual=tuple((text, round(count / n, 4)) for text, count in shown.most_common(3)),
            support=n,
            p=1 / (n + 1),
            lift=None,
            confidence=wilson(n, n)[0] if constant else n / (n + 1),
            record_id=mine.records_of.get(key, ""),
        )


def _nearest(value: float, before: Sequence[float]) -> float:
    return max(before) if value > max(before) else min(before)


def _width(before: Sequence[float]) -> float:
    return max(before) - min(before)


def _owner(key: str, run: RunDigest) -> str:
    """Return the component that a number is of."""
    inner = key.partition(":")[2] if ":" in key else key
    fitting = [who for who in run.parts if inner == who or inner.startswith(f"{who}.")]
    fitting += [who for who, part in run.parts.items() if part.stage and inner.startswith(f"{part.stage}.")]
    return max(sorted(fitting), key=len, default="")


def _stage_in(key: str, run: RunDigest) -> str:
    inner = key.partition(":")[2] if ":" in key else key
    return max((name for name in run.order if inner.startswith(f"{name}.")), key=len, default="")


def _missing(mine: RunDigest, earlier: Sequence[RunDigest]) -> Iterator[Deviation]:
    """Return what is not there. A stage takes with it whatever lies in it, so that is not missed once more."""
    n = len(earlier)
    needed = ALWAYS * n
    reached = _Reached(mine, earlier)
    gone: list[str] = []
    steps: Counter[str] = Counter(name for each in earlier for name in each.order)
    here = set(mine.order)
    for name, count in sorted(steps.items()):
        if count >= needed and name not in here and reached(name):
            gone.append(name)
            who = next((w for e in reversed(earlier) for w, part in sorted(e.parts.items()) if part.stage == name), "")
            yield _lacking("missing_step", name, who or name, name, count, n)
    stopped = mine.status != COMPLETE
    parts: Counter[str] = Counter(who for each in earlier for who in each.parts)
    for who, count in sorted(parts.items()):
        stage = next((e.parts[who].stage for e in reversed(earlier) if who in e.parts), "")
        if count < needed or who in mine.parts or who in gone:
            continue
        if stage in gone:
            gone.append(who)
            continue
        if stopped and not (stage and reached(stage)):
            continue
        gone.append(who)
        yield _lacking("missing_step", who, who, stage, count, n)
    names: Counter[str] = Counter(key for each in earlier for key in each.attributes)
    for key, count in sorted(names.items()):
        family, _, rest = key.partition(":")
        if count < needed or key in mine.attributes or stopped or family not in (*_STEPS, *_RECORDS):
            continue
        if any(rest == name or rest.startswith(f"{name}.") for name in gone):
            continue
        kind: Kind = "missing_step" if family in _STEPS else "missing_record"
        yield _lacking(kind, key, _component_in(key, mine), "", count, n)


def _lacking(kind: Kind, attribute: str, who: str, stage: str, count: int, n: int) -> Deviation:
    return Deviation(
        kind=kind,
        attribute=attribute,
        component=who,
        stage=stage,
        value=None,
        usual=(("there", round(count / n, 4)),),
        support=n,
        p=(n - count + 1) / (n + 1),
        lift=round(count / n * (n + 1) / (n - count + 1), 3),
        confidence=wilson(count, n)[0],
    )


class _Reached:
    """Whether a run got as far as a step: all of it if it completed, else what usually comes before its last step."""

    def __init__(self, mine: RunDigest, earlier: Sequence[RunDigest]) -> None:
        self.whole = mine.status == COMPLETE
        self.last = mine.order[-1] if mine.order else ""
        self.orders = [] if self.whole else [{name: at for at, name in enumerate(each.order)} for each in earlier]

    def __call__(self, name: str) -> bool:
        both = [order for order in self.orders if name in order and self.last in order]
        return self.whole or (bool(both) and sum(o[name] < o[self.last] for o in both) >= ALWAYS * len(both))


def _order(mine: RunDigest, earlier: Sequence[RunDigest]) -> Iterator[Deviation]:
    if len(mine.order) < 2 or all(mine.order == each.order[: len(mine.order)] for each in earlier):
        return
    places = [{name: at for at, name in enumerate(each.order)} for each in earlier]
    for first, then in pairwise(mine.order):
        both = [place for place in places if first in place and then in place]
        turned = sum(place[first] > place[then] for place in both)
        if len(both) >= MIN_RUNS and turned >= ALWAYS * len(both):
            yield Deviation(
                kind="order",
                attribute=f"{first} → {then}",
                component=then,
                stage=then,
                value=f"{first}, {then}",
                usual=((f"{then}, {first}", round(turned / len(both), 4)),),
                support=len(both),
                p=(len(both) - turned + 1) / (len(both) + 1),
                lift=round(turned / len(both) * (len(both) + 1) / (len(both) - turned + 1), 3),
                confidence=wilson(turned, len(both))[0],
            )


class DeviationSettings(Settings, frozen=True, kw_only=True):
    """What is said of deviations."""

    minimum: int = 8  # good runs; a higher number than 8 asks for more of them
    sure_runs: int = 10  # good runs that all have a step, for its lack to be of medium severity
    most: int = 10  # findings of a run


class Deviations(Detector):
    """How a run differs from good ones."""

    name: ClassVar[str] = "deviation"
    codes: ClassVar[tuple[str, ...]] = ("D01-01", "D01-02", "D01-03", "D01-04")
    Settings = DeviationSettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return the surest deviations of a run."""
        if len(history.runs) < self.settings.minimum or not run.facts:
            return
        mine = run.digest
        told = [each for each in deviations(mine, history) if each.support >= self.settings.minimum]
        for each in told[: self.settings.most]:
            yield self._said(each, run, mine)

    def _said(self, each: Deviation, run: Run, mine: RunDigest) -> Finding:
        code = _CODES[each.kind]
        everywhere = each.kind == "missing_step" and each.usual[0][1] == 1.0 and each.support >= self.settings.sure_runs
        record = run.by_id.get(each.record_id)
        ended = mine.status == COMPLETE
        evidence = each.record_id or run.view.end_record or run.facts[-1].id
        return self.finding(
            code,
            _title(each),
            same=(each.kind, each.attribute),
            anchor=each.attribute[:200],
            severity=Severity.MEDIUM if everywhere and ended else Severity.LOW,
            basis="statistical",
            basis_text=f"lower bound of Wilson's interval over {each.support} earlier runs that went well"
            if each.kind != "number"
            else f"its rank among {each.support} earlier runs that went well",
            confidence=each.confidence,
            components=(each.component,) if each.component else (),
            stage=each.stage,
            evidence=(evidence,),
            freeze={"value": each.value, "usual": [list(value) for value in each.usual], "runs": each.support},
            thresholds={
                "usual": ALWAYS if each.kind.startswith("missing") or each.kind == "order" else USUAL,
                "far": FAR,
            },
            first_ns=record.ts_ns if record is not None else run.first_ns,
            last_ns=record.ts_ns if record is not None else run.last_ns,
            attributes={"kind": each.kind, "attribute": each.attribute, "lift": each.lift, "p": round(each.p, 6)},
        )


_CODES: Final[Mapping[Kind, str]] = {
    "choice": "D01-01",
    "new_step": "D01-01",
    "order": "D01-01",
    "missing_step": "D01-02",
    "missing_record": "D01-02",
    "number": "D01-03",
    "version": "D01-04",
}


def _title(each: Deviation) -> str:
    what, n = named(each.attribute), each.support
    usual = named(each.usual[0][0], "nothing") if each.usual else "nothing"
    part = share(each.usual[0][1]) if each.usual else ""
    if each.kind in ("missing_step", "missing_record"):
        return f"{what} is missing; {part} of {n} earlier good runs have it"
    if each.kind == "new_step":
        return f"{what} is new: none of {n} earlier good runs has it"
    if each.kind == "order":
        return f"{named(each.value)} came in this order; the other way round in {part} of {n} earlier good runs"
    if each.kind == "number":
        return f"{what} is {each.value:g}, outside everything that {n} earlier good runs had"
    if each.kind == "version":
        return f"{what} is {named(each.value)}, which none of {n} earlier good runs had; the most common was {usual}"
    return f"{what} is {named(each.value)}; in {part} of {n} earlier good runs it was {usual}"
