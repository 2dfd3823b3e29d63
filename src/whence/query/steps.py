"""What a run did to content, as a flat list in order of time: calls of models, steps, checks, files, decisions."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import msgspec

from whence.clock import iso_utc
from whence.errors import NotFound
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.record import Record
from whence.query.find import find
from whence.query.lineage import Call, Lineage, Ref, call_of, decoded, ref_of
from whence.query.lines import aligned, counts
from whence.query.story import LlmCall, call_data, difference, line_of, said_by
from whence.store.current import current
from whence.store.interface import Store


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a check found."""

    type: str
    message: str
    line: int | None = None  # from 1
    column: int | None = None
    context: Any = None
    code: str | None = None


class CheckRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a check."""

    record_id: str
    name: str
    type: str
    passed: bool | None  # None: it could not be told
    component: str
    subject: str
    stage: str
    phase: str
    ts_ns: int
    time: str
    sha256: str | None  # of the text that was checked
    failures: tuple[Failure, ...]
    failures_total: int  # where there are more than are listed
    score: float | None = None
    label: str | None = None
    explanation: Any = None
    expected: Any = None
    actual: Any = None
    error: Any = None


class TimelineStep(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a run did."""

    kind: Literal["llm", "transform", "check", "file", "decision"]
    record_id: str
    ts_ns: int
    time: str
    name: str
    action: str  # of a transformation; the type of a check
    component: str
    stage: str
    attempt: int | None
    said: str  # in a few words
    passed: bool | None = None  # of a check; of a file, whether it read back as it was written
    before: str | None = None  # the hash of what went in
    after: str | None = None  # of what came out, was checked, or was written
    added: int | None = None  # lines; None where a text is missing
    removed: int | None = None
    failures: tuple[Failure, ...] = ()
    diff: str | None = None  # as unified hunks; None where it was not asked for
    duration_s: float | None = None
    error: Any = None


def steps(
    trace: str, component: str | None = None, *, diff: bool = False, store: Store | None = None
) -> tuple[TimelineStep, ...]:
    """Return what a run did to content, in order of time.

    Args:
        trace: the run (as `find` accepts it).
        component: only of this one.
        diff: with what each transformation changed.

    Raises:
        NotFound: no such run, or nothing of that component in it.
    """
    lineage, found = _begin(trace, component, store)
    return tuple(_in_order(_timeline(lineage, found, diff=diff)))


def llm_calls(trace: str, component: str | None = None, *, store: Store | None = None) -> tuple[LlmCall, ...]:
    """Return the LLM calls of a run, prompts and responses in full, in order of time. Raises as `steps` does."""
    lineage, found = _begin(trace, component, store)
    return tuple(_in_order(call_data(lineage, call) for call in _calls(found)))


def checks(
    trace: str, component: str | None = None, *, failed: bool = False, store: Store | None = None
) -> tuple[CheckRun, ...]:
    """Return the checks of a run in order of time; only those that did not pass, if asked. Raises as `steps` does."""
    lineage, found = _begin(trace, component, store)
    runs = (check_of(lineage, record) for record in found if record.kind == kinds.CHECK)
    return tuple(_in_order(run for run in runs if run is not None and (not failed or has_failed(run))))


def has_failed(run: CheckRun) -> bool:
    """Return whether a check found something wrong; what it lists where it passed all the same are warnings."""
    return run.passed is False or (run.passed is None and bool(run.failures))


OF_CONTENT: Final = (kinds.SPAN_START, kinds.SPAN_END, kinds.TRANSFORM, kinds.CHECK, kinds.FILE, kinds.DECISION)


def _begin(trace: str, component: str | None, store: Store | None) -> tuple[Lineage, list[Record]]:
    """Return the records of a run that are about content, of a component if one is asked for."""
    store = store or current()
    row = find(trace, store=store)
    records = [record for record in store.trace_records(row.id) if record.kind in OF_CONTENT]
    return Lineage(store), of_component(records, component, row.trace_id)


def of_component(records: list[Record], component: str | None, trace_id: str) -> list[Record]:
    """Return the records of a component; all of them where none is asked for.

    Raises:
        NotFound: there is none; the message names those that there are.
    """
    if component is None:
        return records
    found = [record for record in records if record.component == component]
    if not found:
        names = sorted({record.component for record in records if record.component and not _ours(record.component)})
        there = f"its components: {', '.join(names[:20])}" if names else "it names no components"
        raise NotFound(f"nothing of component {component!r} is recorded in {trace_id}; {there}")
    return found


def _ours(component: str) -> bool:
    """Return whether a component is the one under which whence itself records what it found."""
    return component.partition(".")[0] == "whence"


def _calls(records: Iterable[Record]) -> Iterator[Call]:
    begun: dict[str, dict[str, Any]] = {}
    ended = []
    for record in records:
        if record.kind == kinds.SPAN_START:
            start = decoded(record, shape.SpanStart)
            if start is not None and start.type == shape.LLM and record.span:
                begun[record.span] = start.attributes
        elif record.kind == kinds.SPAN_END:
            ended.append(record)
    for record in ended:
        call = call_of(record, begun)
        if call is not None:
            yield call


def _in_order(items: Iterable[Any]) -> list[Any]:
    return sorted(items, key=lambda each: (each.ts_ns, each.record_id))


def _timeline(lineage: Lineage, records: list[Record], *, diff: bool) -> Iterator[TimelineStep]:
    for call in _calls(records):
        yield _of_call(lineage, call)
    for record in records:
        if record.kind == kinds.TRANSFORM:
            step = _of_transform(lineage, record, diff=diff)
        elif record.kind == kinds.CHECK:
            step = _of_check(lineage, record)
        elif record.kind == kinds.FILE:
            step = _of_file(lineage, record)
        elif record.kind == kinds.DECISION:
            step = _of_decision(record)
        else:
            continue
        if step is not None:
            yield step


