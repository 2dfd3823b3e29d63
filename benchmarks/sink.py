"""A local OTLP/HTTP endpoint that reads what it is sent and says yes: `python -m benchmarks.sink` prints its port."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink(BaseHTTPRequestHandler):
    """Reads a request whole and forgets it."""

    protocol_version = "HTTP/1.1"  # connections stay open, as exporters want them
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        """Take an export."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response_only(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
