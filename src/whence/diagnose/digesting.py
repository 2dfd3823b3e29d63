"""A run → what it was like (`model.digest`). Pure; the same records give the same digest in any order."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from whence.diagnose.handed import DISTANCE, MOST_INTERFACES, distance_from, fields_of, handovers, packed
from whence.diagnose.replicas import DIFFERENT, LAG, NODES, differing, groups, joined, replicated
from whence.diagnose.retries import retries_of
from whence.diagnose.run import Fact, Run, Span, error_text, text_of
from whence.diagnose.traits import said_in
from whence.measure.states import lag_ns
from whence.measure.templates import template_of
from whence.model import record as kinds
from whence.model.digest import ErrorDigest, PartDigest, RunDigest
from whence.model.llm import COUNTS
from whence.model.payload import LLM, STAGE, TOOL
from whence.model.quality import number
from whence.model.severity import Severity
from whence.query.claims import outcome_of

MOST_DURATIONS: Final = 64
MOST_ORDER: Final = 200
MOST_ATTRIBUTES: Final = 300
MOST_NUMBERS: Final = 200
MOST_ERRORS: Final = 50
MOST_MINUTES: Final = 1000
MOST_PARTS: Final = 200
VALUE_CHARS: Final = 80
_MINUTE: Final = 60_000_000_000
_OURS: Final = frozenset((*kinds.OF_OURS, kinds.TRACE_START, kinds.TRACE_END))


class _Part:
    """What is being counted of one component."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.versions: dict[str, set[str]] = {}
        self.confidences: list[float] = []
        self.stages: set[str] = set()
        self.records = self.errors = self.calls = self.tokens = 0
        self.attempts = 0
        self.cost: float | None = None
        self.first_ns = self.last_ns = 0

    def saw(self, fact: Fact) -> None:
        self.records += 1
        self.first_ns = self.first_ns or fact.ts_ns
        self.last_ns = fact.ts_ns
        if fact.record.stage:
            self.stages.add(fact.record.stage)

    def version(self, kind: str, value: object) -> None:
        if value not in (None, "", [], {}):
            self.versions.setdefault(kind, set()).add(short(value))


def digest_of(run: Run) -> RunDigest:
    """Return what a run was like."""
    view, row = run.view, run.row
    parts: dict[str, _Part] = {}
    said = _Said()

    def part(who: str) -> _Part:
        if who not in parts and len(parts) >= MOST_PARTS:
            who = "…"  # a program that invents components must not fill the store
        return parts.setdefault(who, _Part())

    minutes: dict[str, dict[int, int]] = {}
    for fact in run.facts:
        if fact.record.kind in _OURS:
            continue
        who = fact.who
        if who:
            part(who).saw(fact)
            counted = minutes.setdefault(who, {}) if who in minutes or len(minutes) < MOST_PARTS else {}
            minute = fact.ts_ns // _MINUTE
            if minute in counted or len(counted) < MOST_MINUTES:
                counted[minute] = counted.get(minute, 0) + 1
    for fact in run.errors:
        if fact.who:
            part(fact.who).errors += 1
    for span in run.spans.values():
        _span(span, part(span.who), said)
    for who, tried in retries_of(run).items():
        said.number(f"retries:{who}", tried.count)
    for fact in run.of_kind(kinds.DECISION):
        confidence = number(fact.data.get("confidence"))
        if confidence is not None and fact.who:
            part(fact.who).confidences.append(confidence)
        said.of_decision(fact)
    for fact in run.checks:
        said.of_check(fact)
    _between(run, said)
    for fact in run.of_kind(kinds.EVIDENCE, kinds.OUTPUTS):
        said.numbers_of(fact.record.stage or "run", fact.data.get("data"))
    for fact in run.of_kind(kinds.METRIC):
        said.number(f"metric:{fact.who}.{fact.record.name}", fact.data.get("value"))
    for fact in run.of_kind(kinds.TRANSFORM):
        said.say(f"step:{fact.record.stage or fact.who}.{fact.record.name}", fact.data.get("action") or "edit", fact.id)
        using = fact.data.get("using")
        for key, value in using.items() if isinstance(using, dict) else ():
            said.say(f"using:{fact.record.name}.{key}", value, fact.id)
    start = view.start
    if start.code:
        said.say("code", start.code, view.start_record)
    for key, value in start.attributes.items():
        said.say(f"run:{key}", value, view.start_record)
    ended = view.completed_ns or 0
    return RunDigest(
        trace=run.trace,
        trace_id=view.trace_id,
        project=view.project,
        started_ns=view.started_ns,
        ended_ns=ended,
        duration_ns=view.end.duration_ns or max(0, ended - view.started_ns) if view.end is not None else 0,
        status=view.status,
        reason=(view.end.reason or "") if view.end is not None else "",
        outcome=outcome_of(row),
        intent=row.intent or "",
        domain=row.domain or "",
        report_type=row.report_type or "",
        query=f"{zlib.crc32(row.query.encode(errors='surrogatepass')):08x}" if row.query else "",
        score=row.overall_quality_score,
        gate_passed=row.quality_gate_passed,
        principles=dict(sorted(row.principle_scores.items())),
        records=len(run.facts) + run.cut,
        calls=row.llm_calls,
        tokens=row.total_tokens or 0,
        cost_usd=row.total_cost_usd,
        code=start.code,
        parts={name: _part(name, parts[name], start.code) for name in sorted(parts)},
        order=tuple(dict.fromkeys(s.name for s in run.spans.values()))[:MOST_ORDER],
        attributes=said.attributes,
        records_of=said.records_of,
        numbers=said.numbers,
        errors=tuple(_errors(run)),
        minutes={who: dict(sorted(minutes[who].items())) for who in sorted(minutes)},
        dropped=row.dropped,
        last_record=max((fact.id for fact in run.facts), default=""),
        traits=msgspec.Raw(msgspec.json.encode(said_in(run).as_traits())),
    )


