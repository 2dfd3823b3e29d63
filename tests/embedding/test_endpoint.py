"""An OpenAI-compatible endpoint: what is asked, what is retried, what is believed, and where the key goes."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.embedding.server import EmbeddingServer, listed, vector
from whence.embedding.endpoint import EndpointConfig, EndpointEmbedder
from whence.embedding.interface import Embedder
from whence.errors import BadInput, WhenceError

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as running:
        yield running


class Waits(list[float]):
    """Sleeps not, and remembers for how long."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


def embedder(server: EmbeddingServer, waits: Waits, key: str = KEY, **config: float) -> EndpointEmbedder:
    return EndpointEmbedder(
        server.url + "/v1",
        "test-model",
        environ={"WHENCE_EMBEDDING_KEY": key} if key else {},
        config=EndpointConfig(**config),  # type: ignore[arg-type]
        sleep=waits,
    )


def test_texts_come_back_as_vectors_in_their_order(server: EmbeddingServer, waits: Waits) -> None:
    asking = embedder(server, waits)
    texts = ["banana", "", "aa"]

    found = asking.embed(texts)

    assert found == [vector(each) for each in texts]
    assert asking.dimensions == 3
    assert server.asked == [
        (
            "/v1/embeddings",
            f"Bearer {KEY}",
            {"model": "test-model", "input": texts, "encoding_format": "float"},
        )
    ]


def test_it_is_an_embedder_of_meaning_with_a_name(server: EmbeddingServer, waits: Waits) -> None:
    asking = embedder(server, waits)

    assert isinstance(asking, Embedder)
    assert not asking.lexical
    assert asking.name == f"endpoint:{server.url.removeprefix('http://')}#test-model"
    assert asking.dimensions is None


def test_many_texts_go_in_batches(server: EmbeddingServer, waits: Waits) -> None:
    texts = ["a" * size for size in range(7)]

    found = embedder(server, waits, batch=3).embed(texts)

    assert found == [vector(each) for each in texts]
    assert [each.body["input"] for each in server.asked] == [texts[:3], texts[3:6], texts[6:]]


def test_half_of_a_character_does_no_harm(server: EmbeddingServer, waits: Waits) -> None:
    """JSON is UTF-8, which has no place for it."""
    embedder(server, waits).embed(["\ud800 sört"])

    assert server.asked[0].body["input"] == ["? sört"]


def test_no_text_asks_nothing(server: EmbeddingServer, waits: Waits) -> None:
    assert embedder(server, waits).embed([]) == []
    assert server.asked == []


def test_without_a_key_none_is_sent(server: EmbeddingServer, waits: Waits) -> None:
    embedder(server, waits, key="").embed(["a"])

    assert server.asked[0].authorization is None


# --- trying again


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_tried_again(server: EmbeddingServer, waits: Waits, status: int) -> None:
    server.answers = [(status, {}, b"not now"), (status, {}, b"not now"), None]

    found = embedder(server, waits).embed(["a"])

    assert found == [vector("a")]
    assert waits == [0.5, 1.0]


def test_the_endpoint_may_say_how_long_to_wait(server: EmbeddingServer, waits: Waits) -> None:
    """In seconds, and not for ever; a date is not read, and our own time is waited."""
    server.answers = [
        (429, {"Retry-After": "7"}, b""),
        (429, {"Retry-After": "86400"}, b""),
        (429, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, b""),
        None,
    ]

    embedder(server, waits).embed(["a"])

    assert waits == [7.0, 30.0, 2.0]


def test_one_that_goes_on_failing_is_given_up(server: EmbeddingServer, waits: Waits) -> None:
    server.answers = [(500, {}, b"out of\nmemory")]

    with pytest.raises(WhenceError, match=r"in 3 tries .HTTP 500: out of memory.*WHENCE_EMBEDDING=lexical") as raised:
        embedder(server, waits, retries=2).embed(["a"])

    assert not isinstance(raised.value, BadInput)
    assert len(server.asked) == 3
    assert waits == [0.5, 1.0]


