"""Where a text came from: the steps that made it, found by the hashes of what went in and what came out.

A `Lineage` answers for one question: it reads of the store what lies on the way back, and remembers it. It never reads a
whole trace for one file, except where a trace kept no texts and only its own records tell which of them belong together.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

import msgspec

from whence.clock import iso_utc
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.content import CONTENT_KEY, resolve
from whence.model.filters import Condition, RecordFilter
from whence.model.record import Record
from whence.query.lines import Block, aligned, lines_of
from whence.store.interface import Store

Sure = Literal["confirmed", "inferred", "unknown"]
"""confirmed: the hashes say so. inferred: the text was found in another one. unknown: nothing recorded says it."""

TEXT_CHARS: Final = 16_000_000
"""How much text is kept at hand; beyond that it is read again."""
MOST_USES: Final = 1000
"""Of so many records with one and the same text, the newest, it is looked up which of them made it."""
TELLING: Final = 3
"""A line with fewer characters than this, blanks aside, is not recognised by itself: brackets are everywhere."""
MOST_NEAR: Final = 10
"""Among so many results, the last ones, the one is looked for that an unrecorded step began with."""
ALIKE: Final = 0.2
"""The share of its telling lines that a text has in common with one that it was made of, at least."""
_IS_LLM: Final = Condition(("type",), "=", shape.LLM)
_AT_ONCE: Final = 1000
_T = TypeVar("_T")


class Ref(msgspec.Struct, frozen=True):
    """A text as a record refers to it."""

    key: str  # its SHA-256; where no text is kept its keyed hash, in which blanks and case do not count
    sha256: str = ""  # under which the text is stored; "" where it is not
    inline: str | None = None  # the text, where the record holds it itself
    chars: int | None = None
    original_chars: int | None = None  # where it was too long and cut


def ref_of(value: Any) -> Ref | None:
    """Return what a payload says of a text; None where it says nothing of one."""
    if isinstance(value, str):
        return Ref(key=sha256_of(value), inline=value, chars=len(value))
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("truncated"), str):  # cut where it stands
        kept, cut = value["truncated"], value.get("original_chars")
        whole = cut if isinstance(cut, int) else None
        return Ref(key=sha256_of(kept), inline=kept, chars=len(kept), original_chars=whole)
    chars = value.get("chars") if isinstance(value.get("chars"), int) else None
    if isinstance(value.get(CONTENT_KEY), str):
        sha256 = value[CONTENT_KEY].lower()
        cut = value.get("original_chars")
        return Ref(key=sha256, sha256=sha256, chars=chars, original_chars=cut if isinstance(cut, int) else None)
    if isinstance(value.get("hash"), str):
        shown = value.get("preview")
        whole = isinstance(shown, str) and len(shown) == chars and "[REDACTED" not in shown
        return Ref(key=value["hash"], inline=shown if whole else None, chars=chars)
    return Ref(key="", chars=chars) if "preview" in value or "not_stored" in value or "chars" in value else None


def sha256_of(text: str) -> str:
    """Return the hash that a text is stored under."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step on the way of a text: a transformation, a call of a language model, or the writing of a file."""

    record_id: str
    kind: Literal["transform", "llm", "file"]
    name: str
    action: str  # render, fix, heal, …; llm; write
    component: str
    stage: str
    attempt: int | None
    trace_id: str
    ts_ns: int
    time: str
    before: str | None  # the hash of what went in; None where it was made from nothing
    after: str | None  # the hash of what came out
    using: dict[str, Any] = {}
    error: Any = None


@dataclass(slots=True, frozen=True)
class Made:
    """A transformation with the texts it had in hand."""

    record: Record
    said: shape.Transform
    source: Ref | None
    result: Ref | None


@dataclass(slots=True, frozen=True)
class Call:
    """A finished call of a language model; what its start said is among its fields."""

    record: Record
    fields: dict[str, Any]
    response: Ref | None
    duration_ns: int | None
    error: Any


@dataclass(slots=True, frozen=True)
class Moment:
    """When, and for what, a text was in hand: who made it did so before."""

    trace: str
    ts_ns: int
    record_id: str
    component: str = ""
    subject: str = ""
    path: str = ""  # of the file that it is about, as the name of a record

    def after(self, record: Record) -> bool:
        """Return whether a record was made before this."""
        return (record.ts_ns, record.record_id) < (self.ts_ns, self.record_id)


def moment_of(record: Record, subject: str = "") -> Moment:
    """Return the moment of a record."""
    return Moment(record.trace, record.ts_ns, record.record_id, record.component, subject)


