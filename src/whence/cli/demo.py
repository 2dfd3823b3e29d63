"""`whence demo`: real runs of an example pipeline, then what a person would look at first."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.text import Text

from whence import query
from whence.cli import calling, reading, render, render_lists
from whence.cli.options import Json
from whence.diagnose import causes
from whence.errors import NotFound, WhenceError
from whence.model.filters import TraceFilter

PROJECT = "research-demo"
TIMEOUT_S = 120
_RUNS = (
    ("passes", (), "a question with a good answer"),
    ("killed", ("--kill-in", "collection"), "a process killed in the middle (SIGKILL)"),
    ("fails", (), "a question that fails the quality gate, and is tried again"),
)
"""In this order the newest bad run is the one that has the most to tell."""


class DemoFailed(WhenceError):
    """A run of the example did not leave what it should have."""


def demo(
    *,
    generation: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    keep: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: Json = False,
) -> None:
    """Make three real runs of an example pipeline, and show what whence has to say about them.

    They are recorded into --data, else WHENCE_DATA, else ./.whence-demo, which begins empty each time.

    Args:
        generation: Instead, generate code: five files, one of them spoiled on the way, and who put the bad line there.
            The files go to demo/generated in that directory.
        keep: Keep the runs of the demo before in ./.whence-demo. A directory that you name is never emptied.
    """
    if generation:
        from whence.cli import demo_generation

        demo_generation.ready()
        demo_generation.run(_data(keep), json=json)
        return
    data = _data(keep)
    package, root = locate("research")
    questions = _questions(package, root)
    before = runs_so_far(PROJECT)
    for name, options, what in _RUNS:
        arguments = (
            questions[name],
            "--project",
            PROJECT,
            "--library",
            "whence",
            "--out",
            str(data / "reports"),
            *options,
        )
        start(package, root, arguments, f"{what}: {questions[name]}", dies=bool(options))
    store = reading.ready()
    rows = [
        row for row in query.traces(TraceFilter(project=PROJECT), limit=50, store=store).items if row.id not in before
    ]
    if len(rows) != len(_RUNS):
        raise DemoFailed(f"{len(rows)} of {len(_RUNS)} runs were recorded; `whence doctor --data {data}` says why")
    worst = next((row for row in rows if row.status == "complete" and row.quality_gate_passed is False), rows[0])
    answer = causes.why(worst.id, store=store)
    if json:
        render.as_json({"data": str(data), "traces": msgspec.to_builtins(rows), "why": msgspec.to_builtins(answer)})
        return
    from whence.cli.render_why import why

    good = next((row for row in rows if row.quality_gate_passed), rows[-1])
    calling.choose_data(calling.near(data))
    steps = (
        f"whence show {render.short_id(worst.trace_id)}",
        f"whence compare {render.short_id(good.trace_id)} {render.short_id(worst.trace_id)}",
        "whence decisions --where 'confidence<0.6'",
    )
    answer = msgspec.structs.replace(answer, next_steps=())
    render.show(Text(), render_lists.traces(rows), Text(), why(answer))
    render.show(render.heading("Try next"), render.commands(steps))


def _data(keep: bool) -> Path:
    """Return the data directory of the demo, chosen for this process and those it starts."""
    if os.environ.get("WHENCE_DATA"):
        return Path(os.environ["WHENCE_DATA"]).expanduser().absolute()
    data = Path(".whence-demo").absolute()
    os.environ["WHENCE_DATA"] = str(data)
    mark = data / "made-by-whence-demo"
    if not keep and mark.is_file() and not data.is_symlink():
        shutil.rmtree(data)
    data.mkdir(mode=0o700, exist_ok=True)
    mark.touch()
    return data


def locate(example: str) -> tuple[str, Path | None]:
    """Return an example's package, and the directory it must be run from where it is not installed.

    Raises:
        NotFound: it is neither part of this installation nor beside this checkout.
    """
    if importlib.util.find_spec("whence.examples") and importlib.util.find_spec(f"whence.examples.{example}"):
        return f"whence.examples.{example}", None
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "examples" / example / "__main__.py").is_file():
        return f"examples.{example}", checkout
    raise NotFound(
        "the example pipeline is not part of this installation; install a wheel of whence, or use a checkout"
    )


def _environment(root: Path | None) -> dict[str, str]:
    path = [str(root)] if root is not None else []
    path += [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    return {**os.environ, **({"PYTHONPATH": os.pathsep.join(path)} if path else {})}


def _questions(package: str, root: Path | None) -> dict[str, str]:
    """Return the example's own questions, by what they show. Asked in a process, so that nothing of it is loaded here."""
    code = f"import json; from {package} import DEMO_QUESTIONS as q; print(json.dumps({{k: v.question for k, v in q.items()}}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=_environment(root),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise DemoFailed(f"the example pipeline does not start: {_last_line(done.stderr)}")
    found: dict[str, str] = msgspec.json.decode(done.stdout)
    return found


def runs_so_far(project: str) -> set[str]:
    """Return the ids of every run of a project."""
    found: set[str] = set()
    cursor: str | None = None
    store = reading.ready()
    while True:
        page = query.traces(TraceFilter(project=project), limit=1000, cursor=cursor, store=store)
        found |= {row.id for row in page.items}
        cursor = page.cursor
        if cursor is None:
            return found


def start(package: str, root: Path | None, arguments: tuple[str, ...], what: str, *, dies: bool = False) -> str:
    """Run an example once, in a process of its own; that it fails is what it may be there for. Raises DemoFailed.

    Returns the last line that it said on stderr.

    Args:
        what: in words, for whoever waits.
        dies: it may be killed as well.
    """
    with _waiting(what):
        done: subprocess.CompletedProcess[Any] = subprocess.run(
            [sys.executable, "-m", package, *arguments],
            env=_environment(root),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    if done.returncode not in (0, 1) and not (done.returncode < 0 and dies):
        raise DemoFailed(f"the example pipeline ended with {done.returncode}: {_last_line(done.stderr)}")
    return _last_line(done.stderr)


@contextmanager
def _waiting(words: str) -> Iterator[None]:
    """Say what is being waited for: a spinner on a terminal, else one line."""
    out = render.console(sys.stderr)
    if not out.is_terminal:
        render.note(f"running {words}")
        yield
        return
    with out.status(Text(words)):
        yield
    out.print(render.joined([Text("ran", render.QUIET), render.text(words, limit=out.width - 8)]))


def _last_line(words: str) -> str:
    return next((line for line in reversed(words.splitlines()) if line.strip()), "it said nothing")
