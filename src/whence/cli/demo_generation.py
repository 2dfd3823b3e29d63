"""`whence demo --generation`: a code generator that spoils one of its files, and who put the bad line there."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rich.console import RenderableType
from rich.text import Text

from whence import query
from whence.cli import calling, demo, reading, render
from whence.errors import BadInput
from whence.model.filters import TraceFilter

PROJECT = "generation-demo"
_SIGNS = {"made": ("✓", render.GOOD), "healed": ("✓", render.MAYBE), "failed": ("✗", render.BAD)}


def ready() -> None:
    """Refuse before anything is written where the example cannot run. Raises BadInput."""
    if importlib.util.find_spec("jinja2") is None:
        raise BadInput(
            "the code generation demo renders templates with Jinja, which is missing: pip install 'whence[demo]'"
        )


def run(data: Path, *, json: bool) -> None:
    """Generate into <data>/demo/generated, in a process of its own, and show who is to blame."""
    package, root = demo.locate("generate")
    target = data / "demo" / "generated"
    before = demo.runs_so_far(PROJECT)
    arguments = ("--project", PROJECT, "--target", str(target))
    manifest = target / "manifest.json"
    manifest.unlink(missing_ok=True)  # what the demo before made says nothing about this one
    said = demo.start(package, root, arguments, "a code generator with five components to make")
    if not manifest.is_file():
        raise demo.DemoFailed(f"the code generator made nothing: {said}")
    made: dict[str, Any] = msgspec.json.decode(manifest.read_bytes())
    store = reading.ready()
    rows = query.traces(TraceFilter(project=PROJECT), limit=50, store=store).items
    row = next((row for row in rows if row.id not in before), None)
    failed = next((name for name, each in made.items() if each["status"] == "failed"), None)
    if row is None:
        raise demo.DemoFailed(f"the run was not recorded; `whence doctor --data {data}` says why")
    if failed is None:
        raise demo.DemoFailed(f"every component came out well, so there is nobody to blame; see {target}")
    path, line = target / made[failed]["file"], made[failed]["failures"][0]["line"]
    answer = query.blame(str(path), line, store=store, text=path.read_text(encoding="utf-8"))
    if json:
        render.as_json(
            {
                "data": str(data),
                "target": str(target),
                "components": made,
                "trace": msgspec.to_builtins(row),
                "blame": {**msgspec.to_builtins(answer), "lines": [msgspec.to_builtins(answer.lines[line - 1])]},
            }
        )
        return
    from whence.cli.render_blame import story

    calling.choose_data(calling.near(data))
    where = calling.near(path)
    steps = (
        f"whence blame {where}",
        f"whence heal-log {render.short_id(row.trace_id)}",
        f"whence why {render.short_id(row.trace_id)}",
        f"whence show {render.short_id(row.trace_id)}",
    )
    render.show(Text(), *_components(made), Text(), render.pairs([("files", Text(calling.near(target)))]))
    render.show(render.heading(f"Who put line {line} there?"), story(answer))
    render.show(render.heading("Try next"), render.commands(steps))


def _components(made: dict[str, Any]) -> Iterator[RenderableType]:
    """Yield a line for each component, and one for each thing that is wrong with it."""
    for name, each in made.items():
        sign, style = _SIGNS[each["status"]]
        yield Text.assemble((f"{sign} ", style), (f"{name:<14}", render.NAME), each["status"])
        for failure in each["failures"]:
            where = f"{each['file']}:{failure['line']}"
            yield render.indented(render.text(f"{where}: {failure['message']}", render.BAD), 4)
