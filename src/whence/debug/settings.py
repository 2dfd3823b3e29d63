"""What the DEBUG_* variables of the original design say, where they apply to this door (R4.46, D4.4).

They are read here and nowhere else. A variable that is not understood is refused where somebody asks (`load`), and taken
at its default, with one notice, where something is recorded (`careful`): recording never raises.
"""

import math
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from whence.errors import BadInput
from whence.record.notice import notice

_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")


class DebugSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of this door; each has a variable (`VARIABLES`)."""

    enabled: bool = True  # collect at all
    cache_ttl_s: float = 300.0  # how long an entry of the cache is good
    cache_max_size: int = 1000  # entries
    insight_confidence: float = 0.7  # insights that are less sure are not returned
    auto_generate: bool = True  # diagnose a failing component when its health is asked for and nobody has before
    ai_query: bool = True  # answer questions in plain language


VARIABLES: Final = {
    "DEBUG_SYSTEM_ENABLED": "enabled",
    "DEBUG_CACHE_TTL_SECONDS": "cache_ttl_s",
    "DEBUG_CACHE_MAX_SIZE": "cache_max_size",
    "DEBUG_INSIGHT_CONFIDENCE_THRESHOLD": "insight_confidence",
    "DEBUG_INSIGHT_AUTO_GENERATE": "auto_generate",
    "DEBUG_AI_QUERY_ENABLED": "ai_query",
}
"""Variable -> setting."""


def load(environment: Mapping[str, str] = os.environ) -> DebugSettings:
    """Return the settings in force.

    Raises:
        BadInput: a variable says something that is not accepted; the message names it.
    """
    chosen: dict[str, Any] = {}
    for variable, field in VARIABLES.items():
        word = environment.get(variable)
        if word is not None and word.strip():
            chosen[field] = _READERS[field](variable, word.strip())
    return DebugSettings(**chosen)


def careful(environment: Mapping[str, str] = os.environ) -> DebugSettings:
    """As `load`, for recording: what cannot be read counts as not given, and a notice says so."""
    try:
        return load(environment)
    except BadInput as exc:
        notice(f"whence.debug settings: {exc}; the default is used")
    chosen: dict[str, Any] = {}
    for variable in VARIABLES:
        try:
            one = load({variable: environment.get(variable, "")})
        except BadInput:
            continue
        chosen[VARIABLES[variable]] = getattr(one, VARIABLES[variable])
    return DebugSettings(**chosen)


def enabled() -> bool:
    """Return whether anything is collected; as cheap as a look into the environment, for it is asked with every event."""
    word = os.environ.get("DEBUG_SYSTEM_ENABLED")
    return word is None or word.strip().lower() not in _FALSE


def _flag(variable: str, word: str) -> bool:
    lowered = word.lower()
    if lowered in _TRUE or lowered in _FALSE:
        return lowered in _TRUE
    raise BadInput(f"{variable}={word!r}; accepted: {', '.join(_TRUE + _FALSE)}")


def _number(least: float, most: float, of: str) -> Callable[[str, str], float]:
    def read(variable: str, word: str) -> float:
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise BadInput(f"{variable}={word!r}; accepted: {of} from {least:g} to {most:g}")
        return value

    return read


def _count(variable: str, word: str) -> int:
    if not (word.isascii() and word.isdigit()) or not 1 <= int(word[:10]) <= 10_000_000 or len(word) > 8:
        raise BadInput(f"{variable}={word!r}; accepted: a whole number from 1 to 10000000")
    return int(word)


_READERS: Final[dict[str, Callable[[str, str], Any]]] = {
    "enabled": _flag,
    "cache_ttl_s": _number(0.0, 31_536_000.0, "seconds"),
    "cache_max_size": _count,
    "insight_confidence": _number(0.0, 1.0, "a share"),
    "auto_generate": _flag,
    "ai_query": _flag,
}
