"""The recorder: what is said becomes a record, encoded once, redacted, written to the spool.

The road of a record, and what it costs on the common path: payload struct → JSON by msgspec (one pass in C) → one scan
of the bytes that says whether anything in them could be secret, personal or malformed → envelope → one write. Only a
record that the scan suspects, or that cannot be encoded as it is, takes the slow path through `redact.value.clean`.
"""

import os
import socket
import threading
import weakref
from collections.abc import Callable
from typing import Any, cast

import msgspec

from whence.clock import Clock, SystemClock
from whence.model import record as kinds
from whence.model.content import CONTENT_KEY, VECTOR_KEY
from whence.record.counters import Drops
from whence.record.spool import SpoolSettings, SpoolWriter
from whence.redact.capture import CaptureLevel, Hasher
from whence.redact.prefilter import suspicious
from whence.redact.value import Flag, Limits, clean

VITAL, STRUCTURE, TEXT = 0, 1, 2

_PRIORITY = {
    kinds.TRACE_START: VITAL,
    kinds.TRACE_END: VITAL,
    kinds.DECISION: VITAL,
    kinds.FINDING: VITAL,
    kinds.ATTEMPT: VITAL,
    kinds.CHILD: VITAL,
    kinds.OUTPUTS: VITAL,
    kinds.SPAN_START: STRUCTURE,
    kinds.SPAN_END: STRUCTURE,
    kinds.EVENT: STRUCTURE,
    kinds.TRANSFORM: STRUCTURE,
    kinds.CHECK: STRUCTURE,
    kinds.FILE: STRUCTURE,
    kinds.SNAPSHOT: STRUCTURE,
    kinds.METRIC: STRUCTURE,
    kinds.FINDING_STATE: VITAL,
    kinds.REPORT: STRUCTURE,
    kinds.CASE: VITAL,
    kinds.VECTOR: TEXT,
    kinds.EVIDENCE: TEXT,
    kinds.PROMPTS: TEXT,
    kinds.CONTENT: TEXT,
}
_KINDS = {kind: (f'","{kind}",'.encode(), priority) for kind, priority in _PRIORITY.items()}
"""How each kind's envelope goes on after the id, and its class."""

NAME_CHARS = 200
CONTENT_CHARS = 1024
"""Texts longer than this are stored once, by hash, and referred to."""
PLAIN_BYTES = 2048
"""Encoded payloads up to this size hold no such text worth looking for."""
PREVIEW_CHARS = 80
RECORD_BYTES = 1024 * 1024
KNOWN_TEXTS = 1024
KNOWN_LABELS = 4096
KNOWN_TRACES = 4096

_encode = msgspec.json.Encoder().encode
_REDACTED = CaptureLevel.REDACTED


class Policy(msgspec.Struct, frozen=True):
    """How one project is recorded (a flag of the user's: R1.5)."""

    enabled: bool = True
    capture: CaptureLevel = CaptureLevel.REDACTED


class RecorderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a recorder is built with; `runtime.settings` reads it from the environment."""

    spool: SpoolSettings
    policy: Callable[[str], Policy] = lambda project: Policy()
    hasher: Callable[[], Hasher | None] = lambda: None
    code: Callable[[], str] = lambda: ""  # the version of the program that runs
    limits: Limits = Limits()
    content_limits: Limits = Limits(string_chars=512 * 1024, items=100_000)
    """JSON takes up to six bytes for a character, and a frame holds four MiB (`wire.frames.MAX_PAYLOAD`)."""


class InternalErrors:
    """Our own mistakes, which must not become the host's: counted, shown by `whence doctor`, never raised."""

    def __init__(self) -> None:
        self.count = 0
        self.last = ""

    def add(self, where: str, exc: BaseException) -> None:
        """Remember that `where` failed."""
        self.count += 1
        self.last = f"{where}: {type(exc).__name__}"


