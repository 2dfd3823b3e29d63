"""Every error that a run recorded gets a code (C0.17): ordered rules, the first that matches; what none matches is A01-01.

Errors are: spans, steps and writes that failed, events of level high and above, telemetry events that say `success: false`,
and what ended the run, where nothing else names it. A known code that an event or an exception carries (`code`) is believed.

An exception that passes through nested spans is one error: tellings with the same type and message (or of which one names the
other as its cause) that lie on one chain of parents are joined, and what the innermost one says is said. An error is *recovered*,
and then low, when the same part went well later, or when the run completed and its quality gate passed.

Minimum: one error. Confidence: 1, the records state the error; which code it gets follows from the rules
(`diagnose.codes_of_errors`).
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, ClassVar, Final

from whence.diagnose.codes_of_errors import CONDITIONS, RULES, UNHANDLED, Rule, first_match
from whence.diagnose.detector import Detector, Settings
from whence.diagnose.run import Fact, History, Run, Span, text_of
from whence.diagnose.saying import named
from whence.measure.templates import template_of
from whence.model import record as kinds
from whence.model.finding import Finding
from whence.model.payload import LLM
from whence.model.severity import Severity
from whence.model.trace import COMPLETE, FAILED, NOT_ENDED
from whence.query.claims import EXIT_CODE

MOST_ERRORS: Final = 5_000
"""Errors of a run that are looked at: the first ones."""
DEEPEST: Final = 50
"""Steps up the chain of parents."""
MOST_EVIDENCE: Final = 20
JUDGED: Final = "action_evaluation"
"""The event of the judge's hook (D0.2): `success` is false where an action was denied, which is no error."""


class RaisedSettings(Settings, frozen=True, kw_only=True):
    """What counts as an error."""

    level: int = int(Severity.HIGH)  # events from this severity on (B1: a logged ERROR is high)
    stated_level: int = int(Severity.INFO)  # and those that carry a known code from this one on: somebody raised it


class _Telling:
    """One record that tells of an error."""

    __slots__ = ("above", "behind", "fact", "joined", "message", "own", "text", "type")

    def __init__(self, fact: Fact, error: Any, message: str) -> None:
        self.fact = fact
        told = error if isinstance(error, dict) else {}
        self.type = text_of(told.get("type"), 100) if told else ""
        self.message = message if not told else text_of(told.get("message")) or ("" if self.type else message)
        if not told and isinstance(error, str):
            self.message = error[:500]
        self.text = f"{self.type}: {self.message}" if self.type and self.message else self.type or self.message
        self.own = _keys(self.type, self.message)
        self.behind = self.own | _causes(told)  # what it is, and what it says was behind it
        self.above: list[str] = []
        self.joined: _Telling = self  # the set it belongs to

    def root(self) -> "_Telling":
        found = self
        while found.joined is not found:
            found.joined = found.joined.joined
            found = found.joined
        return found


def _keys(kind: str, message: str) -> frozenset[str]:
    both = f"{kind}: {message}" if kind and message else kind or message
    return frozenset(each for each in (both, message) if each)


def _causes(told: dict[str, Any]) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for _ in range(10):
        cause = told.get("cause")
        if not isinstance(cause, dict):
            break
        found |= _keys(text_of(cause.get("type"), 100), text_of(cause.get("message")))
        told = cause
    return found


