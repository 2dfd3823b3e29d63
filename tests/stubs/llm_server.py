"""A server that speaks OpenAI's and Anthropic's wire formats over real HTTP, for clients that believe it is the real one.

    with LlmServer() as server:
        server.say(chat("Hello", tokens=(12, 3)), error(429, retry_after=0), chat("again"))
        client = openai.OpenAI(api_key="k", base_url=server.openai_url)

Answers are given in the order they were put in; each is written whole or as a stream, as the request asks. Without one
the server echoes what it was asked, with counts that follow from it, so that many parallel calls can be told apart.
`server.received` has every request. Nothing is random and nothing waits, except what is told to.
"""

import gzip
import json
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

CREATED = 1_700_000_000


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]  # names in lower case


@dataclass
class Answer:
    """What to answer. `whole` and `events` are made of the request, since the two formats and streams differ."""

    whole: Callable[[Received], dict[str, Any]] = lambda _: {}
    events: Callable[[Received], list[tuple[str | None, Any]]] = lambda _: []  # (event name, data)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    break_after: int | None = None  # so many events, then the connection is cut
    hangs: bool = False  # no byte is sent until the server is released
    hang_after: int | None = None  # so many events, then nothing until the server is released
    compressed: bool = False
    pieces: int | None = None  # a stream is cut into pieces of so many bytes, wherever that falls


def error(status: int, message: str = "no", *, kind: str = "stub_error", retry_after: float | None = None) -> Answer:
    """Answer with an error of both formats' shape."""
    body = {"type": "error", "error": {"message": message, "type": kind, "code": None, "param": None}}
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Answer(whole=lambda _: body, status=status, headers=headers)


def hang() -> Answer:
    """Take the request, and answer nothing until the server is released."""
    return Answer(hangs=True)


def tool_call(name: str, arguments: dict[str, Any], id: str = "call_1") -> dict[str, Any]:
    """Return a tool call, for `chat`, `response` and `message`."""
    return {"id": id, "name": name, "arguments": arguments}


# -- OpenAI -------------------------------------------------------------------------------------------------------


