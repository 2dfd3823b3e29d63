"""Why did this run go wrong, deepened: what `whence.query.why` says, with findings, and causes ranked best first.

A run is put beside the good runs of its project that had ended before it began. What is odd about each of its places
(`oddities`), what detectors found and what the records state are ranked by causal position (`ranking`). A cause is
*confirmed* only where records lead from it to what went wrong, link by link (`confirming`); else it is a *hypothesis*,
and its confidence was measured: how often causes of its rule were right on planted faults (`measured`), or how often the
rule that it breaks held before.

Deterministic, and independent of the order of records: everything is computed from `Run`, which sorts them.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from whence.diagnose.confirming import chain_from
from whence.diagnose.detector import HISTORY_RUNS
from whence.diagnose.detectors.calibration import JUDGEMENT
from whence.diagnose.digesting import digest_of
from whence.diagnose.examining import diagnose_run, history_before
from whence.diagnose.measured import precision
from whence.diagnose.oddities import Oddity, Past, oddities
from whence.diagnose.ranking import Candidate, Ranking, symptom
from whence.diagnose.run import History, Run
from whence.diagnose.since import Kept, since
from whence.diagnose.traits import SECONDS, STANDS, said_in
from whence.diagnose.usual import MIN_RUNS
from whence.diagnose.wording import before, sentence
from whence.measure.rates import wilson
from whence.model.digest import RunDigest
from whence.model.filters import TraceFilter
from whence.model.finding import Finding
from whence.model.record import CHECK, SNAPSHOT
from whence.model.severity import Severity
from whence.query.claims import Claim, fact
from whence.query.find import find
from whence.query.why import Why as Claims
from whence.query.why import explained as claims_of
from whence.query.why import why as plain
from whence.store.current import current
from whence.store.interface import Store

__all__ = ["Cause", "Why", "why"]

MOST_CAUSES: Final = 10
MOST_STEPS: Final = 8
MOST_BECAUSE: Final = 5
MOST_EVIDENCE: Final = 10
MOST_BESIDE: Final = 40
"""Good runs, the newest."""
SINCE_OF: Final = 3
"""Causes of which it is told since when they show."""
DIGESTED_HERE: Final = 30
"""Earlier runs that are looked at on the spot where nobody has diagnosed them yet."""
CODES: Final = {
    "constant": "D01-03", "ratio": "D01-03", "dependent": "D01-03", "far": "D01-03", "many": "D01-03", "word": "D01-01",
    "missing": "D01-02",
}  # fmt: skip
"""Rule → code, where no detector gave a better one."""
OF_TIME: Final = ("P01", "V01", "O01-06", "O01-07")
"""Codes that speak of how long something took, or how much of it there was."""
LATENCY: Final = "P01"
VERSION_CHANGED: Final = "D01-04"
GUESSES: Final = 3
"""Tier of what `whence.query.why` supposes."""
LEAD: Final = {"confirmed": "Confirmed cause", "hypothesis": "Likeliest cause"}


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What is at the bottom of a run that went wrong, or may be."""

    component: str
    stage: str
    code: str  # of the catalog; "" where none fits
    rule: str  # the rule that named it
    statement: str  # one sentence: who, what is odd, what is usual and in how many runs
    kind: Literal["confirmed", "hypothesis"]
    confidence: float | None  # 0..1; None: not measured
    basis: str  # what the confidence rests on, in words
    evidence: tuple[str, ...]  # record ids, the most telling first
    ts_ns: int  # when it first shows
    because: tuple[str, ...] = ()  # what else speaks for it, and since when it is so
    symptom: bool = False  # it says that something is wrong, not what


class Why(Claims, frozen=True, kw_only=True):
    """The answer: all that `whence.query.why` says, and these."""

    troubled: bool = False  # whether there is anything to explain
    causes: tuple[Cause, ...] = ()  # the likeliest first
    findings: tuple[Finding, ...] = ()
    steps: tuple[Claim, ...] = ()  # from the first cause to what went wrong, each with its record
    beside: int = 0  # good runs that it was put beside


def why(trace_id: str, *, store: Store | None = None) -> Why:
    """Return why a run went wrong, its causes ranked, or that it did not. Raises NotFound for an unknown id."""
    store = store or current()
    row = find(trace_id, store=store)
    run = Run.of(store.trace_records(row.id), row.id)
    said = claims_of(row, run.view, store) if run.facts else plain(row.id, store=store)
    history = _history(store, run)
    findings = diagnose_run(run, history).findings
    return explained(said, run, history, findings)


