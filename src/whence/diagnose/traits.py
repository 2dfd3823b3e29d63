"""What each place of a run said, in numbers and words: what oddities are told from (`whence.diagnose.oddities`). Pure.

A place is a stage, and within a stage that several components act in, each of them. What is said there is taken apart into
traits, under keys `place|what|field`:

- ranges: the least and the most that a number was, over all records of the place. Beside plain fields these are ratios
  of two numbers of one record (`indexed/passages`), lengths of lists (`terms#`) and how long parts took (`·seconds`: what
  is no field of a record begins with a dot).
- values: the words that a field had; of a content its hash.
- counts: how many records of a kind and name each part that took time held, least and most over such parts.

Of a record with a word that says what it is about (`key`, `package`, the name of a template), numbers and words are kept
for that word alone as well (`bytes` of `key=sink.py.j2`): what depends on nothing else may not differ from run to run.
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from whence.diagnose.run import Fact, Run, Span
from whence.model import record as kinds
from whence.model.content import CONTENT_KEY
from whence.model.digest import RunDigest, Traits
from whence.model.payload import LLM, STAGE
from whence.model.quality import number

MOST_PLAIN: Final = 300
MOST_DEPENDENT: Final = 200
MOST_ALIKE: Final = 200
"""Records of one kind and name at one place that are taken apart, the earliest; all of them are counted."""
MOST_WORDS: Final = 12
"""Different words of one field that are kept; a field with more of them is free text."""
WORD_CHARS: Final = 60
MOST_RATIOS: Final = 6
"""Numbers of one record whose ratios are looked at."""
MOST_DEPTH: Final = 2
SECONDS: Final = "·seconds"
STANDS: Final = "·stands"
"""Field of a check: whether the last of its kind passed; what failed and was mended does not count."""
AGREES: Final = "·agrees"
_COUNTED: Final = (
    kinds.DECISION, kinds.CHECK, kinds.TRANSFORM, kinds.EVENT, kinds.SNAPSHOT, kinds.EVIDENCE, kinds.PROMPTS,
)  # fmt: skip
_DATA: Final = (kinds.EVIDENCE, kinds.OUTPUTS, kinds.PROMPTS)
_OF_A_CHECK: Final = ("passed", "label", "score")
_ID: Final = re.compile(r"[0-9a-f]{16,64}")


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
_NOTHING: Final[Mapping[str, Any]] = {}


class Range:
    """The least and the most that something was, and the records that said so."""

    __slots__ = ("high", "high_fact", "low", "low_fact")

    def __init__(self, value: float, fact: Fact) -> None:
        self.low = self.high = value
        self.low_fact = self.high_fact = fact

    def add(self, value: float, fact: Fact) -> None:
        """Take one more value in."""
        if value < self.low:
            self.low, self.low_fact = value, fact
        if value > self.high:
            self.high, self.high_fact = value, fact


class Said:
    """The traits of one run, with the records that show them."""

    def __init__(self) -> None:
        self.ranges: dict[str, Range] = {}
        self.values: dict[str, dict[str, Fact]] = {}
        self.counts: dict[str, Range] = {}
        self.ranges_of: dict[tuple[str, str], Range] = {}  # by key and the word that a record is about
        self.values_of: dict[tuple[str, str], dict[str, Fact]] = {}
        self.spans: dict[str, list[Span]] = {}  # `place|what|` → such parts that took time there

    def say(self, key: str, value: float | str, fact: Fact) -> None:
        """Take in what a field was."""
        if isinstance(value, str):
            _word(self.values, key, value, fact, MOST_PLAIN)
        else:
            _number(self.ranges, key, value, fact, MOST_PLAIN)

    def say_of(self, key: str, about: str, value: float | str, fact: Fact) -> None:
        """Take in what a field was, of a record that is about something."""
        if isinstance(value, str):
            _word(self.values_of, (key, about), value, fact, MOST_DEPENDENT)
        else:
            _number(self.ranges_of, (key, about), value, fact, MOST_DEPENDENT)

    def as_traits(self) -> Traits:
        """Return them without the records, to be kept."""
        ranges_of: dict[str, dict[str, tuple[float, float]]] = {}
        for (key, about), each in self.ranges_of.items():
            ranges_of.setdefault(key, {})[about] = (each.low, each.high)
        values_of: dict[str, dict[str, tuple[str, ...]]] = {}
        for (key, about), words in self.values_of.items():
            values_of.setdefault(key, {})[about] = tuple(sorted(words))
        return Traits(
            ranges=_nested({key: (each.low, each.high) for key, each in self.ranges.items()}),
            values=_nested({key: tuple(sorted(words)) for key, words in self.values.items()}),
            counts=_nested({key: (int(each.low), int(each.high)) for key, each in self.counts.items()}),
            ranges_of=ranges_of,
            values_of=values_of,
        )


def _nested(flat: dict[str, Value]) -> dict[str, dict[str, Value]]:
    """Return `place|what|field` → value as `place|what` → field → value: a third of the size, and read as fast."""
    found: dict[str, dict[str, Value]] = {}
    for key, value in flat.items():
        place, _, field = key.rpartition("|")
        found.setdefault(place, {})[field] = value
    return found


def told(kept: Mapping[str, Mapping[str, Value]], key: str) -> Value | None:
    """Return what traits say under `place|what|field`."""
    place, _, field = key.rpartition("|")
    return kept.get(place, _NOTHING).get(field)


def traits_of(digest: RunDigest) -> Traits:
    """Return the traits that a digest keeps; none where it was made before there were any."""
    try:
        return _decode(digest.traits)
    except msgspec.MsgspecError:
        return Traits()


_decode: Final = msgspec.json.Decoder(Traits).decode


def _number(among: dict[Key, Range], key: Key, value: float, fact: Fact, most: int) -> None:
    known = among.get(key)
    value = float(f"{value:.6g}")
    if known is not None:
        known.add(value, fact)
    elif len(among) < most:
        among[key] = Range(value, fact)


def _word(among: dict[Key, dict[str, Fact]], key: Key, value: str, fact: Fact, most: int) -> None:
    known = among.get(key)
    if known is None:
        if len(among) >= most:
            return
        known = among[key] = {}
    if len(known) < MOST_WORDS:
        known.setdefault(value, fact)


_KNOWN: Final[WeakKeyDictionary[Run, Said]] = WeakKeyDictionary()


def said_in(run: Run) -> Said:
    """Return the traits of a run; those of the same one are told once."""
    known = _KNOWN.get(run)
    if known is None:
        known = _KNOWN[run] = _said_in(run)
    return known


def _said_in(run: Run) -> Said:
    said = Said()
    owners = owners_of(run)
    taken: dict[tuple[str, str, str], int] = {}
    for fact in run.facts:
        place = place_of(fact, owners)
        alike = (place, fact.record.kind, fact.record.name)
        taken[alike] = taken.get(alike, 0) + 1
        for what, group, about in _groups(fact) if taken[alike] <= MOST_ALIKE else ():
            _take(said, f"{place}|{what}|", group, fact, dependent=about)
    for checkpoint, states in _states(run).items():
        most = max(sorted(states), key=lambda each: len(states[each]))
        if 2 * len(states[most]) > sum(map(len, states.values())):
            for state, facts in states.items():
                for fact in facts:
                    key = f"{place_of(fact, owners)}|{kinds.SNAPSHOT}:{checkpoint}|{AGREES}"
                    said.say(key, "yes" if state == most else "no", fact)
    for fact in _last_checks(run):
        key = f"{place_of(fact, owners)}|{what_of(fact)}|{STANDS}"
        said.say(key, "true" if fact.data.get("passed") else "false", fact)
    _of_spans(run, said, owners)
    return said


def owners_of(run: Run) -> dict[str, set[str]]:
    """Return stage → the components that went through it, rather than acted within."""
    found: dict[str, set[str]] = {}
    for span in run.spans.values():
        if span.type == STAGE and span.fact.record.stage:
            found.setdefault(span.fact.record.stage, set()).add(span.fact.record.component)
    return found


def place_of(fact: Fact, owners: dict[str, set[str]]) -> str:
    """Return where a record belongs: its stage, or the component within it."""
    stage, who = fact.record.stage, fact.record.component
    if not who or who in owners.get(stage, ()):
        return _plain(stage)
    return f"{_plain(stage)}>{_plain(who)}"


def _plain(name: str) -> str:
    return name.replace("|", "¦").replace(">", "›")[:WORD_CHARS]


def what_of(fact: Fact) -> str:
    """Return what a record is: its kind and name, of a check also when it was made."""
    record = fact.record
    kind = record.kind
    if kind == kinds.SPAN_END:
        kind = str(fact.data.get("type") or "stage")
    elif kind == kinds.CHECK and isinstance(fact.data.get("phase"), str) and fact.data["phase"]:
        kind = f"{kind} {fact.data['phase']}"
    return _plain(f"{kind}:{record.name}")


# -- records taken apart ------------------------------------------------------------------------------------------------


def _groups(fact: Fact) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield (what it is, fields said together, whether some of them may say what it is about)."""
    kind, data, what = fact.record.kind, fact.data, what_of(fact)
    if kind == kinds.SPAN_END:
        outputs = data.get("outputs")
        if isinstance(outputs, dict) and outputs:
            yield what, outputs, True
        own: dict[str, Any] = {"error": _error(data.get("error"))}
        if data.get("type") == LLM:
            own |= {key: value for key, value in fact.attributes.items() if not isinstance(value, dict)}
        yield what, own, False
    elif kind == kinds.DECISION:
        yield what, {"what": data.get("what"), "confidence": data.get("confidence")}, False
        if isinstance(data.get("inputs"), dict):
            yield what, data["inputs"], True
    elif kind == kinds.CHECK:
        failures = data.get("failures")
        named = failures[:MOST_WORDS] if isinstance(failures, list) else ()
        codes = {str(each.get("code") or "") for each in named if isinstance(each, dict)}
        yield what, fact.attributes | {name: data.get(name) for name in _OF_A_CHECK}, False
        for code in sorted(codes - {""}):
            yield what, {"failure": code}, False
    elif kind == kinds.TRANSFORM:
        using = data.get("using")
        rest = using if isinstance(using, dict) else {}
        yield what, {"action": data.get("action"), "error": _error(data.get("error"))} | rest, False
        materials = data.get("materials")
        for each in materials if isinstance(materials, list) else ():
            if isinstance(each, dict) and each.get("name"):
                yield f"{what} {each.get('role') or 'material'}", {k: each.get(k) for k in ("name", "content")}, True
    elif kind == kinds.METRIC:
        yield what, {"value": data.get("value")}, False
    elif kind == kinds.EVENT:
        yield what, fact.attributes, False
    elif kind in _DATA and isinstance(data.get("data"), dict):
        yield what, data["data"], False


