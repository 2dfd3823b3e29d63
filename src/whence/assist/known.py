"""The ids that a store knows, and which of them a question names: compared whole after normalising, never as a part of a
text (C4.7). What is only near is proposed, never taken."""

import re
from difflib import get_close_matches
from typing import Final, Literal

import msgspec

from whence.assist.normalising import Word, key_of
from whence.diagnose.catalog import catalog
from whence.errors import NotFound
from whence.model.filters import RecordFilter, TraceFilter
from whence.query.find import find, worst
from whence.store.interface import Store

Type = Literal["component", "run", "project", "principle", "model", "code", "problem", "file", "record"]
MOST_RUNS: Final = 500
"""Of the newest runs, names, models and principles are known; older runs are found by their name as it is written."""
LONGEST_NAME: Final = 6
"""Words of a name that is written in several."""
_CODE: Final = re.compile(r"[a-z]\d{2}-\d{2}|cal-\d{2}", re.ASCII)
_HEX: Final = re.compile(r"(?:trc_)?[0-9a-f_-]{8,36}", re.ASCII)
_FILE: Final = re.compile(r"(?P<path>[^\s:]*[\w-]\.[A-Za-z]\w{0,5})(?::(?P<line>\d{1,7}))?")
_LAST: Final = ("last", "latest", "newest", "recent")
_BAD: Final = ("bad", "failed", "failing", "broken", "worst", "unsuccessful")
_RUN: Final = ("run", "trace", "execution")
_OPERATION: Final = ("operation", "op", "job", "task")
_COMPONENT: Final = (
    "component",
    "agent",
    "workflow",
    "service",
    "worker",
    "step",
    "stage",
    "browser",
    "system",
    "node",
)
_LOOKS_LIKE_AN_ID: Final = re.compile(r"(?=.*\d)[a-z][a-z0-9]*(?:[-_/.:][a-z0-9]+)+", re.ASCII)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a question is about."""

    type: Type
    id: str  # as the store has it; of a run its name
    otel: str = ""  # of a run
    line: int | None = None  # of a file


class Mentioned(msgspec.Struct, frozen=True, kw_only=True):
    """What a question names."""

    subjects: tuple[Subject, ...] = ()
    ambiguous: tuple[tuple[str, tuple[Subject, ...]], ...] = ()  # (as written, what it may be)
    unknown: tuple[tuple[str, tuple[str, ...]], ...] = ()  # (as written, what is near)
    rest: tuple[Word, ...] = ()  # the other words


class Known:
    """Ids of a store, by the key they are compared by. Read once for a question."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.by_key: dict[str, list[Subject]] = {}
        self.recent = store.traces(TraceFilter(), limit=MOST_RUNS).items
        for did in store.activity():
            if did.component:
                self._add(did.component, Subject(type="component", id=did.component))
                if "/" in did.component:
                    self._add(did.component.partition("/")[2], Subject(type="component", id=did.component))
        for row in self.recent:
            self._add(row.trace_id, Subject(type="run", id=row.trace_id, otel=row.id))
            for name in row.principle_scores:
                self._add(name, Subject(type="principle", id=name))
            if row.synthesis_model:
                self._add(row.synthesis_model, Subject(type="model", id=row.synthesis_model))
        for row in self.recent:  # a project as its records name it; by another name where that is how it was begun
            if row.project:
                self._add(row.project, Subject(type="project", id=row.project))
        for group in store.totals_by("project"):
            if group.key and not any(each.type == "project" for each in self.by_key.get(key_of(group.key), ())):
                self._add(group.key, Subject(type="project", id=group.key))

    def _add(self, name: str, subject: Subject) -> None:
        known = self.by_key.setdefault(key_of(name), [])
        if subject not in known:
            known.append(subject)

    def mentioned(self, words: tuple[Word, ...]) -> Mentioned:
        """Return what these words name, the longest names first at each place."""
        subjects: list[Subject] = []
        ambiguous: list[tuple[str, tuple[Subject, ...]]] = []
        unknown: list[tuple[str, tuple[str, ...]]] = []
        rest: list[Word] = []
        place = 0
        while place < len(words):
            took, found = self._at(words, place)
            said = " ".join(each.text for each in words[place : place + took])
            if len(found) == 1:
                subjects.append(found[0])
            elif found:
                ambiguous.append((said, tuple(found)))
            elif took:
                unknown.append((said, self.near(said)))
            else:
                rest.append(words[place])
            place += max(took, 1)
        return Mentioned(
            subjects=tuple(dict.fromkeys(subjects)),
            ambiguous=tuple(ambiguous),
            unknown=tuple(unknown),
            rest=tuple(rest),
        )

    def near(self, said: str) -> tuple[str, ...]:
        """Return names that may have been meant, the nearest first."""
        close = get_close_matches(key_of(said)[:100], self.by_key, 5, 0.75)
        return tuple(dict.fromkeys(each.id for key in close for each in self.by_key[key]))[:5]

    def _at(self, words: tuple[Word, ...], place: int) -> tuple[int, list[Subject]]:
        """Return how many words from here on are a name, and what it names; nothing, where it is no name that is known."""
        relative = self._relative(words, place)
        if relative is not None:
            return relative
        for took in range(min(LONGEST_NAME, len(words) - place), 0, -1):
            named = words[place : place + took]
            found = self.by_key.get("-".join(each.key for each in named), [])
            found = _wanted(found, words, place, took)
            if found and (took > 1 or not _is_plain(named[0], words, place)):
                return took, list(found)
        one = self._one(words[place])
        if one is not None:
            return 1, one
        before = words[place - 1].lower if place else ""
        if _LOOKS_LIKE_AN_ID.fullmatch(words[place].lower):
            return 1, []
        if before in (*_COMPONENT, *_OPERATION, "project") and words[place].lower.isdigit():
            return 1, []
        return 0, []

    def _relative(self, words: tuple[Word, ...], place: int) -> tuple[int, list[Subject]] | None:
        """`last`, `last-bad`, `the last run`, `the latest failed run`, `the previous run`."""
        word = words[place]
        if word.key == "last-bad":
            return 1, self._worst()
        if (
            word.lower in ("previous", "earlier")
            and words[place + 1 : place + 2]
            and _singular(words[place + 1]) in _RUN
        ):
            return 2, self._nth(1)
        if word.lower not in _LAST:
            return None
        ahead = [each.lower for each in words[place + 1 : place + 3]]
        if ahead[:1] and ahead[0] in _BAD:
            return 3 if ahead[1:] and ahead[1] in _RUN else 2, self._worst()
        if ahead[:1] and ahead[0] in (*_RUN, *_OPERATION):
            return 2, self._nth(0)
        if word.lower == "last" and (not ahead or ahead[0] in ("and", "with", "to", "go", "one")):
            return 2 if ahead[:1] == ["one"] else 1, self._nth(0)
        return None

    def _nth(self, number: int) -> list[Subject]:
        return [Subject(type="run", id=each.trace_id, otel=each.id) for each in self.recent[number : number + 1]]

    def _worst(self) -> list[Subject]:
        row = worst(self.store)
        return [] if row is None else [Subject(type="run", id=row.trace_id, otel=row.id)]

    def _one(self, word: Word) -> list[Subject] | None:
        """Return what one word names that is no name in the list: a code, a run, a record, a problem, a file."""
        if _CODE.fullmatch(word.lower):
            code = catalog().get(word.lower)
            return [] if code is None else [Subject(type="code", id=code.code)]
        if "_" in word.text and word.text.isupper() and (named := catalog().get(word.text)) is not None:
            return [Subject(type="code", id=named.code)]
        if _HEX.fullmatch(word.lower) and any(each.isdigit() for each in word.lower):
            return self._by_digits(word.lower)
        if word.lower.startswith("trc_"):
            return []
        file = _FILE.fullmatch(word.text)
        if file is not None and (file["line"] is not None or "/" in file["path"] or _source(file["path"])):
            return [Subject(type="file", id=file["path"], line=int(file["line"]) if file["line"] else None)]
        if word.text and self.store.trace(word.text) is not None and not word.lower.isalpha():
            row = find(word.text, store=self.store)
            return [Subject(type="run", id=row.trace_id, otel=row.id)]
        return None

    def _by_digits(self, said: str) -> list[Subject] | None:
        try:
            row = find(said, store=self.store)
            return [Subject(type="run", id=row.trace_id, otel=row.id)]
        except NotFound:
            pass
        bare = said.replace("-", "")
        if len(bare) == 32 and self.store.record(bare) is not None:
            return [Subject(type="record", id=bare)]
        problem = self.store.problem(bare) if "_" not in bare else None
        if problem is not None:
            return [Subject(type="problem", id=problem.id)]
        like = self.store.traces_like(said, limit=5)
        return [
            Subject(type="run", id=row.trace_id, otel=row.id) for row in map(self.store.trace, like) if row is not None
        ]

    def anything(self) -> bool:
        """Return whether anything at all is stored."""
        return bool(self.recent) or bool(self.by_key) or bool(self.store.records(RecordFilter(), limit=1).items)


