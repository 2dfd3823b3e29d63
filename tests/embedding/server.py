"""A server with `/v1/embeddings` that does what a test tells it, over real HTTP.

    with EmbeddingServer() as server:
        server.answers = [(429, {}, b"slow down"), None]     # then as an endpoint should

`None` stands for the right answer: the vector of a text is (length, number of a's, 1), given out of order.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple

Scripted = tuple[int, dict[str, str], bytes]


class Asked(NamedTuple):
    """A request as it arrived."""

    path: str
    authorization: str | None
    body: dict[str, Any]


def vector(text: str) -> list[float]:
    """Return what the server answers for a text."""
    return [float(len(text)), float(text.count("a")), 1.0]


def listed(vectors: list[list[float]], **extra: Any) -> bytes:
    """Return the vectors as OpenAI sends them."""
    items = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]
    return json.dumps({"object": "list", "data": items, "usage": {"total_tokens": 1}, **extra}).encode()


class EmbeddingServer:
    """Serves on a free port while the block runs."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Scripted | None] = []  # used up from the front; then the last one again
        self.pause = threading.Event()  # cleared: an answer waits
        self.pause.set()
        self.trickle_s = 0.0  # between the bytes of an answer
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.asked.append(Asked(self.path, self.headers.get("authorization"), body))
                server.pause.wait(timeout=10)
                status, headers, said = server.next_answer(body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                if not server.trickle_s:
                    self.wfile.write(said)
                    return
                for each in said:
                    self.wfile.write(bytes([each]))
                    time.sleep(server.trickle_s)

            def do_GET(self) -> None:
                server.asked.append(Asked(self.path, self.headers.get("authorization"), {}))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that gave up is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_answer(self, body: dict[str, Any]) -> Scripted:
        """Return what to answer now."""
        scripted = self.answers[0] if self.answers else None
        if len(self.answers) > 1:
            del self.answers[0]
        if scripted is not None:
            return scripted
        answer = json.loads(listed([vector(each) for each in body["input"]]))
        answer["data"].reverse()  # only the index says which is which
        return 200, {"content-type": "application/json"}, json.dumps(answer).encode()

    def __enter__(self) -> "EmbeddingServer":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.pause.set()
        self._server.shutdown()
        self._server.server_close()