def _error(error: Any) -> str | None:
    if isinstance(error, dict):
        return str(error.get("type") or "error")
    return "error" if error else None


def _leaves(data: dict[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, float | str]]:
    for name, value in data.items():
        key = f"{prefix}{name}"[:WORD_CHARS].replace("|", "¦").replace("·", ".")
        if isinstance(value, bool):
            yield key, "true" if value else "false"
        elif isinstance(value, int | float):
            found = number(value)
            if found is not None:
                yield key, found
        elif isinstance(value, str):
            if 0 < len(value) <= WORD_CHARS and not _ID.fullmatch(value):
                yield key, value
        elif isinstance(value, list):
            yield f"{key}#", float(len(value))
        elif isinstance(value, dict):
            sha = value.get(CONTENT_KEY)
            if isinstance(sha, str):
                yield key, f"sha256:{sha[:12]}"
                chars = number(value.get("chars"))
                if chars is not None:
                    yield f"{key}.chars", chars
            elif depth < MOST_DEPTH:
                yield from _leaves(value, f"{key}.", depth + 1)


def _take(said: Said, prefix: str, group: dict[str, Any], fact: Fact, *, dependent: bool) -> None:
    leaves = list(_leaves(group))
    numbers = [(name, value) for name, value in leaves if not isinstance(value, str)]
    for name, value in leaves:
        said.say(prefix + name, value, fact)
    plain = [(name, value) for name, value in numbers if not name.endswith("#") and value == int(value)]
    if 2 <= len(plain) <= MOST_RATIOS and dependent:
        for n, (one, a) in enumerate(plain):
            for other, b in plain[n + 1 :]:
                if a >= 0 and b > 0:
                    said.say(f"{prefix}{one}/{other}", a / b, fact)
    if not dependent:
        return
    for name, about in leaves:
        if isinstance(about, str) and about not in ("true", "false") and not about.startswith("sha256:"):
            for other, value in leaves:
                if other != name:
                    said.say_of(prefix + other, f"{name}={about}", value, fact)
            return  # what a record is about is said first


