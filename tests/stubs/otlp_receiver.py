"""An OTLP/HTTP receiver that is not ours: opentelemetry-proto parses what arrives.

    with OtlpReceiver() as receiver:
        exporting.send("last", receiver.endpoint)
        receiver.spans["stage"].attributes

A receiver can be told to refuse (`receiver.status = 503`).
"""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue


class Event(NamedTuple):
    """An event of a span, or a log record."""

    name: str
    ts_ns: int
    attributes: dict[str, Any]


class Span(NamedTuple):
    """A span as the protobuf parser read it."""

    name: str
    trace: str
    span: str
    parent: str
    start_ns: int
    end_ns: int
    status: int
    attributes: dict[str, Any]
    events: list[Event]
    service: str


def value(any_value: AnyValue) -> Any:
    """Return an attribute's value as Python has it."""
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(each) for each in any_value.array_value.values]
    if kind == "kvlist_value":
        return {each.key: value(each.value) for each in any_value.kvlist_value.values}
    return getattr(any_value, kind) if kind else None


def attributes(pairs: Any) -> dict[str, Any]:
    """Return repeated KeyValues as a dict."""
    return {each.key: value(each.value) for each in pairs}


class OtlpReceiver:
    """Serves /v1/traces and /v1/logs on a free port while the block runs."""

    def __init__(self) -> None:
        self.all_spans: list[Span] = []
        self.logs: list[Event] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if receiver.status == 200:
                    receiver.take(self.path, body)
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> dict[str, Span]:
        """The spans that arrived, by name."""
        return {each.name: each for each in self.all_spans}

    def take(self, path: str, body: bytes) -> None:
        """Parse a request as an OTLP backend does."""
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = attributes(resource.resource.attributes).get("service.name", "")
                for scope in resource.scope_spans:
                    self.all_spans += [_span(each, service) for each in scope.spans]
        elif path == "/v1/logs":
            for logs in ExportLogsServiceRequest.FromString(body).resource_logs:
                for records in logs.scope_logs:
                    self.logs += [
                        Event(
                            each.event_name,
                            each.time_unix_nano,
                            {"body": value(each.body), **attributes(each.attributes)},
                        )
                        for each in records.log_records
                    ]

    def __enter__(self) -> "OtlpReceiver":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def _span(each: Any, service: str) -> Span:
    return Span(
        each.name,
        each.trace_id.hex(),
        each.span_id.hex(),
        each.parent_span_id.hex(),
        each.start_time_unix_nano,
        each.end_time_unix_nano,
        each.status.code,
        attributes(each.attributes),
        [Event(event.name, event.time_unix_nano, attributes(event.attributes)) for event in each.events],
        service,
    )
