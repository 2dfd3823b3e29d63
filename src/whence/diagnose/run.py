"""One run prepared for detectors: its records in one order, each once, decoded once, spans paired and hung in a tree.

Everything that follows depends on the set of records alone, not on the order in which they came, nor on how often.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final

import msgspec

from whence.model import record as kinds
from whence.model.assembly import UNFOLDABLE, assemble, summarise
from whence.model.digest import RunDigest
from whence.model.record import Record
from whence.model.severity import Severity
from whence.model.trace import TraceSummary, TraceView
from whence.store.derive import payload_of

MOST_RECORDS: Final = 50_000
"""Of a longer run the earliest are looked at: so many of what is no structure (events below medium, metrics, snapshots),
and so many of what is. Its own beginning and end are always among them."""
_QUIET: Final = frozenset((kinds.EVENT, kinds.METRIC, kinds.SNAPSHOT))
_OURS: Final = frozenset(kinds.OF_OURS) - {kinds.COST}


class Fact(msgspec.Struct, frozen=True):
    """A record with its payload decoded."""

    record: Record
    data: dict[str, Any]  # empty where the payload is no object

    @property
    def id(self) -> str:
        """The record's id."""
        return self.record.record_id

    @property
    def ts_ns(self) -> int:
        """When, Unix time."""
        return self.record.ts_ns

    @property
    def who(self) -> str:
        """The component, or the stage where none was named."""
        return self.record.component or self.record.stage

    @property
    def attributes(self) -> dict[str, Any]:
        """The payload's attributes, or nothing."""
        found = self.data.get("attributes")
        return found if isinstance(found, dict) else {}

    @property
    def message(self) -> str:
        """What an event said, or what an error said."""
        return text_of(self.data.get("message")) or error_text(self.data.get("error"))


class Span:
    """A timed part: its start, its end if it has one, and what lies in it."""

    __slots__ = ("children", "end", "id", "parent", "start")

    def __init__(self, span: str, start: Fact | None, end: Fact | None) -> None:
        self.id = span
        self.start = start
        self.end = end
        self.parent: Span | None = None
        self.children: list[Span] = []

    @property
    def fact(self) -> Fact:
        """Its end, or its start while it has none."""
        found = self.end or self.start
        assert found is not None
        return found

    @property
    def name(self) -> str:
        """Stage, call or tool."""
        return self.fact.record.name

    @property
    def type(self) -> str:
        """stage, llm, tool, span, …"""
        return str(self.fact.data.get("type") or "stage")

    @property
    def who(self) -> str:
        """The component, else the stage, else the name."""
        return self.fact.who or self.name

    @property
    def stage(self) -> str:
        """The stage that it is, or lies in."""
        return self.fact.record.stage or self.name

    @property
    def attempt(self) -> int:
        """Which try of its stage it is, from 1."""
        value = self.fact.data.get("attempt", 1)
        return value if isinstance(value, int) and value > 0 else 1

    @property
    def error(self) -> Any:
        """What it failed with, or None."""
        return (self.end.data.get("error") or None) if self.end is not None else None

    @property
    def duration_ns(self) -> int | None:
        """How long it took, by the monotonic clock where that is known; None while it is open."""
        if self.end is None:
            return None
        said = self.end.data.get("duration_ns")
        if isinstance(said, int) and not isinstance(said, bool) and said >= 0:
            return said
        return max(0, self.end.ts_ns - self.start.ts_ns) if self.start is not None else None

    @property
    def started_ns(self) -> int:
        """When it began, Unix time."""
        if self.start is not None:
            return self.start.ts_ns
        return self.fact.ts_ns - (self.duration_ns or 0)

    @property
    def ended_ns(self) -> int | None:
        """When it ended, Unix time."""
        return self.end.ts_ns if self.end is not None else None

    @property
    def own_ns(self) -> int:
        """How long it took without the parts inside it (they may overlap: never below 0)."""
        return max(0, (self.duration_ns or 0) - sum(child.duration_ns or 0 for child in self.children))


class _Earliest:
    """Records, each once, of which only the `MOST_RECORDS` earliest are kept, in whatever order they come."""

    def __init__(self) -> None:
        self.known: dict[str, Record] = {}
        self.cut = 0

    def add(self, record: Record) -> None:
        if self.known.setdefault(record.record_id, record) is record and len(self.known) >= 2 * MOST_RECORDS:
            self._shorten()

    def records(self) -> Iterable[Record]:
        if len(self.known) > MOST_RECORDS:
            self._shorten()
        return self.known.values()

    def _shorten(self) -> None:
        earliest = sorted(self.known.values(), key=_when)[:MOST_RECORDS]
        self.cut += len(self.known) - len(earliest)
        self.known = {each.record_id: each for each in earliest}