def _last_checks(run: Run) -> list[Fact]:
    """Return the last check of each type of each thing; what was checked before a step is to be mended by it."""
    last: dict[tuple[str, str, str, str], Fact] = {}
    for fact in run.checks:
        if isinstance(fact.data.get("passed"), bool) and fact.data.get("phase") != "before":
            subject, kind = (str(fact.data.get(name) or "") for name in ("subject", "type"))
            last[fact.record.component, fact.record.name, subject, kind] = fact
    return list(last.values())


# -- states and parts ----------------------------------------------------------------------------------------------------


def _states(run: Run) -> dict[str, dict[str, list[Fact]]]:
    """Return checkpoint → state → the last snapshots of it, one of each component; of three components and more."""
    last: dict[str, dict[str, Fact]] = {}
    for fact in run.of_kind(kinds.SNAPSHOT):
        if isinstance(fact.data.get("state"), dict):
            last.setdefault(_plain(fact.record.name), {})[fact.who] = fact
    found: dict[str, dict[str, list[Fact]]] = {}
    for checkpoint, facts in last.items():
        if len(facts) < 3:
            continue
        for fact in facts.values():
            state = msgspec.json.encode(fact.data["state"], order="sorted").decode()
            found.setdefault(checkpoint, {}).setdefault(state, []).append(fact)
    return found


