"""The store that questions are put to when none is named. Provided from above (`whence/__init__.py`), so that the query
layer needs to know neither settings nor drainers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from whence.errors import StoreUnreachable

if TYPE_CHECKING:  # `import whence` comes through here and stays light
    from whence.store.interface import Store

_provider: list["Callable[[], Store]"] = []


def provide(provider: "Callable[[], Store]") -> None:
    """Say where the store comes from; the last word counts."""
    _provider[:] = [provider]


def current() -> "Store":
    """Return the store, with everything spooled drained into it.

    Raises:
        StoreUnreachable: it cannot be opened.
    """
    if not _provider:
        raise StoreUnreachable("no store is configured: import whence, or pass store=")
    return _provider[0]()
