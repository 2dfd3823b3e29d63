"""Which runs are meant, as people type it: `bad`, `model:writer=small-2`, `score<2 & 7d`, or names of runs. Pure.

A selector is terms joined by `&`, all of which must hold:

    good, bad, in_progress      how the run ended
    KEY=VALUE, KEY!=VALUE       an attribute, exactly but for case; `code=` also means the codes of findings
    KEY~TEXT                    the attribute contains it
    KEY<NUMBER, <=, >, >=       a quantity: `score<2`, `duration>10s`, `cost>=0.05`
    7d, today, START/END        when the run began
    NAME, NAME, …               those runs and no others

Keys are those that `whence diff` prints: whatever a run can be put beside others by (`cohorts.values_of`, `quantities_of`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Final

import msgspec

from whence.diagnose.cohorts import quantities_of, values_of
from whence.errors import BadInput, NotFound
from whence.model.digest import RunDigest
from whence.query.timerange import parse_range

ACCEPTED: Final = (
    "good, bad, KEY=VALUE (intent=…, model:writer=…, code=…), KEY<NUMBER (score<2, duration>10s), a time range (7d, "
    "2026-11-01/2026-11-10), or names of runs with commas between them; joined by &"
)
OUTCOMES: Final = ("good", "bad", "in_progress")
_OPERATORS: Final = ("<=", ">=", "!=", "=", "<", ">", "~")
_CONDITION: Final = re.compile(r"([^=!<>~]+?)\s*(<=|>=|!=|=|<|>|~)\s*(.*)", re.S)
_LOOKS_LIKE_TIME: Final = re.compile(r"(?:last_)?\d{1,6}[smhdw]|today|yesterday|\d{4}-\d\d-\d\d.*", re.ASCII)
_QUANTITY: Final = re.compile(r"\$?([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*(ms|s|m|min|h|%)?", re.ASCII | re.I)
_UNITS: Final = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "%": 0.01}
NAMES_SHOWN: Final = 8


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One condition on a run: exactly one of the groups of fields is given."""

    outcome: str = ""
    key: str = ""  # with op and value
    op: str = ""
    value: str = ""
    number: float | None = None  # the value, where it is one: seconds, dollars, a plain number
    since_ns: int | None = None
    until_ns: int | None = None
    traces: tuple[str, ...] = ()  # OpenTelemetry ids

    def holds(self, run: RunDigest) -> bool:
        """Return whether a run is meant."""
        if self.outcome:
            return run.outcome == self.outcome
        if self.traces:
            return run.trace in self.traces
        if self.since_ns is not None:
            return run.started_ns >= self.since_ns and (self.until_ns is None or run.started_ns < self.until_ns)
        if self.op in ("=", "!="):
            return self._equals(run) is (self.op == "=")
        if self.op == "~":
            wanted = self.value.casefold()
            return any(wanted in said.casefold() for said in _said(run, self.key))
        return any(_compare(found, self.op, self.number or 0.0) for found in _measured(run, self.key))

    def _equals(self, run: RunDigest) -> bool:
        wanted = self.value.casefold()
        if any(said.casefold() == wanted for said in _said(run, self.key)):
            return True
        return self.number is not None and any(found == self.number for found in _measured(run, self.key))


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """A selector, understood."""

    text: str
    terms: tuple[Term, ...]

    def holds(self, run: RunDigest) -> bool:
        """Return whether a run is meant."""
        return all(term.holds(run) for term in self.terms)

    def of(self, runs: Iterable[RunDigest]) -> list[RunDigest]:
        """Return those runs that are meant."""
        return [run for run in runs if self.holds(run)]

    @property
    def traces(self) -> tuple[str, ...]:
        """The runs that are named, by their OpenTelemetry ids."""
        return tuple(dict.fromkeys(trace for term in self.terms for trace in term.traces))

    @property
    def since_ns(self) -> int | None:
        """When the earliest run that is meant can have begun, where a time range says so."""
        return max((term.since_ns for term in self.terms if term.since_ns is not None), default=None)


