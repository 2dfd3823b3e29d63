"""What a run did to content: calls of language models, transformations, checks, files (R3.1-R3.5, C3.16).

`Provenance` is mixed into traces and stages, which know where they are. Texts are set apart by their hash, whatever their
size, so that a line of a file can be followed back through every step that had it in hand (`whence.query.blame`).
"""

import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Unpack

from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.content import CONTENT_KEY
from whence.model.llm import LlmFields
from whence.record.failure import THE_HOSTS, as_error
from whence.record.guard import guarded
from whence.record.llm import Call, called
from whence.record.normalise import as_count, as_nanoseconds, as_number, as_object
from whence.record.recorder import clean_path, text_of
from whence.redact.keys import is_secret_key
from whence.redact.value import MASKED_KEY, Flag

if TYPE_CHECKING:
    from whence.record.trace import Stage, Trace

MOST_FAILURES: Final = 100
"""So many failures of one check are listed; all are counted."""
MOST_REMEMBERED: Final = 256
"""So many contents a run remembers the checks of, to say them again when one is written to a file."""
MOST_CHECKS: Final = 32
"""So many checks of each."""
MOST_MATERIALS: Final = 1000
"""So many texts that went into one transformation are kept."""
READ_BACK_BYTES: Final = 64 * 1024 * 1024
"""A larger file is not read back: the host waits for it."""
_FAILURE: Final = ("type", "message", "line", "column", "end_line", "context", "code")
_HIGH: Final = 3
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
MOST_COUNTED: Final = 100_000
"""What is no list is counted no further: it may never end, and the host waits. The check is then marked as cut."""


