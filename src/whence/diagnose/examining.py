"""All detectors over one run, within a budget: what it was like, and what is wrong with it. Stores nothing."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any, Final

import msgspec

from whence.diagnose.budget import Budget, Failure, Outcome, Watching
from whence.diagnose.catalog import catalog
from whence.diagnose.detector import HISTORY_RUNS, Detector, fingerprint, order
from whence.diagnose.detectors import detectors as classes
from whence.diagnose.run import NO_HISTORY, History, Run
from whence.errors import NotFound
from whence.model.digest import RunDigest
from whence.model.filters import DigestFilter
from whence.model.finding import Finding
from whence.store.interface import Store

NAME: Final = "running"
VERSION: Final = "1"
FAILED: Final = "O01-11"
DIGESTING: Final = "digesting"


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one run, the worst first, and what it was like; `digest` is None where that failed."""

    findings: tuple[Finding, ...] = ()
    digest: RunDigest | None = None
    failures: tuple[Failure, ...] = ()
    ran: tuple[str, ...] = ()  # detectors that have said all they had to say


@cache
def instances() -> tuple[Detector, ...]:
    """Return every detector with its default settings."""
    return tuple(each() for each in classes())


def diagnose_run(
    run: Run,
    history: History = NO_HISTORY,
    *,
    detectors: Sequence[Detector] | None = None,
    budget: Budget = Budget(),  # noqa: B008 - frozen
) -> Diagnosis:
    """Return what is wrong with a run. A detector that fails is a finding too; its other findings are left out."""
    found: list[Finding] = []
    failures: list[Failure] = []
    ran = [NAME]
    with Watching(budget) as watching:
        digested = watching.run(lambda: run.digest)
        if digested.why is not None:
            failures.append(failure_of(DIGESTING, digested, run.trace))
        for each in instances() if detectors is None else detectors:
            if not each.settings.enabled:
                continue
            outcome = watching.run(partial(sound, each.examine, run, history))
            if outcome.value is not None:
                found += outcome.value
                ran.append(each.name)
            else:
                failures.append(failure_of(each.name, outcome, run.trace))
    found += [said_of_failure(each, run.first_ns, run.last_ns) for each in failures]
    found.sort(key=order)
    codes: dict[str, int] = {}
    for finding in found:
        codes[finding.code] = max(finding.severity, codes.get(finding.code, 0))
    digest = digested.value
    if digest is not None:
        digest = msgspec.structs.replace(digest, codes=dict(sorted(codes.items())))
    return Diagnosis(findings=tuple(found), digest=digest, failures=tuple(failures), ran=tuple(ran))


def diagnose_open(
    store: Store,
    trace: str,
    *,
    until_ns: int = 0,
    budget: Budget = Budget(),  # noqa: B008 - frozen
) -> Diagnosis:
    """Return what is wrong with a run that may still be in progress; stores nothing.

    Args:
        trace: its name or OpenTelemetry id.
        until_ns: up to when it has been silent, Unix time; without it, up to its last record.

    Raises:
        NotFound: there is no such run.
    """
    row = store.trace(trace)
    if row is None:
        raise NotFound(f"no run is called {trace!r}; `whence traces` lists them")
    run = Run.of(store.trace_records(row.id), row.id, until_ns=until_ns)
    return diagnose_run(run, history_before(store, run), budget=budget)


def history_before(store: Store, run: Run) -> History:
    """Return the runs that a run is put beside (`whence.diagnose.detector.history_of`), from a store."""
    started = run.view.started_ns
    where = DigestFilter(project=run.project, until_ns=started, ended_before_ns=started)
    return History(tuple(store.digests(where, newest_first=True, limit=HISTORY_RUNS))[::-1])


def sound(examine: Callable[..., Iterable[Finding]], *given: object) -> list[Finding]:
    """Return findings that can be stored; one that cannot is a mistake of the detector's."""
    found = list(examine(*given))
    for each in found:
        msgspec.json.encode(each)
    return found


def failure_of(detector: str, outcome: Outcome[Any], trace: str) -> Failure:
    """Return what is to be said of a detector that gave nothing."""
    return Failure(detector=detector, why=outcome.why or "raised", message=outcome.message, trace=trace)


def said_of_failure(failure: Failure, first_ns: int, last_ns: int) -> Finding:
    """Return the finding that a failure is; the times are those of what it failed on."""
    who = (
        "What the run was like could not be told: it"
        if failure.detector == DIGESTING
        else f"Detector {failure.detector}"
    )
    return Finding(
        code=FAILED,
        title=f"{who} {failure.message}.",
        severity=int(catalog().severity(FAILED)),
        confidence=1.0,
        basis="stated",
        fingerprint=fingerprint(FAILED, (failure.detector, failure.why)),
        anchor=failure.detector,
        scope="system",
        components=(f"whence.{failure.detector}",),
        description="Its other findings about this are left out; those of the other detectors stand.",
        remediation="whence codes explain O01-11",
        freeze={"detector": failure.detector, "why": failure.why},
        detector=f"{NAME}/{VERSION}",
        first_ns=first_ns,
        last_ns=last_ns,
    )
