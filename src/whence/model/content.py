"""Large texts are stored once, by hash; a record holds a reference in their place."""

from collections.abc import Callable, Iterator
from typing import Any

CONTENT_KEY = "content_sha256"
"""A JSON object with this key stands for a text: {content_sha256, chars, preview}."""
VECTOR_KEY = "vector_sha256"
"""A JSON object with this key stands for a vector: {vector_sha256, dimensions}."""
_REFERENCE = {CONTENT_KEY, "chars", "preview", "not_stored", "truncated", "original_chars"}


def references(value: Any) -> Iterator[str]:
    """Yield the hashes of every text that the value refers to."""
    if isinstance(value, dict):
        if CONTENT_KEY in value:
            yield str(value[CONTENT_KEY])
        else:
            for each in value.values():
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def resolve(value: Any, lookup: Callable[[str], str | None]) -> Any:
    """Return the value with every reference replaced by its text; an erased or unknown text leaves the reference."""
    if isinstance(value, dict):
        if CONTENT_KEY in value:
            text = lookup(str(value[CONTENT_KEY])) if set(value) <= _REFERENCE else None
            # What a user recorded may look like a reference: it is one only if it knows how the text goes.
            if text is None or len(text) != value.get("chars") or not text.startswith(str(value.get("preview"))):
                return value
            cut = {"truncated": text, "original_chars": value.get("original_chars")}
            return cut if value.get("truncated") else text  # as a text is shown that was cut where it stood
        return {key: resolve(each, lookup) for key, each in value.items()}
    if isinstance(value, list):
        return [resolve(each, lookup) for each in value]
    return value
