"""What people say of problems: confirmed, resolved, open again. Each saying is a record, and its history stays (R4.37).

    resolve("3f9a12", by="kim", note="restarted the pool", store=store, now_ns=now_ns)

Nothing is changed: the state of a problem follows from its findings and from what was said of it (`model.finding.standing`).
"""

from typing import Final, Literal

import msgspec

from whence.clock import derived_id
from whence.errors import BadInput, NotFound
from whence.model import record as kinds
from whence.model.filters import FindingFilter, RecordFilter
from whence.model.finding import SAID, FindingState, Problem, problem_id
from whence.model.record import Record
from whence.redact.value import clean
from whence.store.findings import said_of
from whence.store.interface import Store
from whence.wire import records

NOTE_CHARS: Final = 4000
BY_CHARS: Final = 200
MOST_STEPS: Final = 1000


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in the life of a problem."""

    ts_ns: int  # of an occurrence, when it was last seen
    what: Literal["occurrence", "confirmed", "resolved", "pending"]
    record_id: str
    trace: str = ""  # of an occurrence
    title: str = ""
    by: str = ""
    note: str = ""


def find_problem(some_id: str, *, store: Store, project: str | None = None) -> Problem:
    """Return a problem by its id, the beginning of it, its fingerprint, or the id of any finding of it.

    Raises:
        NotFound: there is none; or several have this fingerprint, and no project says which.
    """
    if not isinstance(some_id, str) or not some_id.strip():
        raise BadInput(f"{some_id!r} is no problem; give its id, its fingerprint, or the id of a finding")
    wanted = some_id.strip()
    found = store.problem(wanted)
    if found is None:
        stored = store.finding(wanted)
        if stored is not None and stored.finding.fingerprint:
            found = store.problem(problem_id(stored.project, stored.finding.fingerprint))
    if found is None:
        found = _by_fingerprint(wanted, store, project)
    if found is None or (project is not None and found.project != project):
        raise NotFound(f"no problem {some_id[:120]!r}; `whence findings` lists them")
    return found


def _by_fingerprint(fingerprint: str, store: Store, project: str | None) -> Problem | None:
    if project is not None:
        return store.problem(problem_id(project, fingerprint))
    same = store.findings(FindingFilter(fingerprint=fingerprint), limit=MOST_STEPS)
    projects = sorted({each.project for each in same})
    if len(projects) > 1:
        raise NotFound(f"{fingerprint[:120]!r} is a problem of {', '.join(projects[:5])}; say which project")
    return store.problem(problem_id(projects[0], fingerprint)) if projects else None


def set_state(
    problem: Problem | str,
    state: str,
    *,
    by: str = "",
    note: str = "",
    store: Store,
    now_ns: int,
    project: str | None = None,
) -> Problem:
    """Say something of a problem, and return it as it stands then. Said again in the same words, nothing is added.

    Args:
        problem: itself, or whatever `find_problem` takes.
        state: pending, confirmed or resolved; that it recurred is seen, not said.
        by: who says so.
        note: why, or what was done; secrets in it are masked.

    Raises:
        BadInput: another state.
        NotFound: there is no such problem.
    """
    if state not in SAID:
        raise BadInput(f"state {state!r}; accepted: {', '.join(SAID)} (recurred follows when it is seen again)")
    found = problem if isinstance(problem, Problem) else find_problem(problem, store=store, project=project)
    said = FindingState(state=state, by=_text(by, BY_CHARS), note=_text(note, NOTE_CHARS))
    if found.state == state and found.changed_ns is not None and (found.by, found.note) == (said.by, said.note):
        return found
    # After whatever was said before, and after the last sighting, whatever the clocks of other machines say.
    at_ns = max(now_ns, found.last_ns, (found.changed_ns or 0) + 1)
    payload = msgspec.json.encode(said)
    seed = f"{found.project}\x00{found.fingerprint}\x00{at_ns}\x00".encode(errors="surrogatepass") + payload
    record = Record(
        record_id=derived_id(at_ns, seed),
        kind=kinds.FINDING_STATE,
        name=found.fingerprint,
        ts_ns=at_ns,
        trace="",
        span="",
        parent="",
        stage="",
        project=found.project,
        component="",
        level=0,
        flags=0,
        payload=msgspec.Raw(payload),
    )
    store.accept([records.encode(record)])
    return store.problem(found.id) or found


def resolve(
    problem: Problem | str, *, by: str = "", note: str = "", store: Store, now_ns: int, project: str | None = None
) -> Problem:
    """Say that a problem is solved; `note` says by what, which is suggested the next time."""
    return set_state(problem, "resolved", by=by, note=note, store=store, now_ns=now_ns, project=project)


def confirm(
    problem: Problem | str, *, by: str = "", note: str = "", store: Store, now_ns: int, project: str | None = None
) -> Problem:
    """Say that a problem is one."""
    return set_state(problem, "confirmed", by=by, note=note, store=store, now_ns=now_ns, project=project)


def reopen(
    problem: Problem | str, *, by: str = "", note: str = "", store: Store, now_ns: int, project: str | None = None
) -> Problem:
    """Take back what was said of a problem; only a sighting after that counts."""
    return set_state(problem, "pending", by=by, note=note, store=store, now_ns=now_ns, project=project)


def history(problem: Problem | str, *, store: Store, project: str | None = None) -> tuple[Step, ...]:
    """Return what happened to a problem in order of time: its occurrences, and what was said of it. The last 1,000 of each."""
    found = problem if isinstance(problem, Problem) else find_problem(problem, store=store, project=project)
    steps = [
        Step(
            ts_ns=each.finding.last_ns or each.ts_ns,
            what="occurrence",
            record_id=each.record_id,
            trace=each.trace,
            title=each.finding.title,
        )
        for each in store.findings(
            FindingFilter(project=found.project, fingerprint=found.fingerprint), limit=MOST_STEPS
        )
        if each.finding.count
    ]
    where = RecordFilter(name=found.fingerprint, kinds=(kinds.FINDING_STATE,), project=found.project)
    for record in store.records(where, limit=MOST_STEPS, newest_first=True).items:
        said = said_of(record)
        if said is not None:
            steps.append(
                Step(
                    ts_ns=said.ts_ns,
                    what=said.state,  # type: ignore[arg-type]  # one of SAID
                    record_id=said.record_id,
                    by=said.by,
                    note=said.note,
                )
            )
    return tuple(sorted(steps, key=lambda each: (each.ts_ns, each.record_id)))


def _text(said: object, most: int) -> str:
    kept, _ = clean(said if said is not None else "")
    return (kept if isinstance(kept, str) else str(kept))[:most]
