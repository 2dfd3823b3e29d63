"""What the answers share: errors of a place, findings as sentences, and recorded text quoted as what it is, a quotation."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from whence.assist.answer import Query, Sentence
from whence.diagnose.insights import insights
from whence.diagnose.saying import named
from whence.measure.templates import mine
from whence.model.filters import FindingFilter, RecordFilter
from whence.model.finding import SURE
from whence.model.record import CHECK, OF_OURS, Record
from whence.model.severity import Severity
from whence.query.claims import short
from whence.store.derive import payload_of
from whence.store.interface import Store, StoredFinding

MOST_ERRORS: Final = 1_000
MOST_CITED: Final = 5
MOST_SENTENCES: Final = 6
QUOTED: Final = 160
MOST_PARENTS: Final = 16
OPEN: Final = ("pending", "confirmed", "recurred")
"""States of a problem that nobody has solved."""
_DAYS: Final = ("today", "yesterday")


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Where answers come from."""

    store: Store
    now_ns: int


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """Errors that are one, whatever their numbers and names."""

    template: str
    example: str
    records: tuple[Record, ...]  # the newest first


def quoted(value: Any, limit: int = QUOTED) -> str:
    """Return recorded text as a quotation: on one line, printable, cut, its own quotes made single."""
    said = named(short(value, limit), "(no message)", limit)
    return f"“{said.replace('“', '‘').replace('”', '’')}”"


def percent(share: float) -> str:
    """Return a fraction of 0..1 in per cent (C4.21): 0.2 is 20 %."""
    shown = f"{100 * share:.1f}".removesuffix(".0")
    return f"{shown} %"


