"""What is behind an error (R4.25, C4.3): an event, a finding, an insight or a problem → its root cause, and what to do.

*Confirmed* is what a chain of records states: each names the one that caused it (`parent`), and the first of them is the root
cause; or an exception went up through nested parts, and the innermost one is where it was raised. *Hypothesis* is what only
came before it: the earliest error of the same run. Where nothing came before, the error itself is all there is.
"""

from typing import Any, Final

import msgspec

from whence.clock import iso_utc
from whence.diagnose.insights import suggestions_of
from whence.diagnose.resolutions import suggested
from whence.diagnose.run import Fact, Run, Span, error_text, text_of
from whence.diagnose.saying import named
from whence.model import record as kinds
from whence.model.content import resolve
from whence.model.filters import FindingFilter
from whence.model.record import Record
from whence.model.severity import Severity
from whence.store.interface import Store, StoredFinding

NOT_MEASURED: Final = 0.5
"""The confidence of a hypothesis: D4.2's value where nothing is known better. Nobody has measured it, and `basis` says so."""
MOST_EVIDENCE: Final = 10
DEEPEST: Final = 100


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Where an error comes from, as far as the records tell."""

    fact: Fact
    kind: str  # confirmed, hypothesis
    confidence: float
    basis: str
    chain: tuple[Fact, ...]  # from the root cause to the error


def explain_error(some_id: str, *, store: Store, project: str | None = None) -> dict[str, Any]:
    """Return what is behind an error. Every key is always there.

    Keys: error_id, found, message, component, timestamp, level, data, root_cause (a sentence), root_cause_id, chain (record
    ids from the cause to the error), suggestions (never empty), confidence (0..1) and its `basis` in words, evidence (record
    ids), kind (confirmed or hypothesis; None where nothing was found), code.

    Args:
        some_id: of a record, of a finding's record, of an insight (its occurrence), or of a problem.
        project: whose history of resolutions counts; without it everybody's.
    """
    wanted = some_id.strip() if isinstance(some_id, str) else ""
    record = store.record(wanted) if wanted else None
    if record is not None and record.kind != kinds.FINDING:
        return _of_record(some_id, record, store, project)
    stored = store.finding(wanted) if wanted else None
    if stored is None and wanted:
        problem = store.problem(wanted)
        stored = store.finding(problem.record_id) if problem is not None else None
    return _of_finding(some_id, stored, store, project) if stored is not None else _nothing(some_id)


def _nothing(some_id: object) -> dict[str, Any]:
    shown = named(some_id if isinstance(some_id, str) else type(some_id).__name__, "(no id)", 120)
    return {
        "error_id": some_id,
        "found": False,
        "message": f"Nothing is recorded under {shown}.",
        "component": None,
        "timestamp": None,
        "level": None,
        "data": {},
        "root_cause": None,
        "root_cause_id": None,
        "chain": [],
        "suggestions": [
            "give the id of an event, an insight, a finding or a problem: `whence findings` and `whence search TEXT` list them"
        ],
        "confidence": 0.0,
        "basis": "",
        "evidence": [],
        "kind": None,
        "code": None,
    }


def _of_record(some_id: str, record: Record, store: Store, project: str | None) -> dict[str, Any]:
    run = _run_of(record, store)
    fact = run.by_id.get(record.record_id)
    if fact is None:  # beyond what a run holds, or said by whence: looked at alone
        run = Run.of([record], record.trace)
        fact = run.by_id.get(record.record_id)
    if fact is None:
        return _nothing(some_id)
    cause = cause_of(fact, run)
    about: list[StoredFinding] = []
    if record.trace:
        found = store.findings(FindingFilter(trace=record.trace), limit=200)
        named_in = {each.id for each in cause.chain} | {fact.id}
        about = [each for each in found if named_in & set(each.finding.evidence)]
        # A finding whose evidence begins with the error is about it; others only mention it.
        about.sort(key=lambda each: (each.finding.evidence[0] != fact.id, -each.finding.severity))
    suggestions = _suggestions(about, cause, run, store, project)
    return {
        "error_id": some_id,
        "found": True,
        "message": _message(fact, store),
        "component": fact.who or None,
        "timestamp": iso_utc(fact.ts_ns),
        "level": _level(fact),
        "data": _data(fact, store),
        **_caused(cause, store),
        "suggestions": suggestions,
        "evidence": list(dict.fromkeys((fact.id, *(each.id for each in reversed(cause.chain)))))[:MOST_EVIDENCE],
        "code": about[0].finding.code if about else None,
    }


def _of_finding(some_id: str, stored: StoredFinding, store: Store, project: str | None) -> dict[str, Any]:
    finding = stored.finding
    best: tuple[tuple[bool, bool, int], Cause, Run] | None = None
    runs: dict[str, Run] = {}
    for position, record_id in enumerate(finding.evidence[:MOST_EVIDENCE]):
        record = store.record(record_id)
        if record is None:
            continue
        run = runs.get(record.trace) or runs.setdefault(record.trace, _run_of(record, store))
        fact = run.by_id.get(record_id)
        if fact is None:
            continue
        cause = cause_of(fact, run)
        rank = (cause.kind == "confirmed", cause.fact.id != fact.id, -position)
        if best is None or rank > best[0]:
            best = (rank, cause, run)
    said: dict[str, Any] = {
        "root_cause": finding.title,
        "root_cause_id": None,
        "chain": [],
        "kind": "confirmed" if finding.basis in ("stated", "derived") else "hypothesis",
        "confidence": finding.confidence if finding.confidence is not None else NOT_MEASURED,
        "basis": finding.basis_text or (finding.basis or "not measured"),
    }
    chain: list[str] = []
    level = Severity.nearest(finding.severity).logged
    if best is not None:
        _, cause, run = best
        said = _caused(cause, store)
        level = _level(cause.chain[-1])
        chain = [each.id for each in reversed(cause.chain)]
        suggestions = _suggestions([stored], cause, run, store, project or stored.project)
    else:
        suggestions = _suggestions([stored], None, None, store, project or stored.project)
    return {
        "error_id": some_id,
        "found": True,
        "message": finding.title,
        "component": finding.components[0] if finding.components else finding.stage or None,
        "timestamp": iso_utc(finding.last_ns or stored.ts_ns),
        "level": level,
        "data": finding.freeze,
        **said,
        "suggestions": suggestions,
        "evidence": list(dict.fromkeys((*finding.evidence[:MOST_EVIDENCE], *chain))),
        "code": finding.code,
    }


def _run_of(record: Record, store: Store) -> Run:
    """Return the run of a record; of one that lies in none, the records that it names as its causes."""
    if record.trace:
        return Run.of(store.trace_records(record.trace), record.trace)
    found, above = [record], record.parent
    while len(above) == 32 and len(found) < DEEPEST and all(each.record_id != above for each in found):
        parent = store.record(above)
        if parent is None or parent.trace:
            break
        found.append(parent)
        above = parent.parent
    return Run.of(found, "")


def cause_of(fact: Fact, run: Run) -> Cause:
    """Return where an error comes from; the error itself, where nothing else is known."""
    chain = _parents(fact, run)
    if len(chain) > 1:
        basis = f"each of {len(chain)} records names the one that caused it"
        return Cause(fact=chain[0], kind="confirmed", confidence=1.0, basis=basis, chain=tuple(chain))
    inner = _raised_in(fact, run)
    if len(inner) > 1:
        again = _parents(inner[0], run)
        basis = "the same exception, where it was raised"
        chain = [*again[:-1], *inner]
        return Cause(fact=chain[0], kind="confirmed", confidence=1.0, basis=basis, chain=tuple(chain))
    earlier = next((each for each in run.errors if (each.ts_ns, each.id) < (fact.ts_ns, fact.id)), None)
    if earlier is not None and run.trace:
        chain = [*_parents(earlier, run), fact]
        basis = "it came first in the same run; not measured"
        return Cause(fact=chain[0], kind="hypothesis", confidence=NOT_MEASURED, basis=basis, chain=tuple(chain))
    basis = "nothing recorded before it explains it; not measured"
    return Cause(fact=fact, kind="hypothesis", confidence=NOT_MEASURED, basis=basis, chain=(fact,))


def _parents(fact: Fact, run: Run) -> list[Fact]:
    """Return the records that caused each other, from the first to this one: by `parent`, where it is the id of a record."""
    chain, seen = [fact], {fact.id}
    while len(chain) < DEEPEST:
        cause = run.by_id.get(chain[-1].record.parent)
        if cause is None or cause.id in seen:
            break
        chain.append(cause)
        seen.add(cause.id)
    return chain[::-1]


def _raised_in(fact: Fact, run: Run) -> list[Fact]:
    """Return the same error as it went up, from where it was raised to this one, where it is that of a timed part."""
    span: Span | None = run.spans.get(fact.record.span) if fact.record.kind == kinds.SPAN_END else None
    text = error_text(fact.data.get("error"))
    chain = [fact]
    while span is not None and text and len(chain) < DEEPEST:
        inner = next((each for each in span.children if error_text(each.error) == text), None)
        if inner is None or inner.end is None:
            break
        chain.append(inner.end)
        span = inner
    if span is not None and text:
        inside = (each for each in run.events if each.record.span == span.id and each.record.level >= Severity.HIGH)
        said = next((each for each in inside if each.message and each.message in text), None)
        if said is not None:
            chain.append(said)
    return chain[::-1]


def _caused(cause: Cause, store: Store) -> dict[str, Any]:
    return {
        "root_cause": f"{named(cause.fact.who, 'an unnamed component')}: {_message(cause.fact, store)}",
        "root_cause_id": cause.fact.id,
        "chain": [each.id for each in cause.chain],
        "kind": cause.kind,
        "confidence": cause.confidence,
        "basis": cause.basis,
    }


def _suggestions(
    about: list[StoredFinding], cause: Cause | None, run: Run | None, store: Store, project: str | None
) -> list[str]:
    """Return what to do: what has helped before, then the advice of the findings, then where to look."""
    said: list[str] = []
    for code in dict.fromkeys(each.finding.code for each in about[:3]):
        said += suggested(code, store=store, project=project)
    for each in about[:3]:
        said += suggestions_of(each.finding)
    if cause is not None and cause.fact.id != cause.chain[-1].id:
        said.insert(0, f"look at {named(cause.fact.who, 'the record')} first: `whence show {cause.fact.id}`")
    if run is not None and run.trace:
        said.append(f"`whence why {run.view.trace_id or run.trace}` explains the whole run")
    elif cause is not None:
        said.append(f"`whence show {cause.fact.id}` prints what was recorded")
    return list(dict.fromkeys(each for each in said if each)) or ["`whence findings` lists what is known"]


def _message(fact: Fact, store: Store) -> str:
    """Return what a record says, on one line, or its name where it says nothing."""
    said = resolve(fact.data.get("message"), store.content)
    text = text_of(said, 2000) or error_text(resolve(fact.data.get("error"), store.content), 2000)
    if not text and fact.record.kind == kinds.CHECK:
        failures = fact.data.get("failures")
        first = failures[0] if isinstance(failures, list) and failures else None
        text = text_of(first, 2000) if isinstance(first, dict) else ""
    return named(text, f"{fact.record.kind} {fact.record.name}", 500)


def _level(fact: Fact) -> str:
    said = fact.attributes.get("log_level")
    if isinstance(said, str) and said:
        return said
    if fact.data.get("error") and fact.record.level < Severity.HIGH:
        return "ERROR"
    return Severity.nearest(fact.record.level).logged


def _data(fact: Fact, store: Store) -> dict[str, Any]:
    """Return what came with a record: the data of an event, else its attributes, else the rest of its payload."""
    data = fact.attributes.get("data")
    if not isinstance(data, dict):
        data = fact.attributes or {key: value for key, value in fact.data.items() if key != "message"}
    found = resolve(data, store.content)
    return found if isinstance(found, dict) else {}
