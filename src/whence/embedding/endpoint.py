"""Any OpenAI-compatible `/v1/embeddings`: a service, or a server of your own (Ollama, vLLM, llama.cpp, TEI).

    WHENCE_EMBEDDING=endpoint:http://127.0.0.1:11434/v1#nomic-embed-text
    WHENCE_EMBEDDING_KEY=…        # only if the endpoint asks for one

Texts leave this machine for the address given. The key goes to that address only: no redirect is followed. It stands
in no message, no log and no `repr`.
"""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from whence.embedding.exchange import Answer, Exchange
from whence.embedding.interface import whole
from whence.errors import BadInput, WhenceError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

LONGEST_WAIT_S: Final = 30.0
_FIRST_WAIT_S: Final = 0.5
_SECONDS: Final = re.compile("[0-9]{1,9}")  # RFC 9110 §10.2.3; it may also be a date, for which we wait our own time


class EndpointConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the endpoint is asked."""

    timeout_s: float = 30.0  # of a whole request and its answer
    batch: int = 64  # texts a request
    retries: int = 3  # after the first try: on 408, 429, 5xx and a broken connection


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Item]


class EndpointEmbedder:
    """Asks an endpoint for the vectors. `dimensions` is known after the first answer, and then may not change."""

    lexical = False

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key_variable: str = "WHENCE_EMBEDDING_KEY",
        environ: Mapping[str, str] | None = None,
        config: EndpointConfig | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: http(s)://host[:port][/path]; `/v1/embeddings` is added as far as the path does not have it.
            model: the model's name, as the endpoint knows it.
            key_variable: name of the environment variable with the key; without that variable, no key is sent.
            environ: where it is looked up (default: os.environ).
            config: timeout, batch size, retries.
            sleep: waits that many seconds between tries.

        Raises:
            BadInput: the address, a number or the key cannot be used.
        """
        config = config or EndpointConfig()
        if not model:
            raise BadInput("model=''; accepted: the name of an embedding model, as the endpoint knows it")
        if config.timeout_s <= 0 or config.batch < 1 or config.retries < 0:
            raise BadInput(f"{config}; accepted: timeout_s above 0, batch of 1 or more, retries of 0 or more")
        self.address = _address(url)
        self.model = model
        self.config = config
        self.dimensions: int | None = None
        self.name = f"endpoint:{urlsplit(self.address).netloc}#{model}"
        self._key_variable = key_variable
        key = (os.environ if environ is None else environ).get(key_variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise BadInput(f"{key_variable} holds a character that no HTTP header can carry; set it to the key alone")
        self._exchange = Exchange(self.address, key, config.timeout_s)
        self._sleep = sleep

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector for each text, in the order given. What an empty text gives, the endpoint decides.

        Raises:
            BadInput: the endpoint refuses the key, the model, the address or the texts.
            WhenceError: it cannot be reached, goes on failing, or answers something else than one vector a text.
        """
        found: list[list[float]] = []
        for start in range(0, len(texts), self.config.batch):
            found += self._batch([whole(each) for each in texts[start : start + self.config.batch]])
        return found

    def _batch(self, texts: list[str]) -> list[list[float]]:
        body = msgspec.json.encode({"model": self.model, "input": texts, "encoding_format": "float"})
        for attempt in range(self.config.retries + 1):
            answer = self._exchange.ask(body)
            if answer.failure is None and answer.status == 200:
                return self._read(answer.body, len(texts))
            if answer.failure is None and not _may_pass(answer.status):
                raise self._refused(answer)
            if attempt < self.config.retries:
                self._sleep(_wait_s(attempt, answer.retry_after))
        what = answer.failure or f"HTTP {answer.status}: {answer.said}"
        raise WhenceError(
            f"{self.address} gave no vectors in {self.config.retries + 1} tries ({what}); see that it runs and can be "
            "reached from here, or set WHENCE_EMBEDDING=lexical to compare words without it"
        )

    def _refused(self, answer: Answer) -> WhenceError:
        said = f"HTTP {answer.status}: {answer.said}"
        if answer.status in (401, 403):
            return BadInput(f"{self.address} refused the key ({said}); put a valid one into {self._key_variable}")
        if 300 <= answer.status < 400:
            return BadInput(
                f"{self.address} redirects to {answer.location!r}, which is not followed, as it would take the key "
                "along; name the right address in WHENCE_EMBEDDING"
            )
        if 400 <= answer.status < 500:
            return BadInput(f"{self.address} refused model {self.model!r} or its input ({said}); see WHENCE_EMBEDDING")
        return WhenceError(f"{self.address} answered {said}; see its log")

    def _read(self, body: bytes, count: int) -> list[list[float]]:
        """Return the vectors by their index, after a look at what came."""
        try:
            items = msgspec.json.decode(body, type=_Answer).data
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise self._malformed(f"is no list of embeddings ({exc})") from exc
        if len(items) != count:
            raise self._malformed(f"holds {len(items)} vectors for {count} texts")
        if sorted(each.index for each in items) != list(range(count)):
            raise self._malformed(f"has indexes other than 0 to {count - 1}, each once")
        lengths = {len(each.embedding) for each in items}
        if self.dimensions is not None:
            lengths.add(self.dimensions)
        if len(lengths) != 1 or 0 in lengths:
            raise self._malformed(f"mixes vectors of {', '.join(map(str, sorted(lengths)))} dimensions")
        self.dimensions = lengths.pop()
        return [each.embedding for each in sorted(items, key=lambda each: each.index)]

    def _malformed(self, what: str) -> WhenceError:
        return WhenceError(f"the answer of {self.address} {what}; is it an OpenAI-compatible /v1/embeddings?")

    def __repr__(self) -> str:
        return f"EndpointEmbedder({self.name})"


def _address(url: str) -> str:
    """Return the full address of the embeddings."""
    parts, problem = _split(url)
    if parts is None:
        raise BadInput(f"address of an embedding endpoint: {problem}; accepted: http(s)://host[:port][/path]")
    path = parts.path.rstrip("/")
    if not path.endswith("/embeddings"):
        # An address with a query (Azure's api-version) or a path of its own still ends in /embeddings, or /v1.
        path += "/embeddings" if path.endswith("/v1") else "/v1/embeddings"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _split(url: str) -> "tuple[SplitResult | None, str]":
    """Return (parts, "") or (None, what is wrong); the address itself is not shown before it is known to be harmless."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        return None, str(exc)
    if "@" in parts.netloc:
        return None, "it holds a user or password, and keys belong into WHENCE_EMBEDDING_KEY"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None, f"{url!r} has no http(s) scheme or no host"
    if not (url.isascii() and url.isprintable()) or " " in url:
        return None, f"{url!r} holds blanks or characters that must be percent-encoded"
    return parts, ""


def _may_pass(status: int) -> bool:
    """Tell if trying again makes sense: timeout of the other side, too many requests, its own faults."""
    return status in (408, 429) or status >= 500


def _wait_s(attempt: int, retry_after: str) -> float:
    """Return seconds to wait: what the endpoint asks for, else 0.5, 1, 2 …; never more than half a minute."""
    asked = float(retry_after) if _SECONDS.fullmatch(retry_after) else _FIRST_WAIT_S * 2.0**attempt
    return min(asked, LONGEST_WAIT_S)
