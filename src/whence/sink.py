"""The one verb that joins the stages: batches of encoded records move from left to right."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch; the six numbers add up to the batch's length."""

    stored: int = 0
    duplicates: int = 0
    contents: int = 0
    """Texts by hash, which live in their own erasable table (already known ones included)."""
    vectors: int = 0
    """Vectors by hash, kept like texts (already known ones included)."""
    digests: int = 0
    """Digests of runs, each in the place of the one before (those that came too late included)."""
    quarantined: int = 0
    ended: tuple[str, ...] = ()
    """OpenTelemetry ids of the traces whose last word came with this batch (`trace.end`), or came after it."""


class Sink(Protocol):
    """Where batches go next."""

    def accept(self, batch: Sequence[bytes]) -> Accepted:
        """Take encoded records (`whence.wire.records`), all or none, and say what became of them.

        When this returns the batch is durable in the sense of the sink. Accepting a record twice is harmless.
        """
        ...
