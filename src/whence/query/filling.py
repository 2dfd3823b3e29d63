"""Templates with their gaps filled in: which line of a template a line may have become, and which known values are in it.

Where a value that went in is known, the template's line is filled in with it and must then be the line, word for word;
a value of several lines makes several lines of one. Where none is, anything may stand in a gap, as long as the rest of the
template's line is enough to recognise it by. In both cases that is a text found within another: never more than inferred.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from whence.query.lineage import TELLING, Call, Lineage, Made, Moment, Ref, Sure, moment_of, ref_of, sha256_of
from whence.query.lines import lines_of

GIVEN: Final = "source"
"""The role of what a step was given, among what may have had gaps."""
MOST_CALLS: Final = 50
"""In so many answers, the newest, a value is looked for that nothing else explains."""
MOST_MATCHES: Final = 100_000
"""So many comparisons of a line with a template's line, or with a value's, at most."""
_NEAR: Final = 20
"""So many are made even then."""
_LONGEST: Final = 400
_MOST_GAPS: Final = 6
_MOST_VALUE_CHARS: Final = 100_000
_PROSE: Final = 8
"""Characters, blanks among them, by which a part of a longer text is recognised; without a blank three times as many."""
_GAP: Final = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|<%.*?%>|\$\{.*?\}|\$\w+|\{\w*\}|%\(\w+\)s|%s)")
_NAME: Final = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
_AROUND: Final = re.compile(r"[{}<>%$()=+\-\s]*")


@dataclass(slots=True, frozen=True)
class Value:
    """A text that went into a step, and may have been filled into a gap."""

    role: str  # variable, response, …
    name: str
    ref: Ref
    text: str
    lines: tuple[str, ...] = field(compare=False)  # without empty ones before and after

    @classmethod
    def of(cls, role: str, name: str, ref: Ref, text: str) -> "Value":
        """Return a text as such a value."""
        return cls(role, name, ref, text, tuple(lines_of(text.strip("\r\n"))))


@dataclass(slots=True, frozen=True)
class Fill:
    """What a line came from: a line of a template (from 0), and the values that are in it."""

    there: int
    values: tuple[Value, ...]


def materials_of(made: Made) -> list[tuple[dict[str, Any], Ref]]:
    """Return the other contents that went into a step; prompts last: what is said to a model is seldom what comes out."""
    found = [(each, ref_of(each.get("content"))) for each in made.said.materials]
    known = [(each, ref) for each, ref in found if ref is not None]
    return sorted(known, key=lambda pair: pair[0].get("role") == "prompt")


def templates_of(made: Made) -> list[tuple[dict[str, Any], Ref]]:
    """Return what may have had gaps that a step filled in: what went in, or what it was given."""
    given: list[tuple[dict[str, Any], Ref]] = [({"role": GIVEN}, made.source)] if made.source is not None else []
    return [*materials_of(made), *given]


def values_of(lineage: Lineage, made: Made) -> list[Value]:
    """Return what a step may have filled in: what went in beside templates and prompts."""
    found = []
    for material, ref in materials_of(made):
        role = str(material.get("role") or "material")
        text = lineage.text(ref) if role not in ("template", "prompt") else None
        if text is not None and text.strip():
            found.append(Value.of(role, str(material.get("name") or ""), ref, text))
    variables = lineage.resolved(made.said.using.get("variables"))  # where a rendering has those of one line
    named = {value.name for value in found}
    for name, text in variables.items() if isinstance(variables, dict) else ():
        if isinstance(text, str) and text.strip() and name not in named:
            found.append(Value.of("variable", name, Ref(key=sha256_of(text), inline=text, chars=len(text)), text))
    return found


class Answers:
    """Whose answer a value is. One for each question, which remembers what it found."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._found: dict[tuple[str, str], tuple[Call, Sure] | None] = {}

    def behind(self, value: Value, at: Moment) -> tuple[Call, Sure] | None:
        """Return the LLM call, before a moment, whose answer a value is: confirmed, or inferred where it is a part of it."""
        key = value.ref.key, at.record_id
        if key not in self._found:
            self._found[key] = None  # where a clock that was put back makes a circle, nothing is found on it
            self._found[key] = self._look(value, at)
        return self._found[key]

    def in_words(self, values: Sequence[Value], at: Moment) -> tuple[str, tuple[Call, Sure] | None]:
        """Return which values are in a line, and the call whose answer one of them is, the first if there are several."""
        said, first = [], None
        for value in values:
            words, call = f"{value.role} {value.name}".strip(), self.behind(value, at)
            if call is not None:
                first = first or call
                part = "the answer" if call[1] == "confirmed" else "a part of the answer"
                words += f" = {part} of call {call[0].record.name}"
            said.append(words)
        return ", ".join(said), first

    def _look(self, value: Value, at: Moment) -> tuple[Call, Sure] | None:
        call = self._lineage.answer(value.ref, at)
        if call is not None:
            return call, "confirmed" if self._lineage.tied(call, value.ref, at) else "inferred"
        made = self._lineage.maker(value.ref, at)
        if made is not None:
            text = self._lineage.text(made.source)
            if made.source is None or text is None or value.text.strip() not in text:
                return None  # the step's own, or of something else
            found = self.behind(replace(value, ref=made.source), moment_of(made.record, made.said.subject))
            return (found[0], "inferred") if found is not None else None
        for call in self._lineage.calls_before(at)[:MOST_CALLS]:
            answered = self._lineage.text(call.response)
            if answered is not None and recognised(value.text, answered):
                return call, "confirmed" if answered.strip() == value.text.strip() else "inferred"
        return None


