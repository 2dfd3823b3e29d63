"""Records of a run that generates code, made by hand: transformations, checks, files, LLM calls, with their texts."""

import hashlib
from typing import Any

from tests.builders import SECOND_NS, START_NS, content, encoded, hex_id
from whence.clock import trace_id_of
from whence.model import record as kinds
from whence.store.interface import Store
from whence.store.memory import MemoryStore


def sha256(text: str) -> str:
    """Return the hash that a text is stored under."""
    return hashlib.sha256(text.encode()).hexdigest()


class Generation:
    """One run. Every verb records one thing and returns the id of its record; a text None is none.

    Args:
        store: where it goes; a memory store otherwise.
        number: which run: ids, times and the trace follow from it.
    """

    def __init__(self, store: Store | None = None, number: int = 1) -> None:
        self.store: Store = store if store is not None else MemoryStore()
        self.number = number * 10_000_000
        self.at_ns = START_NS + number * 3600 * SECOND_NS
        self.trace = f"{self.at_ns // SECOND_NS:08x}{number:024x}"
        self.trace_id = trace_id_of(self.trace, self.at_ns)
        self.pending: list[bytes] = []
        self.known: set[str] = set()
        self.add(kinds.TRACE_START, {"trace_id": self.trace_id}, "run")

    def add(self, kind: str, data: Any, name: str, **fields: Any) -> str:
        """Add a record of any kind, a tenth of a second after the one before."""
        self.number += 1
        self.at_ns += SECOND_NS // 10
        fields = {"ts_ns": self.at_ns, "trace": self.trace, "span": "a" * 16, "component": "", **fields}
        self.pending.append(encoded(self.number, kind, data, name=name, **fields))
        return hex_id(self.number)

    def done(self) -> Store:
        """Bring everything into the store, and return it."""
        self.store.accept(self.pending)
        self.pending = []
        return self.store

    def text(self, text: str | None) -> dict[str, Any] | None:
        """Return what stands for a text in a record, and store the text."""
        if text is None:
            return None
        digest = sha256(text)
        if digest not in self.known:
            self.known.add(digest)
            self.number += 1
            self.pending.append(content(self.number, digest, text))
        return {"content_sha256": digest, "chars": len(text), "preview": text[:80]}

    def transform(
        self,
        name: str,
        source: str | None,
        result: str | None,
        *,
        materials: "list[tuple[str, str, str]] | None" = None,
        said: dict[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Add a transformation; materials are (role, name, text)."""
        went_in = [{"role": role, "name": of, "content": self.text(text)} for role, of, text in materials or ()]
        data = {"source": self.text(source), "result": self.text(result), "materials": went_in, **(said or {})}
        return self.add(kinds.TRANSFORM, data, name, **fields)

    def wrote(self, path: str, text: str, **fields: Any) -> str:
        """Add the writing of a file."""
        return self.add(kinds.FILE, {"path": path, "content": self.text(text)}, path, **fields)

    def llm(self, prompt: str, response: str, *, name: str = "llm", **fields: Any) -> str:
        """Add a finished LLM call; texts above a kilobyte are set apart, as the recorder does it."""
        said = {"model": "m-1", "prompt": self._large(prompt), "response": self._large(response)}
        span = fields.pop("span", f"{self.number:016x}")
        return self.add(kinds.SPAN_END, {"type": "llm", "attributes": said}, name, span=span, **fields)

    def _large(self, text: str) -> Any:
        return self.text(text) if len(text) > 1024 else text

    def check(
        self,
        name: str,
        text: str | None,
        *failures: tuple[int | None, str],
        said: dict[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Add a check of a text; failures are (line, message)."""
        found = [{"type": name, "message": message, **({"line": at} if at else {})} for at, message in failures]
        data = {"type": name, "passed": not failures, "content": self.text(text), "failures": found, **(said or {})}
        return self.add(kinds.CHECK, data, name, **fields)

    def decision(self, name: str, what: Any, why: str = "", **fields: Any) -> str:
        """Add a decision."""
        return self.add(
            kinds.DECISION, {"what": what, "why": why, "confidence": 0.6, "alternatives": ["no"]}, name, **fields
        )
