"""A local model directory: a real one, of four words, made here and loaded by model2vec."""

import json
import math
import sys
from pathlib import Path

import pytest

from whence.embedding.interface import Embedder
from whence.embedding.local import LocalEmbedder
from whence.embedding.settings import from_environment
from whence.errors import BadInput, WhenceError
from whence.measure.vectors import cosine_distance

WORDS = {"[UNK]": [0.0, 0.0, 0.0], "sort": [1.0, 0.0, 0.0], "order": [0.8, 0.6, 0.0], "paint": [0.0, 0.0, 1.0]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as `StaticModel.save_pretrained` leaves it: weights, tokenizer, configuration."""
    pytest.importorskip("model2vec")
    import numpy
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    directory = tmp_path_factory.mktemp("models") / "four-words"
    directory.mkdir()
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(directory / "tokenizer.json"))
    save_file({"embeddings": numpy.array(list(WORDS.values()), dtype="float32")}, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps({"normalize": True}))
    return directory


def test_texts_are_compared_by_what_the_model_learned(model: Path) -> None:
    embedder = LocalEmbedder(model)

    sort, order, both, paint = embedder.embed(["sort", "order", "sort order", "paint"])

    assert sort == [1.0, 0.0, 0.0]
    assert both == pytest.approx([1.8 / math.hypot(1.8, 0.6), 0.6 / math.hypot(1.8, 0.6), 0.0], abs=1e-6)
    assert cosine_distance(sort, order) == pytest.approx(0.2, abs=1e-6)
    assert cosine_distance(sort, paint) == pytest.approx(1.0, abs=1e-6)
    assert {type(each) for each in sort} == {float}


def test_it_is_an_embedder_of_meaning_with_a_name(model: Path) -> None:
    embedder = LocalEmbedder(model)

    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimensions, embedder.lexical) == ("local:four-words", 3, False)
    assert embedder.embed([]) == []


def test_a_text_without_a_known_word_has_no_direction(model: Path) -> None:
    """The model knows nothing of it, and a zero vector says just that: UNKNOWN further down."""
    assert LocalEmbedder(model).embed(["xyzzy", ""]) == [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_half_of_a_character_does_no_harm(model: Path) -> None:
    """The tokenizer is written in Rust, whose texts hold none."""
    assert LocalEmbedder(model).embed(["\ud800 sort"]) == [[1.0, 0.0, 0.0]]


def test_a_model_that_fails_is_no_fault_of_the_settings(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = LocalEmbedder(model)
    monkeypatch.setattr(embedder._model, "embedding", embedder._model.embedding[:1])

    with pytest.raises(WhenceError, match=r"local:four-words failed on 1 texts \(IndexError: .*\); "):
        embedder.embed(["paint"])


def test_the_setting_names_the_directory(model: Path) -> None:
    assert from_environment({"WHENCE_EMBEDDING": f"local:{model}"}).name == "local:four-words"


def test_what_is_no_directory_is_refused_and_nothing_downloaded() -> None:
    """A name like this one is a model on a hub to model2vec."""
    with pytest.raises(BadInput, match="'minishlab/potion-base-8M' is no directory; accepted: a directory with model"):
        LocalEmbedder("minishlab/potion-base-8M")


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("model2vec")

    with pytest.raises(BadInput, match=r"cannot be loaded by model2vec .*Could not find expected model files"):
        LocalEmbedder(tmp_path)


def test_a_broken_model_is_refused(model: Path, tmp_path: Path) -> None:
    for each in model.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes()[:20])

    with pytest.raises(BadInput, match="cannot be loaded by model2vec"):
        LocalEmbedder(tmp_path)


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model2vec", None)

    with pytest.raises(BadInput, match=r'pip install "whence\[embeddings\]"'):
        LocalEmbedder(tmp_path)