def test_one_that_does_not_answer_in_time_is_given_up(server: EmbeddingServer, waits: Waits) -> None:
    server.pause.clear()

    with pytest.raises(WhenceError, match=r"in 2 tries \(no answer within 0.05 s\)"):
        embedder(server, waits, timeout_s=0.05, retries=1).embed(["a"])

    assert len(waits) == 1


def test_one_that_is_not_there_is_given_up(waits: Waits) -> None:
    with socket.socket() as taken:  # bound and not listening: a connection is refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(WhenceError, match=r"in 4 tries \(.*refused\); see that it runs"):
            EndpointEmbedder(url, "m", environ={}, sleep=waits).embed(["a"])

    assert waits == [0.5, 1.0, 2.0]


def test_an_answer_that_trickles_is_cut_at_the_timeout(server: EmbeddingServer, waits: Waits) -> None:
    """The timeout of a socket begins anew with every byte; ours is that of the whole."""
    server.trickle_s = 0.02

    with pytest.raises(WhenceError, match=r"\(no answer within 0.1 s\)"):
        embedder(server, waits, timeout_s=0.1, retries=0).embed(["a"])


def test_an_answer_that_breaks_off_is_asked_for_again(server: EmbeddingServer, waits: Waits) -> None:
    server.answers = [(200, {"Content-Length": "1000", "Connection": "close"}, b'{"data": ['), None]

    assert embedder(server, waits).embed(["a"]) == [vector("a")]
    assert waits == [0.5]


def test_a_host_that_cannot_be_a_name_is_given_up(waits: Waits) -> None:
    with pytest.raises(WhenceError, match=r"in 4 tries \(.*label"):
        EndpointEmbedder(f"http://{'a' * 64}.invalid", "m", environ={}, sleep=waits).embed(["a"])


# --- refused


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_for_the_user_to_mend(server: EmbeddingServer, waits: Waits, status: int) -> None:
    server.answers = [(status, {}, b"Incorrect API key provided: " + KEY.encode())]

    with pytest.raises(BadInput, match=r"refused the key .*put a valid one into WHENCE_EMBEDDING_KEY") as raised:
        embedder(server, waits).embed(["a"])

    assert KEY not in str(raised.value)
    assert "provided: ***" in str(raised.value)
    assert waits == []


def test_an_unknown_model_is_for_the_user_to_mend(server: EmbeddingServer, waits: Waits) -> None:
    server.answers = [(404, {}, b'{"error": {"message": "no such model\x1b[31m"}}')]

    with pytest.raises(BadInput, match=r"refused model 'test-model' or its input .HTTP 404: .*no such model") as raised:
        embedder(server, waits).embed(["a"])

    assert str(raised.value).isprintable()
    assert waits == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server: EmbeddingServer, waits: Waits, status: int) -> None:
    with EmbeddingServer() as elsewhere:
        server.answers = [(status, {"Location": elsewhere.url + "/v1/embeddings"}, b"")]

        with pytest.raises(BadInput, match=r"redirects to 'http.*which is not followed"):
            embedder(server, waits).embed(["a"])

        assert elsewhere.asked == []


# --- answers that are none


def shuffled(*indexes: int) -> bytes:
    return json.dumps({"data": [{"index": each, "embedding": [1.0, 2.0]} for each in indexes]}).encode()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html>It works!</html>", "is no list of embeddings"),
        (b"", "is no list of embeddings"),
        (b"\xff\xfe", "is no list of embeddings"),
        (b'{"data": "AAAA"}', "is no list of embeddings"),
        (b'{"data": [{"embedding": [1.0]}, {"embedding": [1.0]}]}', "is no list of embeddings .*`index`"),
        (b'{"data": [{"index": 0, "embedding": [NaN]}]}', "is no list of embeddings"),
        (listed([[1.0, 2.0]]), "holds 1 vectors for 2 texts"),
        (listed([[1.0], [1.0], [1.0]]), "holds 3 vectors for 2 texts"),
        (shuffled(0, 0), "indexes other than 0 to 1"),
        (shuffled(1, 2), "indexes other than 0 to 1"),
        (listed([[1.0, 2.0], [1.0]]), "mixes vectors of 1, 2 dimensions"),
        (listed([[], []]), "mixes vectors of 0 dimensions"),
    ],
)
def test_a_malformed_answer_is_not_believed(server: EmbeddingServer, waits: Waits, body: bytes, problem: str) -> None:
    server.answers = [(200, {}, body)]

    with pytest.raises(WhenceError, match=problem):
        embedder(server, waits).embed(["a", "b"])

    assert waits == []


