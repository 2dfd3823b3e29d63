"""The base of every generated component."""

from collections import Counter
from types import TracebackType
from typing import Self


class ComposedComponent:
    """A part with a name, a beginning, an end, and a count of what it did. A context manager."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self.running = False

    def setup(self) -> None:
        """Get ready; a component that holds something opens it here."""
        self.running = True

    def cleanup(self) -> None:
        """Let go of what `setup` opened."""
        self.running = False

    def counted(self, what: str, number: int = 1) -> None:
        """Note that something was done."""
        self.counts[what] += number

    def __enter__(self) -> Self:
        self.setup()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.cleanup()
