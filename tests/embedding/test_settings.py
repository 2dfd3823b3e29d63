"""Which embedder is used: the default, the one of the environment, or one of the host's own."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.embedding.server import EmbeddingServer, vector
from whence.embedding import Embedder, current, embed_text, embed_texts, from_environment, use
from whence.errors import BadInput, WhenceError


class Lengths:
    """An embedder as a host may write it."""

    name = "lengths"
    dimensions: int | None = 1
    lexical = True

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[float(len(each))] for each in texts]


def test_without_a_setting_words_are_compared() -> None:
    assert current().name == "lexical-hash-768"
    assert len(embed_text("Implement quicksort algorithm")) == 768
    assert embed_texts(["a", "b"]) == [embed_text("a"), embed_text("b")]


@pytest.mark.parametrize("given", ["", " ", "lexical", " lexical "])
def test_lexical_can_be_named(given: str) -> None:
    assert from_environment({"WHENCE_EMBEDDING": given}).lexical


def test_the_environment_is_asked_at_the_first_text(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddingServer() as server:
        monkeypatch.setenv("WHENCE_EMBEDDING", f"endpoint:{server.url}/v1#org/model:8b")
        monkeypatch.setenv("WHENCE_EMBEDDING_KEY", "sk-1")

        assert embed_text("banana") == vector("banana")

    assert server.asked[0].body["model"] == "org/model:8b"
    assert server.asked[0].authorization == "Bearer sk-1"
    assert not current().lexical


def test_an_own_embedder_is_used_until_another_one_is() -> None:
    own = Lengths()

    use(own)
    assert current() is own
    assert embed_text("four") == [4.0]

    use(None)
    assert current().name == "lexical-hash-768"


@pytest.mark.parametrize("given", [len, Lengths, "lexical", object()], ids=["function", "class", "text", "object"])
def test_what_is_no_embedder_is_refused(given: object) -> None:
    with pytest.raises(BadInput, match=r"accepted: an object with name, dimensions, lexical and embed\(texts\)"):
        use(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("openai", "accepted: lexical .*endpoint:<url>#<model> .*local:<model directory>"),
        ("lexical:768", "accepted: lexical"),
        ("local:", "accepted: lexical"),
        ("endpoint:", "names no model; accepted: endpoint:<url>#<model>"),
        ("endpoint:http://host/v1", "names no model"),
        ("endpoint:http://host/v1#", "names no model"),
        ("endpoint:#model", "names no model"),
        ("endpoint:host#model", "accepted: http"),
        ("local:/no/such/directory", "is no directory"),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused(given: str, accepted: str) -> None:
    with pytest.raises(BadInput, match=accepted):
        from_environment({"WHENCE_EMBEDDING": given})


@pytest.mark.parametrize("setting", ["endpoint:http://me:hunter2@host/v1", "http://me:hunter2@host/v1#m"])
def test_a_password_in_a_setting_is_not_shown(setting: str) -> None:
    with pytest.raises(BadInput, match=r"//\*\*\*@host") as raised:
        from_environment({"WHENCE_EMBEDDING": setting})

    assert "hunter2" not in str(raised.value)


def test_texts_are_what_is_embedded() -> None:
    assert embed_texts([]) == []
    with pytest.raises(BadInput, match="for a single one there is embed_text"):
        embed_texts("one text")
    with pytest.raises(BadInput, match="texts hold a NoneType"):
        embed_texts(["a", None])  # type: ignore[list-item]
    with pytest.raises(BadInput, match="texts hold a bytes"):
        embed_text(b"a")  # type: ignore[arg-type]


def test_an_embedder_that_loses_a_text_is_found_out() -> None:
    class Forgetful(Lengths):
        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return super().embed(texts)[1:]

    use(Forgetful())

    with pytest.raises(WhenceError, match="embedder 'lengths' returned 1 vectors for 2 texts"):
        embed_texts(["a", "b"])


def test_the_interface_is_what_an_embedder_is_asked_for() -> None:
    own: Embedder = Lengths()

    assert isinstance(own, Embedder)


def test_the_front_page_is_light() -> None:
    program = (
        "import sys, whence.embedding\n"
        "print(sorted({'urllib', 'urllib.request', 'http.client', 'ssl', 'hashlib', 'numpy'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