def _of_spans(run: Run, said: Said, owners: dict[str, set[str]]) -> None:
    inside: dict[str, dict[str, list[Fact]]] = {}
    for fact in run.facts:
        if fact.record.kind in _COUNTED and fact.record.span:
            inside.setdefault(fact.record.span, {}).setdefault(what_of(fact), []).append(fact)
    for span in run.spans.values():
        if span.parent is not None:
            inside.setdefault(span.parent.id, {}).setdefault(what_of(span.fact), []).append(span.fact)
    for span in run.spans.values():
        end = span.end
        if end is None:
            continue
        base = f"{place_of(end, owners)}|{what_of(end)}|"
        said.spans.setdefault(base, []).append(span)
        if span.duration_ns is not None:
            said.say(base + SECONDS, span.own_ns / 1e9, end)
    for base, spans in said.spans.items():
        said.counts[base] = Range(len(spans), spans[0].fact)
        for what in sorted({what for span in spans for what in inside.get(span.id, ())}):
            for span in spans:
                records = inside.get(span.id, {}).get(what, [])
                shown = records[0] if records else span.fact
                known = said.counts.get(base + what)
                if known is not None:
                    known.add(len(records), shown)
                elif len(said.counts) < MOST_PLAIN:
                    said.counts[base + what] = Range(len(records), shown)