class Recorder:
    """One per process. Every method may be called from any thread; none raises."""

    def __init__(self, settings: RecorderSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.now_ns = self.clock.now_ns
        self._new_id = self.clock.record_id
        self.spool = SpoolWriter(settings.spool)
        self._append = self.spool.append
        self.host = socket.gethostname()
        self.errors = InternalErrors()
        self.on_trace_end: list[Callable[[str, bool], dict[str, Any]]] = []
        """Called with (OpenTelemetry id, wait) when a trace has ended; registered from above (drain, document)."""
        self._labels: dict[str, tuple[str, bytes]] = {}
        self._known_texts: dict[str, None] = {}
        self._known_in = ""
        self._bound: dict[str, None] = {}
        _living.add(self)

    @property
    def drops(self) -> Drops:
        """What was not written, by reason and class."""
        return self.spool.drops

    @property
    def writer(self) -> str:
        """The name of this process in the spool."""
        return self.spool.writer

    # -- the hot path -------------------------------------------------------------------------------------------

    def emit(
        self,
        kind: str,
        name: str,
        where: bytes,
        payload: object,
        ts_ns: int,
        level: CaptureLevel = _REDACTED,
        flags: int = 0,
        said: bytes | None = None,
        plain: bool = False,
        ready: bytes | None = None,
        record_id: str | None = None,
    ) -> str | None:
        """Record one thing; returns its id, or None if it was dropped (and counted).

        Args:
            where: the envelope from trace to severity, encoded (`place`); traces and stages keep theirs.
            payload: a struct of `model.payload`; it is encoded before this returns, so later changes to what it
                holds do not change history.
            said: the encoded part of the payload that the user said, where the rest is ours (ids look like secrets).
            plain: the caller has seen that the payload `is_plain`.
            ready: the encoded payload, where it is wholly ours and nothing in it needs a look.
            record_id: an id that follows from what is said, where that may be said twice (`clock.derived_id`).
        """
        try:
            body = _encode(payload) if ready is None else ready
            if ready is None and (
                len(body) > PLAIN_BYTES
                or level is not _REDACTED
                or suspicious(body if said is None else said)
                or not (plain or is_plain(payload))
                or (b"null" in body and not_finite(payload))  # JSON has no NaN: msgspec writes null
            ):
                body, flags = self._carefully(kind, payload, body, where, level, flags)
        except Exception:  # noqa: BLE001 - whatever the caller handed us must not break the caller
            body, flags = self._carefully(kind, payload, None, where, level, flags)
        try:
            label = self._labels.get(name) or self.label(name)
            if record_id is None:
                record_id = self._new_id(ts_ns)
            opening, priority = _KINDS[kind]
            data = b'["%b%b%b,%d%b%d,%b]' % (record_id.encode(), opening, label[1], ts_ns, where, flags, body)
            return record_id if self._append(data, priority) else None
        except Exception as exc:  # noqa: BLE001 - see above
            self.refuse("emit", exc, _KINDS[kind][1])
            return None

    def refuse(self, where: str, exc: BaseException, priority: int = STRUCTURE) -> None:
        """Count a record that could not be made: as emitted and dropped, so that the accounts stay exact."""
        self.errors.add(where, exc)
        self.spool.refuse("internal_error", priority)

    def label(self, name: object) -> tuple[str, bytes]:
        """Return a name cleaned, and encoded; names repeat, so each is cleaned and encoded once."""
        known = self._labels.get(name) if type(name) is str else None
        if known is not None:
            return known
        cleaned = clean_label(name)
        found = (cleaned, _encode(cleaned))
        if len(self._labels) >= KNOWN_LABELS:
            self._labels.clear()
        if type(name) is str and len(name) <= NAME_CHARS:  # bounded in size as well as in number
            self._labels[name] = found
        return found

    # -- the slow path ------------------------------------------------------------------------------------------

    def _carefully(
        self, kind: str, payload: object, body: bytes | None, where: bytes, level: CaptureLevel, flags: int
    ) -> tuple[bytes, int]:
        """Return the payload with secrets and personal data masked, oddities described, large texts set apart."""
        kept: dict[str, Any] = {}
        try:
            if level is _REDACTED and body is not None and _only_long(body) and is_plain(payload):
                # No walk over it with the rules: only its large texts are set apart.
                return _encode(self._set_apart(msgspec.json.decode(body), where)), flags
            fields = {
                name: value
                for name in payload.__struct_fields__  # type: ignore[attr-defined]
                if (value := getattr(payload, name)) is not msgspec.UNSET
            }
            hasher = self.settings.hasher() if level in (CaptureLevel.HASH, CaptureLevel.PREVIEW) else None
            large = body is None or len(body) > PLAIN_BYTES
            limits = self.settings.content_limits if large else self.settings.limits
            kept = _keep_facts(kind, fields)
            cleaned: Any = {}
            for name, value in fields.items():  # each with limits of its own: a huge one must not crowd out the others
                if name not in kept:
                    cleaned[name], found = clean(value, level=level, limits=limits, hasher=hasher)
                    flags |= int(found)
            cleaned.update(kept)
            if large:
                cleaned = self._set_apart(cleaned, where)
            encoded = _encode(cleaned)
            if len(encoded) > RECORD_BYTES:
                import hashlib

                flags |= Flag.TRUNCATED
                digest = hashlib.sha256(encoded).hexdigest()
                encoded = _encode({**kept, "truncated": True, "original_bytes": len(encoded), "sha256": digest})
        except Exception as exc:  # noqa: BLE001 - fail closed: a value that cannot be cleaned is not stored
            self.errors.add("redact", exc)
            return _encode({**_encodable(kept), "not_stored": "the redactor failed"}), flags | Flag.DROPPED
        return encoded, flags

    def _set_apart(self, value: Any, where: bytes) -> Any:
        """Return the value with every large text replaced by a reference, the texts being stored by hash."""
        if isinstance(value, str):
            return self._content(value, where) if len(value) > CONTENT_CHARS else value
        if isinstance(value, dict):
            return {key: self._set_apart(each, where) for key, each in value.items()}
        if isinstance(value, list):
            return [self._set_apart(each, where) for each in value]
        return value

    def _content(self, text: str, where: bytes) -> dict[str, Any]:
        import hashlib  # late: OpenSSL takes as long to load as all the rest, and most records need no hash

        data = text.encode()
        digest = hashlib.sha256(data).hexdigest()
        stored = self._known(digest)
        if not stored:
            ts_ns = self.now_ns()
            record_id = self._new_id(ts_ns)
            frame = b'["%b","content","%b",%d%b0,{"text":%b}]' % (
                record_id.encode(),
                digest.encode(),
                ts_ns,
                where,
                _encode(text),
            )
            stored = self._append(frame, TEXT)
            if stored:
                self._remember(digest)
        reference = {CONTENT_KEY: digest, "chars": len(text), "preview": text[:PREVIEW_CHARS]}
        return reference if stored else {**reference, "not_stored": True}

    def vector(self, packed: bytes, where: bytes, level: CaptureLevel) -> dict[str, Any]:
        """Store a packed vector by its hash, and return what stands for it in a record.

        At `hash` and `preview` only the hash and the length are kept: a vector of a text gives much of the text away.
        """
        import hashlib

        digest = hashlib.sha256(packed).hexdigest()
        reference = {VECTOR_KEY: digest, "dimensions": len(packed) // 4}
        if level in (CaptureLevel.HASH, CaptureLevel.PREVIEW) or self._known(VECTOR_KEY + digest):
            return reference
        import base64

        body = _encode({"f32": base64.b64encode(packed).decode(), "dimensions": len(packed) // 4})
        if len(body) > RECORD_BYTES:
            return {**reference, "not_stored": True}
        ts_ns = self.now_ns()
        said = (self._new_id(ts_ns).encode(), digest.encode(), ts_ns, where, body)
        if not self._append(b'["%b","vector","%b",%d%b0,%b]' % said, TEXT):
            return {**reference, "not_stored": True}
        self._remember(VECTOR_KEY + digest)
        return reference

    def _known(self, key: str) -> bool:
        """Return whether a content was written to this segment: it is written again once a segment, the store may be another."""
        if self._known_in != self.spool.segment:
            self._known_in = self.spool.segment
            self._known_texts.clear()
        return key in self._known_texts

    def _remember(self, key: str) -> None:
        if len(self._known_texts) >= KNOWN_TEXTS:
            self._known_texts.clear()
        self._known_texts[key] = None

    def reference(self, content: object, where: bytes, level: CaptureLevel) -> tuple[dict[str, Any], int]:
        """Store a text by its hash, whatever its size, and return what stands for it in a record, and its flags.

        Args:
            content: a text, or its bytes; anything else is written as JSON.
            where: the envelope of the record that will refer to it (`place`).
            level: at `hash` and `preview` no text is stored: what stands for it is a keyed hash, and a preview.
        """
        limits = self.settings.content_limits
        text, flags = text_of(content, limits)
        if level is _REDACTED and len(text) <= limits.string_chars:
            body = _encoded_text(text)
            if body is not None and not suspicious(body):
                return self._content(text, where), flags
        hasher = self.settings.hasher() if level in (CaptureLevel.HASH, CaptureLevel.PREVIEW) else None
        kept, found = clean(text, level=level, limits=limits, hasher=hasher)
        flags |= int(found)
        if isinstance(kept, str) and level in (CaptureLevel.FULL, CaptureLevel.REDACTED):
            return self._content(kept, where), flags
        if isinstance(kept, dict) and isinstance(kept.get("truncated"), str):
            cut = {"truncated": True, "original_chars": kept.get("original_chars")}
            return {**self._content(kept["truncated"], where), **cut}, flags
        if isinstance(kept, str):  # short enough to be its own preview
            hashed = {"hash": hasher.hash(text)} if hasher is not None else {}
            return {"preview": kept, "chars": len(text), **hashed}, flags
        return kept if isinstance(kept, dict) else {"not_stored": True}, flags

    def bind(self, otel_trace_id: str) -> bool:
        """Bind an OpenTelemetry trace id to a trace of this process; False if another one has it."""
        if otel_trace_id in self._bound:
            return False
        if len(self._bound) >= KNOWN_TRACES:
            self._bound.clear()
        self._bound[otel_trace_id] = None
        return True

    def is_bound(self, otel_trace_id: str) -> bool:
        """Return whether a trace of this process has that OpenTelemetry trace id."""
        return otel_trace_id in self._bound

    # -- accounts -----------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Return what was emitted, what was dropped and why, and how the spool is; `written` is the difference."""
        emitted, dropped = self.spool.emitted(), self.drops.total()
        return {
            "writer": self.writer,
            "emitted": emitted,
            "written": emitted - dropped,
            "dropped": self.drops.snapshot(),
            "spool": self.spool.state,
            "internal_errors": self.errors.count,
            "last_internal_error": self.errors.last,
        }

    def flush(self, timeout_s: float = 1.0) -> bool:
        """Bring what was recorded to the disk itself, within the time; True if it is there.

        Nothing needs this to survive the end of the process; it is for machines that may lose power.
        """
        done: list[bool] = []
        try:
            worker = threading.Thread(target=lambda: done.append(self.spool.sync()), daemon=True)
            worker.start()
            worker.join(min(max(float(timeout_s), 0.0), 3600.0))
        except (RuntimeError, TypeError, ValueError):  # the interpreter is ending, or that is no time
            return self.spool.sync()
        return done == [True]

    def after_fork_in_child(self) -> None:
        """Be a recorder of its own in a forked child: new writer, new randomness, nothing assumed written."""
        self.spool.after_fork_in_child()
        if isinstance(self.clock, SystemClock):
            self.clock.reseed()
        self._known_texts.clear()


def text_of(content: object, limits: Limits = Limits()) -> tuple[str, int]:  # noqa: B008 - frozen
    """Return content as text, and flags: bytes that are not UTF-8 show as \\xNN, what is no text is written as JSON."""
    if type(content) is str:
        return content, 0
    if issubclass(type(content), str):  # what a template engine returns; read without its own methods
        return str.__getitem__(cast(str, content), slice(None)), 0
    if type(content) in _BYTES:
        data = bytes(cast(bytes, content))
        try:
            return data.decode(), 0
        except UnicodeDecodeError:
            return data.decode("utf-8", "backslashreplace"), int(Flag.NORMALISED)
    kept, flags = clean(content, level=CaptureLevel.FULL, limits=limits)
    return (kept if isinstance(kept, str) else msgspec.json.format(_encode(kept)).decode()), int(flags)


def _encoded_text(text: str) -> bytes | None:
    """Return a text encoded for the prefilter, or None where it has half a character and cannot be."""
    try:
        return _encode(text)
    except UnicodeEncodeError:
        return None


_BYTES = frozenset((bytes, bytearray, memoryview))
_SCALARS = frozenset((str, int, bool, type(None), float))


def is_plain(value: object, depth: int = 32) -> bool:
    """Return whether a value consists of nothing but text, numbers, booleans, None, lists and dicts with text keys.

    msgspec encodes more than that by itself, and what it makes of the rest hides it from the prefilter: bytes become
    base64, the keys 1 and "1" become the same.
    """
    kind = type(value)
    if kind in _SCALARS or value is msgspec.UNSET:
        return True
    if depth == 0:
        return False
    if kind is dict:
        members = value.values()  # type: ignore[attr-defined]
        if not all(type(key) is str for key in value):  # type: ignore[attr-defined]
            return False
    elif kind is list or kind is tuple:
        members = value
    elif isinstance(value, msgspec.Struct):
        members = [getattr(value, name) for name in value.__struct_fields__]
    else:
        return False
    return _SCALARS.issuperset(map(type, members)) or all(is_plain(each, depth - 1) for each in members)


def _only_long(body: bytes) -> bool:
    """Return whether an encoded payload is long and nothing else: nothing to mask, to normalise or to flatten.

    Bounded, because `suspicious` says yes to whatever is longer than the limits.
    """
    nested = body.count(b"[") + body.count(b"{")
    return nested < 500 and b"null" not in body and not suspicious(body)


def encoded(said: object) -> bytes | None:
    """Return what the user said, encoded for the prefilter; None where it cannot be: then everything is looked at."""
    try:
        return _encode(said)
    except Exception:  # noqa: BLE001 - an object of the host's may do anything when asked
        return None


def not_finite(value: object, depth: int = 32) -> bool:
    """Return whether a NaN or an infinity is somewhere inside; only called where the encoded form holds a null."""
    if isinstance(value, float):
        return value - value != 0.0
    if depth == 0:
        return True  # too deep to tell: let the slow path look
    if isinstance(value, dict):
        return any(not_finite(each, depth - 1) for each in value.values())
    if isinstance(value, list | tuple):
        return any(not_finite(each, depth - 1) for each in value)
    if isinstance(value, msgspec.Struct):
        return any(not_finite(getattr(value, name), depth - 1) for name in value.__struct_fields__)
    return not (value is None or isinstance(value, str | int))


def clean_label(name: object, limit: int = NAME_CHARS) -> str:
    """Return a name that can be shown and indexed: text, secrets masked, no control or direction marks, bounded."""
    value, _ = clean(name if isinstance(name, str) else describe_name(name))
    text = value if isinstance(value, str) else "[unnamed]"
    if not text.isprintable():
        text = "".join(c if c.isprintable() else "�" for c in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_path(path: str) -> tuple[str, int]:
    """Return the path of a file as it is stored, and flags: whole, secrets masked; where a file is, is told at any level."""
    value, flags = clean(path)
    return (value if isinstance(value, str) else clean_label(path)), int(flags)


def _encodable(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a record that can be written at all."""
    kept = {}
    for name, value in facts.items():
        try:
            _encode(value)
        except Exception:  # noqa: BLE001 - an integer beyond 64 bits, half a character
            continue
        kept[name] = value
    return kept


def describe_name(name: object) -> str:
    """Return text for a name that is none."""
    return str(name) if isinstance(name, int | float | bool) else f"<{type(name).__name__}>"


def place(trace: str, span: str, parent: str, stage: bytes, project: bytes, severity: int = 0) -> bytes:
    """Return the encoded middle of an envelope, from trace to level, for `emit`; stage and project come encoded."""
    return b',"%b","%b","%b",%b,%b,"",%d,' % (
        trace.encode(),
        span.encode(),
        parent.encode(),
        stage,
        project,
        severity,
    )


def _keep_facts(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are ours, not the user's: ids, statuses and numbers that no capture level may hide."""
    names = _FACTS.get(kind, ())
    return {name: fields[name] for name in names if name in fields}


_FACTS = {
    kinds.TRACE_START: (
        *("trace_id", "parent_trace_id", "writer", "pid", "host", "generator", "code"),
        *("project_id", "project_name", "intent", "domain", "report_type", "research_type"),  # labels, cleaned before
    ),
    kinds.TRACE_END: ("status", "reason", "duration_ns", "overhead_ns", "dropped", "last_record"),
    kinds.SPAN_START: ("type", "attempt"),
    kinds.SPAN_END: ("type", "attempt", "duration_ns"),
    kinds.DECISION: ("confidence",),
    # References to contents are made by `reference`, which has redacted them; the others are labels, numbers, a path.
    kinds.TRANSFORM: ("action", "subject", "source", "result", "materials", "attempt", "duration_ns"),
    kinds.CHECK: ("type", "passed", "subject", "content", "failures_total", "phase", "score", "label", "duration_ns"),
    kinds.SNAPSHOT: ("type", "progress"),
    kinds.METRIC: ("value", "unit"),
    kinds.FINDING_STATE: ("state",),
    kinds.REPORT: ("report_id", "phase", "trigger"),
    kinds.CASE: ("action", "events", "insights", "queries"),
    kinds.FILE: ("path", "content", "bytes", "mode", "owner", "group", "checks", "verified"),
}


# Every recorder of this process, the one in use or not: a trace begun before `whence.init` goes on with its own.
_living: "weakref.WeakSet[Recorder]" = weakref.WeakSet()


def _each(step: Callable[[Recorder], None]) -> Callable[[], None]:
    def run() -> None:
        for recorder in list(_living):
            try:
                step(recorder)
            except Exception as exc:  # noqa: BLE001 - a fork of the host's must not fail because of us
                recorder.errors.add("fork", exc)

    return run


os.register_at_fork(
    before=_each(lambda recorder: recorder.spool.before_fork()),
    after_in_parent=_each(lambda recorder: recorder.spool.after_fork_in_parent()),
    after_in_child=_each(lambda recorder: recorder.after_fork_in_child()),
)
