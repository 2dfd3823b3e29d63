"""What turns texts into vectors."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors that can be compared with each other, and with nothing else's.

    `embed` may be called from any thread and may take as long as a model takes, so never call it where a host waits
    for its record. It returns one vector for each text, in the order given, all of one length; the same text gives the
    same vector. It raises `whence.errors.BadInput` where the settings are to be mended, `WhenceError` where the model
    cannot be had now.
    """

    @property
    def name(self) -> str:
        """Which model this is: texts embedded under one name can be compared."""
        ...

    @property
    def dimensions(self) -> int | None:
        """Length of a vector; None as long as it is not known."""
        ...

    @property
    def lexical(self) -> bool:
        """True: words are compared. False: a model was trained to compare meaning."""
        ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector for each text."""
        ...


def whole(text: str) -> str:
    """Return the text with `?` for each half of a character, as broken decoding leaves them: UTF-8 has no such."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
