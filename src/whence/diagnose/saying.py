"""The words of findings: names from records made fit for one line, durations and shares as people read them. Pure."""

from collections.abc import Iterable
from typing import Final

MOST_CHARS: Final = 80
_NS: Final = 1_000_000_000


def named(text: object, other: str = "the run", limit: int = MOST_CHARS) -> str:
    """Return a name or message on one line, printable, at most `limit` characters; `other` where it is empty."""
    shown = text if isinstance(text, str) else str(text)
    shown = " ".join("".join(c if c.isprintable() else " " for c in shown[: 4 * limit]).split())
    return (shown if len(shown) <= limit else shown[: limit - 1] + "…") or other


def took(ns: float) -> str:
    """Return a duration in the unit that suits it: 0.3 ms, 85 ms, 1.2 s, 2 min 5 s, 3.1 h."""
    seconds = ns / _NS
    if seconds < 0.01:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    return f"{seconds / 3600:.1f} h"


def share(part: float) -> str:
    """Return a share of 0..1 in per cent."""
    return f"{part * 100:.1f} %" if 0 < part < 0.1 else f"{part * 100:.0f} %"


def listed(names: Iterable[object], most: int = 3) -> str:
    """Return a list in words: `a`, `a and b`, `a, b, c and 4 more`."""
    every = [named(each, "?") for each in names]
    if len(every) > most:
        return f"{', '.join(every[:most])} and {len(every) - most} more"
    return " and ".join([", ".join(every[:-1]), every[-1]]) if len(every) > 1 else "".join(every)
