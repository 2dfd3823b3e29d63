"""What was tried to heal generated content, what each attempt did, and why that was not enough. From the records alone.

An attempt is a transformation with the action `heal`, or whose name or stage begins with it. What checks said before and
after it is found by the content they checked; where a check names none, by its time. What failed and was not checked
again, or could not be told then, is not held to be mended, however often something else was checked.
"""

import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from whence.clock import iso_utc
from whence.model import record as kinds
from whence.model.record import Record
from whence.query.claims import short
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
"""healed: all that failed was checked again and passed. better, unchanged, worse: what failed at first fails less, as
before, or something else does. unknown: that was not checked afterwards, or could not be told. not_needed: nothing failed.
not_tried: something did."""


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
    remaining: tuple[Failure, ...]  # what failed in the end, or was not checked again


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
    subject = subject or next((made.said.subject for made in every if made.said.subject), "")
    attempts: list[HealAttempt] = []
    standing, first = dict[str, CheckRun](), dict[str, CheckRun]()
    change = _compared({}, {})
    for number, place in enumerate(places, 1):
        around = places[number - 2] if number > 1 else None, place, places[number] if number < len(places) else None
        attempt, before, standing, change = _attempt(lineage, every, number, around, checks, standing)
        first = first or before
        attempts.append(attempt)
    outcome: Outcome
    if attempts:
        left = Counter(map(_key, change.unchecked))
        failing = tuple(each for each in _failures(standing.values()) if not _take(left, _key(each)))
        remaining = (*failing, *change.unchecked)
        failing_total = sum(map(_total, standing.values())) - len(change.unchecked)
        outcome = _outcome(attempts, first, standing, failing, change.unchecked)
        sentences = tuple(_sentences(attempts, outcome, failing, failing_total, change.unchecked))
    else:
        standing = _overlaid({}, checks)
        remaining = _failures(standing.values())
        outcome = "not_tried" if remaining else _not_failing(standing)
        passed = "every check passed" if outcome == "not_needed" else "not every check could tell"
        sentences = (f"nothing was tried; {_named(remaining)} failed" if remaining else passed,)
    return HealLog(
        component=component,
        subject=subject,
        outcome=outcome,
        why="; ".join(sentences),
        sentences=sentences,
        attempts=tuple(attempts),
        remaining=remaining,
    )


def _attempt(
    lineage: Lineage,
    every: Sequence[Made],
    number: int,
    around: tuple[int | None, int, int | None],
    checks: Sequence[CheckRun],
    standing: Mapping[str, CheckRun],
) -> tuple[HealAttempt, dict[str, CheckRun], dict[str, CheckRun], "_Change"]:
    """Return what one attempt did, how the checks stood before and after it, and what that changed.

    Args:
        every: the transformations of the component, in order of time.
        around: the places among them of the attempt before, this one, and the next one.
        standing: how the checks stood after the attempt before.
    """
    previous, place, following = around
    one = every[place]
    record, said = one.record, one.said
    begin = every[previous].record.ts_ns if previous is not None else 0
    end = every[following].record.ts_ns if following is not None else None
    # What is checked need not be what the healer was given or made: a formatter may lie between. Where it made nothing,
    # the content is what it was.
    led_here, led_on = {_key_of(one.source)}, {_key_of(one.result or one.source)}
    for made in reversed(every[0 if previous is None else previous + 1 : place]):
        led_here |= {_key_of(made.source)} if _key_of(made.result) in led_here else set()
    for made in every[place + 1 : following]:
        led_on |= {_key_of(made.result)} if _key_of(made.source) in led_on else set()
    runs_before, by_content = _checked(checks, led_here, begin, record.ts_ns)
    runs_after, also = _checked(checks, led_on, record.ts_ns, end)
    before = _overlaid(standing, runs_before)
    # Where nothing was made, what was found before still holds.
    after = _overlaid({} if one.result is not None else before, runs_after)
    change = _compared(before, after)
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
        checks_before=runs_before,
        checks_after=runs_after,
        fixed=change.fixed,
        still=change.still,
        introduced=change.introduced,
        checked=bool(runs_after),
        sure="confirmed" if by_content and also else "inferred",
        said="",
        error=lineage.resolved(said.error),
    )
    attempt = msgspec.structs.replace(attempt, said=_did(lineage, one, attempt, before, after, change))
    return attempt, before, _overlaid(before, after.values()), change


def _key_of(ref: Ref | None) -> str | None:
    return ref.key if ref is not None and ref.key else None