def _when(record: Record) -> tuple[int, str]:
    return record.ts_ns, record.record_id


def _rank(record: Record) -> int:
    """Return 0 for what a run begins and ends with, 1 for its structure, 2 for the rest."""
    if record.kind in _QUIET:
        return 1 if record.level >= Severity.MEDIUM else 2
    return 0 if record.kind in kinds.SPANS_OF_THE_TRACE else 1


def is_ours(record: Record) -> bool:
    """Return whether whence said it, or somebody in whence: nothing that the pipeline did."""
    return record.kind in _OURS or record.component.startswith("whence.")


class Run:
    """The records of one trace. Made by `Run.of`."""

    def __init__(
        self, trace: str, facts: list[Fact], cut: int = 0, costs: tuple[Record, ...] = (), until_ns: int = 0
    ) -> None:
        self.trace = trace
        self.facts = facts
        self.cut = cut  # records that were not looked at, because there are too many
        self.costs = costs  # what its calls cost, which is added later: it counts in the row, and nothing that happened
        self.until_ns = until_ns  # of a run in progress: up to when nothing more was heard of it; 0: not asked

    @classmethod
    def of(cls, records: Iterable[Record], trace: str | None = None, *, until_ns: int = 0) -> "Run":
        """Return the run that records tell of; those of other traces are left out.

        So is what whence itself says of a run (findings, flags, documents), or people in it: else a second look would find
        other things than the first.

        Args:
            trace: OpenTelemetry id; without it, that of most records.
            until_ns: of a run in progress, up to when to judge its silence.
        """
        kept: tuple[_Earliest, ...] = (_Earliest(), _Earliest(), _Earliest())
        for record in records:
            if (trace is None or record.trace == trace) and not is_ours(record):
                kept[_rank(record)].add(record)
        every = [record for each in kept for record in each.records()]
        if trace is None:
            found: dict[str, int] = {}
            for record in every:
                found[record.trace] = found.get(record.trace, 0) + 1
            trace = max(sorted(found), key=lambda each: found[each], default="")
            every = [record for record in every if record.trace == trace]
        every.sort(key=_when)
        costs = tuple(record for record in every if record.kind == kinds.COST)
        facts = [Fact(record, payload_of(record)) for record in every if record.kind != kinds.COST]
        return cls(trace, facts, sum(each.cut for each in kept), costs, until_ns)

    @property
    def project(self) -> str:
        """Whose it is."""
        return self.view.project

    @cached_property
    def view(self) -> TraceView:
        """The run as a whole (whence.model.assembly), from its records in order of time."""
        return assemble(self.trace, (*(fact.record for fact in self.facts), *self.costs))

    @cached_property
    def row(self) -> TraceSummary:
        """The run as a row; of what a payload of any shape makes unfoldable, what its beginning and end say."""
        try:
            return summarise(self.view)
        except UNFOLDABLE:
            own = (fact.record for fact in self.facts if fact.record.kind in kinds.SPANS_OF_THE_TRACE)
            return summarise(assemble(self.trace, own))

    @cached_property
    def digest(self) -> RunDigest:
        """What it was like, without the codes of what is wrong with it (whence.diagnose.digesting)."""
        from whence.diagnose.digesting import digest_of  # late: it is made of runs

        return digest_of(self)

    @cached_property
    def by_id(self) -> dict[str, Fact]:
        """Each fact by the id of its record."""
        return {fact.id: fact for fact in self.facts}

    @cached_property
    def _by_kind(self) -> dict[str, list[Fact]]:
        found: dict[str, list[Fact]] = {}
        for fact in self.facts:
            found.setdefault(fact.record.kind, []).append(fact)
        return found

    def of_kind(self, *wanted: str) -> list[Fact]:
        """Return the facts of some kinds, in order of time."""
        if len(wanted) == 1:
            return self._by_kind.get(wanted[0], [])
        return sorted((f for kind in wanted for f in self._by_kind.get(kind, [])), key=lambda f: (f.ts_ns, f.id))

    @cached_property
    def events(self) -> list[Fact]:
        """What happened."""
        return self.of_kind(kinds.EVENT)

    @cached_property
    def checks(self) -> list[Fact]:
        """Expectations against reality."""
        return self.of_kind(kinds.CHECK)

    @cached_property
    def spans(self) -> dict[str, Span]:
        """Timed parts by their id, in order of their start, hung into a tree; a parent that would close a circle is dropped."""
        starts = {f.record.span: f for f in reversed(self.of_kind(kinds.SPAN_START)) if f.record.span}
        ends = {f.record.span: f for f in reversed(self.of_kind(kinds.SPAN_END)) if f.record.span}
        every = [Span(span, starts.get(span), ends.get(span)) for span in {**starts, **ends}]
        # A call recorded when it was over has an end of its own, and lies in the span it names.
        for fact in self.of_kind(kinds.SPAN_END):
            if not fact.record.span:
                every.append(Span(fact.id, None, fact))
        every.sort(key=lambda each: (each.started_ns, each.id))
        found = {each.id: each for each in every}
        tops = {key: key for key in found}  # union-find: a chain of any depth is walked once

        def top(key: str) -> str:
            while tops[key] != key:
                tops[key] = key = tops[tops[key]]
            return key

        for each in every:
            parent = found.get(each.fact.record.parent)
            if parent is not None and top(parent.id) != each.id:
                each.parent = parent
                parent.children.append(each)
                tops[each.id] = parent.id
        return found

    @cached_property
    def broken_parents(self) -> tuple[str, ...]:
        """Ids of records whose parent never came, or is part of a circle."""
        roots = {f.record.span for f in self.of_kind(kinds.TRACE_START)}
        roots |= {f.record.parent for f in self.of_kind(kinds.TRACE_START)}
        found = []
        for each in self.spans.values():
            parent = each.fact.record.parent
            if parent and each.parent is None and parent not in roots:
                found.append(each.fact.id)
        return tuple(found)

    @cached_property
    def errors(self) -> list[Fact]:
        """Failed spans, and events of level high and above, in order of time."""
        failed = [f for f in self.of_kind(kinds.SPAN_END) if f.data.get("error")]
        raised = [f for f in self.events if f.record.level >= Severity.HIGH]
        return sorted((*failed, *raised), key=lambda f: (f.ts_ns, f.id))

    @property
    def first_ns(self) -> int:
        """When it began."""
        return self.facts[0].ts_ns if self.facts else 0

    @property
    def last_ns(self) -> int:
        """When it was last heard of."""
        return self.facts[-1].ts_ns if self.facts else 0

    @property
    def quiet_ns(self) -> int:
        """How long it has been silent, where it was asked up to when (`until_ns`) and the run has not ended; else 0."""
        return max(0, self.until_ns - self.last_ns) if self.until_ns and self.view.end is None else 0

    def span_of(self, fact: Fact) -> Span | None:
        """Return the timed part that a record is, or lies in."""
        return self.spans.get(fact.record.span) or self.spans.get(fact.id)

    def up(self, fact: Fact) -> Iterator[Fact]:
        """Yield what caused a record, and what caused that, …: by `parent` as a record, else by the span around it."""
        seen = {fact.id}
        while True:
            cause = self.by_id.get(fact.record.parent)
            if cause is None:
                span = self.spans.get(fact.record.parent) or self.spans.get(fact.record.span)
                cause = span.fact if span is not None else None
                if cause is not None and cause.id == fact.id:
                    cause = span.parent.fact if span is not None and span.parent is not None else None
            if cause is None or cause.id in seen:
                return
            seen.add(cause.id)
            yield cause
            fact = cause


class History(msgspec.Struct, frozen=True):
    """Runs of the same project that had ended before a run began, the newest last: what it is put beside."""

    runs: tuple[RunDigest, ...] = ()

    @property
    def good(self) -> tuple[RunDigest, ...]:
        """Those that went well."""
        return tuple(each for each in self.runs if each.outcome == "good")


NO_HISTORY: Final = History()


def text_of(value: Any, limit: int = 500) -> str:
    """Return a text as it was said, or the beginning of one that is stored by hash or was cut."""
    if isinstance(value, dict):
        value = next((value[key] for key in ("preview", "truncated", "message") if isinstance(value.get(key), str)), "")
    return value[:limit] if isinstance(value, str) else "" if value is None else str(value)[:limit]


def error_text(error: Any, limit: int = 500) -> str:
    """Return an error as `Type: message`; what a capture level has hashed is left out."""
    if isinstance(error, dict) and "type" in error:
        named, message = text_of(error["type"], 100), text_of(error.get("message"), limit)
        return f"{named}: {message}" if named and message else named or message
    return text_of(error, limit) if error else ""