def count(number: int, noun: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def message_of(record: Record) -> str:
    """Return what a record says went wrong, in one text."""
    said = payload_of(record)
    if isinstance(said, dict):
        attributes = said.get("attributes")
        raised = attributes.get("error") if isinstance(attributes, dict) else None
        data = attributes.get("data") if isinstance(attributes, dict) else None
        for value in (
            said.get("error"),
            raised if isinstance(raised, dict) else None,  # with its type and its place, which the message has not
            said.get("message"),
            data.get("error") if isinstance(data, dict) else None,
        ):
            if value:
                return short(value, 400)
        if record.kind == CHECK and said.get("passed") is False:
            return f"check {record.name} failed"
    return record.name


def during(query: Query) -> str:
    """Return the time that is asked about, as it follows what happened in it: " in 15m", " today"; nothing without one."""
    if query.window is None:
        return ""
    return f" {query.window.range}" if query.window.range in _DAYS else f" in {query.window.range}"


def of_component(component: str, query: Query, context: Context) -> RecordFilter:
    """Return the filter for what a component said: a stage's name stands for it where nothing names that component."""
    asked = RecordFilter(project=query.project, since_ns=query.since_ns, until_ns=query.until_ns)
    named_ = msgspec.structs.replace(asked, component=component)
    if context.store.records(RecordFilter(component=component), limit=1).items:
        return named_
    return msgspec.structs.replace(asked, stage=component)


def errors(query: Query, context: Context, component: str | None = None, trace: str | None = None) -> list[Record]:
    """Return errors of a place, the newest first: records of level high and above that the pipeline said."""
    asked = RecordFilter(project=query.project, since_ns=query.since_ns, until_ns=query.until_ns)
    where = of_component(component, query, context) if component is not None else asked
    where = msgspec.structs.replace(where, trace=trace, min_level=Severity.HIGH)
    found = context.store.records(where, limit=MOST_ERRORS, newest_first=True).items
    return [each for each in found if each.kind not in OF_OURS]


def patterns(records: Sequence[Record]) -> list[Pattern]:
    """Return errors by their template, the most frequent first."""
    messages = [message_of(each) for each in records]
    found = []
    for template, places in mine(messages).items():
        same = [messages[place] for place in places]
        example = same[0] if len(set(same)) > 1 else ""
        text = template if len(set(same)) > 1 else same[0]
        found.append(Pattern(template=text, example=example, records=tuple(records[place] for place in places)))
    return sorted(found, key=lambda each: (-len(each.records), each.template))


def cited(records: Iterable[Record]) -> tuple[str, ...]:
    """Return ids of the first few of them."""
    return tuple(dict.fromkeys(each.record_id for each in records))[:MOST_CITED]


def of_pattern(pattern: Pattern, total: int, who: str = "") -> Sentence:
    """Return a sentence about errors of one template."""
    number = len(pattern.records)
    share = f", {percent(number / total)} of its errors" if total > number and who else ""
    share = share or (f", {percent(number / total)} of them" if total > number else "")
    example = f" (such as {quoted(pattern.example)})" if pattern.example else ""
    said = f"{quoted(pattern.template)}{example}"
    if who:
        text = f"{who} recorded the error {said} {count(number, 'time')}{share}."
    else:
        places = sorted({each.component or each.stage for each in pattern.records} - {""})
        where = f" in {', '.join(places[:3])}{' and elsewhere' if len(places) > 3 else ''}" if places else ""
        text = f"The error {said} was recorded {count(number, 'time')}{where}{share}."
    return Sentence(text=text, evidence=cited(pattern.records))


def origin(record: Record, store: Store) -> Record | None:
    """Return the record at the beginning of the chain of parents of one; None where it names no parent that is stored."""
    seen, first, at = {record.record_id}, None, record
    while len(at.parent) == 32 and at.parent not in seen and len(seen) <= MOST_PARENTS:
        seen.add(at.parent)
        parent = store.record(at.parent)
        if parent is None:
            break
        first = at = parent
    return first


def caused_by(pattern: Pattern, store: Store) -> Sentence | None:
    """Return what the parents of errors of one template lead back to, where they do."""
    begun = [(each, first) for each in pattern.records[:50] if (first := origin(each, store)) is not None]
    if not begun:
        return None
    one = begun[0][1]
    same = [pair for pair in begun if (pair[1].component, pair[1].name) == (one.component, one.name)]
    who = f" of {named(one.component)}" if one.component else ""
    text = (
        f"In {count(len(same), 'case')} of the {min(len(pattern.records), 50)} looked at, the chain of parents begins with "
        f"{named(one.name)}{who}: {quoted(message_of(one))}."
    )
    ids = dict.fromkeys(each.record_id for pair in same[:2] for each in reversed(pair))
    return Sentence(text=text, evidence=tuple(ids)[:MOST_CITED])


def findings(
    query: Query,
    context: Context,
    *,
    component: str | None = None,
    trace: str | None = None,
    only: "tuple[str, ...]" = (),
    limit: int = 200,
) -> list[StoredFinding]:
    """Return findings that stand, one of each problem, the worst and newest first.

    Args:
        only: beginnings of codes.
    """
    where = FindingFilter(
        component=component,
        trace=trace,
        project=query.project,
        since_ns=query.since_ns,
        until_ns=query.until_ns,
    )
    said = [
        each for each in context.store.findings(where, limit=limit) if not only or each.finding.code.startswith(only)
    ]
    said.sort(key=lambda each: (-each.finding.severity, -each.ts_ns))
    return list(
        {(each.project, each.finding.fingerprint or each.occurrence): each for each in reversed(said)}.values()
    )[::-1]


def of_finding(stored: StoredFinding) -> Sentence:
    """Return a finding as a sentence: confirmed where records state it or it follows from them, else a hypothesis."""
    finding = stored.finding
    title = named(finding.title, finding.code, 300).rstrip(".")
    return Sentence(
        text=f"{finding.code}: {title}.",
        evidence=tuple(dict.fromkeys((*finding.evidence[: MOST_CITED - 1], stored.record_id))),
        kind="confirmed" if finding.basis in SURE else "hypothesis",
    )


def sureness(found: Sequence[StoredFinding]) -> tuple[float, str]:
    """Return the confidence of the first finding and what it rests on; unmeasured counts one half."""
    if not found:
        return 1.0, "stated by the records"
    finding = found[0].finding
    if finding.confidence is None:
        return 0.5, f"{finding.code} states no confidence of its own"
    text = finding.basis_text or finding.basis or "as its detector says"
    return min(max(finding.confidence, 0.0), 1.0), f"{finding.code}: {named(text, limit=200)}"


def as_insights(found: Sequence[StoredFinding], store: Store) -> tuple[dict[str, Any], ...]:
    """Return findings in the shape of D4.2."""
    return tuple(insights(found[:MOST_SENTENCES], store))


def remedies(found: Sequence[StoredFinding]) -> tuple[str, ...]:
    """Return what findings say to do, each once."""
    said = [
        each for stored in found[:3] for each in (stored.finding.remediation, *stored.finding.suggestions[:1]) if each
    ]
    return tuple(dict.fromkeys(said))[:MOST_CITED]