def recognised(part: str, text: str) -> bool:
    """Return whether a part of a text is enough of it, or long enough, to say that it came from there."""
    part = part.strip()
    if len(part) < TELLING or part not in text:
        return False
    return part == text.strip() or len(part) >= (_PROSE if " " in part else 3 * _PROSE)


# -- lines of a template ------------------------------------------------------------------------------------------------


_Part = str | tuple[Value, str] | None
"""Of a line that a template's line may become: what the template says, a line of a value, or anything."""


class _Open:
    """A line of a template with gaps that anything may be in.

    Args:
        there: its place, from 0.
        parts: what it may become.
        telling: whether what is beside the gaps is enough to recognise it by.
        known: values that are in it word for word.
        named: for each gap, the value that it is said to be made of.
    """

    __slots__ = ("_said", "known", "named", "telling", "there")

    def __init__(
        self,
        there: int,
        parts: Sequence[_Part],
        *,
        telling: bool,
        known: tuple[Value, ...] = (),
        named: tuple[Value | None, ...] = (),
    ) -> None:
        self.there, self.telling, self.known, self.named = there, telling, known, named
        said = [part if part is None or isinstance(part, str) else part[1] for part in parts]
        said[0], said[-1] = said[0] and said[0].lstrip(), said[-1] and said[-1].rstrip()  # as what it is compared with
        self._said = [""]  # what is between the gaps, before the first one, and after the last one
        for part in said:
            if part is None:
                self._said.append("")
            else:
                self._said[-1] += part

    @property
    def ends(self) -> tuple[str, str]:
        """How a line begins and ends that this may become."""
        return self._said[0], self._said[-1]

    def fits(self, line: str) -> tuple[str, ...] | None:
        """Return what is in the gaps if a line is one that this may become: as little as may be, the last one the rest."""
        begin, end = self.ends
        at, last = len(begin), len(line) - len(end)
        if last < at or not (line.startswith(begin) and line.endswith(end)):
            return None
        inside = []
        for said in self._said[1:-1]:  # each as soon as it comes: that leaves the most for those after it
            found = line.find(said, at, last)
            if found < 0:
                return None
            inside.append(line[at:found])
            at = found + len(said)
        return (*inside, line[at:last])


