"""What a verbose run prints at its end, and the summary it leaves beside its document (REQUIREMENTS D1)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from whence.clock import iso_utc
from whence.files import write_whole
from whence.model.assembly import summarise
from whence.model.quality import passed_of
from whence.model.trace import TraceSummary, TraceView

OUT_OF = 3.0
_CELL_CHARS = 200


def print_scorecard(otel_trace_id: str) -> None:
    """Print a run's scorecard to stdout: quality, time, cost, evidence, gaps, trace id."""
    from whence.runtime.runtime import runtime_or_default

    print(scorecard(runtime_or_default().view(otel_trace_id)))  # noqa: T201 - asked for with verbose=True


def scorecard(view: TraceView) -> str:
    """Return the scorecard as a few lines of text."""
    row = summarise(view)
    rows = [
        ("quality", _verdict(row)),
        ("took", _seconds(row.duration_seconds)),
        ("cost", "unknown" if row.total_cost_usd is None else f"${row.total_cost_usd:.4f}"),
        ("evidence", f"{_count(row.evidence_collected)} collected → {_count(row.evidence_passed)} passed"),
        ("gaps", ", ".join(map(_plain, row.gap_principles)) or "none"),
        ("trace", _plain(row.trace_id)),
    ]
    return "\n".join([f"whence: {row.status}", *(f"  {name:<9} {value}" for name, value in rows)])


def write_summary(view: TraceView, folder: Path | None = None) -> Path | None:
    """Write `{trace_id}_summary.md` beside the trace's document (or into a folder); None where there is no place for it.

    A summary is a convenience: a disk that does not take it is no error, since everything in it is in the records.
    """
    if folder is None:
        if view.document_path is None:
            return None
        folder = Path(view.document_path).parent
    path = folder / f"{''.join(c if c.isalnum() or c in '-_.' else '-' for c in view.trace_id)}_summary.md"
    try:
        write_whole(path, summary_markdown(view).encode())
    except OSError:
        return None
    return path


def summary_markdown(view: TraceView) -> str:
    """Return a run as a Markdown page: gate, evidence, stages, decisions, synthesis, rounds, outputs."""
    return "\n".join(_sections(view, summarise(view))) + "\n"


def _sections(view: TraceView, row: TraceSummary) -> Iterator[str]:
    yield f"# {_cell(row.trace_id)}"
    yield ""
    if view.start.query is not None:
        yield f"> {_cell(view.start.query)}"
        yield ""
    yield f"**{row.status}**, quality {_verdict(row)}, {_seconds(row.duration_seconds)}, started {iso_utc(row.started_ns)}"
    quality = view.quality
    if quality.scores:
        yield from _table("Quality gate", ("principle", "score", "feedback"), _principles(view))
    collection = view.stages.get("collection")
    if collection is not None and (collection.evidence or row.evidence_collected is not None):
        found = {"collected": row.evidence_collected, "passed": row.evidence_passed, "filtered": row.evidence_filtered}
        rows = [(name, value) for name, value in {**found, **collection.evidence}.items() if value is not None]
        yield from _table("Evidence", ("what", "count"), rows)
    stages = [
        (name, len(s.attempts), _seconds(s.duration_seconds), len(s.decisions), s.error)
        for name, s in view.stages.items()
    ]
    if stages:
        yield from _table("Stages", ("stage", "attempts", "took", "decisions", "error"), stages)
    made = [
        (d.stage, d.decision, d.what, d.why, d.confidence if d.confidence is not None and d.confidence < 1 else "")
        for stage in view.stages.values()
        for d in stage.decisions
    ]
    if made:
        yield from _table("Decisions", ("stage", "decision", "what", "why", "confidence"), made)
    if row.synthesis_model is not None:
        used = (row.synthesis_model, row.synthesis_input_tokens, row.synthesis_output_tokens, row.synthesis_cost_usd)
        yield from _table("Synthesis", ("model", "tokens in", "tokens out", "cost (USD)"), [used])
    rounds = [
        (n, {True: "passed", False: "failed", None: ""}[passed_of(d)], d) for n, d in enumerate(view.iterations, 1)
    ]
    if rounds:
        yield from _table("Rounds", ("round", "gate", "what"), rounds)
    outputs = [(name, value) for name, value in view.outputs.items() if value not in (None, "", [], {})]
    if outputs:
        yield from _table("Outputs", ("output", "where"), outputs)


def _principles(view: TraceView) -> list[tuple[Any, ...]]:
    by_id = {str(detail.get("id")): detail for detail in view.quality.details}
    return [(pid, f"{score:g}", by_id.get(pid, {}).get("feedback")) for pid, score in view.quality.scores.items()]


def _table(title: str, header: tuple[str, ...], rows: list[tuple[Any, ...]] | list[tuple[str, Any]]) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(_cell(value) for value in row)} |"


def _verdict(row: TraceSummary) -> str:
    if row.overall_quality_score is None and row.quality_gate_passed is None:
        return "not scored"
    score = "–" if row.overall_quality_score is None else f"{row.overall_quality_score:.2f}"
    verdict = {True: " PASS", False: " FAIL", None: ""}[row.quality_gate_passed]
    return f"{score}/{OUT_OF:.1f}{verdict}"


def _seconds(value: float | None) -> str:
    return "–" if value is None or value < 0 else f"{value:.2f} s"


def _count(value: int | None) -> str:
    return "–" if value is None else str(value)


def _cell(value: Any) -> str:
    """Return a value as one table cell: stored text must not write Markdown or HTML of its own."""
    shown = _plain(value)
    shown = shown if len(shown) <= _CELL_CHARS else shown[: _CELL_CHARS - 1] + "…"
    for char in "\\`*_[]<>|":
        shown = shown.replace(char, f"\\{char}")
    return shown


def _plain(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
