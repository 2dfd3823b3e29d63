"""What was asked for lately, kept at hand: least recently used goes first, and nothing is kept past its time (R4.22).

Keys are the texts themselves, so that they mean the same in every process (C4.22). What is collected about a component
drops what is kept of it.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from whence.debug import settings as debug_settings

__all__ = ["DebugCache", "get_debug_cache"]

Key = tuple[str, ...]
_INSIGHT: Final = "insight"
_STATE: Final = "state"
_HEALTH: Final = "health"


class DebugCache:
    """Insights, and states and health of components, for as long as they are good. Every method may be called from any thread.

    Args:
        max_size: entries; DEBUG_CACHE_MAX_SIZE, else 1,000.
        ttl_seconds: how long an entry is good; DEBUG_CACHE_TTL_SECONDS, else 300. 0 keeps nothing.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        max_size: int | None = None,
        ttl_seconds: float | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        said = debug_settings.careful()
        self.max_size = max(1, said.cache_max_size if max_size is None else int(max_size))
        self.ttl_seconds = max(0.0, said.cache_ttl_s if ttl_seconds is None else float(ttl_seconds))
        self._now = monotonic
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, tuple[float, Any, tuple[Key, ...]]] = OrderedDict()
        self._about: dict[Key, set[Key]] = {}  # component -> keys of entries about it
        self._hits = self._misses = self._evicted = self._expired = 0

    # -- insights ------------------------------------------------------------------------------------------------------

    def set_insight(self, insight_id: str, insight_data: Any) -> None:
        """Keep an insight. If it names affected components, what is collected of them drops it."""
        self._put((_INSIGHT, str(insight_id)), insight_data, _affected(insight_data))

    def get_insight(self, insight_id: str) -> Any:
        """Return an insight as it was kept, or None."""
        return self._get((_INSIGHT, str(insight_id)))

    def invalidate_insight(self, insight_id: str) -> bool:
        """Drop an insight; whether there was one."""
        with self._lock:
            return self._drop((_INSIGHT, str(insight_id)))

    # -- components ------------------------------------------------------------------------------------------------------

    def set_component_state(self, component_type: str, component_id: str, state_data: Any) -> None:
        """Keep the state of a component."""
        about = (str(component_type), str(component_id))
        self._put((_STATE, *about), state_data, (about,))

    def get_component_state(self, component_type: str, component_id: str) -> Any:
        """Return the state of a component as it was kept, or None."""
        return self._get((_STATE, str(component_type), str(component_id)))

    def set_component_health(self, component_type: str, component_id: str, time_range: str, health: Any) -> None:
        """Keep the health of a component over a time range."""
        about = (str(component_type), str(component_id))
        self._put((_HEALTH, *about, str(time_range)), health, (about,))

    def get_component_health(self, component_type: str, component_id: str, time_range: str) -> Any:
        """Return the health of a component as it was kept, or None."""
        return self._get((_HEALTH, str(component_type), str(component_id), str(time_range)))

    def invalidate_component(self, component_type: str, component_id: str) -> int:
        """Drop everything about a component; returns how many entries that were."""
        about = (str(component_type), str(component_id))
        if about not in self._about:  # what is collected asks this every time: without the lock where there is nothing
            return 0
        with self._lock:
            return sum(self._drop(key) for key in tuple(self._about.get(about, ())))

    # -- as a whole ------------------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Return hits, misses, hit_rate (0..1; None before the first lookup), size, max_size, ttl_seconds, evicted, expired."""
        with self._lock:
            asked = self._hits + self._misses
            return {
                "hits": self._hits,
                "misses": self._misses,
                "hit_rate": self._hits / asked if asked else None,
                "size": len(self._entries),
                "max_size": self.max_size,
                "ttl_seconds": self.ttl_seconds,
                "evicted": self._evicted,
                "expired": self._expired,
            }

    def clear(self) -> int:
        """Drop everything; returns how many entries that were. The counts of `stats` go on."""
        with self._lock:
            dropped = len(self._entries)
            self._entries.clear()
            self._about.clear()
            return dropped

    def __len__(self) -> int:
        return len(self._entries)

    def _put(self, key: Key, value: Any, about: tuple[Key, ...]) -> None:
        with self._lock:
            self._drop(key)
            if not self.ttl_seconds:
                return
            self._entries[key] = (self._now() + self.ttl_seconds, value, about)
            for each in about:
                self._about.setdefault(each, set()).add(key)
            while len(self._entries) > self.max_size:
                self._drop(next(iter(self._entries)))
                self._evicted += 1

    def _get(self, key: Key) -> Any:
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                self._misses += 1
                return None
            if found[0] <= self._now():
                self._drop(key)
                self._expired += 1
                self._misses += 1
                return None
            self._entries.move_to_end(key)
            self._hits += 1
            return found[1]

    def _drop(self, key: Key) -> bool:
        found = self._entries.pop(key, None)
        if found is None:
            return False
        for each in found[2]:
            keys = self._about.get(each)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._about[each]
        return True


def _affected(insight: Any) -> tuple[Key, ...]:
    """Return the components that an insight says it affects."""
    said = (
        insight.get("affected_components")
        if isinstance(insight, dict)
        else getattr(insight, "affected_components", None)
    )
    pairs = said if isinstance(said, list | tuple) else ()
    return tuple({(str(each.get("type") or ""), str(each.get("id") or "")) for each in pairs if isinstance(each, dict)})


_made: dict[str, DebugCache] = {}


def get_debug_cache() -> DebugCache:
    """Return this process's cache, made on first use from the settings of that moment."""
    return _made.get("cache") or _made.setdefault("cache", DebugCache())


def _after_fork_in_child() -> None:
    _made.clear()  # its lock may be held for ever by a thread that is not in the child


os.register_at_fork(after_in_child=_after_fork_in_child)
