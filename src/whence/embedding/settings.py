"""Which embedder is used: the one given to `use`, or the one that WHENCE_EMBEDDING names."""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from whence.embedding.interface import Embedder
from whence.errors import BadInput, WhenceError

VARIABLE: Final = "WHENCE_EMBEDDING"
KEY_VARIABLE: Final = "WHENCE_EMBEDDING_KEY"
ACCEPTED: Final = (
    "accepted: lexical (compares words), endpoint:<url>#<model> (OpenAI-compatible), local:<model directory>"
)

_current: Embedder | None = None


def from_environment(environ: Mapping[str, str]) -> Embedder:
    """Return the embedder that WHENCE_EMBEDDING names; `lexical` if it is not set or empty.

    Raises:
        BadInput: the setting cannot be read, the model directory not loaded, or its library is not installed.
    """
    given = environ.get(VARIABLE, "").strip() or "lexical"
    kind, _, rest = given.partition(":")
    if given == "lexical":
        from whence.embedding.lexical import LexicalEmbedder

        return LexicalEmbedder()
    if kind == "endpoint":
        url, mark, model = rest.rpartition("#")
        if not (mark and url and model):
            raise BadInput(
                f"{VARIABLE}={_shown(given)!r} names no model; "
                "accepted: endpoint:<url>#<model>, e.g. endpoint:http://127.0.0.1:11434/v1#nomic-embed-text"
            )
        from whence.embedding.endpoint import EndpointEmbedder

        return EndpointEmbedder(url, model, key_variable=KEY_VARIABLE, environ=environ)
    if kind == "local" and rest:
        from whence.embedding.local import LocalEmbedder

        return LocalEmbedder(rest)
    raise BadInput(f"{VARIABLE}={_shown(given)!r}; {ACCEPTED}")


def current() -> Embedder:
    """Return the embedder in use. At the first call the environment is asked, unless `use` came before."""
    global _current
    if _current is None:
        _current = from_environment(os.environ)
    return _current


def use(embedder: Embedder | None) -> None:
    """Use this embedder in this process from now on; None: ask the environment again.

    Raises:
        BadInput: it is no `Embedder`.
    """
    global _current
    if embedder is not None and (isinstance(embedder, type) or not isinstance(embedder, Embedder)):
        raise BadInput(
            f"embedder={embedder!r}; accepted: an object with name, dimensions, lexical and embed(texts), "
            "see whence.embedding.Embedder"
        )
    _current = embedder


def embed_texts(texts: Sequence[str]) -> list[list[float]]:
    """Return one vector for each text, by the embedder in use.

    Raises:
        BadInput: something given is no text, or the settings are to be mended.
        WhenceError: the model cannot be had, or did not return one vector for each text.
    """
    if isinstance(texts, str):
        raise BadInput(f"texts={texts[:40]!r}; accepted: a list of texts; for a single one there is embed_text")
    asked = list(texts)
    for each in asked:
        if not isinstance(each, str):
            raise BadInput(f"texts hold a {type(each).__name__}; accepted: texts (str)")
    if not asked:
        return []
    embedder = current()
    vectors = embedder.embed(asked)
    if len(vectors) != len(asked):
        raise WhenceError(
            f"embedder {embedder.name!r} returned {len(vectors)} vectors for {len(asked)} texts; "
            "one vector for each text is its contract (whence.embedding.Embedder)"
        )
    return vectors


def embed_text(text: str) -> list[float]:
    """Return the vector of a text, by the embedder in use (R0.27). Raises what `embed_texts` raises."""
    return embed_texts([text])[0]


def _shown(given: str) -> str:
    """Return a setting as a message may show it: somebody may have put a password into the address."""
    head, mark, tail = given.rpartition("@")
    scheme, slashes, _ = head.partition("//")
    return f"{scheme}//***@{tail}" if mark and slashes else given
