"""What has helped before: suggestions from problems that were resolved with a note (R4.58).

A resolution counts for a problem of the same code; how often it was noted, and how often the problem came back after it,
is said beside it. Read from the records of kind `finding.state`, so that an earlier resolution of the same problem counts too.
"""

from typing import Final

import msgspec

from whence.model.filters import ProblemFilter, RecordFilter
from whence.model.finding import Problem
from whence.model.record import FINDING_STATE
from whence.store.findings import said_of
from whence.store.interface import Store

MOST_PROBLEMS: Final = 200
MOST_STATES: Final = 50
MOST_SUGGESTED: Final = 3
NOTE_CHARS: Final = 200


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """A note with which problems of one code were resolved."""

    note: str
    count: int  # how often it was noted
    recurred: int  # how often the problem was seen again after it
    problems: tuple[str, ...]  # their ids

    @property
    def sentence(self) -> str:
        """The suggestion."""
        times = "1 time" if self.count == 1 else f"{self.count} times"
        back = f"; it came back after {self.recurred} of them" if self.recurred else ""
        return f"resolved before by: {self.note} ({times}{back})"


def resolutions(code: str, *, store: Store, project: str | None = None) -> tuple[Resolution, ...]:
    """Return how problems of a code were resolved: what did not come back first, then what was noted most often."""
    found: dict[str, list[tuple[str, bool]]] = {}
    words: dict[str, str] = {}
    # Of every problem that somebody said something of; most have nothing said, so few records are read.
    for problem in store.problems(ProblemFilter(code=code, project=project), limit=MOST_PROBLEMS).items:
        if problem.changed_ns is None:
            continue
        for note, recurred in _notes(problem, store):
            plain = " ".join(note.casefold().split())
            words.setdefault(plain, " ".join(note.split())[:NOTE_CHARS])
            found.setdefault(plain, []).append((problem.id, recurred))
    listed = [
        Resolution(
            note=words[plain],
            count=len(times),
            recurred=sum(recurred for _, recurred in times),
            problems=tuple(dict.fromkeys(problem for problem, _ in times)),
        )
        for plain, times in found.items()
    ]
    return tuple(sorted(listed, key=lambda each: (each.recurred / each.count, -each.count, each.note)))


def _notes(problem: Problem, store: Store) -> list[tuple[str, bool]]:
    """Return each note with which a problem was resolved, and whether it was seen again after that."""
    where = RecordFilter(name=problem.fingerprint, kinds=(FINDING_STATE,), project=problem.project)
    said = [
        each for record in store.records(where, limit=MOST_STATES, newest_first=True).items if (each := said_of(record))
    ]
    return [
        (each.note, problem.last_ns > each.ts_ns) for each in said if each.state == "resolved" and each.note.strip()
    ]


def suggested(code: str, *, store: Store, project: str | None = None) -> list[str]:
    """Return the suggestions that follow from them."""
    return [each.sentence for each in resolutions(code, store=store, project=project)[:MOST_SUGGESTED]]
