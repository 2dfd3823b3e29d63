"""One trace as a whole: its view, and its document as written or as it would be."""

from pathlib import Path
from typing import Any

from whence.errors import BadInput, NotFound
from whence.model.assembly import assemble
from whence.model.content import resolve
from whence.model.trace import TraceView
from whence.query.find import find
from whence.store.current import current
from whence.store.interface import Store
from whence.wire import document


def view(trace_id: str, *, store: Store | None = None) -> TraceView:
    """Return everything recorded of a trace. Raises NotFound as `find` does."""
    store = store or current()
    row = find(trace_id, store=store)
    return assemble(row.id, store.trace_records(row.id))


def full_trace(trace_id: str, *, store: Store | None = None) -> dict[str, Any] | None:
    """Return the trace document from its file (R1.51); None where the trace or its file is missing or damaged (C1.20)."""
    store = store or current()
    try:
        row = find(trace_id, store=store)
        return document.decode(Path(row.trace_file_path).read_bytes()) if row.trace_file_path else None
    except (NotFound, BadInput, OSError):
        return None


def document_problem(path: str) -> str | None:
    """Return what is wrong with a trace's file, or None if it is whole."""
    try:
        document.decode(Path(path).read_bytes())
    except FileNotFoundError:
        return "missing"
    except OSError as exc:
        return f"unreadable: {exc.strerror}"
    except BadInput as exc:
        return f"corrupt: {exc}"
    return None


def trace_document(trace_id: str, *, generator: str, store: Store | None = None) -> dict[str, Any]:
    """Return the trace document made anew from the records, whatever became of its file."""
    store = store or current()
    found: dict[str, Any] = resolve(document.document(view(trace_id, store=store), generator=generator), store.content)
    return found
