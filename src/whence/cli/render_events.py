"""Events of a run, and what its records say beside its view; errors as they are drawn: type, message, place, stack."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli.render import BAD, MAYBE, QUIET, block, joined, named, pairs, text
from whence.cli.render_lists import payload
from whence.model import record as kinds
from whence.model.content import resolve
from whence.model.record import Record
from whence.model.severity import Severity
from whence.query.claims import ending, exit_code
from whence.query.raised import UNCAUGHT, Lookup, Raised, fatal, told_by

CLIP = 180
"""Characters of a text that is shown in a line; the place of an error is not cut."""


class Beside:
    """What the records of a run say that its view does not carry: events, and which span lies in which.

    Args:
        records: those of the run, in order of arrival.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self.parents: dict[str, str] = {}  # of spans
        self.events: list[Record] = []
        self.span_of: dict[str, str] = {}  # of decisions, by record id
        self.place_of: dict[str, int] = {}  # in the order of arrival, by record id
        for place, each in enumerate(records):
            self.place_of[each.record_id] = place
            if each.kind == kinds.SPAN_START:
                self.parents[each.span] = each.parent
            elif each.kind == kinds.DECISION:
                self.span_of[each.record_id] = each.span
            elif each.kind == kinds.EVENT:
                self.events.append(each)

    def owner(self, span: str, of: Collection[str]) -> str:
        """Return the nearest of these spans that a span lies in, or an empty string."""
        seen = {span}
        above = self.parents.get(span, "")
        while above and above not in of and above not in seen:
            seen.add(above)
            above = self.parents.get(above, "")
        return above if above in of and above not in seen else ""


class Words:
    """How texts of a run are shown: in a line each, or whole.

    Args:
        content: a text by its hash.
        full: whole texts.
    """

    def __init__(self, content: Lookup, *, full: bool) -> None:
        self.content, self.full = content, full

    def whole(self, value: Any) -> Any:
        """Return a value, with the texts that it refers to where they are shown whole."""
        return resolve(value, self.content) if self.full else value

    def text(self, value: Any, style: str = "") -> Text:
        """Return a value as text."""
        return block(self.whole(value), style, None if self.full else CLIP)

    def error(self, error: Any) -> Text:
        """Return an error as text."""
        return failure(self.whole(error), full=self.full)


def tells(event: Record) -> bool:
    """Return whether an event is bad enough to be drawn where not everything is."""
    return event.level >= Severity.HIGH


def event(record: Record, content: Lookup, *, full: bool) -> RenderableType:
    """Return what is drawn for an event: its error with type and place; with `full` every attribute, the stack in lines."""
    said = payload(record)
    style = BAD if tells(record) else MAYBE if record.level >= Severity.MEDIUM else QUIET
    level = Severity(record.level).label if record.level in tuple(Severity) else str(record.level)
    head = joined([Text("·", style), Text(level, style), text(named(record.name))])
    told = told_by(record, content)
    message = said.get("message")
    error = told.error if told is not None else None
    if not full:
        shown = [text(message, limit=CLIP)] if message not in (None, "") else []
        if error is not None:
            shown = [*(shown if error.get("message") not in (message, None) else []), failure(error)]
        return joined([head, *shown])
    parts: list[RenderableType] = [head]
    if message not in (None, ""):
        parts.append(block(resolve(message, content)))
    kept = said.get("attributes")
    rows = list(attributes(kept, content)) if isinstance(kept, dict) else []
    return Group(*parts, pairs([*rows, ("record", Text(record.record_id, QUIET))]))


def attributes(kept: dict[str, Any], content: Lookup) -> Iterator[tuple[str, Text]]:
    """Yield names and values of an event's attributes, whole; an error in parts, so that each frame has its line."""
    for key, each in kept.items():
        whole = resolve(each, content)
        if not isinstance(whole, dict) or not set(whole) >= {"type", "message"}:
            yield key, block(whole)
            continue
        yield key, failure(whole, full=True)
        for name, more in whole.items():
            if name not in ("type", "message", "where"):
                yield name if name == "stack" else f"{key}.{name}", block(more)


def failure(error: Any, *, full: bool = False) -> Text:
    """Return an error: its type, its message, the place where it was raised; how a program ended, in words."""
    if not full or exit_code(error) is not None:
        return text(ending(error, CLIP), BAD)
    where = error.get("where") if isinstance(error, dict) else None
    return joined([block(error, BAD), text(f"at {where}", BAD)], " ") if where else block(error, BAD)


def ender(events: Iterable[Record], status: str, error: Any, content: Lookup) -> Raised | None:
    """Return the exception that ended the program, as its event tells it."""
    told = (told_by(each, content) for each in events if each.name == UNCAUGHT)
    return fatal([each for each in told if each is not None], status, error)
