"""One run as a tree: stages, their attempts, the decisions made in each; and one record on its own."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from whence.cli import plain
from whence.cli.render import (
    BAD,
    COMMAND,
    GOOD,
    MAYBE,
    NAME,
    QUIET,
    block,
    columns,
    confidence,
    duration,
    heading,
    indented,
    joined,
    mark,
    moment,
    money,
    pairs,
    score,
    shorter,
    state,
    text,
)
from whence.cli.render_lists import payload, record_data
from whence.model.content import resolve
from whence.model.quality import number, passed_of
from whence.model.record import Record
from whence.model.trace import Attempt, Decision, LlmUse, StageTrace, TraceSummary, TraceView
from whence.store.interface import StoredFinding

CLIP = 180
Lookup = Callable[[str], str | None]


class TraceDrawing:
    """Draws one run.

    Args:
        full: whole texts, inputs, prompts, outputs and record ids too.
        content: a text by its hash.
    """

    def __init__(
        self, row: TraceSummary, view: TraceView, findings: Sequence[StoredFinding], *, full: bool, content: Lookup
    ):
        self.row, self.view, self.findings, self.full = row, view, findings, full
        self._content = content
        self._limit = None if full else CLIP

    def draw(self) -> RenderableType:
        """Return the drawing."""
        parts: list[RenderableType] = [self._header(), *self._stages(), *self._iterations(), *self._llm_calls()]
        return Group(*parts, *self._outputs(), *self._flags())

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
        if row.gap_principles:
            yield "fell short", self._principles(row.gap_principles, BAD)
        if row.strength_principles:
            yield "strong in", self._principles(row.strength_principles, GOOD)
        yield "project", text(row.project_name or row.project_id or row.project)
        kind = [each for each in (row.intent, row.domain, row.report_type, row.research_type) if each]
        if kind:
            yield "kind", text(" · ".join(kind))
        took = f", took {duration(row.duration_seconds)}" if row.duration_seconds is not None else ""
        yield "started", Text(f"{moment(row.started_ns)} UTC{took}")
        if row.evidence_collected is not None or row.evidence_passed is not None:
            yield "evidence", Text(evidence(row))
        if row.total_tokens is not None or row.total_cost_usd is not None:
            tokens = f"{row.total_tokens:,} tokens" if row.total_tokens is not None else ""
            cost = money(row.total_cost_usd) if row.total_cost_usd is not None else ""
            yield "cost", Text("  ".join(each for each in (cost, tokens) if each))
        if row.parent_trace_id:
            yield "part of", text(row.parent_trace_id)
        events = f", {self.view.events} events" if self.view.events else ""
        yield "recorded", Text(f"{row.records} records, {row.decisions} decisions{events}")
        if row.dropped:
            yield "dropped", Text(f"{row.dropped} records (see `whence doctor`)", BAD)

    def _principles(self, ids: Sequence[str], style: str) -> Text:
        scores = self.row.principle_scores
        shown = [Text.assemble((plain.line(pid), style), f" {scores[pid]:g}" if pid in scores else "") for pid in ids]
        return joined(shown if self.full else shown[:6], ", ").append("" if self.full or len(shown) <= 6 else ", …")

    # -- the tree -------------------------------------------------------------------------------------------------

    def _stages(self) -> Iterator[RenderableType]:
        if not self.view.stages:
            return
        yield Text()
        tree = Tree(Text("stages", NAME), guide_style=QUIET)
        for stage in self.view.stages.values():
            self._stage(tree, stage)
        yield tree

    def _stage(self, tree: Tree, stage: StageTrace) -> None:
        tries = len(stage.attempts)
        beside = [Text(duration(stage.duration_seconds), QUIET)] if stage.duration_seconds is not None else []
        beside += [Text(f"{tries} attempts", QUIET)] if tries > 1 else []
        beside += [_unfinished()] if any(each.ended_ns is None for each in stage.attempts) else []
        counts = _counts(stage)
        beside += [Text(counts, QUIET)] if counts else []
        node = tree.add(joined([text(stage.name, f"{NAME} {COMMAND}"), *beside]))
        if tries > 1:
            for attempt in stage.attempts:
                beside = [Text(duration(attempt.duration_ns / 1e9), QUIET)] if attempt.duration_ns is not None else []
                branch = node.add(joined([Text(f"attempt {attempt.attempt}"), *beside]))
                self._attempt(branch, attempt, [d for d in stage.decisions if d.attempt == attempt.attempt])
        else:
            only = stage.attempts[0] if stage.attempts else None
            self._attempt(node, only, stage.decisions)
        if self.full:
            for name, value in (("prompts", stage.prompts), ("evidence", stage.evidence)):
                if value:
                    self._object(node, name, value)

    def _attempt(self, node: Tree, attempt: Attempt | None, decisions: Sequence[Decision]) -> None:
        for made in decisions:
            self._decision(node, made)
        if attempt is not None and attempt.error:
            node.add(joined([Text("✗", BAD), self._text(attempt.error, BAD)], " "))
        if self.full and attempt is not None and isinstance(attempt.outputs, dict) and attempt.outputs:
            self._object(node, "outputs", attempt.outputs)

    def _decision(self, node: Tree, made: Decision) -> None:
        parts: list[RenderableType] = [joined([text(made.decision), confidence(made.confidence)])]
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

    def _object(self, node: Tree, name: str, value: dict[str, Any]) -> None:
        rows = [(key, self._text(each)) for key, each in value.items()]
        node.add(Group(Text(name, QUIET), indented(pairs(rows))))

    # -- below the tree -------------------------------------------------------------------------------------------

    def _iterations(self) -> Iterator[RenderableType]:
        if not self.view.iterations:
            return
        yield heading("rounds through the quality gate")
        table = columns({"justify": "right"}, {}, {"overflow": "fold"})
        for count, data in enumerate(self.view.iterations, 1):
            passed = passed_of(data)
            sign = Text("–", QUIET) if passed is None else Text("passed", GOOD) if passed else Text("failed", BAD)
            rest = {k: v for k, v in data.items() if k not in ("passed", "passing", "quality_gate_result", "iteration")}
            said = [Text.assemble((f"{plain.line(k)} ", QUIET), self._brief(v)) for k, v in rest.items()]
            table.add_row(str(count), sign, joined(said))
        yield indented(table)

    def _brief(self, value: Any) -> Text:
        return text(self._whole(value), limit=None if self.full else 60)

    def _llm_calls(self) -> Iterator[RenderableType]:
        calls = self.view.llm_calls
        if not calls:
            return
        yield heading("LLM calls", str(len(calls)))
        table = columns(
            {"header": "call", "overflow": "fold"},
            {"header": "model", "overflow": "fold"},
            {"header": "tokens in → out", "justify": "right", "no_wrap": True},
            {"header": "cost", "justify": "right", "no_wrap": True},
            {"header": "took", "justify": "right", "no_wrap": True},
        )
        for call in calls:
            self._llm_row(table.add_row, call)
        yield indented(table)
        for call in calls if self.full else []:
            rows = [
                (name, self._text(call.attributes[name])) for name in ("prompt", "response") if name in call.attributes
            ]
            yield indented(pairs([*rows, ("record", Text(call.record_id, QUIET))]))

    def _llm_row(self, add: Callable[..., None], call: LlmUse) -> None:
        get = call.attributes.get
        where = joined([text(call.stage, QUIET), text(call.name)], ".") if call.stage else text(call.name)
        tokens = f"{_whole_number(get('input_tokens'))} → {_whole_number(get('output_tokens'))}"
        took = duration(call.duration_ns / 1e9) if call.duration_ns is not None else "–"
        add(where, text(get("model")), tokens, money(number(get("cost_usd"))), took)
        if call.error:
            add(joined([Text("✗", BAD), text(call.error, BAD, 120)], " "))

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