def parse(text: str, *, now_ns: int, resolve: Callable[[str], str]) -> Selection:
    """Return what a selector means.

    Args:
        now_ns: what `7d` counts back from.
        resolve: name of a run -> its OpenTelemetry id; raises NotFound.

    Raises:
        BadInput: it is of none of the accepted forms.
    """
    words = [each.strip() for each in text.split("&")]
    if not all(words):
        raise BadInput(f"cohort {text!r} has an empty condition; accepted: {ACCEPTED}")
    return Selection(text=text.strip(), terms=tuple(_term(each, now_ns, resolve) for each in words))


def _term(word: str, now_ns: int, resolve: Callable[[str], str]) -> Term:
    if word.casefold() in OUTCOMES:
        return Term(outcome=word.casefold())
    found = _CONDITION.fullmatch(word)
    if found is not None:
        return _condition(word, found[1].strip(), found[2], found[3].strip())
    if any(operator in word for operator in _OPERATORS):
        raise BadInput(f"cohort condition {word!r} has nothing before {word[0]!r}; accepted: {ACCEPTED}")
    if _LOOKS_LIKE_TIME.fullmatch(word):
        since_ns, until_ns = parse_range(word, now_ns=now_ns)
        return Term(since_ns=since_ns, until_ns=until_ns)
    names = [each.strip() for each in word.split(",") if each.strip()]
    if not names:
        raise BadInput(f"cohort {word!r} names no run; accepted: {ACCEPTED}")
    try:
        return Term(traces=tuple(dict.fromkeys(resolve(name) for name in names)))
    except NotFound as exc:
        raise NotFound(f"{exc}; a cohort is {ACCEPTED}") from exc


def _condition(word: str, key: str, op: str, value: str) -> Term:
    if not value:
        raise BadInput(f"cohort condition {word!r} has no value; write {key}{op}VALUE")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    found = _QUANTITY.fullmatch(value)
    number = float(found[1]) * _UNITS[(found[2] or "").lower()] if found is not None else None
    if op in ("<", "<=", ">", ">=") and number is None:
        raise BadInput(
            f"cohort condition {word!r} compares with {value!r}; give a number, such as 2, 10s, 500ms, $0.05, 40%"
        )
    return Term(key=key, op=op, value=value, number=number)


def unknown_keys(selection: Selection, runs: Sequence[RunDigest]) -> list[str]:
    """Return the keys of a selector that no run has, each with what may have been meant."""
    wanted = list(dict.fromkeys(term.key for term in selection.terms if term.key))
    known: dict[str, None] = {}
    for run in runs:
        known.update(dict.fromkeys(name for name, _ in _labels(run)))
        known.update(dict.fromkeys(name for name, _ in _numbers(run)))
    said = []
    for key in wanted:
        if key in known or not runs:
            continue
        near = get_close_matches(key, known, NAMES_SHOWN, 0.5) or [each for each in known if key in each]
        shown = near[:NAMES_SHOWN] or sorted(known, key=lambda each: (":" in each, each))[:NAMES_SHOWN]
        said.append(f"no run has {key!r}; there is {', '.join(shown)}")
    return said


def _labels(run: RunDigest) -> Iterator[tuple[str, str]]:
    """Yield (key, value) of what a run can be chosen by."""
    yield "outcome", run.outcome
    yield "project", run.project
    yield "query", run.query
    for name in run.parts:
        yield "component", name
    for code in run.codes:
        yield "code", code
    for name, value, _ in values_of(run):
        yield name, value


def _numbers(run: RunDigest) -> Iterator[tuple[str, float]]:
    yield "records", float(run.records)
    yield "errors", float(sum(each.count for each in run.errors))
    yield "findings", float(len(run.codes))
    if run.score is not None:
        yield "score", run.score
    for principle, score in run.principles.items():
        yield f"principle:{principle}", score
    yield from quantities_of(run)


def _said(run: RunDigest, key: str) -> Iterator[str]:
    return (value for name, value in _labels(run) if name == key)


def _measured(run: RunDigest, key: str) -> Iterator[float]:
    return (value for name, value in _numbers(run) if name == key)


def _compare(found: float, op: str, wanted: float) -> bool:
    if op == "<":
        return found < wanted
    if op == "<=":
        return found <= wanted
    return found > wanted if op == ">" else found >= wanted
