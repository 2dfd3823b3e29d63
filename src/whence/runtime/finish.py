"""What happens when a trace ends in this process: drain, document, report link; each failure on its own (R1.61-R1.64).

The order of the seed's `finish` is kept and each step is bounded; whatever cannot be done now is done by the next
drain, because the records are in the spool.
"""

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whence.errors import WhenceError
from whence.files import write_whole
from whence.record.notice import notice

if TYPE_CHECKING:
    from whence.model.trace import TraceSummary
    from whence.runtime.runtime import Runtime


def finish(runtime: "Runtime", otel_trace_id: str) -> dict[str, Any]:
    """Return what the seed's `finish` returns (R1.33), as far as the store and the disk allow.

    Keys: `file_path` or `file_error`; `supabase` ("saved", or "spooled" when the rest of the spool took all the time)
    or `supabase_error`; `calibration_flags`, `flagged_for_review`; `report_error` where the report was not linked.
    """
    from whence.model.assembly import summarise

    result: dict[str, Any] = {}
    row: TraceSummary | None = None
    if runtime.settings.drain:
        try:
            drained = runtime.drain(budget_s=runtime.settings.drain_budget_s)
            row = runtime.store().trace(otel_trace_id)
            stored = row is not None and row.status != "in_progress"
            result["supabase"] = "saved" if stored or drained.complete else "spooled"
            row = row if stored else None
        except WhenceError as exc:
            result["supabase_error"] = str(exc)
    else:
        result["supabase"] = "spooled"
    if row is None:
        row = summarise(runtime.view_from_spool(otel_trace_id))
        _document_from_spool(runtime, otel_trace_id, result)
    elif row.trace_file_path is not None:
        result["file_path"] = row.trace_file_path
    else:
        result["file_error"] = row.document_error or "not written yet"
    _findings(runtime, otel_trace_id, result)
    result["flagged_for_review"] = row.flagged_for_review
    if row.report_file_path:
        error = link_report(Path(row.report_file_path), row)
        if error is not None:
            result["report_error"] = error
    if not runtime.recorder.spool.settings.directory.is_dir() or "supabase_error" in result or "file_error" in result:
        _warn(runtime, result)
    return result


def _document_from_spool(runtime: "Runtime", otel_trace_id: str, result: dict[str, Any]) -> None:
    """Write the document from the spool when the store cannot give it (R1.62: the file is still saved)."""
    from whence.collect.documents import DocumentWriter
    from whence.runtime.runtime import generator
    from whence.store.memory import MemoryStore
    from whence.wire import records

    view = runtime.view_from_spool(otel_trace_id)
    if not view.records:
        result["file_error"] = f"nothing of this trace could be recorded: spool {runtime.recorder.spool.state}"
        return
    if "supabase_error" not in result:
        return  # the store works: the drain that gets to this trace writes the document
    store = MemoryStore()
    store.accept([records.encode(each) for each in runtime.spooled(otel_trace_id)])
    path, error = DocumentWriter(runtime.settings.documents, store, generator()).write(view)
    if path is not None:
        result["file_path"] = path
    else:
        result["file_error"] = error


def _findings(runtime: "Runtime", otel_trace_id: str, result: dict[str, Any]) -> None:
    result["calibration_flags"] = []
    if result.get("supabase") == "saved":
        try:
            found = runtime.store().findings(trace=otel_trace_id)
            result["calibration_flags"] = [each.finding.title for each in found if each.finding.code.startswith("CAL")]
        except WhenceError as exc:
            result["supabase_error"] = str(exc)


def link_report(path: Path, row: "TraceSummary") -> str | None:
    """Write the trace's id, time and quality into a Markdown report's front matter; returns what went wrong, if anything.

    The body stays byte for byte as it was, and linking twice changes nothing (R1.25, C1.27).
    """
    from whence.wire import frontmatter

    if path.suffix.lower() not in (".md", ".markdown", ".mdx", ".qmd"):
        return None
    values = {"trace_id": row.trace_id, "generated_at": row.completed_at or row.started_at}
    if row.overall_quality_score is not None:
        values["quality_score"] = f"{row.overall_quality_score:g}"
    if row.quality_gate_passed is not None:
        values["quality_gate"] = "passed" if row.quality_gate_passed else "failed"
    try:
        before = path.read_bytes()
        after = frontmatter.merge(before, values)
        if after != before:
            mode = stat.S_IMODE(path.stat().st_mode)
            write_whole(path, after, mode=mode)
            path.chmod(mode)  # whatever the umask made of it
    except OSError as exc:
        return f"{exc.strerror or exc}: {path}"
    return None


def _warn(runtime: "Runtime", result: dict[str, Any]) -> None:
    """Say that recording has trouble; `whence doctor` says the rest."""
    problem = result.get("supabase_error") or result.get("file_error") or runtime.recorder.spool.state
    notice(f"whence could not store a trace: {problem} (run `whence doctor`)")
