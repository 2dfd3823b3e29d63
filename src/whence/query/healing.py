"""What was tried to heal generated content, what each attempt did, and why that was not enough. From the records alone.

An attempt is a transformation with the action `heal`, or whose name or stage begins with it. What checks said before and
after it is found by the content they checked; where a check names none, by its time.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, Literal

import msgspec

from whence.clock import iso_utc
from whence.model import record as kinds
from whence.model.record import Record
from whence.query.find import find
from whence.query.lineage import Lineage, Made, Ref
from whence.query.lines import kept
from whence.query.steps import OF_CONTENT, CheckRun, Failure, changes, check_of, has_failed, of_component
from whence.query.story import Reason, decision_behind, difference
from whence.store.current import current
from whence.store.interface import Store

MOST_DIFF_LINES: Final = 400
MOST_NAMED: Final = 3
"""So many failures are named in a sentence; the others are counted."""


Outcome = Literal["healed", "better", "unchanged", "worse", "unknown", "not_needed", "not_tried"]
"""healed: nothing fails any more. better, unchanged, worse: what failed at first fails less, as before, or something else
does. unknown: nothing was checked afterwards. not_needed: nothing failed. not_tried: something did."""


class HealAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to heal."""

    number: int  # as recorded, else in order of time
    record_id: str
    name: str
    stage: str
    ts_ns: int
    time: str
    using: dict[str, Any]  # rule, model, …
    decision: Reason | None
    before: str | None
    after: str | None
    added: int | None  # lines; None where a text is missing
    removed: int | None
    diff: str
    checks_before: tuple[CheckRun, ...]
    checks_after: tuple[CheckRun, ...]
    fixed: tuple[Failure, ...]
    still: tuple[Failure, ...]
    introduced: tuple[Failure, ...]
    checked: bool  # whether anything was checked after it
    sure: Literal["confirmed", "inferred"]  # inferred: the checks are matched by their time
    said: str  # what it did, in words
    error: Any = None


class HealLog(msgspec.Struct, frozen=True, kw_only=True):
    """How the healing of one component went."""

    component: str
    subject: str
    outcome: Outcome
    why: str  # how it came to that, in words made of the records
    sentences: tuple[str, ...]  # the same, attempt by attempt, and how it ended
    attempts: tuple[HealAttempt, ...]
    remaining: tuple[Failure, ...]  # what failed in the end


def healing(trace: str, component: str | None = None, *, store: Store | None = None) -> tuple[HealLog, ...]:
    """Return how the healing went, for each component that was checked or healed, in order of time.

    Args:
        trace: the run (as `find` accepts it).
        component: only of this one.

    Raises:
        NotFound: no such run, or nothing of that component in it.
    """
    store = store or current()
    row = find(trace, store=store)
    records = [record for record in store.trace_records(row.id) if record.kind in OF_CONTENT]
    lineage = Lineage(store)
    groups: dict[tuple[str, str], list[Made | CheckRun]] = {}
    for record in of_component(records, component, row.trace_id):
        each = _taken(lineage, record)
        if each is not None:
            subject = each.said.subject if isinstance(each, Made) else each.subject
            # Without components, what is worked on is told apart by its subject.
            groups.setdefault((record.component, "" if record.component else subject), []).append(each)
    logs = (_log(lineage, of, subject, each) for (of, subject), each in groups.items())
    return tuple(log for log in logs if log is not None)


def _taken(lineage: Lineage, record: Record) -> Made | CheckRun | None:
    if record.kind == kinds.CHECK:
        return check_of(lineage, record)
    return lineage.made(record) if record.kind == kinds.TRANSFORM else None


def is_healing(made: Made) -> bool:
    """Return whether a transformation is an attempt to heal."""
    names = (made.said.action, made.record.name, made.record.stage)
    return any(name.lower().startswith(("heal", "self_heal", "self-heal")) for name in names)


def _log(lineage: Lineage, component: str, subject: str, of: Sequence[Made | CheckRun]) -> HealLog | None:
    every = sorted((each for each in of if isinstance(each, Made)), key=lambda m: (m.record.ts_ns, m.record.record_id))
    checks = sorted((each for each in of if isinstance(each, CheckRun)), key=lambda run: (run.ts_ns, run.record_id))
    places = [n for n, made in enumerate(every) if is_healing(made)]
    if not places and not checks:
        return None
    bounds = zip([None, *places], places, [*places[1:], None], strict=False)
    attempts = tuple(
        _attempt(lineage, every, number, around, checks)
        for number, around in enumerate(bounds, 1)
        if around[1] is not None
    )
    subject = subject or next((made.said.subject for made in every if made.said.subject), "")
    outcome: Outcome
    if attempts:
        last = attempts[-1]
        remaining = (*last.introduced, *last.still) if last.checked else ()
        outcome = _outcome(attempts, _failures(attempts[0].checks_before), remaining)
        sentences = tuple(_sentences(attempts, outcome, remaining))
    else:
        remaining = _failures(_last_of_each(checks))
        outcome = "not_tried" if remaining else "not_needed"
        sentences = (f"nothing was tried; {_named(remaining)} failed" if remaining else "every check passed",)
    return HealLog(
        component=component,
        subject=subject,
        outcome=outcome,
        why="; ".join(sentences),
        sentences=sentences,
        attempts=attempts,
        remaining=remaining,
    )