def explained(said: Claims, run: Run, history: History, findings: Sequence[Finding]) -> Why:
    """Return the answer from what is known already. Pure.

    Args:
        said: what `whence.query.why` says of the run.
        history: runs before it, of any outcome.
        findings: of the run.
    """
    beside = _beside(run, history)
    traits = Kept()
    past = Past(map(traits.of, beside[-MOST_BESIDE:]))
    odd = oddities(said_in(run), past)
    ranking = Ranking(run, History(tuple(beside)), past)
    claims = (*said.chain, *said.hypotheses)
    candidates = ranking.ranked(odd, findings, claims)
    if any(each.tier == 1 for each in candidates):
        candidates = [each for each in candidates if each.tier != GUESSES]  # they are in `hypotheses`
    troubled = said.outcome == "bad" or _is_troubled(odd, findings, beside)
    causes: list[Cause] = []
    steps: tuple[Claim, ...] = ()
    if troubled:
        made = [
            (_cause(each, n, run, history, traits, findings), each) for n, each in enumerate(candidates[:MOST_CAUSES])
        ]
        causes = [cause for cause, _ in made]
        if made:
            steps = chain_from(made[0][1], run) or _apparent(candidates, run)
    known = {name: getattr(said, name) for name in Claims.__struct_fields__}
    if causes and not causes[0].symptom:
        known["headline"] = f"{said.headline}. {LEAD[causes[0].kind]}: {causes[0].statement}"
    return Why(
        **known,
        troubled=troubled,
        causes=tuple(causes),
        findings=tuple(findings),
        steps=steps,
        beside=len(past.runs),
    )


# -- what a run is put beside ---------------------------------------------------------------------------------------------


def _history(store: Store, run: Run) -> History:
    """Return the runs before a run; where too few were diagnosed, some are looked at here."""
    history = history_before(store, run)
    if len(history.good) >= MIN_RUNS or not run.facts:
        return history
    known = {each.trace for each in history.runs}
    where = TraceFilter(project=run.project, until_ns=run.view.started_ns)
    rows = [each for each in store.traces(where, limit=HISTORY_RUNS).items if each.id not in known]
    earlier = [digest_of(Run.of(store.trace_records(each.id), each.id)) for each in rows[:DIGESTED_HERE]]
    started = run.view.started_ns
    every = [*history.runs, *(each for each in earlier if 0 < each.ended_ns <= started)]
    return History(tuple(sorted(every, key=lambda each: (each.started_ns, each.trace))))


def _beside(run: Run, history: History) -> list[RunDigest]:
    """Return the good runs of the same kind of report, where there are enough of them; else all good ones."""
    alike = [each for each in history.good if each.report_type == (run.row.report_type or "")]
    return alike if len(alike) >= MIN_RUNS else list(history.good)


def _is_troubled(odd: Sequence[Oddity], findings: Sequence[Finding], good: Sequence[RunDigest]) -> bool:
    verdicts = [each for each in odd if symptom(each) and each.field == STANDS and each.value == "false"]
    if any(each.fact.data.get("type") != JUDGEMENT for each in verdicts):
        return True  # that one decision turned out wrong is no verdict on the run
    bad = {each.code for each in findings if each.severity >= Severity.MEDIUM}
    return any(sum(code in each.codes for each in good) <= 0.1 * len(good) for code in bad)


# -- causes ---------------------------------------------------------------------------------------------------------------


def _cause(
    candidate: Candidate, n: int, run: Run, history: History, traits: Kept, findings: Sequence[Finding]
) -> Cause:
    steps = chain_from(candidate, run)
    oddity = _strongest(candidate)
    rule, statement, record = _leading(candidate, oddity, steps)
    because = [sentence(each) for each in _others(candidate, oddity if not steps else None)]
    plain = ("D01", *OF_TIME) if candidate.oddities else OF_TIME  # they say of numbers what oddities say better
    because += [each.title for each in candidate.findings if not each.code.startswith(plain)]
    because += [each.statement for each in candidate.claims]
    kept = [each for each in dict.fromkeys(because) if each not in statement][: MOST_BECAUSE - 1]
    so_since = since(oddity, history, traits) if oddity is not None and n < SINCE_OF else ""
    evidence = [record, *(each.fact.id for each in candidate.oddities)]
    evidence += [each for finding in candidate.findings for each in finding.evidence]
    evidence += [each.record_id for each in (*steps, *candidate.claims)]
    confidence, basis = _confidence(candidate, oddity, rule, n == 0, confirmed=bool(steps))
    return Cause(
        component=candidate.component,
        stage=candidate.stage,
        code=_code(candidate, oddity, [record, *(each.record_id for each in steps if each.rule != "end")], findings),
        rule=rule,
        statement=statement,
        kind="confirmed" if steps else "hypothesis",
        confidence=confidence,
        basis=basis,
        evidence=tuple(dict.fromkeys(each for each in evidence if each))[:MOST_EVIDENCE],
        ts_ns=candidate.ts_ns,
        because=(*kept, *([so_since] if so_since else [])),
        symptom=candidate.tier == 4,
    )


