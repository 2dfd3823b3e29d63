"""Counts that stay exact without a lock."""

from itertools import count

PRIORITIES = ("vital", "structure", "text")
"""Classes of records, most important first: a filling spool gives up text, then structure, then nothing more (P0-P2)."""


class Drops:
    """Records that were not written, by reason and class.

    `next()` on an `itertools.count` is one step of the interpreter, so threads and signal handlers cannot lose one
    another's increments, and no lock is held that a signal handler could wait for.
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], count[int]] = {}

    def add(self, reason: str, priority: int) -> None:
        """Count one record that was dropped for this reason."""
        next(self._counts.setdefault((reason, priority), count()))

    def snapshot(self) -> dict[str, dict[str, int]]:
        """Return {reason: {class: records}}, without empty entries."""
        found: dict[str, dict[str, int]] = {}
        for (reason, priority), counter in list(self._counts.items()):
            # repr is the only way to look at a count without moving it that all supported Pythons have.
            found.setdefault(reason, {})[PRIORITIES[priority]] = int(repr(counter)[6:-1])
        return found

    def total(self) -> int:
        """Return how many records were dropped."""
        return sum(sum(classes.values()) for classes in self.snapshot().values())
