"""One request and its answer over HTTP, by urllib: a deadline, a greatest size, no redirects, no key in what is said."""

import http.client
import time
import urllib.error
import urllib.request
from typing import Any, Final

import msgspec

LARGEST_ANSWER: Final = 64 << 20
"""Bytes. 64 texts of 4096 dimensions are about 6 MB of JSON."""
_SAID: Final = 300
_PIECE: Final = 1 << 16


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `failure`: why nothing did, in words; the rest is then empty."""

    status: int = 0
    body: bytes = b""
    said: str = ""  # the beginning of an error's body, without the key
    location: str = ""
    retry_after: str = ""
    failure: str | None = None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """urllib would send the key along to wherever it is told to go."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Exchange:
    """Posts JSON to one address. Safe in any thread; uses the proxies that the environment names."""

    def __init__(self, address: str, key: str, timeout_s: float) -> None:
        self._address = address
        self._key = key
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(_NoRedirects)

    def ask(self, body: bytes) -> Answer:
        """Send once and return what came back, errors of HTTP and of the network included."""
        request = urllib.request.Request(self._address, data=body, method="POST")
        request.add_header("Content-Type", "application/json")
        request.add_header("Accept", "application/json")
        request.add_header("User-Agent", "whence")
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        deadline = time.monotonic() + self._timeout_s
        try:
            try:
                with self._opener.open(request, timeout=self._timeout_s) as response:
                    return Answer(status=response.status, body=_read(response, deadline))
            except urllib.error.HTTPError as refusal:
                with refusal:
                    return Answer(
                        status=refusal.code,
                        said=self._clean(refusal.read(_PIECE)),
                        location=self._clean(refusal.headers.get("Location", "").encode()),
                        retry_after=refusal.headers.get("Retry-After", "").strip(),
                    )
        except TimeoutError:
            return Answer(failure=f"no answer within {self._timeout_s:g} s")
        except (OSError, http.client.HTTPException, UnicodeError) as exc:  # UnicodeError: a host no DNS name can be
            reason = getattr(exc, "reason", exc)  # URLError wraps what happened
            if isinstance(reason, TimeoutError):
                return Answer(failure=f"no answer within {self._timeout_s:g} s")
            return Answer(failure=self._clean(str(reason).encode("utf-8", "replace")) or type(exc).__name__)

    def _clean(self, said: bytes) -> str:
        """Return what an endpoint said, on one line and short; some of them quote the key they refuse."""
        text = "".join(each if each.isprintable() else " " for each in said.decode("utf-8", "replace"))
        text = " ".join(text.split())
        if self._key:
            text = text.replace(self._key, "***")
        return text[:_SAID]


def _read(response: Any, deadline: float) -> bytes:
    """Read the body by a deadline: the timeout of a socket begins anew with every byte."""
    pieces: list[bytes] = []
    size = 0
    while piece := response.read1(_PIECE):
        size += len(piece)
        if size > LARGEST_ANSWER:
            raise http.client.HTTPException(f"an answer of more than {LARGEST_ANSWER >> 20} MiB")
        if time.monotonic() > deadline:
            raise TimeoutError
        pieces.append(piece)
    if response.length:  # what Content-Length promised and did not come; `read1` leaves that to its caller
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(pieces)
