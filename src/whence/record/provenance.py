"""What a run did to content: calls of language models, transformations, checks, files (R3.1-R3.5, C3.16).

`Provenance` is mixed into traces and stages, which know where they are. Texts are set apart by their hash, whatever their
size, so that a line of a file can be followed back through every step that had it in hand (`whence.query.blame`).
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.content import CONTENT_KEY
from whence.model.llm import LlmFields
from whence.record.guard import guarded
from whence.record.llm import Call, called
from whence.record.normalise import as_count, as_number, as_object, as_seconds

if TYPE_CHECKING:
    from whence.record.trace import Stage, Trace

MOST_FAILURES: Final = 100
"""So many failures of one check are listed; all are counted."""
MOST_REMEMBERED: Final = 256
"""So many contents a run remembers the checks of, to say them again when one is written to a file."""
READ_BACK_BYTES: Final = 64 * 1024 * 1024
"""A larger file is not read back: the host waits for it."""
_FAILURE: Final = ("type", "message", "line", "column", "end_line", "context", "code")
_HIGH: Final = 3


class Provenance:
    """The verbs of generation, for whoever knows its trace and its stage."""

    __slots__ = ()

    def _spot(self, stage: str | None = None) -> "tuple[Trace, Stage | None]":
        """Return the trace, and the stage that what is said now belongs to: the named one, or where the code is."""
        raise NotImplementedError

    @guarded
    def llm_call(
        self, name: str = "llm", *, component: str | None = None, stage: str | None = None, **call: Unpack[LlmFields]
    ) -> str | None:
        """Record one finished call of a language model (see LlmFields), here or in the named stage; returns its id."""
        trace, here = self._spot(stage)
        return called(trace, here, name, component, call)

    def llm(self, name: str = "llm", *, component: str | None = None, **request: Unpack[LlmFields]) -> Call:
        """Record that a call of a language model begins, and return it, to be ended: `call.end(response=…)`."""
        trace, stage = self._spot()
        try:
            return Call(trace, stage, name, component, request)
        except Exception as exc:  # noqa: BLE001 - as `guarded` says
            trace.refused("llm", exc)
            from whence.record.disabled import NO_CALL

            return NO_CALL  # type: ignore[return-value]

    @guarded
    def transform(
        self,
        name: str,
        source: Any,
        result: Any,
        *,
        action: str = "edit",
        component: str | None = None,
        subject: str = "",
        materials: Iterable[Mapping[str, Any]] | None = None,
        using: Any = None,
        because: str | None = None,
        attempt: int | None = None,
        duration_s: Any = None,
        error: Any = None,
        **attributes: Any,
    ) -> str | None:
        """Record that content became other content; returns the record's id.

        Args:
            name: the step, `import_fixer`.
            source: the text before (or its bytes); None where it was made from nothing.
            result: the text after; None where the step failed.
            action: what kind of step: render, extract, fix, format, heal, edit, …
            component: what is being made; otherwise the stage's.
            subject: what was transformed: a file's name, an artifact's.
            materials: other texts that went in: `{"role": "template", "name": "store.j2", "content": text}`.
            using: with what: template and variables, rule, model.
            because: the id of the decision behind it, as `decision(…)` returned it.
            attempt: of healing, from 1.
            duration_s: seconds, or a timedelta.
        """
        trace, stage = self._spot()
        where = trace.place_in(stage, trace.span_of(stage), because or "", component, _HIGH if error else 0)
        before, flags = self._referred(trace, source, where)
        after, found = self._referred(trace, result, where)
        flags |= found
        went_in = []
        for each in materials or ():
            content, found = self._referred(trace, each.get("content"), where)
            flags |= found
            named = {key: trace.recorder.label(each[key])[0] for key in ("role", "name") if key in each}
            went_in.append({**named, "content": content})
        seconds = as_seconds(duration_s) if duration_s is not None else None
        done = shape.Transform(
            action=trace.recorder.label(action)[0],
            subject=_subject(trace, subject),
            source=before,
            result=after,
            materials=went_in,
            using=as_object(using),
            attempt=as_count(attempt) if attempt is not None else None,
            duration_ns=int(seconds * 1e9) if seconds is not None else None,
            error=error,
            attributes=attributes,
        )
        return trace.say(kinds.TRANSFORM, name, where, done, flags)

    @guarded
    def check(
        self,
        name: str,
        passed: bool | None,
        *,
        type: str = "",
        content: Any = None,
        failures: Iterable[Any] = (),
        component: str | None = None,
        subject: str = "",
        phase: str = "",
        score: Any = None,
        label: str | None = None,
        explanation: Any = None,
        expected: Any = None,
        actual: Any = None,
        duration_s: Any = None,
        error: Any = None,
        **attributes: Any,
    ) -> str | None:
        """Record an expectation against reality; returns the record's id.

        Args:
            name: the check, `imports`.
            passed: None where it could not be told.
            type: syntax, ast, import, indentation, score, …
            content: the text that was checked.
            failures: what was found: `{"type", "message", "line", "column", "context", "code"}`, or objects with these.
            phase: before or after a step; pre_write, post_write.
        """
        trace, stage = self._spot()
        found = list(failures)
        severity = 0 if passed is not False and not found else _HIGH
        where = trace.place_in(stage, trace.span_of(stage), "", component, severity)
        reference, flags = self._referred(trace, content, where)
        number = as_number(score) if score is not None else None
        seconds = as_seconds(duration_s) if duration_s is not None else None
        kind = trace.recorder.label(type or name)[0]
        said = shape.Check(
            type=kind,
            passed=passed if passed is None else bool(passed),
            subject=_subject(trace, subject),
            content=reference,
            failures=[_failure(each) for each in found[:MOST_FAILURES]],
            failures_total=len(found) if len(found) > MOST_FAILURES else None,
            phase=trace.recorder.label(phase)[0] if phase else "",
            expected=expected,
            actual=actual,
            score=number,
            label=trace.recorder.label(label)[0] if label is not None else None,
            explanation=explanation,
            duration_ns=int(seconds * 1e9) if seconds is not None else None,
            error=error,
            attributes={**attributes, "given": {"score": score}}
            if score is not None and number is None
            else attributes,
        )
        record = trace.say(kinds.CHECK, name, where, said, flags)
        if reference is not None:
            _remember(
                trace, _key(reference), {"type": kind, "passed": passed, "failures": len(found), "record": record}
            )
        return record

    @guarded
    def wrote(
        self,
        path: "str | os.PathLike[str]",
        content: Any,
        *,
        component: str | None = None,
        verify: bool = True,
        error: Any = None,
        **attributes: Any,
    ) -> str | None:
        """Record that a file was written; returns the record's id.

        The file is looked at (mode, owner) and read back: `verified` says whether it holds the content.

        Args:
            content: what was to be written: a text (as UTF-8) or bytes.
            verify: False where the file is elsewhere, or not to be read.
            error: what went wrong, where it could not be written.
        """
        trace, stage = self._spot()
        full = os.path.abspath(os.fspath(path))  # as given, not resolved: it is the name it is asked for by
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else bytes(content)
        seen: dict[str, Any] = {}
        verified: bool | None = None
        if verify and error is None:
            seen, verified, problem = _looked_at(full, data)
            error = problem
        where = trace.place_in(stage, trace.span_of(stage), "", component, _HIGH if error or verified is False else 0)
        reference, flags = self._referred(trace, content, where)
        written = shape.FileWrite(
            path=full,
            content=reference,
            bytes=len(data),
            checks=trace.checked.get(_key(reference), []) if reference is not None else [],
            verified=verified,
            error=error,
            attributes=attributes,
            **seen,
        )
        return trace.say(kinds.FILE, full, where, written, flags)

    def _referred(self, trace: "Trace", content: Any, where: bytes) -> tuple[Any, int]:
        return (None, 0) if content is None else trace.recorder.reference(content, where, trace.policy.capture)


def _subject(trace: "Trace", subject: Any) -> str:
    return (
        trace.recorder.label(os.fspath(subject) if isinstance(subject, os.PathLike) else subject)[0] if subject else ""
    )


def _failure(given: Any) -> dict[str, Any]:
    """Return one failure as an object, from an object, a text, or anything with the attributes of one."""
    if isinstance(given, Mapping):
        return {str(key): value for key, value in given.items() if value is not None}
    if isinstance(given, str):
        return {"message": given}
    said = {key: getattr(given, key, None) for key in _FAILURE}
    return {key: value for key, value in said.items() if value is not None} or {"message": given}


def _key(reference: Mapping[str, Any]) -> str:
    return str(reference.get(CONTENT_KEY) or reference.get("hash") or "")


def _remember(trace: "Trace", content: str, said: dict[str, Any]) -> None:
    known = trace.checked
    if content not in known:
        while len(known) >= MOST_REMEMBERED:
            known.pop(next(iter(known)), None)
        known[content] = []
    known[content] = [each for each in known[content] if each["type"] != said["type"]] + [said]


def _looked_at(path: str, data: bytes) -> tuple[dict[str, Any], bool | None, Any]:
    """Return what the disk says of a file just written, whether it holds the data, and what went wrong if anything."""
    try:
        status = os.stat(path)
        seen = {"mode": f"{status.st_mode & 0o7777:04o}", "owner": str(status.st_uid), "group": str(status.st_gid)}
        if len(data) > READ_BACK_BYTES:
            return seen, None, None
        return seen, status.st_size == len(data) and Path(path).read_bytes() == data, None
    except (OSError, ValueError) as exc:
        return {}, None, {"type": type(exc).__name__, "message": str(getattr(exc, "strerror", None) or exc)}