class Raised(Detector):
    """One finding per code, component and template of the message."""

    name: ClassVar[str] = "raised"
    codes: ClassVar[tuple[str, ...]] = tuple(sorted({rule.code for rule in RULES}))
    Settings = RaisedSettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return the errors of one run."""
        tellings = list(islice(self._tellings(run), MOST_ERRORS))
        _join(run, tellings)
        groups: dict[int, list[_Telling]] = {}
        for each in tellings:
            groups.setdefault(id(each.root()), []).append(each)
        going_well = well(run)
        after = _Later(run) if groups else None
        found: dict[tuple[str, str, str], list[tuple[_Telling, list[_Telling], bool]]] = {}
        for group in groups.values():
            origin = _origin(group)
            span = run.span_of(origin.fact)
            who = _who(origin.fact, span)
            code = _stated(group) or code_of(origin.fact, origin.type, origin.text, span, who)
            ended = any(each.fact.record.kind == kinds.TRACE_END for each in group)
            recovered = not ended and (
                going_well or (after is not None and any(after.well(each.fact) for each in group))
            )
            found.setdefault((code, who, template_of(origin.text)), []).append((origin, group, recovered))
        for (code, who, template), errors in found.items():
            yield self._finding(run, code, who, template, errors)

    def _tellings(self, run: Run) -> Iterator[_Telling]:
        """Yield what tells of an error, in order of time; what ended the run comes last."""
        settings: RaisedSettings = self.settings
        for fact in run.of_kind(kinds.SPAN_END, kinds.EVENT, kinds.TRANSFORM, kinds.FILE):
            error = fact.data.get("error")
            if fact.record.kind == kinds.EVENT:
                if self._is_error(fact, settings):
                    error = error_of(fact)
                    yield _Telling(fact, error, text_of(fact.data.get("message")) or fact.record.name)
            elif error and error != NOT_ENDED:
                yield _Telling(fact, error, text_of(error))
            elif fact.record.kind == kinds.FILE and fact.data.get("verified") is False:
                path = text_of(fact.data.get("path"), 200) or fact.record.name
                yield _Telling(fact, None, f"{path} was read back and holds something else than was written")
        for fact in run.of_kind(kinds.TRACE_END):
            error = fact.data.get("error")
            told = error if isinstance(error, dict) else {}
            # Killed, cancelled and lost processes are for `flow`; an exit code names no error.
            if (
                error
                and not fact.data.get("reason")
                and fact.data.get("status") == FAILED
                and told.get("type") != EXIT_CODE
            ):
                yield _Telling(fact, error, text_of(error))

    def _is_error(self, fact: Fact, settings: RaisedSettings) -> bool:
        said = said_of(fact)
        if fact.record.name == JUDGED and not text_of(fact.data.get("message")):
            return False
        if fact.record.level >= settings.level or said.get("success") is False:
            return True
        return fact.record.level >= settings.stated_level and known_code(said.get("code")) is not None

    def _finding(
        self, run: Run, code: str, who: str, template: str, errors: list[tuple[_Telling, list[_Telling], bool]]
    ) -> Finding:
        from whence.diagnose.catalog import catalog

        open_ones = [each for each in errors if not each[2]]
        origin = (open_ones or errors)[0][0]
        every = [each.fact for _, group, _ in errors for each in group]
        first = [one.fact.id for one, _, _ in errors]
        evidence = list(dict.fromkeys([origin.fact.id, *first, *(fact.id for fact in every)]))
        recovered = not open_ones
        severity = catalog().severity(code)
        if code == UNHANDLED and all(
            fact.record.kind == kinds.EVENT and fact.record.level < Severity.CRITICAL for fact in every
        ):
            severity = min(severity, Severity.HIGH)  # somebody handled it so far as to report it
        times = f" {len(errors):,} times, first" if len(errors) > 1 else ""
        whole = "the run" if origin.fact.record.kind == kinds.TRACE_END else "something in the run"
        title = f"{named(who, whole)} failed{times}: {named(origin.text, 'no message', 160)}"
        span = run.span_of(origin.fact)
        return self.finding(
            code,
            title + ("; it went well after that" if recovered else ""),
            same=(who or "run", template),
            severity=min(severity, Severity.LOW) if recovered else severity,
            basis_text="the records state the error" + ("" if code != UNHANDLED else "; no rule names it"),
            components=(who,) if who else (),
            stage=origin.fact.record.stage,
            evidence=tuple(evidence[:MOST_EVIDENCE]),
            freeze=_freeze(origin, span),
            thresholds={"rule": _rule_text(code, origin, span, who)},
            first_ns=min(fact.ts_ns for fact in every),
            last_ns=max(fact.ts_ns for fact in every),
            count=len(errors),
            attributes={"recovered": recovered, "template": template},
        )


def well(run: Run) -> bool:
    """Return whether a run completed and its quality gate passed: whatever failed in it did no lasting harm."""
    return run.row.status == COMPLETE and run.row.quality_gate_passed is True


def said_of(fact: Fact) -> dict[str, Any]:
    """Return the attributes of an event, with the metadata that the telemetry door keeps in them."""
    attributes = fact.attributes
    metadata = attributes.get("metadata")
    return {**metadata, **attributes} if isinstance(metadata, dict) else attributes


def error_of(fact: Fact) -> dict[str, Any] | None:
    """Return the error that an event's attributes tell of, under any of the names in use."""
    said = said_of(fact)
    given = said.get("error")
    if isinstance(given, dict) and "type" in given:
        return given
    for kind, message in (("error_type", "error_message"), ("exception.type", "exception.message")):
        if isinstance(said.get(kind), str):
            return {"type": said[kind], "message": said.get(message, fact.data.get("message"))}
    return None


def known_code(value: Any) -> str | None:
    """Return the catalog's code that a value names, or None."""
    if not isinstance(value, str):
        return None
    from whence.diagnose.catalog import catalog

    found = catalog().get(value)
    return found.code if found is not None else None


def _stated(group: list[_Telling]) -> str | None:
    for each in group:
        error = each.fact.data.get("error")
        for said in (said_of(each.fact), error_of(each.fact), error):
            found = known_code(said.get("code")) if isinstance(said, dict) else None
            if found is not None:
                return found
    return None


def code_of(fact: Fact, kind: str, text: str, span: Span | None, who: str) -> str:
    """Return the code of the first rule that an error matches."""
    return _matching(fact, kind, text, span, who).code