class _ByEnds:
    """Lines of a template by how they begin and end: of a thousand, few begin and end as one line does."""

    def __init__(self) -> None:
        self.all: list[_Open] = []
        self._found: dict[str, dict[str, list[int]]] = {}
        self._begins: set[int] = set()  # how long the beginnings are
        self._ends: dict[str, set[int]] = {}  # by beginning, how long the ends are

    def add(self, each: _Open) -> None:
        begin, end = each.ends
        self._found.setdefault(begin, {}).setdefault(end, []).append(len(self.all))
        self._begins.add(len(begin))
        self._ends.setdefault(begin, set()).add(len(end))
        self.all.append(each)

    def like(self, line: str, since: int) -> list[int]:
        """Return the numbers of those that begin and end as a line does: from one on, then those before it."""
        found: list[int] = []
        for size in self._begins:
            begin = line[:size]
            if len(begin) == size and begin in self._found:
                by_end = self._found[begin]
                for count in self._ends[begin]:
                    if count <= len(line):
                        found += by_end.get(line[len(line) - count :], ())
        return sorted(found, key=lambda number: (number < since, number))


class _Wanted:
    """The lines that are looked for: whether any of them begins, and any ends, as a line of a template does."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = sorted(lines)
        self._reversed = sorted(line[::-1] for line in lines)

    def may_be(self, begin: str, end: str) -> bool:
        return _any_begins(self._lines, begin.strip()) and _any_begins(self._reversed, end.strip()[::-1])


def _any_begins(lines: Sequence[str], begin: str) -> bool:
    at = bisect_left(lines, begin)
    return at < len(lines) and lines[at].startswith(begin)


def filled(
    template: Sequence[str], values: Sequence[Value], wanted: Sequence[str], left: Sequence[int]
) -> Iterator[tuple[int, Fill]]:
    """Yield lines that a line of a template may have become, with the values in them where those are known.

    Args:
        template: its lines.
        values: what may be in its gaps.
        wanted: lines, without blanks around them.
        left: the places of those that are looked for.
    """
    closed: dict[str, Fill] = {}
    patterns = _ByEnds()
    by_name = {value.name: value for value in values if value.name}
    looked_for = _Wanted([wanted[n] for n in left])
    several = any(len(value.lines) > 1 for value in values)
    for there, line in enumerate(template):
        if len(line) <= _LONGEST:
            pieces = _pieces(line.strip())
            some = 3 <= len(pieces) <= 2 * _MOST_GAPS + 1
            # A value of several lines makes lines that neither begin nor end as the template's.
            if some and (several or looked_for.may_be(pieces[0], pieces[-1])):
                _add(pieces, there, by_name, closed, patterns)
    tried = last = 0
    for n in left:
        line = wanted[n]
        if line in closed:
            yield n, closed[line]
            continue
        if not TELLING <= len(line) <= _LONGEST:
            continue
        # Lines stand in the order of the template's, mostly: one is looked for from where the one before was found.
        for looked, number in enumerate(patterns.like(line, last)):
            each = patterns.all[number]
            tried += 1
            if tried > MOST_MATCHES and looked > _NEAR:
                break
            inside = each.fits(line)
            among = _among(each, inside, values) if inside is not None else ()
            if inside is not None and (each.telling or among):
                yield n, Fill(each.there, among)
                last = number
                break


@lru_cache(maxsize=4096)  # step after step renders the same template
def _pieces(line: str) -> tuple[str, ...]:
    """Return what is beside the gaps of a line of a template, and the gaps, by turns."""
    return tuple(_GAP.split(line))


def _add(
    pieces: Sequence[str], there: int, by_name: dict[str, Value], closed: dict[str, Fill], patterns: _ByEnds
) -> None:
    """Add what a line of a template may become: with the values that are known filled in, and with any."""
    gaps = pieces[1::2]
    named = [_named(gap, by_name) for gap in gaps]
    known = [value if value and len(value.text) <= _MOST_VALUE_CHARS else None for value, _ in named]
    if any(known):
        for parts in _rows(pieces[::2], known):
            inside = tuple(dict.fromkeys(part[0] for part in parts if isinstance(part, tuple)))
            told = "".join(part if isinstance(part, str) else part[1] for part in parts if part is not None).strip()
            if not inside or len(told) < TELLING:
                continue
            if None in parts:
                patterns.add(_Open(there, parts, telling=True, known=inside))
            else:
                closed.setdefault(told, Fill(there, inside))
    beside = sum(len(piece.strip()) for piece in pieces[::2])
    if beside:
        # A gap that does more than name a value (`{{ head | upper }}`) is made of it, whatever came out.
        made_of = tuple(value if not bare else None for value, bare in named)
        any_ = [part for n, piece in enumerate(pieces[::2]) for part in ((piece, None) if n < len(gaps) else (piece,))]
        patterns.add(_Open(there, any_, telling=beside >= TELLING, named=made_of))


def _rows(beside: Sequence[str], known: Sequence[Value | None]) -> list[list[_Part]]:
    """Return the lines that a line of a template becomes."""
    rows: list[list[_Part]] = [[beside[0]]]
    for value, piece in zip(known, beside[1:], strict=True):
        if value is None:
            rows[-1].append(None)
        elif value.lines:
            rows[-1].append((value, value.lines[0]))
            rows += [[(value, line)] for line in value.lines[1:]]
        rows[-1].append(piece)
    return rows


def _named(gap: str, by_name: dict[str, Value]) -> tuple[Value | None, bool]:
    """Return the value that a gap names, and whether it says nothing but that name."""
    found = _NAME.search(gap) if gap != "%s" and not gap.startswith("{%") else None
    if found is None:
        return None, True
    whole = by_name.get(found[0])
    bare = not _AROUND.sub("", gap[: found.start()]) and _AROUND.fullmatch(gap[found.end() :].rstrip("s")) is not None
    return (whole, bare) if whole is not None else (by_name.get(found[0].partition(".")[0]), False)


def _among(found: _Open, said: Sequence[str], values: Sequence[Value]) -> tuple[Value, ...]:
    """Return the values that are in a line: known ones, those that its gaps name, and those whose text is in a gap."""
    among = list(found.known)
    named = found.named or (None,) * len(said)
    for text, value in zip(said, named, strict=True):
        value = value or next((each for each in values if _is_in(text, each)), None)
        among += [value] if value is not None else []
    return tuple(dict.fromkeys(among))


def _is_in(text: str, value: Value) -> bool:
    text = text.strip()
    if len(text) < TELLING or len(value.text) > _MOST_VALUE_CHARS:
        return False
    return text == value.text.strip() or text in value.lines or recognised(text, value.text)


# -- without a template -------------------------------------------------------------------------------------------------


def holding(values: Sequence[Value], wanted: Sequence[str], left: Sequence[int]) -> Iterator[tuple[int, Value, int]]:
    """Yield lines in which a value is, or a line of one, with its place there (from 0); nothing is known of the rest."""
    needles = [
        (needle.strip(), value, there)
        for value in values
        if len(value.text) <= _MOST_VALUE_CHARS
        for there, needle in enumerate(value.lines)
        if len(needle.strip()) >= TELLING and recognised(needle, value.text)
    ]
    needles.sort(key=lambda each: -len(each[0]))  # the longest says the most
    tried = 0
    for n in left:
        for needle, value, there in needles:
            tried += 1
            if tried > MOST_MATCHES:
                return
            if needle in wanted[n] and _stands_alone(needle, wanted[n]):
                yield n, value, there
                break


def _stands_alone(needle: str, line: str) -> bool:
    """Return whether a text is not merely a part of a longer word."""
    at = line.find(needle)
    before, after = line[at - 1 : at] if at else "", line[at + len(needle) : at + len(needle) + 1]
    return not (_word(before) and _word(needle[0])) and not (_word(after) and _word(needle[-1]))


def _word(char: str) -> bool:
    return char.isalnum() or char == "_"
