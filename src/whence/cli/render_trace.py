"""One run as a tree: stages, their attempts, the decisions made in each; and one record on its own."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli import plain, render_made
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
    mark,
    moment,
    money,
    named,
    pairs,
    score,
    shorter,
    state,
    text,
    took,
)
from whence.cli.render_lists import payload, record_data
from whence.model import record as kinds
from whence.model.content import resolve
from whence.model.quality import GAP_BELOW, STRENGTH_FROM, number, passed_of
from whence.model.record import Record
from whence.model.severity import Severity
from whence.model.trace import Attempt, Decision, LlmUse, SpanUse, StageTrace, TraceSummary, TraceView
from whence.store.interface import StoredFinding

CLIP = 180
DEPTH = 60
"""So deep spans are drawn in each other."""
_PLACED = (kinds.DECISION, kinds.EVENT, kinds.TRANSFORM, kinds.CHECK, kinds.FILE)
MOST = 50
"""Decisions of an attempt, attempts of a stage, LLM calls and rounds that are shown without --full."""
Lookup = Callable[[str], str | None]
_SCORES = "principle_scores"
_SAID_BY_SCORES = ("gap_principles", "gaps", "strength_principles", "strengths")


class Beside:
    """What the records of a run say that its view does not carry: events, and which span lies in which.

    Args:
        records: those of the run, in order of arrival.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self.parents: dict[str, str] = {}  # of spans
        self.events: list[Record] = []
        self.span_of: dict[str, str] = {}  # of decisions and events, by record id
        self.place_of: dict[str, int] = {}  # in the order of arrival
        for place, each in enumerate(records):
            if each.kind == kinds.SPAN_START:
                self.parents[each.span] = each.parent
            elif each.kind in _PLACED:
                self.span_of[each.record_id], self.place_of[each.record_id] = each.span, place
                if each.kind == kinds.EVENT:
                    self.events.append(each)

    def owner(self, span: str, of: Collection[str]) -> str:
        """Return the nearest of these spans that a span lies in, or an empty string."""
        seen = {span}
        above = self.parents.get(span, "")
        while above and above not in of and above not in seen:
            seen.add(above)
            above = self.parents.get(above, "")
        return above if above in of and above not in seen else ""


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
        self._limit = None if full else CLIP
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
            span = event.span if event.span in spans else ""
            self._in_spans.setdefault(span, []).append(event)

    def draw(self) -> RenderableType:
        """Return the drawing."""
        parts: list[RenderableType] = [self._header(), *self._stages(), *self._spans(), *self._iterations()]
        parts += self._llm_calls()
        return Group(*parts, *self._principle_table(), *self._outside(), *self._outputs(), *self._flags())

    def _whole(self, value: Any) -> Any:
        return resolve(value, self._content) if self.full else value

    def _text(self, value: Any, style: str = "") -> Text:
        return block(self._whole(value), style, self._limit)

    # -- above the tree -------------------------------------------------------------------------------------------

    def _header(self) -> RenderableType:
        row = self.row
        parts: list[RenderableType] = [joined([mark(row), Text(plain.line(row.trace_id), NAME)], " ")]
        if self.view.start.query is not None:
            parts.append(indented(self._text(self.view.start.query)))
        return Group(*parts, Text(), indented(pairs(self._facts())))

    def _facts(self) -> Iterator[tuple[str, RenderableType]]:
        row = self.row
        yield "status", state(row)
        if row.error:
            yield "error", self._text(self.view.error, BAD)
        if row.overall_quality_score is not None:
            of = self.view.quality.threshold
            needed = f"  {of:g} needed" if of is not None else ""
            style = BAD if row.quality_gate_passed is False else GOOD
            yield "quality", Text.assemble((score(row.overall_quality_score), style), (needed, QUIET))
        elif self._gate_said_something_else():
            words = "not understood: the quality gate's outputs have neither `passed` nor `overall_score`"
            yield "quality", Text(words, MAYBE)
        if row.gap_principles and not self._has_table():
            yield "fell short", self._principles(row.gap_principles, BAD)
        if row.strength_principles and not self._has_table():
            yield "strong in", self._principles(row.strength_principles, GOOD)
        yield "project", text(row.project_name or row.project_id or row.project)
        kind = [each for each in (row.intent, row.domain, row.report_type, row.research_type) if each]
        if kind:
            yield "kind", text(" · ".join(kind))
        spent = f", took {took(row.duration_seconds)}" if row.duration_seconds is not None else ""
        yield "started", Text(f"{moment(row.started_ns)} UTC{spent}")
        if row.evidence_collected is not None or row.evidence_passed is not None:
            yield "evidence", Text(evidence(row))
        if row.total_tokens is not None or row.total_cost_usd is not None:
            tokens = f"{row.total_tokens:,} tokens" if row.total_tokens is not None else ""
            cost = money(row.total_cost_usd) if row.total_cost_usd is not None else ""
            yield "cost", Text("  ".join(each for each in (cost, tokens) if each))
        if row.parent_trace_id:
            yield "part of", text(row.parent_trace_id)
        events = f", {many(self.view.events, 'event')}" if self.view.events else ""
        yield "recorded", Text(f"{many(row.records, 'record')}, {many(row.decisions, 'decision')}{events}")
        if row.dropped:
            yield "dropped", Text(f"{many(row.dropped, 'record')} (see `whence doctor`)", BAD)

    def _gate_said_something_else(self) -> bool:
        """Return whether the gate ended with outputs of which nothing was understood."""
        quality, gate_ = self.view.quality, self.view.stages.get("quality_gate")
        if gate_ is None or quality.passed is not None or quality.overall is not None:
            return False
        return any(each.ended_ns is not None and each.outputs for each in gate_.attempts)

    def _has_table(self) -> bool:
        return self.full and bool(self.view.quality.scores)

    def _principles(self, ids: Sequence[str], style: str) -> Text:
        scores = self.row.principle_scores
        shown = [Text.assemble((plain.line(pid), style), f" {scores[pid]:g}" if pid in scores else "") for pid in ids]
        return joined(shown if self.full else shown[:6], ", ").append("" if self.full or len(shown) <= 6 else ", …")

    # -- the tree -------------------------------------------------------------------------------------------------

    def _stages(self) -> Iterator[RenderableType]:
        if not self.view.stages:
            return
        yield Text()
        tree = Branch(Text("stages", NAME))
        self._inside(tree, "", set())
        yield tree

    def _inside(self, node: Branch, owner: str, drawn: set[str]) -> None:
        """Draw the stages that lie in an attempt, or (for an empty owner) in none."""
        for (name, component), attempts in self._nested.get(owner, {}).items():
            fresh = [each for each in attempts if each.span not in drawn]
            if fresh or not attempts:
                drawn |= {each.span for each in fresh}
                self._stage(node, self.view.stages[name], component, fresh, drawn)

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
        shown = decisions if self.full else decisions[:MOST]
        events = self._in_spans.get(attempt.span, []) if attempt is not None else []
        made = self._made_in.get(attempt.span, []) if attempt is not None else []
        place = self._beside.place_of
        told = [each for each in events if self._tells(each)]
        items: list[Decision | Record | render_made.Made] = [*shown, *told, *(made if self.full else made[:MOST])]
        for item in sorted(items, key=lambda each: place.get(each.record_id, 0)):
            if isinstance(item, Record):
                self._event(node, item)
            elif isinstance(item, Decision):
                self._decision(node, item)
            else:
                node.add(Group(*render_made.line(item, full=self.full)))
        if not self.full and len(made) > MOST:
            node.add(_more(len(made) - MOST, "steps"))
        if attempt is not None:
            self._timed(node, attempt.span)
        if len(shown) < len(decisions):
            node.add(_more(len(decisions) - len(shown), "decisions"))
        self._untold(node, events)
        if attempt is not None:
            self._inside(node, attempt.span, drawn)
        if attempt is not None and attempt.error:
            node.add(joined([Text("✗", BAD), self._text(attempt.error, BAD)], " "))
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
        self._timed(tree, "", free)
        for each in made if self.full else made[:MOST]:
            tree.add(Group(*render_made.line(each, full=self.full)))
        yield tree

    def _timed(self, node: Branch, span: str, some: Sequence[render_made.Timed] | None = None, depth: int = 0) -> None:
        found = self._timed_in.get(span, []) if some is None else some
        shown = found if self.full else found[:MOST]
        for each in shown:
            below = node.add(render_made.timed(each))
            if isinstance(each, SpanUse) and depth < DEPTH:
                for made in self._made_in.get(each.span, []):
                    below.add(Group(*render_made.line(made, full=self.full)))
                self._timed(below, each.span, None, depth + 1)
        if len(shown) < len(found):
            node.add(_more(len(found) - len(shown), "spans"))

    # -- events -----------------------------------------------------------------------------------------------------

    def _tells(self, event: Record) -> bool:
        """Return whether an event is drawn: the bad ones always, the others with --full."""
        return self.full or event.level >= Severity.HIGH

    def _event(self, node: Branch, event: Record) -> None:
        said = payload(event)
        style = BAD if event.level >= Severity.HIGH else MAYBE if event.level >= Severity.MEDIUM else QUIET
        level = Severity(event.level).label if event.level in tuple(Severity) else str(event.level)
        head = joined([Text("·", style), Text(level, style), text(named(event.name))])
        message = [self._text(said["message"])] if said.get("message") not in (None, "") else []
        parts: list[RenderableType] = [head, *message] if self.full else [joined([head, *message])]
        if self.full:
            kept = said.get("attributes")
            rows = [(key, self._text(each)) for key, each in kept.items()] if isinstance(kept, dict) else []
            parts.append(pairs([*rows, ("record", Text(event.record_id, QUIET))]))
        node.add(Group(*parts))

    def _untold(self, node: Branch, events: Sequence[Record]) -> None:
        left = [each for each in events if not self._tells(each)]
        if left:
            verb = "shows it" if len(left) == 1 else "shows them"
            node.add(Text(f"{many(len(left), 'event')}; --full {verb}", QUIET))

    def _outside(self) -> Iterator[RenderableType]:
        """Yield the events that lie in no stage."""
        events = self._in_spans.get("", [])
        if events:
            yield Text()
            tree = Branch(Text("events outside any stage", NAME))
            for each in events:
                if self._tells(each):
                    self._event(tree, each)
            self._untold(tree, events)
            yield tree

    def _decision(self, node: Branch, made: Decision) -> None:
        parts: list[RenderableType] = [joined([text(named(made.decision)), confidence(made.confidence)])]
        parts.append(self._text(made.what, NAME))
        rows: list[tuple[str, RenderableType]] = []
        if made.why:
            rows.append(("why", self._text(made.why)))
        if made.alternatives_considered:
            rows.append(("not", self._text(made.alternatives_considered, QUIET)))
        if self.full:
            # Under the names that `whence decisions --where` takes.
            rows += [(f"inputs.{name}", self._text(value)) for name, value in made.inputs.items()]
            rows += [(f"attributes.{name}", self._text(value)) for name, value in (made.attributes or {}).items()]
            rows += [(f"given.{name}", self._text(value)) for name, value in (made.given or {}).items()]
            rows.append(("record", Text(made.record_id, QUIET)))
        node.add(Group(*parts, pairs(rows)) if rows else Group(*parts))

    def _object(self, node: Branch, name: str, value: dict[str, Any]) -> None:
        scored = scores_of(value.get(_SCORES))
        rows: list[tuple[str, RenderableType]] = []
        for key, each in value.items():
            if key == _SCORES and scored:
                rows.append((key, _score_table(scored)))
            elif not (scored and key in _SAID_BY_SCORES):
                rows.append((key, self._text(each)))
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
                    (f"{plain.line(k)} ", QUIET), _brief_scores(scored) if scored and k == _SCORES else self._brief(v)
                )
                for k, v in rest.items()
            ]
            table.add_row(str(count), sign, joined(said))
        yield indented(table)
        if len(shown) < len(self.view.iterations):
            yield indented(_more(len(self.view.iterations) - len(shown), "rounds"))

    def _principle_table(self) -> Iterator[RenderableType]:
        quality = self.view.quality
        if self._has_table() and not any(
            isinstance(each.outputs, dict) and scores_of(each.outputs.get(_SCORES))
            for stage in self.view.stages.values()
            for each in stage.attempts
        ):
            yield heading("principles")
            yield indented(_score_table([(pid, {"score": each}) for pid, each in quality.scores.items()]))

    def _brief(self, value: Any) -> Text:
        return text(self._whole(value), limit=None if self.full else 60)

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
                (name, self._text(call.attributes[name])) for name in ("prompt", "response") if name in call.attributes
            ]
            yield indented(pairs([*rows, ("record", Text(call.record_id, QUIET))]))

    def _outputs(self) -> Iterator[RenderableType]:
        rows: list[tuple[str, RenderableType]] = [
            (name, self._text(value)) for name, value in self.view.outputs.items() if value not in (None, "", [], {})
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
        rows: list[tuple[str, RenderableType]] = []
        for each in self.findings:
            rows.append((each.finding.code, text(each.finding.title, MAYBE)))
            if each.finding.remediation:
                rows.append(("", text(shorter(each.finding.remediation), QUIET)))
        if not rows and self.row.review_notes:
            rows.append(("note", self._text(self.row.review_notes, MAYBE)))
        yield indented(pairs(rows))


def _llm_rows(call: LlmUse) -> Iterator[tuple[Text, ...]]:
    get = call.attributes.get
    where = joined([text(call.stage, QUIET), text(named(call.name))], ".") if call.stage else text(named(call.name))
    tokens = f"{_whole_number(get('input_tokens'))} → {_whole_number(get('output_tokens'))}"
    spent = duration(call.duration_ns / 1e9) if call.duration_ns is not None else "–"
    yield where, text(get("model")), Text(tokens), Text(money(number(get("cost_usd")))), Text(spent)
    if call.error:
        yield joined([Text("✗", BAD), text(call.error, BAD, 120)], " "), Text(), Text(), Text(), Text()


def _seconds(attempts: Sequence[Attempt]) -> float | None:
    known = [each.duration_ns for each in attempts if each.duration_ns is not None]
    return sum(known) / 1e9 if known else None


def _more(count: int, what: str) -> Text:
    return Text(f"… {count:,} more {what}; --full shows them all", QUIET)


def scores_of(raw: object) -> list[tuple[str, dict[str, Any]]]:
    """Return what was scored, as (principle, its details); nothing where it is no list or mapping of scores."""
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(raw, dict):
        found = [(str(key), each if isinstance(each, dict) else {"score": each}) for key, each in raw.items()]
    elif isinstance(raw, list):
        found = [(str(each["id"]), each) for each in raw if isinstance(each, dict) and "id" in each]
        found = found if len(found) == len(raw) else []
    return found if all(number(each.get("score")) is not None for _, each in found) else []


def _score_table(scored: Sequence[tuple[str, dict[str, Any]]]) -> RenderableType:
    names = [key for key in ("name", "feedback") if any(each.get(key) for _, each in scored)]
    widths: list[dict[str, Any]] = [
        {"header": "principle", "no_wrap": True},
        {"header": "score", "justify": "right", "no_wrap": True},
    ]
    widths += [{"header": name, "overflow": "fold", "least": 14, "drop": n} for n, name in enumerate(names)]
    rows: list[tuple[Text, ...]] = []
    for pid, each in scored:
        points = number(each.get("score")) or 0.0
        style = BAD if points < GAP_BELOW else GOOD if points >= STRENGTH_FROM else ""
        said = [text(each.get(name) or "") for name in names]
        rows.append((text(named(pid)), Text(f"{points:g}", style), *said))
    return Fitting(widths, rows)


def _brief_scores(scored: Sequence[tuple[str, dict[str, Any]]]) -> Text:
    return text(", ".join(f"{pid} {number(each.get('score')) or 0.0:g}" for pid, each in scored))


def evidence(row: TraceSummary) -> str:
    """Return how much evidence there was, and how much of it was kept."""
    kept = f" → {row.evidence_passed} passed" if row.evidence_passed is not None else ""
    left = f" ({row.evidence_filtered} filtered)" if row.evidence_filtered is not None else ""
    return f"{_whole_number(row.evidence_collected)} collected{kept}{left}"


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
    said = payload(found)
    rows += [(name, block(resolve(value, content))) for name, value in said.items()]
    return Group(Text.assemble(("record ", QUIET), (found.record_id, NAME)), indented(pairs(rows[1:])))
