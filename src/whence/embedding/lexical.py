"""The default embedder: offline, without a model, the same everywhere. It compares words, not meaning.

Method: feature hashing (Weinberger, Dasgupta, Langford, Smola, Attenberg, "Feature Hashing for Large Scale Multitask
Learning", ICML 2009): a text is a bag of features, each of which a hash sends to one of 768 places (R0.23) and gives a
sign, so that the dot product of two vectors estimates that of the two bags without bias.

Features: words and single marks (`+` tells `a + b` from `a - b`), pairs of neighbours for the order, and the trigrams
of a word for its forms (`sort`, `sorted`). How often one occurs counts by its square root, as in Lucene's
ClassicSimilarity, so that the tenth "the" says little; the root, other than a logarithm, is exact in IEEE 754.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from zlib import crc32

from whence.errors import BadInput

DIMENSIONS: Final = 768
NAME: Final = "lexical-hash-768"

# What one occurrence weighs. The trigrams of a word together weigh as much as the word itself.
WORD: Final = 1.0
PAIR: Final = 0.5

_TOKENS: Final = re.compile(r"\w+|[^\w\s]")
_NOTHING: Final = "empty:"  # no other feature has this form


class LexicalEmbedder:
    """Compares words. Distance 0: the same words in the same order; about 1: no word or part of a word in common.

    A text without a word or mark (empty, blanks) has a vector of its own, near no other text's: an output that is
    empty is then far from what was expected, which is a critical miss, and not a zero vector, which is UNKNOWN.

    Case and Unicode forms (NFKC) make no difference. The vector depends on nothing but the text; across versions of
    Python that holds for characters known to the Unicode database of Python 3.11.
    """

    name = NAME
    dimensions = DIMENSIONS
    lexical = True

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector of unit length for each text. Linear in its length.

        Raises:
            BadInput: something given is no text.
        """
        return [_vector(each) for each in texts]

    def __repr__(self) -> str:
        return f"LexicalEmbedder({self.name})"


def _vector(text: str) -> list[float]:
    if not isinstance(text, str):
        raise BadInput(f"{type(text).__name__} given to {NAME}; accepted: texts (str)")
    places = [0.0] * DIMENSIONS
    for feature, weight in _features(text).items():
        # CRC-32 is linear, so like features would land in like places; a multiplication spreads them
        # (Knuth, TAOCP 3, 6.4: 2³² over the golden ratio). Place from the upper bits, sign from a lower one.
        mixed = crc32(feature.encode("utf-8", "surrogatepass")) * 0x9E3779B1 & 0xFFFFFFFF
        place = mixed * DIMENSIONS >> 32
        places[place] += weight if mixed & 0x200 else -weight
    # fsum: `sum` and `hypot` round differently in different versions of Python.
    length = math.sqrt(math.fsum([each * each for each in places]))
    if not length:
        # Features cancelled each other; with signs of 32 bits that is next to impossible, and still no zero vector.
        return _vector("")
    return [each / length for each in places]


def _features(text: str) -> dict[str, float]:
    """Return feature -> weight, in the order of first occurrence (a sum of floats depends on its order)."""
    tokens = _TOKENS.findall(unicodedata.normalize("NFKC", text).casefold())
    if not tokens:
        return {_NOTHING: 1.0}
    weights: dict[str, float] = {}
    parts: dict[str, float] = {}
    for token, count in Counter(tokens).items():
        often = math.sqrt(count)
        weights[f"word:{token}"] = WORD * often
        if len(token) > 1:
            padded = f"<{token}>"
            each = WORD * often / math.sqrt(len(token))
            for start in range(len(token)):
                gram = padded[start : start + 3]
                parts[gram] = parts.get(gram, 0.0) + each
    for (one, other), count in Counter(pairwise(tokens)).items():
        weights[f"pair:{one} {other}"] = PAIR * math.sqrt(count)
    for gram, weight in parts.items():
        weights[f"part:{gram}"] = weight
    return weights