class Provenance(ABC):
    """The verbs of generation, for whoever knows its trace and its stage."""

    __slots__ = ()

    @abstractmethod
    def _spot(self, stage: str | None = None) -> "tuple[Trace, Stage | None]":
        """Return the trace, and the stage that what is said now belongs to: the named one, or where the code is."""

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
        where = trace.place_in(stage, trace.span_of(stage), _cause(because), component, _gravity(error))
        before, flags = self._referred(trace, source, where)
        after, found = self._referred(trace, result, where)
        flags |= found
        went_in: list[dict[str, Any]] = []
        for each in _listed(trace, materials, MOST_MATERIALS + 1)[0]:
            if len(went_in) == MOST_MATERIALS:
                flags |= int(Flag.TRUNCATED)
                break
            given = each if isinstance(each, Mapping) else {"content": each}
            secret = is_secret_key(str(given.get("name"))) and given.get("content") is not None
            content, found = self._referred(trace, MASKED_KEY if secret else given.get("content"), where)
            flags |= found | (int(Flag.REDACTED) if secret else 0)
            named = {key: trace.recorder.label(given[key])[0] for key in ("role", "name") if key in given}
            went_in.append({**named, "content": content})
        done = shape.Transform(
            action=trace.recorder.label(action)[0],
            subject=_subject(trace, subject),
            source=before,
            result=after,
            materials=went_in,
            using=as_object(using),
            attempt=as_count(attempt) if attempt is not None else None,
            duration_ns=as_nanoseconds(duration_s),
            error=as_error(error),
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
        found, total = _listed(trace, failures, MOST_FAILURES)
        passed = None if passed is None else bool(passed)
        severity = _HIGH if passed is False or (passed is None and found) else 0
        where = trace.place_in(stage, trace.span_of(stage), "", component, severity)
        reference, flags = self._referred(trace, content, where)
        flags |= int(Flag.TRUNCATED) if total == MOST_COUNTED and not isinstance(failures, list | tuple) else 0
        number = as_number(score) if score is not None else None
        if score is not None and number is None:
            flags |= int(Flag.CLAMPED)
            attributes = {**attributes, "given": {"score": score}}
        kind = trace.recorder.label(type or name)[0]
        said = shape.Check(
            type=kind,
            passed=passed,
            subject=_subject(trace, subject),
            content=reference,
            failures=[_failure(each) for each in found],
            failures_total=total if total > MOST_FAILURES else None,
            phase=trace.recorder.label(phase)[0] if phase else "",
            expected=expected,
            actual=actual,
            score=number,
            label=trace.recorder.label(label)[0] if label is not None else None,
            explanation=explanation,
            duration_ns=as_nanoseconds(duration_s),
            error=as_error(error),
            attributes=attributes,
        )
        record = trace.say(kinds.CHECK, name, where, said, flags)
        if reference is not None and record is not None:
            _remember(trace, _key(reference), {"type": kind, "passed": passed, "failures": total, "record": record})
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
            content: what was to be written: a text (as UTF-8) or bytes; None where that is not known.
            verify: False where the file is elsewhere, or not to be read.
            error: what went wrong, where it could not be written.
        """
        trace, stage = self._spot()
        full = _absolute(path)
        data = None if content is None else _bytes_of(content)
        seen: dict[str, Any] = {}
        verified: bool | None = None
        if verify and error is None and data is not None:
            seen, verified, error = _looked_at(full, data)
        severity = _HIGH if verified is False else _gravity(error)
        where = trace.place_in(stage, trace.span_of(stage), "", component, severity)
        reference, flags = self._referred(trace, content, where)
        shown, found = clean_path(full)
        written = shape.FileWrite(
            path=shown,
            content=reference,
            bytes=len(data) if data is not None else None,
            checks=trace.checked.get(_key(reference), []) if reference is not None else [],
            verified=verified,
            error=as_error(error),
            attributes=attributes,
            **seen,
        )
        return trace.say(kinds.FILE, shown, where, written, flags | found)

    def _referred(self, trace: "Trace", content: Any, where: bytes) -> tuple[Any, int]:
        return (None, 0) if content is None else trace.recorder.reference(content, where, trace.policy.capture)


def _subject(trace: "Trace", subject: Any) -> str:
    return (
        trace.recorder.label(os.fspath(subject) if isinstance(subject, os.PathLike) else subject)[0] if subject else ""
    )


def _cause(because: Any) -> str:
    """Return the id of the record behind another, or none: it goes into an envelope, where nothing is escaped."""
    return because if isinstance(because, str) and _ID.fullmatch(because) else ""


def _gravity(error: Any) -> int:
    said = error is not None and error is not False and not (type(error) is str and not error)
    return _HIGH if said else 0


def _listed(trace: "Trace", given: Any, most: int) -> tuple[list[Any], int]:
    """Return the first of what is given, and how many there are; what fails on the way ends the list, and is counted.

    An iterator runs code of the host's inside our call: what it raises is not let through, but for THE_HOSTS.
    """
    if given is None:
        return [], 0
    if isinstance(given, str | bytes | Mapping):  # one, where several could be
        return [given], 1
    if type(given) is list or type(given) is tuple:
        return list(given[:most]), len(given)
    kept: list[Any] = []
    total = 0
    try:
        for each in islice(given, MOST_COUNTED):
            total += 1
            if total <= most:
                kept.append(each)
    except THE_HOSTS:
        raise
    except BaseException as exc:  # noqa: BLE001 - an iterator of the host's; what it gave so far is still said
        trace.recorder.errors.add("listed", exc)
    return kept, total


def _failure(given: Any) -> dict[str, Any]:
    """Return one failure as an object, from an object, a text, or anything with the attributes of one."""
    try:
        if isinstance(given, Mapping):
            return {str(key): value for key, value in given.items() if value is not None}
        if isinstance(given, str):
            return {"message": given}
        said = {key: getattr(given, key, None) for key in _FAILURE}
    except THE_HOSTS:
        raise
    except BaseException:  # noqa: BLE001 - an odd one must not cost the others; the recorder describes it
        return {"message": given}
    return {key: value for key, value in said.items() if value is not None and value != ""} or {"message": given}


def _absolute(path: Any) -> str:
    """Return a path as given, not resolved: it is the name that it is asked for by."""
    named = os.fsdecode(path)
    try:
        return os.path.abspath(named)
    except OSError:  # the directory we are in is gone
        return named


def _bytes_of(content: Any) -> bytes:
    """Return what a content is in a file; what is neither text nor bytes, as it is recorded: as JSON."""
    if type(content) in (bytes, bytearray, memoryview):
        return bytes(content)
    return text_of(content)[0].encode("utf-8", "surrogatepass")


def _key(reference: Mapping[str, Any]) -> str:
    return str(reference.get(CONTENT_KEY) or reference.get("hash") or "")


def _remember(trace: "Trace", content: str, said: dict[str, Any]) -> None:
    known = trace.checked
    if not content:
        return
    if content not in known:
        while len(known) >= MOST_REMEMBERED:
            known.pop(next(iter(known)), None)
        known[content] = []
    others = [each for each in known[content] if each["type"] != said["type"]]
    known[content] = [*others[1 - MOST_CHECKS :], said]


def _looked_at(path: str, data: bytes) -> tuple[dict[str, Any], bool | None, Any]:
    """Return what the disk says of a file just written, whether it holds the data, and what went wrong if anything."""
    try:
        status = os.stat(path)
        seen = {"mode": f"{status.st_mode & 0o7777:04o}", "owner": str(status.st_uid), "group": str(status.st_gid)}
        if len(data) > READ_BACK_BYTES or not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, or emptied
            return seen, None, None
        return seen, status.st_size == len(data) and _read(path, len(data)) == data, None
    except (OSError, ValueError) as exc:
        return {}, None, {"type": type(exc).__name__, "message": str(getattr(exc, "strerror", None) or exc)}


def _read(path: str, size: int) -> bytes:
    """Return what a file holds, up to one byte more than expected."""
    with open(path, "rb") as file:
        return file.read(size + 1)
