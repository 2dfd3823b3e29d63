"""The one grammar of time ranges (B3.9, C4.6): `15m`, `1h`, `last_1h`, `7d`, `today`, a date, an ISO time or interval."""

import re
from datetime import UTC, datetime, timedelta

from whence.errors import BadInput

ACCEPTED = "15m, 1h, last_1h, 7d, 2w, today, yesterday, 2026-11-20, 2026-11-20T10:30Z, or START/END of such times"

_SPAN = re.compile(r"(?:last_)?(\d{1,6})(s|m|h|d|w)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_NS = 1_000_000_000


def parse_range(text: str, *, now_ns: int) -> tuple[int, int | None]:
    """Return (since, until) in Unix ns; until is None for "up to now". Times without a zone are UTC.

    Raises:
        BadInput: the text is of none of the accepted forms.
    """
    word = text.strip()
    if "/" in word:
        left, _, right = word.partition("/")
        since, until = _moment(left, text), _moment(right, text)
        if until <= since:
            raise BadInput(f"time range {text!r} ends before it begins; write START/END")
        return since, until
    span = _SPAN.fullmatch(word)
    if span is not None:
        return now_ns - int(span[1]) * _SECONDS[span[2]] * _NS, None
    if word in ("today", "yesterday"):
        day = datetime.fromtimestamp(now_ns // _NS, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if word == "today":
            return int(day.timestamp()) * _NS, None
        return int((day - timedelta(days=1)).timestamp()) * _NS, int(day.timestamp()) * _NS
    return _moment(word, text), None


def parse_moment(text: str, *, now_ns: int) -> int:
    """Return one moment in Unix ns: an ISO time, or a span back from now."""
    span = _SPAN.fullmatch(text.strip())
    return now_ns - int(span[1]) * _SECONDS[span[2]] * _NS if span else _moment(text, text)


def _moment(word: str, whole: str) -> int:
    try:
        moment = datetime.fromisoformat(word.strip())
    except ValueError:
        raise BadInput(f"time range {whole!r} is not understood; accepted: {ACCEPTED}") from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    try:
        return int(moment.timestamp() * 1_000_000) * 1000
    except (OverflowError, ValueError):
        raise BadInput(f"time {word!r} is out of range") from None