def _checked(
    checks: Sequence[CheckRun], keys: Collection[str | None], begin: int, end: int | None
) -> tuple[tuple[CheckRun, ...], bool]:
    """Return the last run of each check of these contents, and whether they name them; else those within a time."""
    named = [run for run in checks if run.sha256 is not None and run.sha256 in keys]
    if named:  # a content may come back: what was found of it at this time counts most
        named.sort(key=lambda run: _within(run, begin, end))
        return _last_of_each(named), True
    unnamed = [run for run in checks if run.sha256 is None and _within(run, begin, end)]
    return _last_of_each(unnamed), not unnamed


def _within(run: CheckRun, begin: int, end: int | None) -> bool:
    return begin <= run.ts_ns and (end is None or run.ts_ns <= end)


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


@dataclass(slots=True, frozen=True)
class _Change:
    """What is different between two times: each failure that was there before is fixed, still there, or unchecked."""

    fixed: tuple[Failure, ...] = ()  # as they were before
    still: tuple[Failure, ...] = ()  # as they are now
    introduced: tuple[Failure, ...] = ()
    unchecked: tuple[Failure, ...] = ()  # as they were before; not checked again, or that could not be told
    totals: tuple[tuple[str, int, int], ...] = ()  # of checks that do not list all they found: name, before, now


def _compared(before: Mapping[str, CheckRun], after: Mapping[str, CheckRun]) -> _Change:
    """Return what is different between how checks stood, by their names."""
    then = [(run, failure) for run in before.values() for failure in _failures((run,))]
    now = [(run, failure) for run in after.values() for failure in _failures((run,))]
    same_now, same_before = _matched(then, now)
    still: list[Failure] = []
    introduced: list[Failure] = []
    for n, (run, failure) in enumerate(now):
        # One that was not listed before may have been there all the same.
        known = n in same_now or (run.name in before and not _lists_all(before[run.name]))
        (still if known else introduced).append(failure)
    fixed, unchecked = [], []
    for n, (run, failure) in enumerate(then):
        again = after.get(run.name)
        if n in same_before:
            continue
        if again is None or again.passed is None:
            unchecked.append(failure)
        elif again.passed or _lists_all(again):
            fixed.append(failure)
    failing = [(before[name], run) for name, run in after.items() if name in before and run.passed is False]
    cut = [(was, run) for was, run in failing if not (_lists_all(was) and _lists_all(run))]
    totals = tuple((run.name, _total(was), _total(run)) for was, run in cut)
    return _Change(tuple(fixed), tuple(still), tuple(introduced), tuple(unchecked), totals)


def _matched(
    before: Sequence[tuple[CheckRun, Failure]], after: Sequence[tuple[CheckRun, Failure]]
) -> tuple[set[int], set[int]]:
    """Return the numbers of failures of now and of before that are the same: of the same check first, then of any."""
    now: set[int] = set()
    then: set[int] = set()
    for by_check in (True, False):
        left: dict[Hashable, list[int]] = {}
        for n, (run, failure) in reversed(list(enumerate(before))):
            if n not in then:
                left.setdefault((by_check and run.name, _key(failure)), []).append(n)
        for n, (run, failure) in enumerate(after):
            if n not in now and (same := left.get((by_check and run.name, _key(failure)))):
                now.add(n)
                then.add(same.pop())
    return now, then


def _lists_all(run: CheckRun) -> bool:
    return run.failures_total <= len(run.failures)


def _total(run: CheckRun) -> int:
    """Return how many failures a check found, listed or not."""
    return max(run.failures_total, len(_failures((run,)))) if has_failed(run) else 0


def _overlaid(standing: Mapping[str, CheckRun], runs: Iterable[CheckRun]) -> dict[str, CheckRun]:
    """Return how checks stand after some of them ran: one that could not tell takes nothing back of what was found."""
    found = dict(standing)
    for run in runs:
        earlier = found.get(run.name)
        if run.passed is None and earlier is not None and has_failed(earlier):
            listed = _failures((earlier,))
            left = Counter(map(_key, listed))
            listed += tuple(each for each in run.failures if not _take(left, _key(each)))
            total = max(len(listed), earlier.failures_total)
            run = msgspec.structs.replace(earlier, failures=listed, failures_total=total)
        found[run.name] = run
    return found


def _take(left: "Counter[Any]", key: Hashable) -> bool:
    """Return whether there is one left of a kind, and take it."""
    there = left[key] > 0
    left[key] -= there
    return there


def _not_failing(standing: Mapping[str, CheckRun]) -> Outcome:
    broken = any(run.passed is None and run.error is not None for run in standing.values())
    return "not_needed" if standing and not broken else "unknown"


