"""Text to vector, pluggable: what compares words without a model, or a model of yours.

    from whence.embedding import embed_text, use

    vector = embed_text("Implement quicksort algorithm")   # the embedder that WHENCE_EMBEDDING names
    use(my_embedder)                                       # or any object that is an `Embedder`

The default (`lexical-hash-768`) works offline and **compares words, not meaning**: "sort an array" and "order a list"
are unrelated to it. Vectors of two embedders are never comparable, even if they have as many dimensions.
"""

from whence.embedding.interface import Embedder
from whence.embedding.settings import current, embed_text, embed_texts, from_environment, use

__all__ = ["Embedder", "current", "embed_text", "embed_texts", "from_environment", "use"]
