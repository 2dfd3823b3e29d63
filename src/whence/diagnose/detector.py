"""What every detector is: a rule with its settings, pure over the records it is given.

A detector says what it needs (`minimum`), what it was judged with (`thresholds` in each finding) and what its confidence rests
on (`basis`, `basis_text`). It keeps nothing between calls. It looks at one run (`examine`), beside the runs before it
if it wants, or at many runs at once (`survey`), through their digests. `detect` is the same over records.

    class Slow(Detector):
        '''LATENCY_HIGH when a span takes longer than 5 s and than is usual for its component.'''
        name, codes = "performance", ("P01-01",)
        def examine(self, run, history): ...
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final

import msgspec

from whence.diagnose.run import NO_HISTORY, History, Run
from whence.model.digest import RunDigest, sorted_runs
from whence.model.finding import Basis, Finding, Kind, Scope
from whence.model.record import Record
from whence.model.severity import Severity

FINGERPRINT_CHARS: Final = 160
OF_LETTER: Final = {"S": "consistency", "O": "flow", "P": "performance", "V": "anomaly"}
"""The kind of insight that a finding is, by the first letter of its code, as the SQL view debug_insights has it."""
OTHERWISE: Final = "error"
"""The kind of all the others. Where the catalog has another kind, the finding says so (`attributes.insight_type`)."""
HISTORY_RUNS: Final = 100
"""So many runs before it are put beside a run."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector is set to; each has its own, with units and defaults. Settings of every detector:"""

    enabled: bool = True
    minimum: int = 1  # of what the detector counts (its docstring says what): below that it says nothing


class Window(msgspec.Struct, frozen=True):
    """Many runs of one project, in order of their start, and the time they were asked for."""

    project: str
    runs: tuple[RunDigest, ...]
    since_ns: int = 0
    until_ns: int = 0  # 0: to the end of the last run

    @property
    def end_ns(self) -> int:
        """Up to when there could be something."""
        return self.until_ns or max((each.ended_ns or each.started_ns for each in self.runs), default=0)


class Detector:
    """A rule. Subclasses define `examine`, `survey` or both, and the class attributes."""

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    codes: ClassVar[tuple[str, ...]] = ()
    """What it may raise; the catalog names it behind each of them."""
    Settings: ClassVar[type[Settings]] = Settings

    def __init__(self, settings: msgspec.Struct | None = None) -> None:
        self.settings: Any = settings if settings is not None else self.Settings()

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return what is wrong with one run."""
        return ()

    def survey(self, window: Window) -> Iterable[Finding]:
        """Return what many runs show and no single one does."""
        return ()

    # -- for those who have records, as users and the contract suite have ----------------------------------------------

    def detect(self, records: Iterable[Record]) -> list[Finding]:
        """Return everything that this detector finds in records of any number of runs, in any order."""
        if not self.settings.enabled:
            return []
        found: list[Finding] = []
        runs = split(records)
        digests = sorted_runs([run.digest for run in runs if run.trace])
        by_trace = {each.trace: each for each in digests}
        for run in runs:
            mine = by_trace.get(run.trace)
            found += self.examine(run, history_of(mine, digests) if mine is not None else NO_HISTORY)
        for window in windows(digests):
            found += self.survey(window)
        return sorted(found, key=order)

    # -- for subclasses --------------------------------------------------------------------------------------------------

    def finding(
        self,
        code: str,
        title: str,
        *,
        same: Sequence[object],
        anchor: str = "",
        severity: Severity | int | None = None,
        kind: Kind = "dtc",
        scope: Scope = "run",
        basis: Basis = "stated",
        basis_text: str = "",
        confidence: float | None = None,
        **said: Any,
    ) -> Finding:
        """Return a finding of this detector's.

        Args:
            same: what makes two of these the same thing again, beside code and project (component, template, …).
            anchor: which occurrence within a run it is, where there may be several.
            severity: the catalog's, where it is not given.
            basis: what the confidence rests on; `stated` and `derived` are sure.
        """
        from whence.diagnose.catalog import catalog

        known = catalog()
        if severity is None:
            severity = known.severity(code)
        if confidence is None and basis in ("stated", "derived"):
            confidence = 1.0
        entry = known.get(code)
        if entry is not None and entry.insight_type != OF_LETTER.get(code[:1], OTHERWISE):
            said["attributes"] = {"insight_type": entry.insight_type, **said.get("attributes", {})}
        return Finding(
            code=code,
            title=title,
            severity=int(severity),
            fingerprint=fingerprint(code, same),
            anchor=anchor,
            kind=kind,
            scope=scope,
            basis=basis,
            basis_text=basis_text,
            confidence=confidence,
            detector=f"{self.name}/{self.version}",
            **said,
        )


def fingerprint(code: str, same: Sequence[object]) -> str:
    """Return the text that is equal for "the same thing again": readable, at most 160 characters."""
    text = ":".join([code, *(" ".join(str(each).split()) for each in same)])
    if len(text) <= FINGERPRINT_CHARS:
        return text
    import hashlib

    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
    return f"{text[: FINGERPRINT_CHARS - 17]}~{digest}"


def order(finding: Finding) -> tuple[Any, ...]:
    """Return a key that puts findings into one order: the worst first, then by time, then by what they are."""
    return (-finding.severity, finding.first_ns, finding.code, finding.fingerprint, finding.anchor, finding.title)


def split(records: Iterable[Record]) -> list[Run]:
    """Return the runs that records belong to, in order of their ids; those of no run are one of their own."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.trace, []).append(record)
    return [Run.of(groups[trace], trace) for trace in sorted(groups)]


def history_of(run: RunDigest, digests: Sequence[RunDigest]) -> History:
    """Return the runs of the same project that had ended when this one began: the newest `HISTORY_RUNS` of them.

    Runs that went on beside it are no history: whoever asks at its end, or a week later, puts it beside the same ones.
    """
    before = [
        each
        for each in digests
        if each.project == run.project and each.started_ns < run.started_ns and 0 < each.ended_ns < run.started_ns
    ]
    before.sort(key=lambda each: (each.started_ns, each.trace))  # as a store lists them, so that online is offline
    return History(tuple(before[-HISTORY_RUNS:]))


def windows(digests: Sequence[RunDigest], since_ns: int = 0, until_ns: int = 0) -> Iterator[Window]:
    """Yield the runs of each project."""
    projects: dict[str, list[RunDigest]] = {}
    for each in sorted_runs(list(digests)):
        projects.setdefault(each.project, []).append(each)
    for project in sorted(projects):
        yield Window(project, tuple(projects[project]), since_ns, until_ns)