class _Said:
    """What can be put beside other runs, bounded."""

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}
        self.records_of: dict[str, str] = {}
        self.numbers: dict[str, float] = {}

    def say(self, key: str, value: object, record_id: str) -> None:
        key = key[:VALUE_CHARS]
        if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
            self.number(key, value)
            return
        if value in (None, "", [], {}) or (key not in self.attributes and len(self.attributes) >= MOST_ATTRIBUTES):
            return
        self.attributes[key] = short(value)  # the last one counts, as the last attempt does
        self.records_of[key] = record_id

    def text(self, key: str, text: str, record_id: str) -> None:
        """Keep a text as it is: whoever made it has bounded it."""
        if text and (key in self.attributes or len(self.attributes) < MOST_ATTRIBUTES):
            self.attributes[key] = text
            self.records_of[key] = record_id

    def number(self, key: str, value: object) -> None:
        found = number(value)
        if found is not None and (key in self.numbers or len(self.numbers) < MOST_NUMBERS):
            self.numbers[key[:VALUE_CHARS]] = found

    def numbers_of(self, of: str, data: object) -> None:
        for key, value in data.items() if isinstance(data, dict) else ():
            self.number(f"{of}.{key}", value)

    def of_decision(self, fact: Fact) -> None:
        place = f"{fact.who}.{fact.record.name}" if fact.who else fact.record.name
        self.say(f"decision:{place}", fact.data.get("what"), fact.id)
        inputs = fact.data.get("inputs")
        for key, value in inputs.items() if isinstance(inputs, dict) else ():
            if not isinstance(value, dict | list):
                self.say(f"input:{place}.{key}", value, fact.id)

    def of_check(self, fact: Fact) -> None:
        passed = fact.data.get("passed")
        word = {True: "passed", False: "failed"}.get(passed, "untold") if isinstance(passed, bool) else "untold"
        self.say(f"check:{fact.who}.{fact.record.name}", word, fact.id)
        self.number(f"check:{fact.who}.{fact.record.name}", fact.data.get("score"))


def _between(run: Run, said: _Said) -> None:
    """What components have between them: hand-overs, distances of their outputs, states that they should share."""
    for interface, facts in islice(sorted(handovers(run.checks).items()), MOST_INTERFACES):
        told = [(fact, fields) for fact in facts if (fields := fields_of(fact.data.get("actual"))) is not None]
        if told:
            said.text(interface.key, packed(told[-1][1]), told[-1][0].id)
    for fact in run.events:
        found = distance_from(fact)
        if found is not None:
            key = f"{DISTANCE}{found[0]}>{fact.who}"[:VALUE_CHARS]
            said.number(key, max(found[1], said.numbers.get(key, 0.0)))
    for group in groups(run):
        last = max(group.snapshots.values(), key=lambda fact: (fact.ts_ns, fact.id))
        said.text(f"{NODES}{group.place}"[:VALUE_CHARS], joined(group.snapshots), last.id)
        said.number(f"{NODES}{group.place}", len(group.snapshots))
        alike = replicated(group)
        if alike:
            said.number(f"{LAG}{group.place}", lag_ns({who: fact.ts_ns for who, fact in alike.items()}) / 1e9)
            said.number(f"{DIFFERENT}{group.place}", differing(alike))


def _span(span: Span, part: _Part, said: _Said) -> None:
    part.attempts = max(part.attempts, span.attempt)
    part.spans.append(span)
    if span.end is None:
        return
    outputs = span.end.data.get("outputs")
    if span.type == STAGE:
        for key, value in outputs.items() if isinstance(outputs, dict) else ():
            if not isinstance(value, dict | list):
                said.say(f"output:{span.stage}.{key}", value, span.end.id)
    attributes = span.end.attributes
    if span.type == TOOL:
        said.say(f"tool:{span.name}", "failed" if span.error else "used", span.end.id)
    if span.type == LLM:
        part.calls += 1
        _call(span, attributes, part, said)