def test_success_without_content_is_none(server: EmbeddingServer, waits: Waits) -> None:
    server.answers = [(204, {}, b"")]

    with pytest.raises(WhenceError, match="answered HTTP 204"):
        embedder(server, waits).embed(["a"])


def test_dimensions_may_not_change(server: EmbeddingServer, waits: Waits) -> None:
    asking = embedder(server, waits)
    asking.embed(["a"])
    server.answers = [(200, {}, listed([[1.0, 2.0]]))]

    with pytest.raises(WhenceError, match="mixes vectors of 2, 3 dimensions"):
        asking.embed(["a"])


def test_an_answer_without_end_is_cut(server: EmbeddingServer, waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whence.embedding.exchange.LARGEST_ANSWER", 1 << 20)
    server.answers = [(200, {}, b"[" * (2 << 20))]

    with pytest.raises(WhenceError, match="an answer of more than 1 MiB"):
        embedder(server, waits, retries=0).embed(["a"])


# --- settings


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1/embeddings"),
        ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1/embeddings"),
        ("https://host/api/v1", "https://host/api/v1/embeddings"),
        ("https://host/v1/embeddings", "https://host/v1/embeddings"),
        ("https://host/deployments/x/embeddings?api-version=1", "https://host/deployments/x/embeddings?api-version=1"),
        ("http://[::1]:8080", "http://[::1]:8080/v1/embeddings"),
    ],
)
def test_an_address_is_completed(url: str, address: str) -> None:
    assert EndpointEmbedder(url, "m", environ={}).address == address


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("file:///etc/passwd", "no http"),
        ("localhost:11434", "no http"),
        ("http://", "no host"),
        ("http://host:99999", "Port out of range"),
        ("http://[::1", "Invalid IPv6"),
        ("http://host/a b", "blanks"),
    ],
)
def test_an_address_that_cannot_be_is_refused(url: str, problem: str) -> None:
    with pytest.raises(BadInput, match=f"address of an embedding endpoint: .*{problem}.*accepted: http"):
        EndpointEmbedder(url, "m", environ={})


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(BadInput, match="keys belong into WHENCE_EMBEDDING_KEY") as raised:
        EndpointEmbedder("http://user:hunter2@host/v1", "m", environ={})

    assert "hunter2" not in str(raised.value)


def test_a_key_that_no_header_can_carry_is_refused_and_not_shown() -> None:
    with pytest.raises(BadInput, match="WHENCE_EMBEDDING_KEY holds a character") as raised:
        EndpointEmbedder("http://host", "m", environ={"WHENCE_EMBEDDING_KEY": "one\r\ntwo"})

    assert "two" not in str(raised.value)


@pytest.mark.parametrize("config", [{"timeout_s": 0}, {"batch": 0}, {"retries": -1}])
def test_numbers_that_cannot_be_are_refused(config: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="accepted: timeout_s above 0"):
        EndpointEmbedder("http://host", "m", environ={}, config=EndpointConfig(**config))  # type: ignore[arg-type]


def test_a_model_must_be_named() -> None:
    with pytest.raises(BadInput, match="accepted: the name of an embedding model"):
        EndpointEmbedder("http://host", "", environ={})


def test_the_key_is_in_no_repr(server: EmbeddingServer, waits: Waits) -> None:
    assert KEY not in repr(embedder(server, waits))