def _of_call(lineage: Lineage, call: Call) -> TimelineStep:
    data = call_data(lineage, call)
    tokens = f"{_count(data.input_tokens)} → {_count(data.output_tokens)} tokens"
    return TimelineStep(
        kind="llm",
        action="llm",
        attempt=None,
        said=f"{data.model or 'unknown model'}, {tokens}",
        after=call.response.key if call.response is not None else None,
        duration_s=data.duration_s,
        error=data.error,
        **_where(call.record),
    )


def _count(tokens: int | None) -> str:
    return f"{tokens:,}" if tokens is not None else "?"


def _of_transform(lineage: Lineage, record: Record, *, diff: bool) -> TimelineStep | None:
    made = lineage.made(record)
    if made is None:
        return None
    said = made.said
    added, removed = changes(lineage, made.source, made.result)
    words = "failed" if made.result is None and said.error is not None else _changed(lineage, made.source, made.result)
    return TimelineStep(
        kind="transform",
        action=said.action,
        attempt=said.attempt,
        said=f"{said.subject}: {words}" if said.subject else words,
        before=made.source.key if made.source is not None else None,
        after=made.result.key if made.result is not None else None,
        added=added,
        removed=removed,
        diff=difference(lineage, made.source, made.result) if diff else None,
        duration_s=said.duration_ns / 1e9 if said.duration_ns is not None else None,
        error=lineage.resolved(said.error),
        **_where(record),
    )


def changes(lineage: Lineage, source: Ref | None, result: Ref | None) -> tuple[int | None, int | None]:
    """Return how many lines a step added and removed; None where a text is missing."""
    a = [] if source is None else lineage.lines(source)
    b = [] if result is None else lineage.lines(result)
    if a is None or b is None:
        return None, None
    blocks = lineage.blocks(source, result) if source is not None and result is not None else aligned(a, b)
    return counts(blocks, len(a), len(b))


def _changed(lineage: Lineage, source: Ref | None, result: Ref | None) -> str:
    if source is not None and result is not None and source.key == result.key:
        return "changed nothing"
    added, removed = changes(lineage, source, result)
    if added is None:
        missing = source if source is not None and lineage.lines(source) is None else result
        return f"what it changed is not known: {lineage.no_text(missing)}"
    return f"+{added:,} −{removed:,} lines" if source is not None else f"{added:,} lines, from nothing"


def check_of(lineage: Lineage, record: Record) -> CheckRun | None:
    """Return what a record says of a check; None where it is not of that shape."""
    said = decoded(record, shape.Check)
    if said is None:
        return None
    content = ref_of(said.content)
    failures = tuple(_failure(lineage, each, said.type) for each in said.failures)
    return CheckRun(
        record_id=record.record_id,
        name=record.name,
        type=said.type,
        passed=said.passed,
        component=record.component,
        subject=said.subject,
        stage=record.stage,
        phase=said.phase,
        ts_ns=record.ts_ns,
        time=iso_utc(record.ts_ns),
        sha256=content.key if content is not None else None,
        failures=failures,
        failures_total=said.failures_total if said.failures_total is not None else len(failures),
        score=said.score,
        label=said.label,
        explanation=lineage.resolved(said.explanation),
        expected=lineage.resolved(said.expected),
        actual=lineage.resolved(said.actual),
        error=lineage.resolved(said.error),
    )


def _failure(lineage: Lineage, given: dict[str, Any], check: str) -> Failure:
    whole = {key: lineage.resolved(value) for key, value in given.items()}
    column, code = whole.get("column"), whole.get("code")
    return Failure(
        type=str(whole.get("type") or check),
        message=said_by(whole),
        line=line_of(whole),
        column=column if isinstance(column, int) and not isinstance(column, bool) else None,
        context=whole.get("context"),
        code=str(code) if code is not None else None,
    )


def _of_check(lineage: Lineage, record: Record) -> TimelineStep | None:
    run = check_of(lineage, record)
    if run is None:
        return None
    words = {True: "passed", False: "failed", None: "could not be told"}[run.passed]
    if run.failures_total:
        words = f"{run.failures_total:,} failure{'' if run.failures_total == 1 else 's'}"
    return TimelineStep(
        kind="check",
        action=run.type,
        attempt=None,
        said=f"{run.phase}: {words}" if run.phase else words,
        passed=run.passed,
        after=run.sha256,
        failures=run.failures,
        error=run.error,
        **_where(record),
    )


def _of_file(lineage: Lineage, record: Record) -> TimelineStep | None:
    said = decoded(record, shape.FileWrite)
    if said is None:
        return None
    content = ref_of(said.content)
    size = f"{said.bytes:,} bytes" if said.bytes is not None else "written"
    words = {True: "read back as written", False: "does not read back as written", None: "not read back"}[said.verified]
    return TimelineStep(
        kind="file",
        action="write",
        attempt=None,
        said=f"{size}, {words}",
        passed=said.verified,
        after=content.key if content is not None else None,
        error=lineage.resolved(said.error),
        **_where(record),
    )


def _of_decision(record: Record) -> TimelineStep | None:
    said = decoded(record, shape.Decision)
    if said is None:
        return None
    what = said.what if isinstance(said.what, str) else msgspec.json.encode(said.what).decode()
    return TimelineStep(kind="decision", action="decision", attempt=None, said=what, **_where(record))


def _where(record: Record) -> dict[str, Any]:
    return {
        "record_id": record.record_id,
        "ts_ns": record.ts_ns,
        "time": iso_utc(record.ts_ns),
        "name": record.name,
        "component": record.component,
        "stage": record.stage,
    }