class Lineage:
    """What one question has read of the store so far."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._texts: OrderedDict[str, list[str] | None] = OrderedDict()
        self._chars = 0
        self._blocks: OrderedDict[tuple[str, str], list[Block]] = OrderedDict()
        self._uses: OrderedDict[tuple[str, str, str], tuple[Record, ...]] = OrderedDict()
        self._made: OrderedDict[str, Made | None] = OrderedDict()
        self._calls: dict[str, list[Call]] = {}
        self._answers: dict[str, dict[str, list[Call]]] = {}  # the calls of a run, by the key of the response
        self._in_trace: dict[str, list[Made]] = {}  # every transformation of a run
        self._by_result: dict[str, dict[str, list[Made]]] = {}  # the same, by the key of the result
        self._arrival: dict[str, dict[str, int]] = {}
        self._names: dict[str, str] = {}
        self._writers: dict[str, set[str]] = {}  # the runs that wrote a file

    # -- texts ---------------------------------------------------------------------------------------------------

    def text(self, ref: Ref | None) -> str | None:
        """Return a text, or None where it is not stored, or was erased."""
        if ref is None:
            return None
        if ref.inline is not None:
            return ref.inline
        return self.store.content(ref.sha256) if ref.sha256 else None

    def lines(self, ref: Ref | None) -> list[str] | None:
        """Return the lines of a text, or None as `text` does."""
        if ref is None or not (ref.key or ref.inline is not None):
            return None
        if ref.key in self._texts:
            self._texts.move_to_end(ref.key)
            return self._texts[ref.key]
        text = self.text(ref)
        found = None if text is None else lines_of(text)
        self._texts[ref.key] = found
        self._chars += len(text or "")
        while self._chars > TEXT_CHARS and len(self._texts) > 2:
            _, gone = self._texts.popitem(last=False)
            self._chars -= sum(map(len, gone or ())) + len(gone or ())
        return found

    def no_text(self, ref: Ref | None) -> str:
        """Return why there is no text."""
        if ref is None:
            return "no text was recorded"
        if ref.sha256:
            return "the text was erased, or has not arrived"
        return "the capture level kept no text" if ref.key else "no text was kept"

    def blocks(self, source: Ref, result: Ref) -> list[Block]:
        """Return which lines two texts share; of one that there is no text of, none."""
        pair = (source.key, result.key)
        if pair not in self._blocks:
            a, b = self.lines(source), self.lines(result)
            self._blocks[pair] = aligned(a, b) if a is not None and b is not None else []
            _bounded(self._blocks, 1024)
        return self._blocks[pair]

    # -- who made a text -----------------------------------------------------------------------------------------

    def uses(self, ref: Ref, kind: str, trace: str = "") -> tuple[Record, ...]:
        """Return the records of a kind that refer to a text by its hash, the newest first."""
        if not ref.sha256:
            return ()
        asked = (ref.sha256, kind, trace)
        if asked not in self._uses:
            self._uses[asked] = self.store.records_using(
                ref.sha256, kinds=(kind,), trace=trace or None, limit=MOST_USES
            )
            _bounded(self._uses, 4096)
        return self._uses[asked]

    def made(self, record: Record) -> Made | None:
        """Return the transformation that a record tells of; None where it is not of that shape."""
        if record.record_id not in self._made:
            said = decoded(record, shape.Transform)
            found = None if said is None else Made(record, said, ref_of(said.source), ref_of(said.result))
            self._made[record.record_id] = found
            _bounded(self._made, 16_384)
        return self._made[record.record_id]

    def maker(self, ref: Ref, at: Moment, *, not_again: frozenset[str] = frozenset()) -> Made | None:
        """Return the transformation that a text is the result of: of the same run and for the same thing if there is one,
        the newest before this moment.

        Args:
            not_again: records that the way has already been through.
        """
        candidates = [made for made in self._results(ref, at) if made.record.record_id not in not_again]
        earlier = [made for made in candidates if at.after(made.record)]
        if not any(made.record.trace == at.trace for made in earlier):
            earlier += self._arrived_before(candidates, at)
        earlier = [made for made in earlier if made.record.trace == at.trace] or earlier
        return max(earlier, key=lambda made: self._nearness(made, ref, at), default=None)

    def _results(self, ref: Ref, at: Moment) -> Iterator[Made]:
        if not ref.sha256:
            yield from self._of_trace(at.trace).get(ref.key, ()) if ref.key else ()
            return
        records = self.uses(ref, kinds.TRANSFORM)
        if len(records) >= MOST_USES:  # a text that is everywhere: those of this run come first
            records = (*self.uses(ref, kinds.TRANSFORM, at.trace), *records)
        for record in records:
            made = self.made(record)
            if made is not None and made.result is not None and made.result.key == ref.key:
                yield made

    def _nearness(self, made: Made, ref: Ref, at: Moment) -> tuple[bool, int, int, str]:
        record = made.record
        same = _same_subject(made, at) + (record.component == at.component)
        return self.tied(made, ref, at), same, record.ts_ns, record.record_id

    def tied(self, made: Made | Call, ref: Ref, at: Moment) -> bool:
        """Return whether more than a text that is the same ties what made one to the moment: short texts are made anywhere.

        It is of the same run, component or subject; or its run wrote the same file, or a file with that text.
        """
        record = made.record
        if not at.trace or record.trace == at.trace or (record.component and record.component == at.component):
            return True
        if isinstance(made, Made) and _same_subject(made, at):
            return True
        if any(write.trace == record.trace for write in self.uses(ref, kinds.FILE)):
            return True
        if at.path and at.path not in self._writers:
            asked = RecordFilter(name=at.path, kinds=(kinds.FILE,))
            page = self.store.records(asked, limit=MOST_USES, newest_first=True)
            self._writers[at.path] = {write.trace for write in page.items}
        return record.trace in self._writers.get(at.path, ())

    def strange(self, made: Made | Call, ref: Ref, at: Moment) -> str:
        """Return what is to be said where only a text ties what made it to the moment; "" where more does."""
        if self.tied(made, ref, at):
            return ""
        record = made.record
        return f"the same text was made by {record.name} in another run, {self.trace_name(record.trace) or 'unnamed'}"

    def _arrived_before(self, candidates: list[Made], at: Moment) -> list[Made]:
        """Return those of the same run whose time is later, though they arrived earlier: the clock was put back."""
        later = [made for made in candidates if made.record.trace == at.trace and not at.after(made.record)]
        if not later or not at.trace:
            return []
        if at.trace not in self._arrival:
            self._arrival[at.trace] = {
                record.record_id: n for n, record in enumerate(self.store.trace_records(at.trace))
            }
        place = self._arrival[at.trace]
        here = place.get(at.record_id, -1)
        return [made for made in later if place.get(made.record.record_id, here) < here]

    def _of_trace(self, trace: str) -> dict[str, list[Made]]:
        if trace not in self._by_result:
            found: dict[str, list[Made]] = {}
            for made in self.transforms(trace):
                if made.result is not None and made.result.key:
                    found.setdefault(made.result.key, []).append(made)
            self._by_result[trace] = found
        return self._by_result[trace]

    def transforms(self, trace: str) -> list[Made]:
        """Return the transformations of a run, in order of arrival."""
        if trace not in self._in_trace:
            records = self.trace_records(trace, kinds.TRANSFORM) if trace else ()
            self._in_trace[trace] = [made for made in map(self.made, records) if made is not None]
        return self._in_trace[trace]

    def nearest(self, ref: Ref, at: Moment) -> Made | None:
        """Return the transformation whose result is most like a text that nothing is recorded to have made, if any is.

        Of the same run, component or subject, before this moment: then a step between the two was not recorded.
        """
        lines = self.lines(ref)
        if not lines:
            return None
        near = [
            made
            for made in self.transforms(at.trace)
            if at.after(made.record)
            and (_same_subject(made, at) or (at.component and made.record.component == at.component))
        ]
        near.sort(key=lambda made: (made.record.ts_ns, made.record.record_id))
        best, most = None, max(1, ALIKE * sum(map(_tells, lines)))
        for made in near[-MOST_NEAR:]:
            if made.result is None or self.lines(made.result) is None:
                continue
            blocks = self.blocks(made.result, ref)
            alike = sum(_tells(lines[n]) for block in blocks for n in range(block.b, block.b + block.size))
            if alike >= most:  # of those that are equally like it, the last one
                best, most = made, alike
        return best

    # -- calls of language models --------------------------------------------------------------------------------

    def calls(self, trace: str) -> list[Call]:
        """Return the finished LLM calls of a run, in order of arrival."""
        if not trace:
            return []
        if trace not in self._calls:
            begun = {}
            for record in self.trace_records(trace, kinds.SPAN_START, _IS_LLM):
                start = decoded(record, shape.SpanStart)
                if start is not None and record.span:
                    begun[record.span] = start.attributes
            ended = self.trace_records(trace, kinds.SPAN_END, _IS_LLM)
            self._calls[trace] = [call for call in (call_of(record, begun) for record in ended) if call is not None]
            self._answers[trace] = {}
            for call in self._calls[trace]:
                if call.response is not None and call.response.key:
                    self._answers[trace].setdefault(call.response.key, []).append(call)
        return self._calls[trace]

    def answer(self, ref: Ref, at: Moment) -> Call | None:
        """Return the LLM call whose response a text is, by its hash: the newest before this moment."""
        if not ref.key:
            return None
        self.calls(at.trace)
        found = list(self._answers.get(at.trace, {}).get(ref.key, ()))
        for record in self.uses(ref, kinds.SPAN_END) if not found else ():
            call = call_of(record, {})
            if call is not None and call.response is not None and call.response.key == ref.key:
                if record.trace:
                    call = next((c for c in self.calls(record.trace) if c.record.record_id == record.record_id), call)
                found.append(call)
        earlier = [call for call in found if at.after(call.record)]

        def nearness(call: Call) -> tuple[bool, bool, int]:
            return call.record.trace == at.trace, self.tied(call, ref, at), call.record.ts_ns

        return max(earlier, key=nearness, default=None)

    def calls_before(self, at: Moment) -> list[Call]:
        """Return the LLM calls of the same run that may have answered what was in hand then: the newest first.

        A call for another component is left out; where both have one, they are not about the same thing.
        """
        earlier = [call for call in self.calls(at.trace) if at.after(call.record)]
        same = [call for call in earlier if not at.component or call.record.component in ("", at.component)]
        return sorted(same, key=lambda call: (call.record.component == at.component, call.record.ts_ns), reverse=True)

    # -- records -------------------------------------------------------------------------------------------------

    def trace_records(self, trace: str, kind: str, *where: Condition) -> Iterator[Record]:
        """Yield the records of a kind in a trace, in order of arrival."""
        asked, cursor = RecordFilter(trace=trace, kinds=(kind,), where=where), None
        while True:
            page = self.store.records(asked, limit=_AT_ONCE, cursor=cursor)
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return

    def trace_name(self, trace: str) -> str:
        """Return the name of a trace by its OpenTelemetry id."""
        if trace and trace not in self._names:
            row = self.store.trace(trace)
            self._names[trace] = row.trace_id if row is not None else trace
        return self._names.get(trace, "")

    def resolved(self, value: Any) -> Any:
        """Return a value with the texts that it refers to in place of their references."""
        return resolve(value, self.store.content)

    # -- steps ---------------------------------------------------------------------------------------------------

    def step_of(self, made: Made | Call) -> Step:
        """Return a transformation or an LLM call as a step."""
        if isinstance(made, Call):
            return Step(
                kind="llm",
                action="llm",
                attempt=None,
                before=None,
                after=made.response.key if made.response is not None else None,
                using={key: made.fields[key] for key in ("model", "provider") if key in made.fields},
                error=made.error,
                **self._where(made.record),
            )
        return Step(
            kind="transform",
            action=made.said.action,
            attempt=made.said.attempt,
            before=made.source.key if made.source is not None else None,
            after=made.result.key if made.result is not None else None,
            using=made.said.using,
            error=made.said.error,
            **self._where(made.record),
        )

    def step_of_file(self, record: Record, content: Ref | None) -> Step:
        """Return the writing of a file as a step."""
        key = content.key if content is not None else None
        return Step(kind="file", action="write", attempt=None, before=key, after=key, **self._where(record))

    def _where(self, record: Record) -> dict[str, Any]:
        return {
            "record_id": record.record_id,
            "name": record.name,
            "component": record.component,
            "stage": record.stage,
            "trace_id": self.trace_name(record.trace),
            "ts_ns": record.ts_ns,
            "time": iso_utc(record.ts_ns),
        }


def _same_subject(made: Made, at: Moment) -> bool:
    """Return whether a transformation was of the same file or artifact; a file may be named by the end of its path."""
    subject = made.said.subject
    return bool(subject) and (subject == at.subject or at.subject.endswith(f"/{subject}"))


def _tells(line: str) -> bool:
    return len(line.strip()) >= TELLING


def call_of(record: Record, begun: Mapping[str, dict[str, Any]]) -> Call | None:
    """Return the LLM call that a record ends; None where it ends none.

    Args:
        begun: what was said at the start of spans, by span: the request, where the call was recorded while under way.
    """
    ended = decoded(record, shape.SpanEnd)
    if ended is None or ended.type != shape.LLM:
        return None
    fields = {**begun.get(record.span, {}), **ended.attributes}
    return Call(record, fields, ref_of(fields.get("response")), ended.duration_ns, ended.error)


def decoded(record: Record, kind: type[_T]) -> _T | None:
    """Return the payload of a record; None where an odd writer gave it another shape."""
    try:
        return msgspec.json.decode(record.payload, type=kind)
    except (msgspec.MsgspecError, UnicodeError):
        return None


def _bounded(cache: OrderedDict[Any, Any], most: int) -> None:
    while len(cache) > most:
        cache.popitem(last=False)
