"""A finding: a derived statement about records, with its evidence. And the problem that equal findings are.

A finding says once that something is, or may be, wrong. Findings with one fingerprint are the same thing again: a
*problem*, which is what people confirm, resolve, and see recur. A problem is not stored, it follows from its findings
and from what people said about it (`standing`), so the order in which these arrive does not matter.
"""

from typing import Any, Final, Literal, cast, get_args

import msgspec

from whence.model.severity import Severity

Kind = Literal["dtc", "gap", "drift", "insight", "calibration"]
Scope = Literal["run", "component", "distributed", "system"]
State = Literal["pending", "confirmed", "resolved", "recurred"]
Basis = Literal["stated", "derived", "statistical", "measured"]
"""What a confidence rests on: the records state it; it follows from them by a rule that cannot err; a test of
statistics, whose power the confidence is; the share of findings of this rule that were right on planted faults."""
SAID: Final = ("pending", "confirmed", "resolved")
"""States that people give; `recurred` follows by itself."""
STATES: Final = cast("tuple[State, ...]", get_args(State))
SURE: Final = ("stated", "derived")
CONFIRMED_BY: Final = 2
"""A second occurrence confirms a problem that the first only supposed, as the second drive cycle does in a car."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is, or may be, wrong. Travels as the payload of a record of kind `finding`."""

    code: str  # T01-01 …; `whence codes explain CODE` says what it means
    title: str  # one sentence a person reads
    severity: int = 1  # whence.model.severity
    confidence: float | None = None  # 0..1; `basis` says what it rests on
    basis: Basis | None = None
    basis_text: str = ""  # in words: "Fisher's exact test over 41 runs, p = 0.003"
    fingerprint: str = ""  # equal for "the same thing again", within a project
    anchor: str = ""  # which occurrence of it this is; findings with one fingerprint, trace and anchor are one
    kind: Kind = "dtc"
    scope: Scope = "run"
    components: tuple[str, ...] = ()  # affected, the one to look at first in front
    stage: str = ""
    description: str = ""  # what else there is to say, in sentences
    evidence: tuple[str, ...] = ()  # record or trace ids, the most telling first
    remediation: str = ""  # what to do first; a command where there is one
    suggestions: tuple[str, ...] = ()  # what to do then
    freeze: dict[str, Any] = {}  # freeze-frame: the values and the state at that moment
    thresholds: dict[str, Any] = {}  # what it was judged with
    detector: str = ""  # and by whom, `name/version`
    first_ns: int = 0  # of the evidence, Unix time; 0: the time of the record
    last_ns: int = 0
    count: int = 1  # how often within this occurrence
    attributes: dict[str, Any] = {}  # what else a reader of this code may use


class FindingState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody said of a problem: the payload of a record of kind `finding.state`, whose name is the fingerprint."""

    state: str = "confirmed"  # one of SAID
    by: str = ""
    note: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """All findings of a project with one fingerprint, and where things stand."""

    id: str  # 12 hex digits of the hash of project and fingerprint (`problem_id`)
    project: str
    fingerprint: str
    code: str
    title: str  # of the newest finding
    severity: int  # the worst
    state: State
    count: int  # occurrences
    first_ns: int
    last_ns: int
    confidence: float | None = None  # the newest finding's
    components: tuple[str, ...] = ()
    trace: str = ""  # of the newest finding
    record_id: str = ""  # of the newest finding
    changed_ns: int | None = None  # when somebody last said something of it
    by: str = ""
    note: str = ""

    @property
    def label(self) -> str:
        """The severity in a word."""
        return Severity.nearest(self.severity).label


def standing(*, count: int, sure: bool, last_ns: int, said: str | None, said_ns: int | None) -> State:
    """Return the state of a problem.

    Args:
        count: how many occurrences there are.
        sure: whether any of them is stated by records, or follows from them by a rule that cannot err.
        last_ns: when it was last seen.
        said: the last thing somebody said of it, one of SAID.
        said_ns: when.
    """
    if said == "resolved" and said_ns is not None:
        return "recurred" if last_ns > said_ns else "resolved"
    if said == "confirmed":
        return "confirmed"
    if said == "pending":  # taken back; only a sighting after that counts
        return "confirmed" if said_ns is not None and last_ns > said_ns and sure else "pending"
    return "confirmed" if sure or count >= CONFIRMED_BY else "pending"


def problem_id(project: str, fingerprint: str) -> str:
    """Return the short name of a problem."""
    import hashlib

    text = f"{project}\x00{fingerprint}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
