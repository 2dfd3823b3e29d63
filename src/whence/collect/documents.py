"""A processor for ended traces: writes each one's JSON document, and says where (or why not)."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whence.clock import derived_id
from whence.collect.ended import Ended
from whence.files import private_directory, write_whole
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.content import resolve
from whence.model.record import Record
from whence.model.trace import TraceView
from whence.store.interface import Store
from whence.wire import document, records

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def folder_of(project: str) -> str:
    """Return one path segment for a project's name, the same for the same name, different for different ones (C1.23).

    A name that is safe as it is, is used as it is; any other gets a part of its hash, since two names may look alike
    once they are made safe. Control, direction and separator characters, dots in front and overlong names go.
    """
    plain = _UNSAFE.sub("-", unicodedata.normalize("NFKC", project)).strip("-._ ")[:64].rstrip("-._ ")
    if plain and plain == project:
        return plain
    return f"{plain or 'project'}-{hashlib.sha256(project.encode(errors='surrogatepass')).hexdigest()[:8]}"


def document_path(root: Path, project: str, trace_id: str) -> Path:
    """Return where a trace's document lives (R1.7)."""
    return root / "projects" / folder_of(project) / "_traces" / f"{_UNSAFE.sub('-', trace_id)}.json"


class DocumentWriter:
    """Writes documents below a root directory, and never outside it."""

    def __init__(self, root: Path, store: Store, generator: str) -> None:
        self.root = root
        self.store = store
        self.generator = generator

    def __call__(self, ended: Sequence[Ended]) -> Sequence[bytes]:
        """Write the documents of these traces; returns the records that say so."""
        said = []
        for trace in ended:
            view = trace.view
            path, error = self.write(view)
            if (path, error) != (view.document_path, view.document_error):
                said.append(_said(view, path, error))
        return said

    def write(self, view: TraceView) -> tuple[str | None, str | None]:
        """Write one document; returns (its path, None) or (None, what went wrong) (R1.61)."""
        doc = document.document(view, generator=self.generator)
        whole: dict[str, Any] = resolve(doc, self.store.content)
        return self.write_document(view, whole)

    def write_document(self, view: TraceView, doc: dict[str, Any]) -> tuple[str | None, str | None]:
        """Write a finished document, whole or not at all."""
        path = document_path(self.root, view.project, view.trace_id)
        doc["outputs"]["trace_file_path"] = str(path)  # known before writing, so the file has it too (C1.9)
        try:
            private_directory(path.parent)
            if self.root.resolve() not in path.resolve().parents:
                return None, f"{path} leads outside {self.root} (a symbolic link?)"
            write_whole(path, document.encode(doc))
        except OSError as exc:
            return None, f"{exc.strerror or exc}: {path}"
        return str(path), None


def _said(view: TraceView, path: str | None, error: str | None) -> bytes:
    seed = f"document:{view.otel_trace_id}:{view.last_record}:{path}:{error}".encode()
    return records.encode(
        Record(
            record_id=derived_id(view.last_ns, seed),
            kind=kinds.TRACE_DOCUMENT,
            name="document",
            ts_ns=view.last_ns,
            trace=view.otel_trace_id,
            span="",
            parent=view.end_record,
            stage="",
            project=view.project,
            component="whence",
            level=2 if error else 0,
            flags=0,
            payload=records.payload(shape.Document(path, error)),
        )
    )