def _outcome(
    attempts: Sequence[HealAttempt],
    first: Mapping[str, CheckRun],
    last: Mapping[str, CheckRun],
    failing: Sequence[Failure],
    unchecked: Sequence[Failure],
) -> Outcome:
    if not attempts[-1].checked and attempts[-1].after is not None:
        return "unknown"
    if not failing and not unchecked:
        did_fail = _failures(first.values()) or any(each.introduced for each in attempts)
        return "healed" if did_fail else _not_failing(last)
    change = _compared(first, last)
    if change.introduced or any(now > before for _, before, now in change.totals):
        return "worse"
    if change.fixed or any(now < before for _, before, now in change.totals):
        return "better"
    return "unchanged" if failing else "unknown"


# -- words -----------------------------------------------------------------------------------------------------------


def _did(
    lineage: Lineage,
    made: Made,
    attempt: HealAttempt,
    before: Mapping[str, CheckRun],
    after: Mapping[str, CheckRun],
    change: _Change,
) -> str:
    """Return what an attempt did, in words."""
    if attempt.error is not None and attempt.after is None:
        return f"failed itself: {short(attempt.error)}"
    parts = []
    if attempt.before is not None and attempt.before == attempt.after:
        parts.append("changed nothing")
    if attempt.fixed:
        parts.append(f"fixed {_named(attempt.fixed)}")
    if attempt.introduced:
        parts.append(f"introduced {_named(attempt.introduced)}")
    parts += [
        f"left at least {abs(now - was):,} {'fewer' if now < was else 'more'} failures of {name} ({now:,} after {was:,})"
        for name, was, now in change.totals
        if now != was
    ]
    if attempt.still and "changed nothing" not in parts:
        parts += _left(lineage, made, attempt, sum(map(_total, after.values())) - len(attempt.introduced))
    if not attempt.checked:
        parts.append("was not checked afterwards")
    elif change.unchecked:
        parts += _not_again(before, after, change.unchecked)
    elif not _failures(before.values()) and not attempt.introduced:
        parts.append("had nothing to fix")
    return _listed(parts) or "changed what nothing had found fault with"


def _not_again(
    before: Mapping[str, CheckRun], after: Mapping[str, CheckRun], unchecked: Sequence[Failure]
) -> Iterator[str]:
    """Yield what is said of failures that were not checked again, or whose check could not tell."""
    untold = _failures(run for run in before.values() if run.name in after)
    could_not = [failure for failure in unchecked if failure in untold]
    not_run = [failure for failure in unchecked if failure not in untold]
    if not_run:
        yield f"was not checked again for {_named(not_run)}"
    if could_not:
        yield f"could not be checked again for {_named(could_not)}"


def _left(lineage: Lineage, made: Made, attempt: HealAttempt, total: int) -> list[str]:
    """Return what is said of failures that are still there, so many in all: whether the attempt touched their lines."""
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
    unlisted = max(total - len(attempt.still), 0)
    if elsewhere:
        said.append(f"left {_named(elsewhere, total=len(elsewhere) + unlisted)}")
    elif unlisted:
        said.append(f"left {unlisted:,} that are not listed")
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


def _named(failures: Sequence[Failure], *, lines: bool = True, total: int = 0) -> str:
    """Return failures in words: the first ones, and how many more there are (in all, where more than are listed)."""
    shown, total = [], max(total, len(failures))
    for each in failures[:MOST_NAMED]:
        message = " ".join(each.message.split())
        message = message if len(message) <= 120 else message[:119] + "…"
        words = message if each.type.lower() in message.lower() else f"{each.type}: {message}"
        shown.append(f"{words} (line {each.line})" if lines and each.line is not None else words)
    more = f", and {total - len(shown):,} more" if total > len(shown) else ""
    return "; ".join(shown) + more if more or len(shown) != 2 else " and ".join(shown)


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + f" and {parts[-1]}" if parts else ""


def _sentences(
    attempts: Sequence[HealAttempt],
    outcome: str,
    failing: Sequence[Failure],
    total: int,
    unchecked: Sequence[Failure],
) -> Iterator[str]:
    """Yield how it came to this end, attempt by attempt."""
    for each in attempts:
        yield f"attempt {each.number}{_by(each)} {each.said}"
    tries = f"{len(attempts)} attempt{'' if len(attempts) == 1 else 's'}"
    if outcome == "healed":
        yield f"healed after {tries}"
    elif outcome == "unknown":
        yield "whether that healed it is not recorded"
    elif failing:
        yield f"gave up after {tries} with {_named(failing, total=total)}"
    if unchecked:
        yield f"not checked again: {_named(unchecked)}"


def _by(attempt: HealAttempt) -> str:
    rule = attempt.using.get("rule")
    return f" ({rule})" if isinstance(rule, str) and rule else ""