def _matching(fact: Fact, kind: str, text: str, span: Span | None, who: str) -> Rule:
    error = fact.data.get("error")
    said = said_of(fact)
    given = error if isinstance(error, dict) else {}
    codes = (given.get("code"), given.get("status_code"), said.get("error_code"), said.get("code"))
    line = " ".join(
        [text, *(str(each) for each in codes if isinstance(each, str | int) and not isinstance(each, bool))]
    )
    own = span.type if span is not None and span.fact.id == fact.id else ""
    operation = said.get("operation")
    if own == LLM and isinstance(operation, str) and operation.startswith("embed"):
        own = "embedding"
    given_by = {
        "error": kind,
        "said": line[:1000],
        "who": f"{who} {fact.record.stage} {fact.record.name}"[:500],
        "span": own,
        "kind": fact.record.kind,
    }
    return first_match(given_by)


def _rule_text(code: str, origin: _Telling, span: Span | None, who: str) -> str:
    rule = _matching(origin.fact, origin.type, origin.text, span, who)
    if rule.code != code:
        return "the code that the error carries"
    said = {name: getattr(rule, name) for name in CONDITIONS if getattr(rule, name)}
    return ", ".join(f"{name} ~ {pattern}" for name, pattern in said.items())[:200] or "no other rule matches"


def _join(run: Run, tellings: list[_Telling]) -> None:
    """Join what tells of the same error."""
    by_id = {each.fact.id: each for each in tellings}
    for each in tellings:
        for above in islice(run.up(each.fact), DEEPEST):
            other = by_id.get(above.id)
            if other is not None and each.own & other.behind:
                # Set union by order of time keeps the chains short and the result the same in any order.
                first, second = sorted((each.root(), other.root()), key=lambda one: (one.fact.ts_ns, one.fact.id))
                second.joined = first
            each.above.append(above.id)
    latest: dict[str, _Telling] = {}
    for each in tellings:
        loose = each.fact.record.kind in (kinds.EVENT, kinds.TRACE_END)
        if loose and each.root() is each:
            # The log, and the end of the run, tell of an error again that a span has told of.
            known = next((latest[key] for key in sorted(each.behind) if key in latest), None)
            if known is not None and known.root() is not each:
                each.joined = known.root()
        if each.fact.record.kind != kinds.EVENT:
            latest.update(dict.fromkeys(each.own, each))


def _origin(group: list[_Telling]) -> _Telling:
    """Return the innermost telling: one that lies above no other; a span's rather than the log's, the first of several."""
    # The end of a run may share the span of its root (OpenTelemetry): it lies in nothing all the same.
    outer = {above for each in group if each.fact.record.kind != kinds.TRACE_END for above in each.above}
    inner = [each for each in group if each.fact.id not in outer] or group
    rank = {kinds.TRACE_END: 2, kinds.EVENT: 1}
    return min(inner, key=lambda each: (rank.get(each.fact.record.kind, 0), each.fact.ts_ns, each.fact.id))


def _who(fact: Fact, span: Span | None) -> str:
    if fact.who or span is None:
        return fact.who
    for _ in range(DEEPEST):
        if span is None or span.fact.who:
            break
        span = span.parent
    return span.fact.who if span is not None else fact.record.name


class _Later:
    """When each part of a run last went well."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._well: dict[tuple[str, ...], int] = {}
        for span in run.spans.values():
            if span.end is not None and not span.error:
                self._note(_same(span), span.started_ns)
        for fact in run.events:
            if fact.attributes.get("success") is True:
                self._note((fact.record.kind, fact.record.component, fact.record.name), fact.ts_ns)

    def _note(self, key: tuple[str, ...], ts_ns: int) -> None:
        self._well[key] = max(ts_ns, self._well.get(key, ts_ns))

    def well(self, fact: Fact) -> bool:
        """Return whether what failed, or a part around it that failed with it, went well later."""
        if fact.record.kind == kinds.EVENT and "success" in fact.attributes:
            key = (fact.record.kind, fact.record.component, fact.record.name)
            if self._well.get(key, fact.ts_ns) > fact.ts_ns:
                return True
        span = self._run.span_of(fact)
        for _ in range(DEEPEST):
            if span is None:
                return False
            if span.error and self._well.get(_same(span), 0) >= (span.ended_ns or 0):
                return True
            span = span.parent
        return False


def _same(span: Span) -> tuple[str, ...]:
    return span.type, span.name, span.stage, span.who


def _freeze(origin: _Telling, span: Span | None) -> dict[str, Any]:
    error = origin.fact.data.get("error")
    where = error.get("where") if isinstance(error, dict) else None
    found: dict[str, Any] = {"error": origin.text, "name": origin.fact.record.name}
    if origin.type:
        found["type"] = origin.type
    if isinstance(where, str) and where:
        found["where"] = where[:300]
    if span is not None:
        found["span_type"] = span.type
        found["attempt"] = span.attempt
        if span.duration_ns is not None and span.fact.id == origin.fact.id:
            found["duration_ms"] = round(span.duration_ns / 1e6, 3)
    said = said_of(origin.fact)
    for name in ("model", "provider", "artifact_id", "duration_ms"):
        if isinstance(said.get(name), str | int | float):
            found.setdefault(name, said[name] if not isinstance(said[name], str) else said[name][:200])
    return found