def openai_usage(tokens: tuple[int, int], cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    """Return the usage object of chat completions."""
    return {
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "total_tokens": sum(tokens),
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }


def chat(
    text: str | None = "Hello",
    *,
    calls: tuple[dict[str, Any], ...] = (),
    tokens: tuple[int, int] = (12, 3),
    cached: int = 0,
    reasoning: int = 0,
    finish_reason: str | None = None,
    model: str | None = None,
    texts: tuple[str, ...] = (),
    id: str = "chatcmpl-1",
    **answer: Any,
) -> Answer:
    """Answer a chat completion; `texts` are several choices."""
    reason = finish_reason or ("tool_calls" if calls else "stop")
    usage = openai_usage(tokens, cached, reasoning)
    said = [{"id": c["id"], "type": "function", "function": _function(c)} for c in calls]

    def top(request: Received, kind: str) -> dict[str, Any]:
        return {
            "id": id,
            "object": kind,
            "created": CREATED,
            "model": model or request.body["model"],
            "service_tier": "default",
            "system_fingerprint": "fp_1",
        }

    def whole(request: Received) -> dict[str, Any]:
        choices = [
            {
                "index": index,
                "message": {
                    "role": "assistant",
                    "content": each,
                    "refusal": None,
                    **({"tool_calls": said} if said else {}),
                },
                "logprobs": None,
                "finish_reason": reason,
            }
            for index, each in enumerate(texts or (text,))
        ]
        return {**top(request, "chat.completion"), "choices": choices, "usage": usage}

    def events(request: Received) -> list[tuple[str | None, Any]]:
        with_usage = (request.body.get("stream_options") or {}).get("include_usage")

        def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            made = {**top(request, "chat.completion.chunk"), "choices": [choice]}
            return {**made, "usage": None} if with_usage else made

        made: list[Any] = []
        for index, each in enumerate(texts or (text,)):
            made.append(chunk(index, {"role": "assistant", "content": "" if each else None, "refusal": None}))
            made += [chunk(index, {"content": part}) for part in _parts(each or "")]
            for number, call in enumerate(said):
                head = {
                    "id": call["id"],
                    "type": "function",
                    "function": {"name": call["function"]["name"], "arguments": ""},
                }
                made.append(chunk(index, {"tool_calls": [{"index": number, **head}]}))
                for part in _parts(call["function"]["arguments"], 5):
                    made.append(chunk(index, {"tool_calls": [{"index": number, "function": {"arguments": part}}]}))
            made.append(chunk(index, {}, reason))
        if with_usage:
            made.append({**top(request, "chat.completion.chunk"), "choices": [], "usage": usage})
        return [*((None, each) for each in made), (None, "[DONE]")]

    return Answer(whole=whole, events=events, **answer)


def completion(text: str = "Hello", *, tokens: tuple[int, int] = (4, 2), **answer: Any) -> Answer:
    """Answer one of the older completions."""

    def whole(request: Received) -> dict[str, Any]:
        return {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": CREATED,
            "model": request.body["model"],
            "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
        }

    return Answer(whole=whole, **answer)


def embeddings(*vectors: list[float], tokens: int = 8, **answer: Any) -> Answer:
    """Answer with vectors."""

    def whole(request: Received) -> dict[str, Any]:
        data = [{"object": "embedding", "index": i, "embedding": each} for i, each in enumerate(vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": request.body["model"], "usage": usage}

    return Answer(whole=whole, **answer)


def response(
    text: str | None = "Hello",
    *,
    calls: tuple[dict[str, Any], ...] = (),
    thought: str | None = None,
    tokens: tuple[int, int] = (12, 3),
    cached: int = 0,
    reasoning: int = 0,
    status: str = "completed",
    **answer: Any,
) -> Answer:
    """Answer one of the responses API."""
    output: list[dict[str, Any]] = []
    if thought:
        output.append({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": thought}]})
    for number, call in enumerate(calls):
        item = {"id": f"fc_{number}", "type": "function_call", "call_id": call["id"], "status": "completed"}
        output.append({**item, **_function(call)})
    if text is not None:
        part = {"type": "output_text", "text": text, "annotations": []}
        output.append({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]})

    def body(request: Received, state: str, items: list[dict[str, Any]], counted: bool) -> dict[str, Any]:
        usage = {
            "input_tokens": tokens[0],
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens": tokens[1],
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": sum(tokens),
        }
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": CREATED,
            "status": state,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if state == "incomplete" else None,
            "instructions": request.body.get("instructions"),
            "model": request.body["model"],
            "output": items,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": usage if counted else None,
        }

    def events(request: Received) -> list[tuple[str | None, Any]]:
        made: list[dict[str, Any]] = [
            {"type": "response.created", "response": body(request, "in_progress", [], False)},
            {"type": "response.in_progress", "response": body(request, "in_progress", [], False)},
        ]
        for index, item in enumerate(output):
            made.append({"type": "response.output_item.added", "output_index": index, "item": {**item, "content": []}})
            if item["type"] == "message":
                place = {"item_id": item["id"], "output_index": index, "content_index": 0}
                part = {"type": "output_text", "text": "", "annotations": []}
                made.append({"type": "response.content_part.added", **place, "part": part})
                for each in _parts(text or ""):
                    made.append({"type": "response.output_text.delta", **place, "delta": each, "logprobs": []})
                made.append({"type": "response.output_text.done", **place, "text": text, "logprobs": []})
            elif item["type"] == "function_call":
                place = {"item_id": item["id"], "output_index": index}
                made.append({"type": "response.function_call_arguments.delta", **place, "delta": item["arguments"]})
                done = {"arguments": item["arguments"], "name": item["name"]}
                made.append({"type": "response.function_call_arguments.done", **place, **done})
            made.append({"type": "response.output_item.done", "output_index": index, "item": item})
        made.append({"type": f"response.{status}", "response": body(request, status, output, True)})
        return [(each["type"], {**each, "sequence_number": number}) for number, each in enumerate(made)]

    return Answer(whole=lambda request: body(request, status, output, True), events=events, **answer)


# -- Anthropic ----------------------------------------------------------------------------------------------------


def message(
    text: str | None = "Hello",
    *,
    calls: tuple[dict[str, Any], ...] = (),
    thought: str | None = None,
    tokens: tuple[int, int] = (12, 3),
    cache_read: int = 0,
    cache_write: int = 0,
    stop_reason: str | None = None,
    id: str = "msg_1",
    **answer: Any,
) -> Answer:
    """Answer a message. `tokens` are (input apart from the cache, output), as Anthropic counts."""
    reason = stop_reason or ("tool_use" if calls else "end_turn")
    usage = {
        "input_tokens": tokens[0],
        "cache_creation_input_tokens": cache_write,
        "cache_read_input_tokens": cache_read,
        "output_tokens": tokens[1],
        "service_tier": "standard",
    }
    blocks: list[dict[str, Any]] = []
    if thought:
        blocks.append({"type": "thinking", "thinking": thought, "signature": "c2ln"})
    if text is not None:
        blocks.append({"type": "text", "text": text, "citations": None})
    blocks += [{"type": "tool_use", "id": c["id"], "name": c["name"], "input": c["arguments"]} for c in calls]

    def top(request: Received) -> dict[str, Any]:
        return {"id": id, "type": "message", "role": "assistant", "model": request.body["model"]}

    def whole(request: Received) -> dict[str, Any]:
        return {**top(request), "content": blocks, "stop_reason": reason, "stop_sequence": None, "usage": usage}

    def events(request: Received) -> list[tuple[str | None, Any]]:
        begun = {**top(request), "content": [], "stop_reason": None, "stop_sequence": None}
        made: list[dict[str, Any]] = [
            {"type": "message_start", "message": {**begun, "usage": {**usage, "output_tokens": 1}}},
            {"type": "ping"},
        ]
        for index, block in enumerate(blocks):
            empty, deltas = _block(block)
            made.append({"type": "content_block_start", "index": index, "content_block": empty})
            made += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            made.append({"type": "content_block_stop", "index": index})
        ended = {"stop_reason": reason, "stop_sequence": None}
        made.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": tokens[1]}})
        made.append({"type": "message_stop"})
        return [(each["type"], each) for each in made]

    return Answer(whole=whole, events=events, **answer)


def _block(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": part} for part in _parts(block["text"])]
    if block["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": part} for part in _parts(block["thinking"])]
        return {**block, "thinking": "", "signature": ""}, [
            *thoughts,
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    written = json.dumps(block["input"])
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": p} for p in ("", *_parts(written, 7))]


def stream_error(kind: str = "overloaded_error", text: str = "Overloaded") -> tuple[str, dict[str, Any]]:
    """Return the event with which a stream tells that it failed: `answer.events = lambda _: [stream_error()]`."""
    return "error", {"type": "error", "error": {"type": kind, "message": text}}


# -- the server ---------------------------------------------------------------------------------------------------


def echo(request: Received) -> Answer:
    """Answer with what was asked; the counts are the number in its last words, and the length of the answer."""
    body = request.body
    said = body.get("messages") or body.get("input") or body.get("prompt")
    if isinstance(said, list) and said and isinstance(said[-1], dict):
        said = said[-1].get("content")
    text = said if isinstance(said, str) else json.dumps(said)
    number = next((int(word) for word in reversed(text.split()) if word.isdigit()), 1)
    tokens = (number, len(text))
    if request.path.endswith("/messages"):
        return message(text, tokens=tokens, id=f"msg_{number}")
    if request.path.endswith("/responses"):
        return response(text, tokens=tokens)
    if request.path.endswith("/embeddings"):
        return embeddings([0.5, 0.25], tokens=number)
    if request.path.endswith("/chat/completions"):
        return chat(text, tokens=tokens, id=f"chatcmpl-{number}")
    return completion(text, tokens=tokens)


class LlmServer:
    """The server, on a port of its own; a context manager."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._answers: deque[Answer] = deque()
        self._released = threading.Event()
        self._asked = threading.Condition()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the address, as Anthropic's clients want it."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def openai_url(self) -> str:
        """Return the address, as OpenAI's clients want it."""
        return self.url + "/v1"

    def say(self, *answers: Answer) -> None:
        """Answer the next requests with these, in order."""
        self._answers.extend(answers)

    def release(self) -> None:
        """Let what hangs go on: its connection is cut."""
        self._released.set()

    def wait_for(self, requests: int) -> None:
        """Wait until so many requests have come."""
        with self._asked:
            assert self._asked.wait_for(lambda: len(self.received) >= requests, timeout=30), "no request came"

    def close(self) -> None:
        """End the server and everything that hangs in it."""
        self.release()
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> "LlmServer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def next_answer(self, request: Received) -> Answer:
        """Take note of a request, and return what it is to be answered with."""
        with self._asked:
            self.received.append(request)
            self._asked.notify_all()
            return self._answers.popleft() if self._answers else echo(request)

    def hang(self) -> None:
        """Wait for `release`."""
        self._released.wait(60)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: LlmServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about; anything else is a mistake of this server's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(self.path.partition("?")[0], json.loads(self.rfile.read(length) or b"{}"), headers)
        answer = self.server.owner.next_answer(request)
        try:
            if answer.hangs:
                self.server.owner.hang()
                self._cut()
            elif request.body.get("stream") and answer.status == 200:
                self._stream(answer, request)
            else:
                self._whole(answer, request)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client went away, as some tests want it to

    def _whole(self, answer: Answer, request: Received) -> None:
        body = json.dumps(answer.whole(request)).encode()
        headers = {"content-type": "application/json", **answer.headers}
        if answer.compressed:
            body, headers["content-encoding"] = gzip.compress(body), "gzip"
        self._head(answer.status, {**headers, "content-length": str(len(body))})
        self.wfile.write(body)

    def _stream(self, answer: Answer, request: Received) -> None:
        headers = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}
        events = [_sse(name, data) for name, data in answer.events(request)]
        if answer.compressed:
            headers["content-encoding"] = "gzip"
            events = [gzip.compress(b"".join(events))]
        if answer.pieces:
            joined = b"".join(events)
            events = [joined[start : start + answer.pieces] for start in range(0, len(joined), answer.pieces)]
        self._head(200, {**headers, **answer.headers})
        for number, event in enumerate(events):
            if number == answer.break_after:
                self._cut()
                return
            if number == answer.hang_after:
                self.server.owner.hang()
                self._cut()
                return
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("x-request-id", "req_1")
        self.send_header("request-id", "req_1")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def _sse(name: str | None, data: Any) -> bytes:
    written = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {written}\n\n".encode()


def _function(call: dict[str, Any]) -> dict[str, Any]:
    return {"name": call["name"], "arguments": json.dumps(call["arguments"])}


def _parts(text: str, size: int = 4) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
