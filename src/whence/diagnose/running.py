"""All detectors over a run, over the runs of a window, and over each run as it ends.

Online and offline are the same: a run (`whence.diagnose.examining`) is put beside the runs of its project that had begun
and ended before it began, the newest hundred, whoever asks and whenever. What differs is the budget, and what was known at
the time: a run that arrives late is no history of those that were diagnosed before, until somebody diagnoses the window
(`diagnose_window`), which also takes back what no longer holds (`whence.diagnose.filing`). Time is that of records
everywhere, never that of a clock.
"""

import time
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from whence.collect.ended import Ended
from whence.diagnose.budget import OFFLINE, SURVEY, Budget, Failure, Watching
from whence.diagnose.detector import HISTORY_RUNS, Detector, Window, order
from whence.diagnose.examining import (
    Diagnosis,
    diagnose_open,
    diagnose_run,
    failure_of,
    history_before,
    instances,
    said_of_failure,
    sound,
)
from whence.diagnose.filing import Filed, digest_record, file
from whence.diagnose.run import History, Run
from whence.errors import StoreBusy
from whence.model.digest import RunDigest, sorted_runs
from whence.model.filters import DigestFilter, FindingFilter, TraceFilter
from whence.model.finding import Finding
from whence.store.interface import Store, StoredFinding

__all__ = [
    "Diagnoser",
    "Diagnosis",
    "WindowDiagnosis",
    "diagnose_open",
    "diagnose_run",
    "diagnose_window",
    "history_before",
    "say",
]

MOST_FINDINGS: Final = 1000
"""Of one run that are compared with what is found now."""
MOST_SURVEYED: Final = 10_000
"""Of a project's runs in a window, the newest that surveys look at."""
_BATCH: Final = 1000
_BATCH_BYTES: Final = 4 * 1024 * 1024
"""Digests of long runs are large, and a store needs several times what it is given."""
_PAGE: Final = 1000
_PAST: Final = 3 * HISTORY_RUNS  # runs of a project that are kept at hand: some have not ended when the next begins
_PROJECTS: Final = 50  # whose past is kept at hand
_BUSY_S: Final = 5.0
_NO_TRAITS: Final = msgspec.Raw(b"{}")

Progress = Callable[[int, int], None]
"""Called with (records done, records in all)."""


class WindowDiagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What diagnosing a window came to."""

    runs: int = 0
    records: int = 0
    findings_new: int = 0  # not said before, or said otherwise
    findings_known: int = 0
    findings_withdrawn: int = 0  # said before, and not found any more
    failures: tuple[Failure, ...] = ()  # the first thousand
    seconds: float = 0.0


# -- each run as it ends --------------------------------------------------------------------------------------------------


class Diagnoser:
    """A processor for ended traces: returns what each was like, and what is wrong with it, as records."""

    def __init__(
        self,
        store: Store,
        *,
        detectors: Sequence[Detector] | None = None,
        budget: Budget = Budget(),  # noqa: B008
    ) -> None:
        self.store = store
        self.detectors = detectors
        self.budget = budget

    def __call__(self, ended: Sequence[Ended]) -> Sequence[bytes]:
        """Return digests and findings of these traces, as records."""
        said: list[bytes] = []
        for each in ended:
            run = Run.of(each.records, each.id)
            if not run.facts:
                continue
            history = history_before(self.store, run)
            diagnosis = diagnose_run(run, history, detectors=self.detectors, budget=self.budget)
            said += _filed(self.store, run, diagnosis).records
            if diagnosis.digest is not None:
                said.append(digest_record(diagnosis.digest))
        return said


def _filed(store: Store, run: Run, diagnosis: Diagnosis) -> Filed:
    stored = store.findings(FindingFilter(trace=run.trace, withdrawn=True), limit=MOST_FINDINGS)
    return file(
        diagnosis.findings,
        stored,
        project=run.project,
        trace=run.trace,
        ts_ns=run.last_ns,
        ran=diagnosis.ran,
    )


def say(
    store: Store,
    findings: Iterable[Finding],
    *,
    project: str,
    trace: str = "",
    ts_ns: int = 0,
    ran: Sequence[str] = (),
) -> Filed:
    """Store findings; what is stored already in the same words is not stored again.

    Args:
        trace: OpenTelemetry id of the run that they are about; "" where they are about many.
        ts_ns: of findings that do not say when, Unix time.
        ran: detectors whose stored findings about this trace are withdrawn if they are not among these.
    """
    said = tuple(findings)
    filed = file(said, _stored(store, project, trace, said), project=project, trace=trace, ts_ns=ts_ns, ran=ran)
    _accept(store, filed.records)
    return filed


def _stored(store: Store, project: str, trace: str, findings: Sequence[Finding]) -> list[StoredFinding]:
    if trace:
        return list(store.findings(FindingFilter(trace=trace, withdrawn=True), limit=MOST_FINDINGS))
    found = []
    for text in dict.fromkeys(each.fingerprint for each in findings):
        same = store.findings(FindingFilter(project=project, fingerprint=text, withdrawn=True), limit=MOST_FINDINGS)
        found += [each for each in same if not each.trace]
    return found


def _accept(store: Store, batch: Sequence[bytes]) -> None:
    """Hand records to the store; one that is busy is asked again for a while."""
    give_up = time.monotonic() + _BUSY_S
    while batch:
        try:
            store.accept(batch)
        except StoreBusy:
            if time.monotonic() >= give_up:
                raise
            time.sleep(0.005)
        else:
            return


# -- the runs of a window -------------------------------------------------------------------------------------------------


def diagnose_window(
    store: Store,
    *,
    project: str | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    progress: Progress | None = None,
    detectors: Sequence[Detector] | None = None,
    budget: Budget = OFFLINE,
    survey_budget: Budget = SURVEY,
) -> WindowDiagnosis:
    """Diagnose every run that began in a window, those in progress too, and then each project's runs together.

    Stores digests and findings. Memory is bounded: one run at a time, at most `MOST_SURVEYED` digests.

    Args:
        until_ns: exclusive; also up to when the silence of runs in progress is judged.
        budget: for one run.
        survey_budget: for one project's runs together.
    """
    chosen = instances() if detectors is None else detectors
    return _Pass(store, chosen, budget, survey_budget, progress).over(
        TraceFilter(project=project, since_ns=since_ns, until_ns=until_ns)
    )


class _Pass:
    """One pass over a window."""

    def __init__(
        self,
        store: Store,
        detectors: Sequence[Detector],
        budget: Budget,
        survey_budget: Budget,
        progress: Progress | None,
    ) -> None:
        self.store, self.detectors = store, detectors
        self.budget, self.survey_budget = budget, survey_budget
        self.progress = progress
        self.pending: list[bytes] = []
        self.pending_bytes = 0
        self.past: dict[str, list[tuple[int, str, RunDigest]]] = {}
        self.projects: set[str] = set()
        self.open: list[RunDigest] = []  # of runs in progress, which a store does not list
        self.failures: list[Failure] = []
        self.new = self.known = self.withdrawn = 0

    def over(self, where: TraceFilter) -> WindowDiagnosis:
        began = time.monotonic()
        runs = sorted(self._rows(where))
        total, done = sum(records for *_, records in runs), 0
        with Watching(self.budget):  # all the while, so that its thread is not begun anew for each run
            for _, trace, records in runs:
                self._run(Run.of(self.store.trace_records(trace), trace, until_ns=where.until_ns or 0))
                done += records
                if self.progress is not None:
                    self.progress(done, total)
        self._flush()
        for project in sorted(self.projects):
            self._survey(project, where)
        self._flush()
        return WindowDiagnosis(
            runs=len(runs),
            records=total,
            findings_new=self.new,
            findings_known=self.known,
            findings_withdrawn=self.withdrawn,
            failures=tuple(self.failures[:1000]),
            seconds=time.monotonic() - began,
        )

    def _rows(self, where: TraceFilter) -> Iterator[tuple[int, str, int]]:
        """Yield (start, OpenTelemetry id, records) of each run."""
        cursor = None
        while True:
            page = self.store.traces(where, limit=_PAGE, cursor=cursor)
            yield from ((row.started_ns, row.id, row.records) for row in page.items)
            cursor = page.cursor
            if cursor is None:
                return

    def _run(self, run: Run) -> None:
        if not run.facts:
            return
        past = self._past_of(run.project, run.view.started_ns)
        history = _newest(past, run.view.started_ns)
        diagnosis = diagnose_run(run, history, detectors=self.detectors, budget=self.budget)
        self._take(_filed(self.store, run, diagnosis), diagnosis.failures)
        self.projects.add(run.project)
        if diagnosis.digest is not None:
            self._hold([digest_record(diagnosis.digest)])
            past[:] = [each for each in past if each[1] != run.trace]
            insort(past, (diagnosis.digest.started_ns, run.trace, _lean(diagnosis.digest)), key=lambda each: each[:2])
            del past[:-_PAST]
            if not diagnosis.digest.ended_ns:
                self.open.append(diagnosis.digest)
        if len(self.pending) >= _BATCH or self.pending_bytes >= _BATCH_BYTES:
            self._flush()

    def _past_of(self, project: str, started_ns: int) -> list[tuple[int, str, RunDigest]]:
        """Return the digests at hand of a project, in order of their start; from the store at first."""
        found = self.past.pop(project, None)
        if found is None:
            self._flush()
            where = DigestFilter(project=project, until_ns=started_ns)
            before = self.store.digests(where, newest_first=True, limit=_PAST)
            found = [(each.started_ns, each.trace, _lean(each)) for each in before][::-1]
            while len(self.past) >= _PROJECTS:
                del self.past[next(iter(self.past))]
        self.past[project] = found  # the one used last is the last one
        return found

    def _survey(self, project: str, where: TraceFilter) -> None:
        asked = DigestFilter(project=project, since_ns=where.since_ns, until_ns=where.until_ns)
        digests = list(map(_lean, self.store.digests(asked, newest_first=True, limit=MOST_SURVEYED)))
        digests += [each for each in self.open if each.project == project]
        window = Window(project, tuple(sorted_runs(digests)), where.since_ns or 0, where.until_ns or 0)
        found: list[Finding] = []
        failures: list[Failure] = []
        with Watching(self.survey_budget) as watching:
            for each in self.detectors:
                outcome = watching.run(partial(sound, each.survey, window)) if each.settings.enabled else None
                if outcome is not None and outcome.value is not None:
                    found += outcome.value
                elif outcome is not None:
                    failures.append(failure_of(each.name, outcome, ""))
        first_ns = window.runs[0].started_ns if window.runs else 0
        found += [said_of_failure(each, first_ns, window.end_ns) for each in failures]
        found.sort(key=order)
        stored = _stored(self.store, project, "", found)
        self._take(file(found, stored, project=project, ts_ns=window.end_ns), failures)

    def _take(self, filed: Filed, failures: Sequence[Failure]) -> None:
        self._hold(filed.records)
        self.new += filed.new
        self.known += filed.known
        self.withdrawn += filed.withdrawn
        self.failures += failures

    def _hold(self, said: Sequence[bytes]) -> None:
        self.pending += said
        self.pending_bytes += sum(map(len, said))

    def _flush(self) -> None:
        for first in range(0, len(self.pending), _BATCH):
            _accept(self.store, self.pending[first : first + _BATCH])
        self.pending.clear()
        self.pending_bytes = 0


def _lean(digest: RunDigest) -> RunDigest:
    """Return a digest without its traits, which no detector reads and which keep the whole text of a digest in memory."""
    return msgspec.structs.replace(digest, traits=_NO_TRAITS)


def _newest(past: Sequence[tuple[int, str, RunDigest]], started_ns: int) -> History:
    found: list[RunDigest] = []
    for started, _, digest in reversed(past):
        if started < started_ns and 0 < digest.ended_ns < started_ns:
            found.append(digest)
            if len(found) == HISTORY_RUNS:
                break
    return History(tuple(reversed(found)))
