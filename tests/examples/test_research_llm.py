"""The research example's call to a model, against a server that speaks the same protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from examples.research.collection import collect
from examples.research.index import Index
from examples.research.intake import take_in
from examples.research.llm import Endpoint, EndpointError, complete
from examples.research.plan import first_plan
from examples.research.rubric import active_for
from examples.research.synthesis import synthesize


class Model(BaseHTTPRequestHandler):
    """Answers with the number of characters it was sent; without messages, with nothing useful."""

    def do_POST(self) -> None:
        request: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = f"## Short answer\n\n{len(request['messages'][1]['content'])} characters were read. [lampion 1.2]\n"
        answer: dict[str, Any] = {
            "model": "small",
            "choices": [{"message": {"content": text}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3},
        }
        body = json.dumps(answer if request["model"] == "good" else {"error": "no"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """The address of such a server."""
    with HTTPServer(("127.0.0.1", 0), Model) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/"
        server.shutdown()
        thread.join()


def test_a_completion_says_what_it_cost(url: str) -> None:
    done = complete(Endpoint(url=url, model="good"), "Be brief.", "12345")

    assert (done.text.splitlines()[2], done.model) == ("5 characters were read. [lampion 1.2]", "small")
    assert (done.input_tokens, done.output_tokens) == (7, 3)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "file:///etc/hostname", "nonsense"])
def test_an_endpoint_that_cannot_be_used_is_named(address: str) -> None:
    with pytest.raises(EndpointError, match=address):
        complete(Endpoint(url=address), "", "")


def test_the_model_writes_and_its_absence_is_no_disaster(url: str, index: Index) -> None:
    """A report comes out either way; the writer says whose it is."""
    brief = take_in("How do I show a progress bar in a terminal?", index)
    plan = first_plan(brief)
    evidence = collect(brief, plan, index)
    rubric = active_for(brief.intent.label)

    good = synthesize(brief, rubric, evidence, plan, index, model=Endpoint(url=url, model="good"))
    bad = synthesize(brief, rubric, evidence, plan, index, model=Endpoint(url=url, model="bad"))

    assert (good.writer, good.cited, good.input_tokens) == ("small", ["lampion 1.2"], 7)
    assert bad.writer == "extractive"
    assert bad == synthesize(brief, rubric, evidence, plan, index)
