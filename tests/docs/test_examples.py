"""Every Python block and every `console` block of the documentation runs, page by page, from top to bottom.

The blocks of a page share one data directory, as they would for a reader who types them in. Each Python block has a
namespace of its own. In a `console` block the lines that begin with `$ ` are run; what stands between them is only shown.
Clients of models and exporters find servers of ours where their own variables say the real ones are.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.pages import ROOT, Block, blocks, name_of, pages
from tests.stubs.llm_server import LlmServer
from tests.stubs.otlp_receiver import OtlpReceiver

_RUN = """
import contextlib, io, json, sys
import whence
from whence.runtime import runtime
for where, words, code in json.load(sys.stdin):
    print(f"# {where}", flush=True)
    if words is None:
        runtime.use(None)  # each block begins as a program of its own would
        page, _, line = where.rpartition(":")
        exec(compile("\\n" * (int(line) - 1) + code, page, "exec"), {"__name__": "__main__"})
        whence.shutdown()
        continue
    from whence.cli import main
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as said:
        status = main(words)
    if status != 0:
        sys.exit(f"{where}: whence {' '.join(words)}: exit {status}\\n{said.getvalue()}")
"""
"""Runs steps in one process: Python blocks, and command lines of whence without the start of an interpreter for each."""


class Step(NamedTuple):
    """Something to run."""

    kind: str  # python, or shell
    where: str  # page:line
    words: list[str] | None  # of a plain `whence …`
    code: str


def _runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language in ("python", "console")]


def _steps(page: Path) -> Iterator[Step]:
    for block in _runnable(page):
        if block.language == "python":
            yield Step("python", f"{name_of(page)}:{block.line}", None, block.code)
            continue
        for line in block.code.splitlines():
            if line.startswith("$ "):
                words = shlex.split(line[2:])
                plain = (
                    words[0] == "whence"
                    and not {"|", "||", ";", ">", "&&"} & set(words)
                    and ";" not in line
                    and "$" not in line[2:]
                )
                step = Step("python" if plain else "shell", f"{name_of(page)}:{block.line}", None, line[2:])
                yield step._replace(words=words[1:]) if plain else step


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """What speaks for OpenAI, Anthropic and a backend of OpenTelemetry, as the variables by which it is found."""
    with LlmServer() as models, OtlpReceiver() as backend:
        yield {
            "OPENAI_BASE_URL": models.openai_url,
            "OPENAI_API_KEY": "none",
            "ANTHROPIC_BASE_URL": models.url,
            "ANTHROPIC_API_KEY": "none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend.endpoint,
        }


def _run(command: list[str], work: Path, servers: dict[str, str], said: str = "") -> "subprocess.CompletedProcess[str]":
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WHENCE_")}
    scripts = str(Path(sys.executable).parent)
    environment = {
        **kept,
        **servers,
        "WHENCE_DATA": str(work / "data"),
        "PATH": f"{scripts}{os.pathsep}{kept['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
    }
    return subprocess.run(
        command, cwd=work, env=environment, input=said, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("page", [page for page in pages() if _runnable(page)], ids=name_of)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, servers: dict[str, str]) -> None:
    for kind, group in groupby(_steps(page), key=lambda step: step.kind):
        steps = list(group)
        if kind == "python":
            said = json.dumps([(step.where, step.words, step.code) for step in steps])
            done = _run([sys.executable, "-W", "error", "-c", _RUN], tmp_path, servers, said)
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
            continue
        for step in steps:
            done = _run(["bash", "-c", step.code], tmp_path, servers)
            assert done.returncode == 0, f"{step.where}: {step.code}\n{done.stdout}\n{done.stderr}"
            assert "internal error" not in done.stderr, f"{step.where}: {step.code}\n{done.stderr}"


def test_there_are_examples_to_run() -> None:
    """A change of the fences must not silently run nothing."""
    assert sum(len(_runnable(page)) for page in pages()) > 40
