"""Since when something is odd: whether the runs before, good or bad, were odd in the same way. Pure."""

from typing import Final

from whence.clock import iso_utc
from whence.diagnose.oddities import Oddity
from whence.diagnose.run import History
from whence.diagnose.traits import told, traits_of
from whence.model.digest import RunDigest, Traits

LOOKED_AT: Final = 30
"""Runs before it, the newest."""


class Kept:
    """The traits of earlier runs, each decoded once."""

    def __init__(self) -> None:
        self._known: dict[str, Traits] = {}

    def of(self, digest: RunDigest) -> Traits:
        """Return what a run said."""
        known = self._known.get(digest.trace)
        if known is None:
            known = self._known[digest.trace] = traits_of(digest)
        return known


def since(odd: Oddity, history: History, kept: Kept) -> str:
    """Return in words since when it is so, without a break up to this run; "" where too few runs tell."""
    key = f"{odd.place}|{odd.what}|{odd.field}"
    found = [(each, _is_odd(kept.of(each), odd, key)) for each in history.runs[-LOOKED_AT:]]
    shown = [(each, alike) for each, alike in found if alike is not None]
    count = sum(alike for _, alike in shown)
    if not count:
        return f"none of the {len(shown)} earlier runs with such records shows it" if len(shown) > 1 else ""
    streak = 0
    while streak < len(shown) and shown[-1 - streak][1]:
        streak += 1
    if not streak:
        return f"{count} of the {len(shown)} earlier runs with such records showed it too, not the last of them"
    first = shown[-streak][0]
    at = iso_utc(first.started_ns)[:16].replace("T", " ")
    return f"it is so since {at} UTC ({first.trace_id}), for {streak} run{'s' if streak > 1 else ''} before this one"


def _is_odd(traits: Traits, odd: Oddity, key: str) -> bool | None:
    """Return whether a run was odd in the same way; None where it does not tell."""
    if odd.field == "#":
        return _is_counted_odd(traits, odd)
    if isinstance(odd.value, str):
        words = traits.values_of.get(key, {}).get(odd.about) if odd.about else told(traits.values, key)
        return odd.value in words if words is not None else None
    span = traits.ranges_of.get(key, {}).get(odd.about) if odd.about else told(traits.ranges, key)
    if span is None:
        return None
    value, low, high = float(odd.value or 0), float(odd.usual[0]), float(odd.usual[-1])
    half = ((high if value > high else low) + value) / 2  # nearer to this run than to what is usual
    return span[1] >= half if value > high else span[0] <= half


def _is_counted_odd(traits: Traits, odd: Oddity) -> bool | None:
    parts = {part: inside for part, inside in traits.counts.items() if part.partition("|")[0] == odd.place}
    if not parts:
        return None
    found = [
        span
        for part, inside in parts.items()
        for what, span in inside.items()
        if (what or part.partition("|")[2]) == odd.what
    ]
    if odd.rule == "missing":
        return not found or min(least for least, _ in found) == 0
    low, high = float(odd.usual[0]), float(odd.usual[-1])
    return any(most > high or least < low for least, most in found)