def _attempt(
    lineage: Lineage,
    every: Sequence[Made],
    number: int,
    around: tuple[int | None, int, int | None],
    checks: Sequence[CheckRun],
) -> HealAttempt:
    """Return what one attempt did.

    Args:
        every: the transformations of the component, in order of time.
        around: the places among them of the attempt before, this one, and the next one.
    """
    previous, place, following = around
    one = every[place]
    record, said = one.record, one.said
    begin = every[previous].record.ts_ns if previous is not None else 0
    end = every[following].record.ts_ns if following is not None else None
    # What is checked need not be what the healer was given or made: a formatter may lie between.
    led_here, led_on = {_key_of(one.source)}, {_key_of(one.result)}
    for made in reversed(every[0 if previous is None else previous + 1 : place]):
        led_here |= {_key_of(made.source)} if _key_of(made.result) in led_here else set()
    for made in every[place + 1 : following]:
        led_on |= {_key_of(made.result)} if _key_of(made.source) in led_on else set()
    before, by_content = _checked(checks, led_here, begin, record.ts_ns)
    after, also = _checked(checks, led_on, record.ts_ns, end)
    failed, now = _failures(before), _failures(after)
    rerun = {run.name for run in after}
    comparable = tuple(each for run in before if run.name in rerun for each in _failures((run,)))
    fixed, still, introduced = _compared(comparable, now)
    added, removed = changes(lineage, one.source, one.result)
    attempt = HealAttempt(
        number=said.attempt if said.attempt is not None else number,
        record_id=record.record_id,
        name=record.name,
        stage=record.stage,
        ts_ns=record.ts_ns,
        time=iso_utc(record.ts_ns),
        using=lineage.resolved(said.using),
        decision=decision_behind(lineage, record),
        before=one.source.key if one.source is not None else None,
        after=one.result.key if one.result is not None else None,
        added=added,
        removed=removed,
        diff=difference(lineage, one.source, one.result, most=MOST_DIFF_LINES),
        checks_before=before,
        checks_after=after,
        fixed=fixed,
        still=still,
        introduced=introduced,
        checked=bool(after),
        sure="confirmed" if by_content and also else "inferred",
        said="",
        error=lineage.resolved(said.error),
    )
    return msgspec.structs.replace(attempt, said=_did(lineage, one, attempt, failed))


def _key_of(ref: Ref | None) -> str | None:
    return ref.key if ref is not None and ref.key else None


def _checked(
    checks: Sequence[CheckRun], keys: Collection[str | None], begin: int, end: int | None
) -> tuple[tuple[CheckRun, ...], bool]:
    """Return the last run of each check of these contents, and whether they name them; else those within a time."""
    named = [run for run in checks if run.sha256 is not None and run.sha256 in keys]
    if named:
        return _last_of_each(named), True
    unnamed = [run for run in checks if run.sha256 is None and begin <= run.ts_ns and (end is None or run.ts_ns <= end)]
    return _last_of_each(unnamed), not unnamed


def _last_of_each(checks: Iterable[CheckRun]) -> tuple[CheckRun, ...]:
    """Return the last run of each check, by its name."""
    return tuple({run.name: run for run in checks}.values())


def _failures(checks: Iterable[CheckRun]) -> tuple[Failure, ...]:
    """Return what checks found; one that only says that it failed counts as one failure."""
    found: list[Failure] = []
    for run in checks:
        if has_failed(run):
            message = run.explanation if isinstance(run.explanation, str) else f"{run.name} failed"
            found += run.failures or (Failure(type=run.type or run.name, message=message),)
    return tuple(found)


_PLACE: Final = re.compile(r"\b(?:line|col(?:umn)?)\W{0,2}\d+", re.IGNORECASE)


def _key(failure: Failure) -> tuple[str, str, str | None]:
    """Return what makes two failures the same, wherever they stand: lines move."""
    return failure.type, _PLACE.sub("", failure.message), failure.code


def _compared(
    before: Sequence[Failure], after: Sequence[Failure]
) -> tuple[tuple[Failure, ...], tuple[Failure, ...], tuple[Failure, ...]]:
    """Return what was fixed (as it was before), what still fails and what fails anew (as they are now)."""
    left = Counter(map(_key, before))
    still, introduced = [], []
    for failure in after:
        if left[_key(failure)] > 0:
            left[_key(failure)] -= 1
            still.append(failure)
        else:
            introduced.append(failure)
    fixed = []
    for failure in reversed(before):
        if left[_key(failure)] > 0:
            left[_key(failure)] -= 1
            fixed.append(failure)
    return tuple(reversed(fixed)), tuple(still), tuple(introduced)