def _code(candidate: Candidate, oddity: Oddity | None, records: Sequence[str], findings: Sequence[Finding]) -> str:
    """Return the code of the most telling finding about the first record that shows the cause and that any is about.

    Where none is, what the rule is called in the catalog.
    """
    slow = oddity is not None and (oddity.field == SECONDS or oddity.rule == "many")
    fitting = [each for each in findings if slow or not each.code.startswith(OF_TIME)]
    about: list[Finding] = next((said for each in records if (said := [f for f in fitting if each in f.evidence])), [])
    own = CODES[oddity.rule] if oddity is not None else ""
    if oddity is not None and oddity.rule in ("word", "dependent") and _is_version(oddity):
        own = VERSION_CHANGED
    found = min(about or ([] if own else candidate.findings), key=_telling, default=None)
    if oddity is not None and oddity.field == SECONDS:
        found = next((each for each in about if each.code.startswith(LATENCY)), found)
    return found.code if found is not None and not (own and _telling(found)[0]) else own


def _is_version(odd: Oddity) -> bool:
    """Return whether what changed names what ran: a model, a version, or a text by its hash."""
    field = odd.field.rpartition(".")[2]
    return field in ("model", "version") or str(odd.value).startswith("sha256:")


def _telling(finding: Finding) -> tuple[bool, int, str]:
    return finding.code.startswith("D01"), -finding.severity, finding.code


def _strongest(candidate: Candidate) -> Oddity | None:
    """Return the oddity to name: of the earliest record that shows a strong one, the plainest."""
    plain = {"word": 0, "dependent": 1, "constant": 2, "ratio": 2, "missing": 2, "far": 3, "many": 3}
    odd = candidate.oddities
    if not odd:
        return None
    most = max(each.strength for each in odd)
    strong = [each for each in odd if each.strength >= 0.75 * most]
    return min(
        strong,  # how long something took is the least that can be said of it
        key=lambda each: (each.field == SECONDS, each.ts_ns, -each.strength, plain[each.rule], each.key),
    )


def _leading(candidate: Candidate, oddity: Oddity | None, steps: Sequence[Claim]) -> tuple[str, str, str]:
    """Return (rule, statement, record) of what is said first of a candidate."""
    if steps:
        return steps[0].rule, steps[0].statement, steps[0].record_id
    if oddity is not None:
        shows = oddity.fact.id
        better = [each for each in candidate.findings if shows in each.evidence and not _telling(each)[0]]
        if better and oddity.fact.record.kind in (CHECK, SNAPSHOT):  # it knows what the check was about
            usual = "it passed" if oddity.fact.record.kind == CHECK else "they agreed"
            said = f"{min(better, key=_telling).title.rstrip('.')}; {before(oddity)} {usual}"
            return oddity.rule, said, shows
        return oddity.rule, sentence(oddity), shows
    if candidate.findings:
        finding = min(candidate.findings, key=_telling)
        return finding.detector.partition("/")[0], finding.title, next(iter(finding.evidence), "")
    claim = candidate.claims[0]
    return claim.rule, claim.statement, claim.record_id


def _others(candidate: Candidate, named: Oddity | None) -> list[Oddity]:
    others = [each for each in candidate.oddities if each is not named]
    return sorted(others, key=lambda each: (-each.strength, each.ts_ns, each.key))


def _confidence(
    candidate: Candidate, oddity: Oddity | None, rule: str, first: bool, *, confirmed: bool
) -> tuple[float | None, str]:
    if confirmed:
        return 1.0, "records lead from it to what went wrong, link by link"
    measured = precision(rule, first=first)
    if measured is not None:
        return round(measured.share, 4), measured.text
    if oddity is not None:
        n = oddity.support
        held = n if oddity.rule == "dependent" else min(oddity.same, n)  # of the former, `support` are those that held
        return round(wilson(held, n)[0], 4), (
            f"what it breaks held {held} of {n} times before: the lower bound of Wilson's interval of that share; "
            "that it is the cause was not measured for this rule"
        )
    finding = min(candidate.findings, key=_telling, default=None)
    if finding is not None:
        return None, finding.basis_text or "a detector found it; that it is the cause was not measured"
    return None, "records state it; that it is the cause was not measured"


def _apparent(candidates: Sequence[Candidate], run: Run) -> tuple[Claim, ...]:
    """Return what was odd or went wrong from the first cause on, in order of time: what went together, not what followed."""
    first = candidates[0]
    after = [each for each in candidates if each is not first and each.ts_ns >= first.ts_ns and each.tier in (1, 4)]
    found = []
    for each in (first, *sorted(after, key=lambda each: (each.ts_ns, each.tier))[: MOST_STEPS - 1]):
        rule, statement, record = _leading(each, _strongest(each), ())
        found.append(Claim(
            statement=statement, stage=each.stage, record_id=record, kind="hypothesis", rule=rule, ts_ns=each.ts_ns,
        ))  # fmt: skip
    end = run.view.end
    if end is not None and run.row.status != "complete":
        at = run.view.completed_ns or run.last_ns
        found.append(fact(f"the run ended {run.row.status}", "", run.view.end_record, "end", at))
    return tuple(found)
