"""Which run is meant where none is named: a context variable, so that tasks and threads have their own (R4.14)."""

import contextvars
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from whence.record.normalise import as_label

if TYPE_CHECKING:
    from types import TracebackType

_correlation: "contextvars.ContextVar[str | None]" = contextvars.ContextVar("whence_debug_correlation", default=None)


def current_correlation() -> str | None:
    """Return the correlation id of the running code, or None."""
    return _correlation.get()


class Correlation:
    """`with collector.correlation("corr-456"):` what is collected inside belongs to that run. Also `async with`; nests."""

    def __init__(self, correlation_id: object) -> None:
        self.correlation_id = as_label(correlation_id)
        self._tokens: list[contextvars.Token[str | None]] = []

    def __enter__(self) -> "Correlation":
        self._tokens.append(_correlation.set(self.correlation_id))
        return self

    def __exit__(
        self, kind: "type[BaseException] | None", error: BaseException | None, tb: "TracebackType | None"
    ) -> Literal[False]:
        with suppress(ValueError, IndexError):  # left in another context than it was entered in: there it was never set
            _correlation.reset(self._tokens.pop())
        return False

    async def __aenter__(self) -> "Correlation":
        return self.__enter__()

    async def __aexit__(
        self, kind: "type[BaseException] | None", error: BaseException | None, tb: "TracebackType | None"
    ) -> Literal[False]:
        return self.__exit__(kind, error, tb)
