"""What stands above a run's tree: how it went, what was asked, what it cost."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli import plain
from whence.cli.render import (
    BAD,
    GOOD,
    MAYBE,
    NAME,
    QUIET,
    indented,
    joined,
    many,
    mark,
    moment,
    money,
    pairs,
    score,
    short_id,
    state,
    text,
    took,
)
from whence.cli.render_events import Words, ender
from whence.model.quality import number
from whence.model.record import Record
from whence.model.trace import TraceSummary, TraceView


class Header:
    """Draws what is known of a run as a whole.

    Args:
        events: of the run.
        words: how texts are shown.
    """

    def __init__(self, row: TraceSummary, view: TraceView, events: Sequence[Record], words: Words) -> None:
        self.row, self.view, self.events, self.words = row, view, events, words

    def draw(self) -> RenderableType:
        """Return the drawing."""
        row = self.row
        parts: list[RenderableType] = [joined([mark(row), Text(plain.line(row.trace_id), NAME)], " ")]
        if self.view.start.query is not None:
            parts.append(indented(self.words.text(self.view.start.query)))
        return Group(*parts, Text(), indented(pairs(self._facts())))

    def _facts(self) -> Iterator[tuple[str, RenderableType]]:
        row = self.row
        yield "status", state(row)
        if row.error:
            yield "error", self.words.error(self.view.error)
            ended_by = ender(self.events, row.status, self.view.error, self.words.content)
            if ended_by is not None:
                yield "ended by", self.words.error(ended_by.error)
        if row.overall_quality_score is not None:
            of = self.view.quality.threshold
            needed = f"  {of:g} needed" if of is not None else ""
            style = BAD if row.quality_gate_passed is False else GOOD
            yield "quality", Text.assemble((score(row.overall_quality_score), style), (needed, QUIET))
        elif self._gate_said_something_else():
            words = "not understood: the quality gate's outputs have neither `passed` nor `overall_score`"
            yield "quality", Text(words, MAYBE)
        if row.gap_principles and not self.has_table():
            yield "fell short", self._principles(row.gap_principles, BAD)
        if row.strength_principles and not self.has_table():
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
            known = "  ".join(each for each in (cost, tokens) if each)
            # On a line of its own: a command that is broken in two cannot be copied.
            yield "cost", Text("\n".join(each for each in (known, self._not_known()) if each))
        if row.parent_trace_id:
            yield "part of", text(row.parent_trace_id)
        events = f", {many(self.view.events, 'event')}" if self.view.events else ""
        yield "recorded", Text(f"{many(row.records, 'record')}, {many(row.decisions, 'decision')}{events}")
        if row.dropped:
            yield "dropped", Text(f"{many(row.dropped, 'record')} (see `whence doctor`)", BAD)

    def _not_known(self) -> str:
        """Return how many calls the cost leaves out, and how to see which."""
        synthesis = self.view.stages.get("synthesis")
        # What a stage's outputs say of its cost stands for its calls.
        told = synthesis is not None and number(synthesis.outputs.get("cost_usd")) is not None
        calls = [each for each in self.view.llm_calls if not each.open and not (told and each.stage == "synthesis")]
        unknown = sum(number(each.attributes.get("cost_usd")) is None for each in calls)
        if not unknown:
            return ""
        which = f"{unknown:,} of {many(len(calls), 'LLM call')}"
        return f"({which} unknown: `whence cost --trace {short_id(self.row.trace_id)}`)"

    def _gate_said_something_else(self) -> bool:
        """Return whether the gate ended with outputs of which nothing was understood."""
        quality, gate_ = self.view.quality, self.view.stages.get("quality_gate")
        if gate_ is None or quality.passed is not None or quality.overall is not None:
            return False
        return any(each.ended_ns is not None and each.outputs for each in gate_.attempts)

    def has_table(self) -> bool:
        """Return whether the scores are drawn as a table elsewhere."""
        return self.words.full and bool(self.view.quality.scores)

    def _principles(self, ids: Sequence[str], style: str) -> Text:
        scores = self.row.principle_scores
        shown = [Text.assemble((plain.line(pid), style), f" {scores[pid]:g}" if pid in scores else "") for pid in ids]
        return joined(shown if self.words.full else shown[:6], ", ").append(
            "" if self.words.full or len(shown) <= 6 else ", …"
        )


def evidence(row: TraceSummary) -> str:
    """Return how much evidence there was, and how much of it was kept."""
    kept = f" → {row.evidence_passed} passed" if row.evidence_passed is not None else ""
    left = f" ({row.evidence_filtered} filtered)" if row.evidence_filtered is not None else ""
    return f"{_whole_number(row.evidence_collected)} collected{kept}{left}"


def _whole_number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"
