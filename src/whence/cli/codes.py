"""`whence codes`: what each trouble code means, what to do about it, where it was last seen."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from whence.cli import plain, reading, render
from whence.cli.findings import severity_of
from whence.cli.options import Json
from whence.diagnose import catalog as catalogs
from whence.diagnose.catalog import Catalog, Code
from whence.errors import BadInput, NotFound
from whence.model.filters import ProblemFilter
from whence.runtime.runtime import runtime

app = App(name="codes", help="Say what trouble codes mean and what to do about them; check your own.")

PROBLEMS = 10
CodeName = Annotated[str, Parameter(help="A code such as T01-01, its name, or an alias of it.")]


@app.default
@app.command(name="list")
def list_(
    *,
    category: Annotated[str | None, Parameter(help="Only of this category: its letter or its name.")] = None,
    severity: Annotated[str | None, Parameter(help="Only of this severity: info, low, medium, high, critical.")] = None,
    json: Json = False,
) -> None:
    """List the trouble codes, whence's and your own."""
    from whence.cli import render_codes

    known = _catalog()
    letter = _letter(category, known) if category is not None else None
    level = severity_of(severity, "--severity") if severity is not None else None
    rows = [
        each
        for each in known.codes.values()
        if letter in (None, each.category) and (level is None or each.severity == level)
    ]
    render.page(rows, None, json=json, draw=render_codes.codes, data=_data, empty="no code is of that kind")


@app.command
def show(code: CodeName, /, *, json: Json = False) -> None:
    """Show everything about a code, and the problems that it was last seen in."""
    from whence.cli import render_codes

    known = _catalog()
    found = _find(code, known)
    problems = reading.ready().problems(ProblemFilter(code=found.code), limit=PROBLEMS + 1).items
    if json:
        render.as_json({**_data(found), "problems": [msgspec.structs.asdict(each) for each in problems[:PROBLEMS]]})
    else:
        render.show(render_codes.code(found, known.categories[found.category].name, problems, most=PROBLEMS))


@app.command
def explain(code: CodeName, /, *, json: Json = False) -> None:
    """Say what a code means, and what to do, in this order."""
    from whence.cli import render_codes

    found = _find(code, _catalog())
    if json:
        kept = ("code", "name", "severity", "description", "remediation")
        render.as_json({name: value for name, value in _data(found).items() if name in kept})
    else:
        render.show(render_codes.explained(found))


@app.command
def check(file: Path | None = None, /, *, json: Json = False) -> int:
    """Check your own codes, and name every mistake with its line; exit code 1 if there is one.

    Args:
        file: Only this file; without it the data directory's codes.toml and those that WHENCE_CODES names.
    """
    paths = [file] if file is not None else catalogs.files(runtime().settings.data)
    found = catalogs.check(paths)
    if json:
        render.as_json({"files": [str(each) for each in paths], "problems": found})
    elif found:
        render.show(*(render.text(each) for each in found))
    elif paths:
        render.note(f"whence: no mistake in {', '.join(str(each) for each in paths)}")
    else:
        place = runtime().settings.data / catalogs.FILE
        render.note(f"whence: there are no codes of your own; they go into {place}, or where WHENCE_CODES says")
    return 1 if found else 0


def _catalog() -> Catalog:
    known = catalogs.catalog(runtime().settings.data)
    for each in known.trouble:
        render.note(f"whence: {each}; that file is left out")
    return known


def _find(code: str, known: Catalog) -> Code:
    found = known.get(code)
    if found is None:
        near = known.close_to(code)
        hint = f"did you mean {', '.join(near)}?" if near else "`whence codes list` shows them"
        raise NotFound(f"code {plain.line(code, 60)!r} is not known; {hint}")
    return found


def _letter(said: str, known: Catalog) -> str:
    for letter, each in known.categories.items():
        if said.strip().lower() in (letter.lower(), each.name.lower()):
            return letter
    accepted = ", ".join(f"{letter} ({each.name})" for letter, each in known.categories.items())
    raise BadInput(f"--category {said!r}; accepted: {accepted}")


def _data(code: Code) -> dict[str, Any]:
    return {**msgspec.structs.asdict(code), "severity": code.severity.label}
