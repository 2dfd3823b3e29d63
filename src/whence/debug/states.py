"""The last state of each component in each operation, so that the next one can say what has changed. Bounded."""

import threading
from collections import OrderedDict
from typing import Any, Final

import msgspec

from whence.measure.states import patch
from whence.record.recorder import is_plain
from whence.redact.capture import CaptureLevel
from whence.redact.keys import is_secret_key
from whence.redact.value import MASKED_KEY, clean

MOST_STATES: Final = 1024
MOST_BYTES: Final = 16 * 1024 * 1024
STATE_BYTES: Final = 256 * 1024
"""Of a larger state no difference is made."""

Key = tuple[str, ...]


class States:
    """Last states by component. Any thread may call it."""

    def __init__(self, most: int = MOST_STATES, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._held: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def changes(self, key: Key, state: Any, *, whole: bool = True) -> list[dict[str, Any]]:
        """Return the operations (RFC 6902) that make this state of the one before, and keep it for the next.

        Nothing is returned for the first state of a component, and for one that is too large to be kept.

        Args:
            whole: whether it is the whole state; else, where both are objects, it changes the keys that it has.
        """
        given = state if is_plain(state) else clean(state, level=CaptureLevel.FULL)[0]
        with self._lock:  # one component's states come one after the other; the next must see this one
            before = self._held.get(key)
            old = msgspec.json.decode(before) if before is not None else None
            now = {**old, **given} if not whole and isinstance(old, dict) and isinstance(given, dict) else given
            encoded = msgspec.json.encode(now)  # as it is at this moment: the host may change it later
            self._keep(key, encoded)
            if before is None or len(encoded) > STATE_BYTES or before == encoded:
                return []
        return [_masked(each) for each in patch(old, msgspec.json.decode(encoded))]

    def _keep(self, key: Key, encoded: bytes) -> None:
        self._bytes -= len(self._held.pop(key, b""))
        if len(encoded) > STATE_BYTES:
            return
        self._held[key] = encoded
        self._bytes += len(encoded)
        while len(self._held) > self._most or self._bytes > self._most_bytes:
            self._bytes -= len(self._held.popitem(last=False)[1])

    def __len__(self) -> int:
        return len(self._held)


def _masked(operation: dict[str, Any]) -> dict[str, Any]:
    """Return an operation without the value under a key that announces a secret: the key is in its path, apart from it."""
    steps = operation["path"].replace("~1", "/").replace("~0", "~").split("/")
    if operation.get("value") is None or not any(map(is_secret_key, steps)):
        return operation
    return {**operation, "value": MASKED_KEY}