def _call(span: Span, attributes: dict[str, Any], part: _Part, said: _Said) -> None:
    """One LLM call: what ran, which is its version, and what it took."""
    of = span.who
    end = span.end
    if end is None:
        return
    prompt = (
        f"{attributes.get('prompt_name') or ''}@{attributes['prompt_version']}"
        if attributes.get("prompt_version")
        else ""
    )
    part.version("model", attributes.get("model") or attributes.get("request_model"))
    part.version("prompt", prompt)
    names = sorted(_tool_names(attributes.get("tools")))
    part.version("tools", ",".join(names))
    part.version("parameters", attributes.get("parameters"))
    said.say(f"model:{of}", attributes.get("model") or attributes.get("request_model"), end.id)
    said.say(f"prompt:{of}", prompt, end.id)
    said.say(f"tools:{of}", ",".join(names), end.id)
    said.say(f"parameters:{of}", attributes.get("parameters"), end.id)
    said.say(f"provider:{of}", attributes.get("provider"), end.id)
    said.say(f"finish:{of}", attributes.get("finish_reason"), end.id)
    if isinstance(attributes.get("cache_hit"), bool):
        said.say(f"cache:{of}", "hit" if attributes["cache_hit"] else "miss", end.id)
    for name in COUNTS[:2]:
        count = number(attributes.get(name))
        if count is not None and count >= 0:
            part.tokens += int(min(count, 1e9))
    cost = number(attributes.get("cost_usd"))
    if cost is not None:
        part.cost = (part.cost or 0.0) + cost


def _tool_names(tools: Any) -> Iterator[str]:
    for each in tools if isinstance(tools, list) else ():
        inside = each.get("function") if isinstance(each, dict) else None
        tool = inside if isinstance(inside, dict) else each
        if isinstance(tool, dict) and isinstance(tool.get("name"), str):
            yield tool["name"]


def _part(name: str, part: _Part, code: str) -> PartDigest:
    ended = [span for span in part.spans if span.duration_ns is not None]
    outermost = [span for span in ended if span.parent is None or span.parent.who != span.who]
    versions = {kind: ",".join(sorted(values))[:200] for kind, values in sorted(part.versions.items())}
    if code:
        versions["code"] = code
    return PartDigest(
        records=part.records,
        errors=part.errors,
        spans=len(ended),
        failed=sum(1 for span in ended if span.error),
        attempts=part.attempts,
        durations_ns=tuple(span.duration_ns or 0 for span in outermost[:MOST_DURATIONS]),
        total_ns=sum(span.duration_ns or 0 for span in outermost),
        self_ns=sum(span.own_ns for span in ended),
        calls=part.calls,
        tokens=part.tokens,
        cost_usd=part.cost,
        version=fingerprint_of(versions),
        versions=versions,
        confidences=tuple(part.confidences[:MOST_DURATIONS]),
        first_ns=part.first_ns,
        last_ns=part.last_ns,
        stage=next(iter(part.stages)) if len(part.stages) == 1 else "",
    )


def _errors(run: Run) -> Iterable[ErrorDigest]:
    found: dict[tuple[str, str, str], list[Fact]] = {}
    for fact in run.errors:
        message = error_text(fact.data.get("error")) or text_of(fact.data.get("message")) or fact.record.name
        found.setdefault((template_of(message), fact.who, fact.record.stage), []).append(fact)
    first = sorted(found.items(), key=lambda each: (each[1][0].ts_ns, each[0]))
    for (template, who, stage), facts in first[:MOST_ERRORS]:
        yield ErrorDigest(
            template=template,
            component=who,
            stage=stage,
            record_id=facts[0].id,
            level=max(int(Severity.HIGH), *(fact.record.level for fact in facts)),
            ts_ns=facts[0].ts_ns,
            count=len(facts),
        )


def fingerprint_of(versions: dict[str, str]) -> str:
    """Return the name of what ran: 8 hex digits over model, prompt, tools, parameters and code; "" where nothing is known."""
    if not versions:
        return ""
    return f"{zlib.crc32(msgspec.json.encode(sorted(versions.items()))):08x}"


def short(value: object) -> str:
    """Return a value as a short text to compare by: what is long keeps its beginning and gets a hash."""
    if isinstance(value, dict) and isinstance(value.get("content_sha256"), str):
        return f"sha256:{value['content_sha256'][:12]}"
    text = value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode()
    text = " ".join(text.split())
    if len(text) <= VALUE_CHARS:
        return text
    return f"{text[: VALUE_CHARS - 10]}…{zlib.crc32(text.encode(errors='surrogatepass')):08x}"
