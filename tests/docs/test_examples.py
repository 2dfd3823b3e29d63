"""Every Python block and every `console` block of the documentation runs, page by page, from top to bottom.

The blocks of a page share one data directory, as they would for a reader who types them in. Each Python block has a
namespace of its own. In a `console` block the lines that begin with `$ ` are run; what stands between them is only shown.
"""

import json
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, name_of, pages

_RUN_BLOCKS = """
import json, sys
for page, line, code in json.load(sys.stdin):
    print(f"# {page}:{line}", flush=True)
    exec(compile("\\n" * (line - 1) + code, page, "exec"), {"__name__": "__main__"})
"""


def _runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language in ("python", "console")]


def _environment(data: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WHENCE_")}
    scripts = str(Path(sys.executable).parent)
    return {**kept, "WHENCE_DATA": str(data), "PATH": f"{scripts}{os.pathsep}{kept['PATH']}", "COLUMNS": "100"}


def _run(command: list[str], work: Path, said: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd=work,
        env={**_environment(work / "data"), "PYTHONPATH": str(ROOT)},
        input=said,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("page", [page for page in pages() if _runnable(page)], ids=name_of)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    for language, group in groupby(_runnable(page), key=lambda block: block.language):
        if language == "python":
            code = json.dumps([(name_of(each.page), each.line, each.code) for each in group])
            done = _run([sys.executable, "-W", "error", "-c", _RUN_BLOCKS], tmp_path, code)
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
            continue
        for block in group:
            for line in block.code.splitlines():
                if line.startswith("$ "):
                    done = _run(["bash", "-c", line[2:]], tmp_path)
                    where = f"{name_of(block.page)}:{block.line}: {line}"
                    assert done.returncode == 0, f"{where}\n{done.stdout}\n{done.stderr}"
                    assert "internal error" not in done.stderr, f"{where}\n{done.stderr}"


def test_there_are_examples_to_run() -> None:
    """A change of the fences must not silently run nothing."""
    assert sum(len(_runnable(page)) for page in pages()) > 40
