"""What a generation session tells of itself: one event for everything that was logged (R3.14, R3.26, R3.28, D3).

An event holds no more than a record does: its data has been through `Cleaner`, which masks secrets and keeps of texts
what the project's capture level allows. So events may be kept, written to files and handed to observers.
"""

from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from whence.clock import iso_utc
from whence.record.failure import describe_error, stack_of
from whence.record.recorder import is_plain, not_finite
from whence.redact.capture import CaptureLevel
from whence.redact.prefilter import suspicious
from whence.redact.value import clean

if TYPE_CHECKING:
    from whence.record.recorder import Recorder

START: Final = "start"
END: Final = "end"
ERROR: Final = "error"
LLM_INTERACTION: Final = "llm_interaction"
TEMPLATE_RENDER: Final = "template_render"
VALIDATION_ERROR: Final = "validation_error"
FILE_WRITE: Final = "file_write"
EVENT: Final = "event"

UNKNOWN: Final = "unknown"
"""The component of what was logged without one."""
MOST_CAUSES: Final = 5
"""So many exceptions of a chain are told."""
MOST_FRAMES: Final = 20
"""So many callers are told of an error that is no exception."""
_OWN: Final = ("event", "timestamp", "session_id", "component", "stage", "duration_ms")
"""The keys of a log line that are the event's own; what else is in a line is its data."""
_TROUBLE: Final = ("error", "traceback")
_DATA: Final = "data"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class GenerationEvent(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened in a session. The first four fields are those of the original design, in its order."""

    stage: str = ""
    component: str = UNKNOWN
    data: Any = None
    error: str | None = None
    event_type: str = EVENT  # start, end, error, llm_interaction, template_render, validation_error, file_write, event
    session_id: str = ""
    duration_ms: float | None = None
    traceback: str | None = None
    ts_ns: int = 0  # Unix time, UTC

    @property
    def component_name(self) -> str:
        """The component, under its other name."""
        return self.component

    @property
    def timestamp(self) -> str:
        """When it happened: ISO 8601, UTC."""
        return iso_utc(self.ts_ns)

    def as_dict(self) -> dict[str, Any]:
        """Return every field as plain JSON types."""
        return {
            "timestamp": self.timestamp,
            "session_id": self.session_id,
            "component_name": self.component,
            "stage": self.stage,
            "event_type": self.event_type,
            "duration_ms": self.duration_ms,
            "data": self.data,
            "error": self.error,
            "traceback": self.traceback,
        }

    def line(self) -> dict[str, Any]:
        """Return the event as a log line (R3.26, R3.28): flat, its data beside its own keys."""
        said: dict[str, Any] = {
            "event": self.event_type,
            "timestamp": self.timestamp,
            "session_id": self.session_id,
            "component": self.component,
            "stage": self.stage,
            "duration_ms": self.duration_ms,
        }
        if isinstance(self.data, dict):
            taken = (*_OWN, *_TROUBLE, _DATA)
            said.update((key, value) for key, value in self.data.items() if key not in taken)
            aside = {key: value for key, value in self.data.items() if key in taken}
            if aside:
                said[_DATA] = aside
        elif self.data is not None:
            said[_DATA] = self.data
        if self.error is not None or self.event_type == ERROR:
            said["error"] = self.error
        if self.traceback is not None or self.event_type in (ERROR, VALIDATION_ERROR):
            said["traceback"] = self.traceback
        return said

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> "GenerationEvent":
        """Return the event that a log line tells of: the opposite of `line`."""
        data: Any = {key: value for key, value in line.items() if key not in (*_OWN, *_TROUBLE, _DATA)}
        aside = line.get(_DATA)
        data = {**data, **aside} if isinstance(aside, dict) else data if aside is None else aside
        took = line.get("duration_ms")
        return cls(
            stage=str(line.get("stage") or ""),
            component=str(line.get("component") or UNKNOWN),
            data=data,
            error=_text(line.get("error")),
            event_type=str(line.get("event") or EVENT),
            session_id=str(line.get("session_id") or ""),
            duration_ms=float(took) if isinstance(took, int | float) and not isinstance(took, bool) else None,
            traceback=_text(line.get("traceback")),
            ts_ns=_ns_of(line.get("timestamp")),
        )


def _text(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else _encode(value).decode()


def _ns_of(timestamp: object) -> int:
    """Return the time that `iso_utc` wrote, to the microsecond; 0 for anything else."""
    from datetime import UTC, datetime  # late: only replay needs it

    try:
        at = datetime.fromisoformat(timestamp) if isinstance(timestamp, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        return 0
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


class Cleaner:
    """Makes of any value what a record would hold of it."""

    __slots__ = ("_level", "_recorder")

    def __init__(self, recorder: "Recorder", level: CaptureLevel) -> None:
        self._recorder = recorder
        self._level = level

    def __call__(self, value: Any) -> tuple[Any, int]:
        """Return (the value as JSON types, secrets masked; about how many bytes it takes). A copy, always."""
        level = self._level
        try:
            if level is CaptureLevel.REDACTED and is_plain(value):
                body = _encode(value)
                if not suspicious(body) and not (b"null" in body and not_finite(value)):
                    return _decode(body), len(body)
        except Exception:  # noqa: BLE001 - a lone surrogate, a number beyond 64 bits: the careful way takes them all
            pass
        settings = self._recorder.settings
        hasher = settings.hasher() if level in (CaptureLevel.HASH, CaptureLevel.PREVIEW) else None
        cleaned, _ = clean(value, level=level, limits=settings.content_limits, hasher=hasher)
        return cleaned, len(_encode(cleaned))

    def text(self, value: str | None) -> str | None:
        """Return a text as it may be kept; where less than the text may be, what may be, as JSON."""
        return None if value is None else _text(self(value)[0])


def stack(error: object) -> str:
    """Return the whole stack of an error: of the exception itself, wherever it is logged (C3.7), with its causes.

    For a text, which has none, the stack of the exception being handled, else of the code that logs it.
    """
    if isinstance(error, BaseException):
        return _chain(error)
    import sys

    handled = sys.exc_info()[1]
    return _chain(handled) if handled is not None else _here()


def _chain(error: BaseException) -> str:
    told: list[str] = []
    seen: set[int] = set()
    each: BaseException | None = error
    link = ""
    while each is not None and id(each) not in seen and len(told) < MOST_CAUSES:
        seen.add(id(each))
        told.append(_one(each) + link)
        if each.__cause__ is not None:
            each, link = each.__cause__, _CAUSE
        else:
            each, link = (None if each.__suppress_context__ else each.__context__), _CONTEXT
    return "".join(reversed(told))


_CAUSE = "\n\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\n\nDuring handling of the above exception, another exception occurred:\n\n"


def _one(error: BaseException) -> str:
    described = describe_error(error)
    frames = stack_of(error)
    head = f"Traceback (most recent call last):\n{frames}\n" if frames else ""
    return f"{head}{described['type']}: {described['message']}" if described["message"] else head + described["type"]


def _here() -> str:
    """Return the stack of the code that called into this package, innermost last.

    Without the source lines, which are read from disk: there may be ten thousand validation errors.
    """
    import sys

    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("whence.generation"):
        frame = frame.f_back
    lines: list[str] = []
    while frame is not None and len(lines) < MOST_FRAMES:
        lines.append(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_name}')
        frame = frame.f_back
    return "\n".join(["Stack (most recent call last):", *reversed(lines)])
