"""What happens when a trace ends in this process: drain, document, report link; each failure on its own (R1.61-R1.64).

The order of the seed's `finish` is kept and each step is bounded; whatever cannot be done now is done by the next
drain, because the records are in the spool.
"""

import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whence.collect.segments import segments
from whence.errors import WhenceError
from whence.files import write_whole
from whence.model.filters import FindingFilter
from whence.model.trace import IN_PROGRESS
from whence.record.notice import notice

if TYPE_CHECKING:
    from whence.model.trace import TraceSummary
    from whence.runtime.runtime import Runtime


LOOKED_THROUGH_BYTES = 16 * 1024 * 1024
"""A larger spool is not looked through for the one run that has ended."""


def finish(runtime: "Runtime", otel_trace_id: str) -> dict[str, Any]:
    """Return what the seed's `finish` returns (R1.33), as far as the store and the disk allow.

    Keys: `file_path` or `file_error`; `supabase` ("saved", or "spooled" when the rest of the spool took all the time)
    or `supabase_error`; `calibration_flags`, `flagged_for_review`; `report_error` where the report was not linked.
    """
    result: dict[str, Any] = {"calibration_flags": [], "flagged_for_review": False}
    row: TraceSummary | None = None
    try:
        if runtime.settings.drain:
            runtime.drain(budget_s=runtime.settings.drain_budget_s)
            found = runtime.store().trace(otel_trace_id)
            row = found if found is not None and found.status != IN_PROGRESS else None
        result["supabase"] = "saved" if row is not None else "spooled"
    except WhenceError as exc:
        result["supabase_error"] = str(exc)
    if row is not None:
        _of_stored(runtime, row, result)
    elif runtime.settings.drain and "supabase_error" not in result:
        # The time is up. Whoever drains next stores the trace and writes its document; to read it all back from the
        # spool now would cost the time that there is not.
        result["file_error"] = "not yet: the trace is in the spool"
        return result
    elif sum(each.bytes for each in segments(runtime.settings.spool)) > LOOKED_THROUGH_BYTES:
        # Nobody drains. To look through all that waits at the end of every run would cost the host more each time.
        result["file_error"] = "not yet: much waits in the spool; the next drain writes it"
    else:
        row = _of_spooled(runtime, otel_trace_id, result)
    if row is not None and row.report_file_path:
        error = link_report(Path(row.report_file_path), row)
        if error is not None:
            result["report_error"] = error
    if "supabase_error" in result:
        notice(f"whence could not store a trace: {result['supabase_error']} (run `whence doctor`)")
    elif result.get("supabase") == "saved" and "file_error" in result:
        notice(f"whence stored a trace, but not its document: {result['file_error']} (run `whence doctor`)")
    return result


def _of_stored(runtime: "Runtime", row: "TraceSummary", result: dict[str, Any]) -> None:
    """Say what became of a trace that the store has."""
    from whence.diagnose.calibration import CODES

    if row.trace_file_path is not None:
        result["file_path"] = row.trace_file_path
    else:
        result["file_error"] = row.document_error or "not written yet"
    result["flagged_for_review"] = row.flagged_for_review
    try:
        found = runtime.store().findings(FindingFilter(trace=row.id, codes=CODES))
        result["calibration_flags"] = [each.finding.title for each in found]
    except WhenceError as exc:
        result["supabase_error"] = str(exc)


def _of_spooled(runtime: "Runtime", otel_trace_id: str, result: dict[str, Any]) -> "TraceSummary | None":
    """Make of the spool what the store cannot give; where the store fails, the document is still written (R1.62)."""
    from whence.collect.documents import DocumentWriter
    from whence.model.assembly import summarise
    from whence.runtime.runtime import generator
    from whence.store.memory import MemoryStore
    from whence.wire import records

    spooled = runtime.spooled(otel_trace_id)
    if not spooled:
        result["file_error"] = f"nothing of this trace could be recorded: spool {runtime.recorder.spool.state}"
        return None
    view = runtime.view_from_spool(otel_trace_id)
    if "supabase_error" not in result:
        result["file_error"] = "not yet: the trace is left to the next drain"
        return summarise(view)
    store = MemoryStore()
    store.accept([records.encode(each) for each in spooled])
    path, error = DocumentWriter(runtime.settings.documents, store, generator()).write(view)
    result.update({"file_path": path} if path is not None else {"file_error": error})
    return summarise(view)


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
        path = path.resolve()  # behind a link: the report, not the link, is written
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            return f"not linked, it is no file or empty: {path}"
        if _open_for_writing(status):
            return f"not linked, it is still open for writing in this process: {path}"
        before = path.read_bytes()
        after = frontmatter.merge(before, values)
        if after != before:
            mode = stat.S_IMODE(status.st_mode)
            write_whole(path, after, mode=mode)
            path.chmod(mode)  # whatever the umask made of it
    except OSError as exc:
        return f"{exc.strerror or exc}: {path}"
    return None


def _open_for_writing(status: os.stat_result) -> bool:
    """Return whether this process holds the file open for writing: what it writes later would go to the old file."""
    try:
        numbers = os.listdir("/proc/self/fd")
    except OSError:
        return False  # no such list on this system
    for number in numbers:
        try:
            found = os.fstat(int(number))
            same = (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino)
            if same and fcntl.fcntl(int(number), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
                return True
        except OSError:
            continue  # closed meanwhile
    return False
