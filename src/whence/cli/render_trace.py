"""One run as a tree: stages, their attempts, the decisions made in each; and one record on its own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli import plain, render_events, render_made
from whence.cli.render import (
    BAD,
    COMMAND,
    GOOD,
    MAYBE,
    NAME,
    QUIET,
    Branch,
    Fitting,
    block,
    columns,
    confidence,
    duration,
    heading,
    indented,
    joined,
    many,
    money,
    named,
    pairs,
    shorter,
    text,
    took,
)
from whence.cli.render_codes import severity
from whence.cli.render_events import Beside, Words
from whence.cli.render_header import Header
from whence.cli.render_lists import payload, record_data
from whence.cli.render_scores import brief_scores, score_table, scores_of
from whence.diagnose.catalog import catalog
from whence.model import record as kinds
from whence.model.content import resolve
from whence.model.finding import Finding
from whence.model.quality import number, passed_of
from whence.model.record import Record
from whence.model.severity import Severity
from whence.model.trace import Attempt, Decision, LlmUse, SpanUse, StageTrace, TraceSummary, TraceView
from whence.query.raised import Lookup
from whence.store.interface import StoredFinding

__all__ = ["Beside", "TraceDrawing", "record"]

DEPTH = 60
"""So deep spans are drawn in each other."""
MOST_FINDINGS = 12
MOST = 50
"""Decisions of an attempt, attempts of a stage, LLM calls and rounds that are shown without --full."""
Part = tuple[int, int, Callable[[], None]]
"""Something to draw: when it was (ns), its place in the order of arrival, and how to draw it."""
_SCORES = "principle_scores"
_SAID_BY_SCORES = ("gap_principles", "gaps", "strength_principles", "strengths")


class TraceDrawing:
    """Draws one run.

    Args:
        beside: what its records say that the view does not carry.
        full: whole texts, inputs, prompts, outputs, events and record ids too.
        content: a text by its hash.
    """

    def __init__(
        self,
        row: TraceSummary,
        view: TraceView,
        findings: Sequence[StoredFinding],
        beside: Beside,
        *,
        full: bool,
        content: Lookup,
    ):
        self.row, self.view, self.findings, self.full = row, view, findings, full
        self._content = content
        self._words = Words(content, full=full)
        self._header = Header(row, view, beside.events, self._words)
        self._beside = beside
        spans = {each.span for stage in view.stages.values() for each in stage.attempts}
        self._owners = {span: beside.owner(span, spans) for span in spans}
        for span in spans:  # spans that lie in each other in a circle lie in none
            above, seen = self._owners[span], {span}
            while above and above not in seen:
                seen.add(above)
                above = self._owners[above]
            if above:
                self._owners[span] = ""
        # By the span they lie in, then by stage and component: two components are no two tries of the same.
        self._nested: dict[str, dict[tuple[str, str], list[Attempt]]] = {}
        for name, stage in view.stages.items():
            if not stage.attempts:
                self._nested.setdefault("", {})[name, ""] = []
            for each in stage.attempts:
                of = self._nested.setdefault(self._owners[each.span], {})
                of.setdefault((name, each.component), []).append(each)
        self._component_of = {each.span: each.component for stage in view.stages.values() for each in stage.attempts}
        self._made_in = render_made.by_span(view, full)
        self._timed_in = render_made.timed_by_span(view, spans)
        self._in_spans: dict[str, list[Record]] = {}
        for event in beside.events:
            span = event.span if event.span in spans else beside.owner(event.span, spans)
            self._in_spans.setdefault(span, []).append(event)

    def draw(self) -> RenderableType:
        """Return the drawing."""
        parts: list[RenderableType] = [self._header.draw(), *self._stages(), *self._spans(), *self._iterations()]
        parts += self._llm_calls()
        return Group(*parts, *self._principle_table(), *self._outside(), *self._outputs(), *self._flags())

    # -- the tree -------------------------------------------------------------------------------------------------

    def _stages(self) -> Iterator[RenderableType]:
        if not self.view.stages:
            return
        yield Text()
        tree = Branch(Text("stages", NAME))
        _draw(self._inside("", tree, set()))
        yield tree

    def _inside(self, owner: str, node: Branch, drawn: set[str]) -> Iterator[Part]:
        """Yield the stages that lie in an attempt, or (for an empty owner) in none; attempts of the same one together."""
        for (name, component), attempts in self._nested.get(owner, {}).items():
            stage = self.view.stages[name]
            began = min((each.started_ns for each in attempts), default=_first_ns(stage))
            first = attempts[0].start_record if attempts else ""
            yield self._part(began, first, partial(self._group, node, stage, component, attempts, drawn))

    def _group(
        self, node: Branch, stage: StageTrace, component: str, attempts: Sequence[Attempt], drawn: set[str]
    ) -> None:
        fresh = [each for each in attempts if each.span not in drawn]
        if fresh or not attempts:
            drawn |= {each.span for each in fresh}
            self._stage(node, stage, component, fresh, drawn)

    def _part(self, ts_ns: int, record_id: str, draw: Callable[[], None]) -> Part:
        return ts_ns, self._beside.place_of.get(record_id, 0), draw

    def _stage(
        self, tree: Branch, stage: StageTrace, component: str, attempts: Sequence[Attempt], drawn: set[str]
    ) -> None:
        tries = len(attempts)
        every = [each for each in stage.attempts if each.component == component]
        whole = tries == len(stage.attempts)
        seconds = stage.duration_seconds if whole else _seconds(attempts)
        beside = [Text(took(seconds), QUIET)] if seconds is not None else []
        beside += [Text(f"{tries:,} attempts", QUIET)] if tries > 1 else []
        beside += (
            [Text(f"attempt {attempts[0].attempt} of {len(every)}", QUIET)] if tries == 1 and len(every) > 1 else []
        )
        beside += [_unfinished()] if any(each.ended_ns is None for each in attempts) else []
        counts = _counts(stage) if whole else ""
        beside += [Text(counts, QUIET)] if counts else []
        # Of a stage inside one of the same component it need not be said again.
        who = [text(component, COMMAND)] if component and component != self._component_around(attempts) else []
        node = tree.add(joined([text(named(stage.name), f"{NAME} {COMMAND}"), *who, *beside]))
        made = self._made(stage)
        if whole:
            self._attempt(node, None, made.get("", []), drawn)
        if tries > 1:
            shown = attempts if self.full else attempts[:MOST]
            for attempt in shown:
                seconds = _seconds([attempt])
                beside = [Text(took(seconds), QUIET)] if seconds is not None else []
                branch = node.add(joined([Text(f"attempt {attempt.attempt}"), *beside]))
                self._attempt(branch, attempt, made.get(attempt.span, []), drawn)
            if len(shown) < tries:
                node.add(_more(tries - len(shown), "attempts"))
        elif attempts:
            self._attempt(node, attempts[0], made.get(attempts[0].span, []), drawn)
        if self.full and whole:
            for name, value in (("prompts", stage.prompts), ("evidence", stage.evidence)):
                if value:
                    self._object(node, name, value)

    def _made(self, stage: StageTrace) -> dict[str, list[Decision]]:
        """Return the decisions of a stage by the span of their attempt; under an empty string those of none."""
        spans = {each.span for each in stage.attempts}
        numbered = {each.attempt: each.span for each in reversed(stage.attempts)}
        found: dict[str, list[Decision]] = {}
        for each in stage.decisions:
            span = self._beside.span_of.get(each.record_id, "")
            found.setdefault(span if span in spans else numbered.get(each.attempt, ""), []).append(each)
        return found

    def _attempt(self, node: Branch, attempt: Attempt | None, decisions: Sequence[Decision], drawn: set[str]) -> None:
        """Draw what lies in an attempt in order of time: what takes time stands where it began."""
        shown = decisions if self.full else decisions[:MOST]
        parts = [self._part(each.ts_ns, each.record_id, partial(self._decision, node, each)) for each in shown]
        events: list[Record] = []
        left: list[Text] = []
        if attempt is not None:
            events = self._in_spans.get(attempt.span, [])
            for each in self._told(events):
                parts.append(self._part(each.ts_ns, each.record_id, partial(self._event, node, each)))
            parts += self._inside(attempt.span, node, drawn)
            found, left = self._content_and_calls(node, attempt.span)
            parts += found
        _draw(parts)
        for more in left:
            node.add(more)
        if len(shown) < len(decisions):
            node.add(_more(len(decisions) - len(shown), "decisions"))
        self._untold(node, events)
        if attempt is not None and attempt.error:
            node.add(joined([Text("✗", BAD), self._words.error(attempt.error)], " "))
        if self.full and attempt is not None and attempt.outputs not in (None, "", [], {}):
            outputs = attempt.outputs
            self._object(node, "outputs", outputs if isinstance(outputs, dict) else {"value": outputs})

    def _component_around(self, attempts: Sequence[Attempt]) -> str:
        return self._component_of.get(self._owners.get(attempts[0].span, ""), "") if attempts else ""

    # -- spans that are no stages ---------------------------------------------------------------------------------

    def _spans(self) -> Iterator[RenderableType]:
        """Yield what lies in no stage: a run that OpenTelemetry recorded, or a part of one."""
        free = [each for each in self._timed_in.get("", []) if isinstance(each, SpanUse) or not self.view.stages]
        made = self._made_in.get(self.view.root, [])
        if not any(isinstance(each, SpanUse) for each in free) and not made:
            return
        yield Text()
        tree = Branch(Text("spans" if free else "outside any stage", NAME))
        parts, left = self._made_and_timed(tree, made, free, 0)
        _draw(parts)
        for more in left:
            tree.add(more)
        yield tree

    def _content_and_calls(self, node: Branch, span: str, depth: int = 0) -> tuple[list[Part], list[Text]]:
        """Return what was made and timed in a span, and how much more there is."""
        return self._made_and_timed(node, self._made_in.get(span, []), self._timed_in.get(span, []), depth)

    def _made_and_timed(
        self, node: Branch, made: Sequence[render_made.Made], timed: Sequence[render_made.Timed], depth: int
    ) -> tuple[list[Part], list[Text]]:
        most = None if self.full else MOST
        parts = [self._part(each.ts_ns, each.record_id, partial(self._make, node, each)) for each in made[:most]]
        for span in timed[:most]:
            began = span.start_record or (span.record_id if isinstance(span, LlmUse) else span.end_record)
            parts.append(self._part(render_made.began(span), began, partial(self._timed, node, span, depth)))
        left = [(len(of) - len(of[:most]), what) for of, what in ((made, "steps"), (timed, "spans"))]
        return parts, [_more(count, what) for count, what in left if count]

    def _make(self, node: Branch, made: render_made.Made) -> None:
        node.add(Group(*render_made.line(made, full=self.full)))

    def _timed(self, node: Branch, each: render_made.Timed, depth: int) -> None:
        below = node.add(render_made.timed(each))
        if isinstance(each, SpanUse) and depth < DEPTH:
            parts, left = self._content_and_calls(below, each.span, depth + 1)
            _draw(parts)
            for more in left:
                below.add(more)

    # -- events -----------------------------------------------------------------------------------------------------

    def _told(self, events: Sequence[Record]) -> Sequence[Record]:
        """Return the events that are drawn: with --full all of them, else the first bad ones."""
        return events if self.full else [each for each in events if render_events.tells(each)][:MOST]

    def _event(self, node: Branch, event: Record) -> None:
        node.add(render_events.event(event, self._content, full=self.full))

    def _untold(self, node: Branch, events: Sequence[Record]) -> None:
        if self.full:
            return
        bad = sum(map(render_events.tells, events))
        if bad > MOST:
            node.add(_more(bad - MOST, "bad events"))
        left = len(events) - bad
        if left:
            node.add(Text(f"{many(left, 'event')}; --full shows {'it' if left == 1 else 'them'}", QUIET))

    def _outside(self) -> Iterator[RenderableType]:
        """Yield the events that lie in no stage."""
        events = self._in_spans.get("", [])
        if events:
            yield Text()
            tree = Branch(Text("events outside any stage", NAME))
            for each in self._told(events):
                self._event(tree, each)
            self._untold(tree, events)
            yield tree

    def _decision(self, node: Branch, made: Decision) -> None:
        parts: list[RenderableType] = [joined([text(named(made.decision)), confidence(made.confidence)])]
        parts.append(self._words.text(made.what, NAME))
        rows: list[tuple[str, RenderableType]] = []
        if made.why:
            rows.append(("why", self._words.text(made.why)))
        if made.alternatives_considered:
            rows.append(("not", self._words.text(made.alternatives_considered, QUIET)))
        if self.full:
            # Under the names that `whence decisions --where` takes.
            rows += [(f"inputs.{name}", self._words.text(value)) for name, value in made.inputs.items()]
            rows += [(f"attributes.{name}", self._words.text(value)) for name, value in (made.attributes or {}).items()]
            rows += [(f"given.{name}", self._words.text(value)) for name, value in (made.given or {}).items()]
            rows.append(("record", Text(made.record_id, QUIET)))
        node.add(Group(*parts, pairs(rows)) if rows else Group(*parts))

    def _object(self, node: Branch, name: str, value: dict[str, Any]) -> None:
        scored = scores_of(value.get(_SCORES))
        rows: list[tuple[str, RenderableType]] = []
        for key, each in value.items():
            if key == _SCORES and scored:
                rows.append((key, score_table(scored)))
            elif not (scored and key in _SAID_BY_SCORES):
                rows.append((key, self._words.text(each)))
        node.add(Group(Text(name, QUIET), indented(pairs(rows))))

    # -- below the tree -------------------------------------------------------------------------------------------

    def _iterations(self) -> Iterator[RenderableType]:
        if not self.view.iterations:
            return
        yield heading("rounds through the quality gate")
        table = columns({"justify": "right"}, {}, {"overflow": "fold"})
        shown = self.view.iterations if self.full else self.view.iterations[:MOST]
        for count, data in enumerate(shown, 1):
            passed = passed_of(data)
            sign = Text("–", QUIET) if passed is None else Text("passed", GOOD) if passed else Text("failed", BAD)
            scored = scores_of(data.get(_SCORES))
            left_out = ("passed", "passing", "quality_gate_result", "iteration", *(_SAID_BY_SCORES if scored else ()))
            rest = {k: v for k, v in data.items() if k not in left_out}
            said = [
                Text.assemble(
                    (f"{plain.line(k)} ", QUIET), brief_scores(scored) if scored and k == _SCORES else self._brief(v)
                )
                for k, v in rest.items()
            ]
            table.add_row(str(count), sign, joined(said))
        yield indented(table)
        if len(shown) < len(self.view.iterations):
            yield indented(_more(len(self.view.iterations) - len(shown), "rounds"))

    def _principle_table(self) -> Iterator[RenderableType]:
        quality = self.view.quality
        if self._header.has_table() and not any(
            isinstance(each.outputs, dict) and scores_of(each.outputs.get(_SCORES))
            for stage in self.view.stages.values()
            for each in stage.attempts
        ):
            yield heading("principles")
            yield indented(score_table([(pid, {"score": each}) for pid, each in quality.scores.items()]))

    def _brief(self, value: Any) -> Text:
        return text(self._words.whole(value), limit=None if self.full else 60)

    def _llm_calls(self) -> Iterator[RenderableType]:
        calls = self.view.llm_calls
        if not calls:
            return
        yield heading("LLM calls", str(len(calls)))
        widths: tuple[dict[str, Any], ...] = (
            {"header": "call", "overflow": "fold", "max_width": 40},
            {"header": "model", "overflow": "fold", "max_width": 30, "drop": 3},
            {"header": "tokens in → out", "justify": "right", "no_wrap": True, "drop": 2},
            {"header": "cost", "justify": "right", "no_wrap": True},
            {"header": "took", "justify": "right", "no_wrap": True, "drop": 1},
        )
        shown = calls if self.full else calls[:MOST]
        yield indented(Fitting(widths, [each for call in shown for each in _llm_rows(call)]))
        if len(shown) < len(calls):
            yield indented(_more(len(calls) - len(shown), "calls"))
        for call in calls if self.full else []:
            rows = [
                (name, self._words.text(call.attributes[name]))
                for name in ("prompt", "response")
                if name in call.attributes
            ]
            yield indented(pairs([*rows, ("record", Text(call.record_id, QUIET))]))

    def _outputs(self) -> Iterator[RenderableType]:
        rows: list[tuple[str, RenderableType]] = [
            (name, self._words.text(value))
            for name, value in self.view.outputs.items()
            if value not in (None, "", [], {})
        ]
        for child in self.view.child_traces:
            parts = [
                text(child.get("trace_id")),
                text(child.get("output_type") or "", QUIET),
                text(child.get("path") or ""),
            ]
            rows.append(("child run", joined(part for part in parts if part.plain)))
        if self.row.trace_file_path:
            rows.append(("document", text(self.row.trace_file_path)))
        elif self.row.document_error:
            rows.append(("document", joined([Text("not written:", BAD), text(self.row.document_error, BAD)], " ")))
        if rows:
            yield heading("outputs")
            yield indented(pairs(rows))

    def _flags(self) -> Iterator[RenderableType]:
        if not self.row.flagged_for_review and not self.findings:
            return
        yield heading("flagged for review" if self.row.flagged_for_review else "findings")
        shown = sorted(self.findings, key=lambda each: (-each.finding.severity, each.finding.code, -each.ts_ns))
        for each in shown if self.full else shown[:MOST_FINDINGS]:
            yield indented(_finding(each.finding))
        if len(shown) > MOST_FINDINGS and not self.full:
            yield indented(_more(len(shown) - MOST_FINDINGS, "findings"))
        if not shown and self.row.review_notes:
            yield indented(pairs([("note", self._words.text(self.row.review_notes, MAYBE))]))


def _finding(finding: Finding) -> RenderableType:
    """Return a finding: its code with name, severity and confidence; what it says; what to do first."""
    code = catalog().get(finding.code)
    sure = f"confidence {finding.confidence:.2f}" if finding.confidence is not None else "confidence not measured"
    head = [text(finding.code, NAME), *([Text(code.name)] if code is not None else []), severity(finding.severity)]
    lines = [indented(text(shorter(finding.title), MAYBE if finding.severity >= Severity.MEDIUM else ""))]
    if finding.remediation:
        lines.append(indented(text(shorter(finding.remediation), QUIET)))
    return Group(joined([*head, Text(sure, QUIET)]), *lines)


def _draw(parts: Iterable[Part]) -> None:
    """Draw parts in order of time; of the same time, as they arrived."""
    for _, _, draw in sorted(parts, key=lambda part: part[:2]):
        draw()


def _first_ns(stage: StageTrace) -> int:
    """Return when a stage that nobody began is first heard of."""
    return min((each.ts_ns for each in stage.decisions), default=0)


def _llm_rows(call: LlmUse) -> Iterator[tuple[Text, ...]]:
    get = call.attributes.get
    where = joined([text(call.stage, QUIET), text(named(call.name))], ".") if call.stage else text(named(call.name))
    tokens = f"{_whole_number(get('input_tokens'))} → {_whole_number(get('output_tokens'))}"
    spent = duration(call.duration_ns / 1e9) if call.duration_ns is not None else "–"
    yield where, text(get("model")), Text(tokens), Text(money(number(get("cost_usd")))), Text(spent)
    if call.error:
        yield joined([Text("✗", BAD), render_events.failure(call.error)], " "), Text(), Text(), Text(), Text()


def _seconds(attempts: Sequence[Attempt]) -> float | None:
    known = [each.duration_ns for each in attempts if each.duration_ns is not None]
    return sum(known) / 1e9 if known else None


def _more(count: int, what: str) -> Text:
    return Text(f"… {count:,} more {what}; --full shows them all", QUIET)


def _whole_number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"


def _unfinished() -> Text:
    return Text("not ended", MAYBE)


def _counts(stage: StageTrace) -> str:
    """Return the evidence counts of a stage, in a few words."""
    found = {key: value for key, value in {**stage.outputs, **stage.evidence}.items() if type(value) is int}
    collected = found.get("collected_count", found.get("evidence_collected"))
    passed = found.get("evidence_passed", found.get("passed_count"))
    words = [
        f"{collected} collected" if collected is not None else "",
        f"{passed} passed" if passed is not None else "",
    ]
    return " → ".join(word for word in words if word)


def record(found: Record, content: Lookup) -> RenderableType:
    """Return one record, whole."""
    rows: list[tuple[str, RenderableType]] = [
        (name, text(value))
        for name, value in record_data(found).items()
        if name not in ("payload", "ts_ns", "flags", "level") and value not in ("", 0)
    ]
    for name, value in payload(found).items():
        if found.kind == kinds.EVENT and name == "attributes" and isinstance(value, dict):
            rows.append((name, pairs(render_events.attributes(value, content))))
        else:
            rows.append((name, block(resolve(value, content))))
    return Group(Text.assemble(("record ", QUIET), (found.record_id, NAME)), indented(pairs(rows[1:])))
