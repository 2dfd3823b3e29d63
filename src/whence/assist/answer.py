"""What `ask` returns: a typed query, the sentences that answer it with their evidence, how sure that is and why."""

from typing import Any, Literal

import msgspec

from whence.assist.known import Subject
from whence.assist.timewords import Window


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What a question was understood as."""

    intent: str  # one of `lexicon.INTENTS`, or search
    subjects: tuple[Subject, ...] = ()
    window: Window | None = None  # None: everything that is recorded
    project: str | None = None
    terms: tuple[str, ...] = ()  # words that are looked for in what was recorded
    command: str = ""  # the same as a command line

    def of(self, kind: str) -> tuple[Subject, ...]:
        """Return its subjects of one type."""
        return tuple(each for each in self.subjects if each.type == kind)

    @property
    def since_ns(self) -> int | None:
        """The beginning of its window."""
        return self.window.since_ns if self.window is not None else None

    @property
    def until_ns(self) -> int | None:
        """The end of its window."""
        return self.window.until_ns if self.window is not None else None


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is said, and the records (or runs) that it rests on."""

    text: str
    evidence: tuple[str, ...]  # record ids, names of runs, codes of the catalog; never empty
    kind: Literal["confirmed", "hypothesis"] = "confirmed"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What an intent's evidence amounts to."""

    sentences: tuple[Sentence, ...] = ()
    confidence: float = 1.0  # of the evidence, 0..1
    resting_on: str = "stated by the records"
    sample: int | None = None  # how many records or runs a rate is over; None: nothing is a rate
    insights: tuple[dict[str, Any], ...] = ()
    suggestions: tuple[str, ...] = ()
    missing: str = ""  # what was not found, where there are no sentences
    ask: "Clarification | None" = None


class Clarification(msgspec.Struct, frozen=True, kw_only=True):
    """A question back."""

    question: str
    choices: tuple[str, ...] = ()  # each can be asked, or typed, as it stands


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """What a model made of the evidence; never the answer itself."""

    model: str
    text: str = ""  # empty where it was rejected, or there was none
    rejected: str = ""  # why


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer (D4.2)."""

    question: str
    known: bool  # False: nothing recorded answers it, or it is asked back
    answer: str
    confidence: float  # 0..1
    basis: str  # what the confidence rests on
    sentences: tuple[Sentence, ...] = ()
    evidence: tuple[str, ...] = ()
    related_insights: tuple[dict[str, Any], ...] = ()
    suggestions: tuple[str, ...] = ()
    clarification_needed: Clarification | None = None
    query: Query | None = None
    command: str = ""
    generated: Generated | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: lists and objects."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found
