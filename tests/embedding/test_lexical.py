"""The default embedder: the same everywhere, of unit length, and about words."""

import math
import random
import subprocess
import sys
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.embedding import lexical
from whence.embedding.interface import Embedder
from whence.embedding.lexical import DIMENSIONS, LexicalEmbedder, _features
from whence.errors import BadInput
from whence.measure.vectors import Alignment, alignment, as_vector, cosine_distance, pack, vector_id

KNOWN = {
    "Generate a function to sort an array": "fd0da4db86055e414601f756307875985ad46459be1231cdc4078ef414dc94d7",
    "def sort(a):\n    return sorted(a)  # 1 + 2": "6ae8a5a24192063dbb16a5a16795020ee48c3612f4bf7237c777950eeb39b95f",
    "Größe, naïve ﬁancé — 東京都 ИЗБА 🙂": "ba366d00871b6c9d29d41c5820df3f5288458df911d15bd93f27dcecef9e4974",
}


def vector(text: str) -> list[float]:
    return LexicalEmbedder().embed([text])[0]


def apart(one: str, other: str) -> float:
    found = cosine_distance(vector(one), vector(other))
    assert found is not None
    return found


def test_it_says_that_it_compares_words() -> None:
    embedder = LexicalEmbedder()

    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimensions, embedder.lexical) == ("lexical-hash-768", 768, True)
    assert "not meaning" in sys.modules[LexicalEmbedder.__module__].__doc__.splitlines()[0]  # type: ignore[union-attr]


@given(st.text())
def test_every_text_has_a_vector_of_unit_length(text: str) -> None:
    found = vector(text)

    assert len(found) == DIMENSIONS
    assert math.hypot(*found) == pytest.approx(1.0, abs=1e-12)
    assert as_vector(found) == (found, None)


@pytest.mark.parametrize(("text", "name"), KNOWN.items())
def test_the_vector_of_a_text_never_changes(text: str, name: str) -> None:
    """Stored vectors are compared with those of later versions: if this fails, the embedder needs another name."""
    assert vector_id(pack(vector(text))) == name


def test_other_processes_get_the_same_vectors() -> None:
    """Python's own `hash` of a text is another one in each process."""
    program = (
        "from whence.embedding import embed_text\n"
        "from whence.measure.vectors import pack, vector_id\n"
        "print(vector_id(pack(embed_text('sort an array'))))"
    )

    names = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }

    assert names == {vector_id(pack(vector("sort an array")))}


@given(st.text(alphabet="abcxyz+ \n"))
def test_blanks_and_case_make_no_difference(text: str) -> None:
    other = f"\t{text.upper()}\n".replace(" ", " \n")

    assert vector(other) == vector(text)


def test_unicode_forms_make_no_difference() -> None:
    assert vector("ﬁancé") == vector("FIANCE\N{COMBINING ACUTE ACCENT}")


def test_half_of_a_character_does_no_harm() -> None:
    """Lone surrogates are what broken decoding leaves in texts."""
    assert apart("\ud800 sort", "sort") < 1


@pytest.mark.parametrize(
    ("near", "text", "far"),
    [
        ("sort an array", "sorts the arrays", "paint a picture"),
        ("def sort(arr): return sorted(arr)", "def sort(a):\n    return sorted(a)", "class Picture: pass"),
        ("a + b", "b + a", "a - c"),
        ("the dog bit the man", "the dog bit a man", "a cat and some milk"),
        ("東京都の天気", "東京都の天気予報", "大阪の料理"),
    ],
)
def test_shared_words_and_parts_of_words_are_near(near: str, text: str, far: str) -> None:
    assert apart(near, text) < apart(far, text)


def test_the_order_of_words_and_marks_counts() -> None:
    assert apart("man bites dog", "dog bites man") > 0.01
    assert apart("a + b", "a - b") > 0.1


def test_unrelated_texts_are_about_1_apart() -> None:
    assert apart("Stock prices fell sharply on Monday", "A recipe for apple pie") == pytest.approx(1.0, abs=0.15)


def test_meaning_is_not_compared() -> None:
    """What the name says: a rewording in other words is a miss to it, which a model would call near."""
    assert alignment(apart("Generate a function to sort an array", "Implement quicksort algorithm")) is (
        Alignment.CRITICAL_MISS
    )


@pytest.mark.parametrize("empty", ["", " ", "\n\t\u3000"])
def test_an_empty_text_is_far_from_every_other_and_not_unknown(empty: str) -> None:
    """A zero vector would be UNKNOWN; that an output is empty is known."""
    assert apart(empty, "") == 0.0
    for text in ("Implement quicksort algorithm", "x", "{}", "empty", "empty:"):
        assert alignment(apart(empty, text)) is Alignment.CRITICAL_MISS


def test_768_places_lose_little() -> None:
    """The distance is that of the features themselves, to a few hundredths: hashing has no bias (Weinberger 2009)."""
    rng = random.Random(7)
    words = ["".join(each) for each in product("bdklmnrst", "aeiou", "bdklmnrst", "aeiou")]
    errors = []
    for _ in range(60):
        topic = rng.sample(words, 60)
        one, other = (" ".join(rng.choices(topic, k=40)) for _ in range(2))
        mine, yours = _features(one), _features(other)
        dot = math.fsum(weight * yours.get(feature, 0.0) for feature, weight in mine.items())
        exact = 1 - dot / (math.hypot(*mine.values()) * math.hypot(*yours.values()))
        errors.append(apart(one, other) - exact)

    assert math.fsum(errors) / len(errors) == pytest.approx(0.0, abs=0.02)
    assert max(map(abs, errors)) < 0.12


def test_features_are_spread_over_all_places() -> None:
    """One place for each of 20 000 words: no place stands out, and signs are even."""
    places: Counter[tuple[int, bool]] = Counter()
    embedder = LexicalEmbedder()
    for number in range(20_000):
        (found,) = embedder.embed([chr(0x4E00 + number)])  # a word of one character has no parts and no pair
        place = next(index for index, each in enumerate(found) if each)
        places[place, found[place] > 0] += 1

    by_place = Counter[int]()
    for (place, _), count in places.items():
        by_place[place] += count
    expected = 20_000 / DIMENSIONS
    assert len(by_place) == DIMENSIONS
    assert max(by_place.values()) < expected + 6 * math.sqrt(expected)
    assert sum(count for (_, positive), count in places.items() if positive) == pytest.approx(10_000, abs=500)


def test_features_that_cancel_each_other_leave_no_zero_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two features in one place with opposite signs: the text then has nothing that could be compared."""
    seen: dict[int, str] = {}
    for number in range(10_000):
        monkeypatch.setattr(lexical, "_features", lambda _, each=f"word:{number}": {each: 1.0})
        found = vector("any")
        place = next(index for index, each in enumerate(found) if each)
        other = seen.setdefault(place if found[place] > 0 else ~place, f"word:{number}")
        if opposite := seen.get(~place if found[place] > 0 else place):
            break
    monkeypatch.setattr(
        lexical, "_features", lambda text: {opposite: 1.0, other: 1.0} if text else {lexical._NOTHING: 1.0}
    )

    assert math.hypot(*vector("cancelled")) == 1.0
    assert vector("cancelled") == vector("")


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(BadInput, match="bytes given to lexical-hash-768; accepted: texts"):
        LexicalEmbedder().embed([b"bytes"])  # type: ignore[list-item]