def _singular(word: Word) -> str:
    return word.lower.removesuffix("s")


def _source(path: str) -> bool:
    return path.rpartition(".")[2].lower() in (
        "py",
        "js",
        "ts",
        "md",
        "txt",
        "json",
        "sql",
        "html",
        "java",
        "go",
        "rs",
        "toml",
        "yaml",
    )


_ORDINARY: Final = frozenset(
    [
        "a",
        "an",
        "all",
        "and",
        "are",
        "be",
        "bad",
        "cost",
        "costs",
        "decision",
        "decisions",
        "error",
        "errors",
        "event",
        "events",
        "failure",
        "failures",
        "health",
        "healthy",
        "how",
        "i",
        "in",
        "is",
        "it",
        "model",
        "models",
        "of",
        "on",
        "or",
        "principle",
        "principles",
        "problem",
        "problems",
        "progress",
        "project",
        "projects",
        "run",
        "runs",
        "status",
        "system",
        "test",
        "the",
        "time",
        "to",
        "was",
        "what",
        "when",
        "which",
        "who",
        "why",
        "workflow",
    ]
)


def _is_plain(word: Word, words: tuple[Word, ...], place: int) -> bool:
    """Return whether a name is a word that questions hold anyway; as a name it then needs its kind beside it."""
    beside = [each.lower for each in (*words[max(0, place - 1) : place], *words[place + 1 : place + 2])]
    return word.lower in _ORDINARY and not any(
        each in (*_COMPONENT, *_OPERATION, "project", "principle", "model") for each in beside
    )


def _wanted(found: list[Subject], words: tuple[Word, ...], place: int, took: int) -> list[Subject]:
    """Return those that the word before or after a name leaves: `project shop`, `agent 12`."""
    if len(found) < 2:
        return found
    beside = [each.lower for each in (*words[max(0, place - 1) : place], *words[place + took : place + took + 1])]
    for word in beside:
        if word in ("project", "principle", "model"):
            kept = [each for each in found if each.type == word]
        elif word in (*_RUN, *_OPERATION):
            kept = [each for each in found if each.type == "run"]
        elif word in _COMPONENT:
            kept = [each for each in found if each.type == "component" and each.id.startswith(f"{word}/")]
            kept = kept or [each for each in found if each.type == "component"]
        else:
            continue
        if kept:
            return kept
    whole = [each for each in found if key_of(each.id) == "-".join(each.key for each in words[place : place + took])]
    components = [each for each in whole or found if each.type == "component"]
    # A trace that is named like a component is the run of it: how that component fares is what is asked.
    return components if len(components) == 1 else whole if len(whole) == 1 else found