def _outcome(attempts: Sequence[HealAttempt], first: Sequence[Failure], remaining: Sequence[Failure]) -> Outcome:
    if not attempts[-1].checked:
        return "unknown"
    if not remaining:
        return "healed" if first or any(each.introduced for each in attempts) else "not_needed"
    _, still, introduced = _compared(first, remaining)
    if introduced:
        return "worse"
    return "unchanged" if len(still) == len(first) else "better"


# -- words -----------------------------------------------------------------------------------------------------------


def _did(lineage: Lineage, made: Made, attempt: HealAttempt, failed: Sequence[Failure]) -> str:
    """Return what an attempt did, in words."""
    if attempt.error is not None and attempt.after is None:
        error = attempt.error
        words = f"{error.get('type')}: {error.get('message')}" if isinstance(error, dict) else str(error)
        return f"failed itself: {words}"
    parts = []
    if attempt.before is not None and attempt.before == attempt.after:
        parts.append("changed nothing")
    if attempt.fixed:
        parts.append(f"fixed {_named(attempt.fixed)}")
    if attempt.introduced:
        parts.append(f"introduced {_named(attempt.introduced)}")
    if attempt.still and "changed nothing" not in parts:
        parts += _left(lineage, made, attempt)
    if not attempt.checked:
        parts.append("was not checked afterwards")
    elif not failed and not attempt.introduced:
        parts.append("had nothing to fix")
    return _listed(parts) or "changed what nothing had found fault with"


def _left(lineage: Lineage, made: Made, attempt: HealAttempt) -> list[str]:
    """Return what is said of failures that are still there: whether the attempt touched their lines."""
    untouched: list[Failure] = []
    touched: list[Failure] = []
    elsewhere: list[Failure] = []
    for failure in attempt.still:
        run = next((run for run in attempt.checks_after if failure in run.failures), None)
        same = _was_there(lineage, made, run, failure.line)
        (elsewhere if same is None else untouched if same else touched).append(failure)
    said = []
    if untouched:
        lines = sorted({failure.line for failure in untouched if failure.line is not None})
        shown = ", ".join(map(str, lines[:MOST_NAMED])) + (", …" if len(lines) > MOST_NAMED else "")
        said.append(f"did not touch line{'' if len(lines) == 1 else 's'} {shown} ({_named(untouched, lines=False)})")
    if touched:
        said.append(f"changed what still fails: {_named(touched)}")
    if elsewhere:
        said.append(f"left {_named(elsewhere)}")
    return said


def _was_there(lineage: Lineage, made: Made, run: CheckRun | None, line: int | None) -> bool | None:
    """Return whether a line, as a check saw it, is as it was before an attempt; None where that cannot be told."""
    if run is None or run.sha256 is None or line is None or made.source is None or made.result is None:
        return None
    seen = Ref(key=run.sha256, sha256=run.sha256)
    lines, result = lineage.lines(seen), lineage.lines(made.result)
    if lines is None or result is None or lineage.lines(made.source) is None or not 1 <= line <= len(lines):
        return None
    place = next(iter(kept(lineage.blocks(made.result, seen), line - 1, 1)))[2]
    if place is None:  # a step after the attempt changed it
        return None
    return next(iter(kept(lineage.blocks(made.source, made.result), place, 1)))[2] is not None


def _named(failures: Sequence[Failure], *, lines: bool = True) -> str:
    """Return failures in words: the first ones, and how many more there are."""
    shown = []
    for each in failures[:MOST_NAMED]:
        message = " ".join(each.message.split())
        message = message if len(message) <= 120 else message[:119] + "…"
        words = message if each.type.lower() in message.lower() else f"{each.type}: {message}"
        shown.append(f"{words} (line {each.line})" if lines and each.line is not None else words)
    more = f", and {len(failures) - MOST_NAMED:,} more" if len(failures) > MOST_NAMED else ""
    return "; ".join(shown) + more if more or len(shown) != 2 else " and ".join(shown)


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + f" and {parts[-1]}" if parts else ""


def _sentences(attempts: Sequence[HealAttempt], outcome: str, remaining: Sequence[Failure]) -> Iterator[str]:
    """Yield how it came to this end, attempt by attempt."""
    for each in attempts:
        yield f"attempt {each.number}{_by(each)} {each.said}"
    tries = f"{len(attempts)} attempt{'' if len(attempts) == 1 else 's'}"
    if outcome == "healed":
        yield f"healed after {tries}"
    elif outcome == "unknown":
        yield "whether that healed it is not recorded"
    elif outcome != "not_needed":
        yield f"gave up after {tries} with {_named(remaining)}"


def _by(attempt: HealAttempt) -> str:
    rule = attempt.using.get("rule")
    return f" ({rule})" if isinstance(rule, str) and rule else ""
