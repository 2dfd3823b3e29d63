"""Words of time in a question, as ranges of `whence.query.timerange`: one grammar, and what it does not have is asked back
(C4.6). Days are UTC, weeks begin on Monday (ISO 8601). Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from whence.assist.normalising import Word
from whence.errors import BadInput
from whence.query.timerange import parse_range

_NS: Final = 1_000_000_000
_NUMBERS: Final = {
    each: number
    for number, each in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
} | {
    "a": 1,
    "an": 1,
    "couple": 2,
    "few": 3,
    "half": 1,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "sixty": 60,
    "ninety": 90,
}
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
}
_MONTHS: Final = ("month", "months", "year", "years", "quarter", "fortnight")
_DAYS: Final = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_SPAN: Final = re.compile(r"(?:last_)?\d{1,6}[smhdw]", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d)?(?:z|[+-]\d\d:?\d\d)?)?(?:/\S+)?", re.ASCII)
_BACK: Final = ("last", "past", "previous", "latest")
_LEAD: Final = ("in", "within", "over", "during", "for", "since", "from", "on", "the", "of", "until", "at")
_VAGUE: Final = (
    "recently",
    "lately",
    "earlier",
    "ago",
    "tonight",
    "tomorrow",
    "morning",
    "afternoon",
    "evening",
    "noon",
)
ACCEPTED: Final = (
    "last 15 minutes",
    "last hour",
    "today",
    "yesterday",
    "since Monday",
    "this week",
    "last 7 days",
    "2026-11-20",
)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A time that is asked about."""

    range: str  # as `--since` takes it
    since_ns: int
    until_ns: int | None  # None: up to now


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """What a question says of time: a window, or words that mean none, and the words that do not."""

    window: Window | None = None
    unclear: str = ""  # words of time that are not understood
    rest: tuple[Word, ...] = ()


def times_of(words: tuple[Word, ...], *, now_ns: int) -> Times:
    """Return what a question says of time. Two different times are as unclear as none that is known."""
    found: list[tuple[str, str]] = []
    rest: list[Word] = []
    unclear: list[str] = []
    place = 0
    while place < len(words):
        took, text = _at(words, place, now_ns)
        if not took:
            rest.append(words[place])
            place += 1
            continue
        while rest and rest[-1].lower in _LEAD:  # "in the", "since"
            rest.pop()
        said = " ".join(each.text for each in words[place : place + took])
        if text:
            found.append((said, text))
        else:
            unclear.append(said)
        place += took
    if unclear or len({text for _, text in found}) > 1:
        return Times(unclear=", ".join(unclear or [said for said, _ in found]), rest=tuple(rest))
    if not found:
        return Times(rest=tuple(rest))
    said, text = found[0]
    try:
        since_ns, until_ns = parse_range(text, now_ns=now_ns)
    except BadInput:
        return Times(unclear=said, rest=tuple(rest))
    return Times(window=Window(range=text, since_ns=since_ns, until_ns=until_ns), rest=tuple(rest))


def _at(words: tuple[Word, ...], place: int, now_ns: int) -> tuple[int, str]:
    """Return how many words from here on are a time, and the range; the range is empty where it is not understood."""
    for rule in _RULES:
        took, text = rule([each.lower for each in words[place : place + 5]], now_ns)
        if took:
            return took, text
    return 0, ""


def _written(ahead: list[str], now_ns: int) -> tuple[int, str]:
    first = ahead[0].replace("last-", "last_")
    if _SPAN.fullmatch(first):
        return 1, first
    if first in ("today", "yesterday"):
        return 1, first
    if _DATE.fullmatch(first):
        return 1, _date(first)
    return 0, ""


def _date(text: str) -> str:
    """Return a date as the range that people mean by it: the day, not all since."""
    if len(text) != 10:
        return text.upper()
    try:
        day = datetime.fromisoformat(text).date()
    except ValueError:
        return text  # the grammar refuses it, and it is asked back
    return f"{day}/{day + timedelta(days=1)}"


def _spoken(ahead: list[str], now_ns: int) -> tuple[int, str]:
    """`last hour`, `past 15 minutes`, `the last couple of days`, `24 hours`, `3 days ago`."""
    place = 1 if ahead[0] in _BACK else 0
    count, number, half = 0, 1, False
    if place < len(ahead) and ((ahead[place].isascii() and ahead[place].isdigit()) or ahead[place] in _NUMBERS):
        number = int(ahead[place][:6]) if ahead[place].isdigit() else _NUMBERS[ahead[place]]
        count = 1
        half = ahead[place] == "half"
        if ahead[place + 1 : place + 2] == ["of"] or (half and ahead[place + 1 : place + 2] in (["an"], ["a"])):
            count = 2
        if half and ahead[place + count : place + count + 1] == ["hour"]:
            return place + count + 1, "30m"
    if not place and (not count or ahead[0] in ("a", "an", "half")):
        return 0, ""
    unit = ahead[place + count] if place + count < len(ahead) else ""
    took = place + count + 1
    if unit in _MONTHS:
        return took, {"month": f"{30 * number}d", "months": f"{30 * number}d"}.get(unit, "")
    if unit == "week" and place and not count:
        return took, "7d"
    if unit not in _UNITS:
        return (2, "") if place and unit in _DAYS else (2, "1d") if place and unit == "night" else (0, "")
    if not number or half:  # the grammar has no halves; but of an hour, see above
        return took, ""
    return took + (ahead[took : took + 1] == ["ago"]), f"{number}{_UNITS[unit]}"


def _calendar(ahead: list[str], now_ns: int) -> tuple[int, str]:
    """`this week`, `this month`, `this morning`, `Monday`."""
    today = datetime.fromtimestamp(now_ns // _NS, UTC).date()
    if ahead[0] in ("this", "current") and len(ahead) > 1:
        starts: dict[str, str] = {
            "week": str(today - timedelta(days=today.weekday())),
            "month": str(today.replace(day=1)),
            "year": str(today.replace(month=1, day=1)),
            "day": "today",
            "hour": "1h",
        }
        if ahead[1] in starts:
            return 2, starts[ahead[1]]
        return (2, "") if ahead[1] in _VAGUE or ahead[1] in _MONTHS else (0, "")
    if ahead[0] in _DAYS:
        return 1, str(today - timedelta(days=(today.weekday() - _DAYS.index(ahead[0])) % 7))
    if ahead[0] == "midnight":
        return 1, "today"
    return (1, "") if ahead[0] in _VAGUE or ahead[0] == "fortnight" else (0, "")


_RULES: Final[tuple[Callable[[list[str], int], tuple[int, str]], ...]] = (_written, _spoken, _calendar)
