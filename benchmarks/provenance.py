"""Who put a line there, and does this import resolve: `blame` over many steps and many files, and the check of imports.

**one long history** A file of 1,000 lines: a template rendered, then 49 steps that each replace 20 lines (a quarter of
them back to what they were), then written; by what a recorder writes, in a SQLite store. **1,000 files** Each of 200
lines, made by five steps (rendered, three times edited, healed) and checked, in one run; all of them in one question
(`blame_many`), which is what `whence blame` of a folder asks. Every round opens the store anew, and looks whether each
line is found at the step that really put it there. Every line is asked for; none is in the page cache of the connection,
all are in that of the system.

**imports** `check_python(…, only=("import",))` of a module of 1,000 lines with 40 statements that import, from the
standard library, from installed packages and from beside it; in an environment that has been looked at before.
"""

import hashlib
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.rounds import percentile, spread
from benchmarks.table import Line, Options
from benchmarks.worker import Figures, Round, Worker

STEPS = 50
LINES = 1_000
FILES = {True: 100, False: 1_000}
FILE_LINES = 200
FILE_STEPS = ("render", "fix_imports", "rename", "format", "heal")
_START_NS = 1_767_225_600_000_000_000
_TRACE = f"{1:032x}"


class _History:
    """Records of a run that makes files, as a recorder writes them."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self._number = 0
        self._known: set[str] = set()
        self._add("trace.start", "trace", {"trace_id": "trace_20260101_000000_aaaa"})

    def _add(self, kind: str, name: str, said: Any, component: str = "") -> None:
        from whence.model.record import Record
        from whence.wire import records

        self._number += 1
        at_ns = _START_NS + self._number * 1_000_000
        record_id = f"{at_ns // 1_000_000:012x}7{self._number & 0xFFF:03x}{self._number | 1 << 63:016x}"
        where = (_TRACE, "a" * 16, "", "", "bench", component)
        made = Record(record_id, kind, name, at_ns, *where, 0, 0, records.payload(said))
        self.records.append(records.encode(made))

    def _text(self, text: str | None) -> dict[str, Any] | None:
        if text is None:
            return None
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest not in self._known:
            self._known.add(digest)
            self._add("content", digest, {"text": text})
        return {"content_sha256": digest, "chars": len(text), "preview": text[:80]}

    def step(self, name: str, source: str | None, result: str, component: str, template: str | None = None) -> None:
        """Note a transformation, and the check after it."""
        went_in = [{"role": "template", "name": "component.py.jinja2", "content": self._text(template)}]
        said = {
            "source": self._text(source),
            "result": self._text(result),
            "action": name,
            "subject": f"{component}.py",
            "materials": went_in if template is not None else [],
        }
        self._add("transform", name, said, component)
        self._add("check", "syntax", {"type": "syntax", "passed": True, "content": self._text(result)}, component)

    def wrote(self, path: str, text: str, component: str) -> None:
        """Note the writing of a file."""
        self._add("file", path, {"path": path, "content": self._text(text)}, component)


def _lines(count: int, about: str) -> list[str]:
    return [f"    self.{about}_{number} = compute({number}, {about!r})\n" for number in range(count)]


def _long(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """Make a store with the one file; returns its text, and of each line the step that put it there."""
    history = _History()
    now = _lines(LINES, "field")
    owner = ["step_1"] * LINES
    history.step("step_1", None, "".join(now), "store")
    for number in range(2, STEPS + 1):
        before = "".join(now)
        for each in range(20):
            place = (number * 37 + each * 53) % LINES
            now[place] = f"    self.changed_{place} = step({number if each % 4 else 0}, {place})\n"
        for place, (old, new) in enumerate(zip(before.splitlines(keepends=True), now, strict=True)):
            if old != new:
                owner[place] = f"step_{number}"
        history.step(f"step_{number}", before, "".join(now), "store")
    text = "".join(now)
    history.wrote("/srv/app/store.py", text, "store")
    _keep(folder, history)
    return {"/srv/app/store.py": (text, owner)}


def _many(folder: Path, count: int) -> dict[str, tuple[str, list[str]]]:
    """Make a store with so many files; returns as `_long`."""
    history, made = _History(), {}
    for number in range(count):
        component = f"component_{number:04d}"
        now, owner = _lines(FILE_LINES, component), [FILE_STEPS[0]] * FILE_LINES
        history.step(FILE_STEPS[0], None, "".join(now), component)
        for turn, name in enumerate(FILE_STEPS[1:], 1):
            before = "".join(now)
            for each in range(8):
                place = (turn * 31 + each * 17) % FILE_LINES
                now[place], owner[place] = f"    {name}({component!r}, {place}, {turn})\n", name
            history.step(name, before, "".join(now), component)
        path = f"/srv/app/{component}.py"
        history.wrote(path, "".join(now), component)
        made[path] = ("".join(now), owner)
    _keep(folder, history)
    return made


def _keep(folder: Path, history: _History) -> None:
    from whence.store.sqlite import SqliteStore

    store = SqliteStore.open(folder / "whence.db")
    for start in range(0, len(history.records), 2_000):
        accepted = store.accept(history.records[start : start + 2_000])
        if accepted.quarantined or accepted.duplicates:
            raise RuntimeError(f"the store refused material: {accepted}")
    store.checkpoint()
    store.close()


def blamed(config: dict[str, Any]) -> Round:
    """Ask who put each line there; a round is one question."""
    from whence import query
    from whence.store.sqlite import SqliteStore

    folder = Path(config["folder"])
    files = _many(folder, config["files"]) if config["files"] else _long(folder)

    def run(calls: int) -> Figures:
        store = SqliteStore.open(folder / "whence.db", read_only=True)
        before = perf_counter()
        if config["files"]:
            found = query.blame_many({path: text for path, (text, _) in files.items()}, store=store)
        else:
            found = {path: query.blame(path, store=store, text=text) for path, (text, _) in files.items()}
        taken = perf_counter() - before
        store.close()
        for path, (_, owner) in files.items():
            said = [line.step.name if line.step is not None else "" for line in found[path].lines]
            if said != owner:
                wrong = sum(ours != theirs for ours, theirs in zip(said, owner, strict=True))
                raise RuntimeError(f"{path}: {wrong} lines are blamed on the wrong step")
        return {"ms": taken * 1e3}

    return run


_IMPORTS = """\
import asyncio
import collections.abc
import json
import os.path
from collections import OrderedDict, defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Final, Literal
from xml.etree import ElementTree
import msgspec
import msgspec.json
from msgspec import Raw, Struct
import rich.console
from rich.table import Table
from rich.text import Text
from cyclopts import App, Parameter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Span, StatusCode
from whence.errors import BadInput, NotFound
from whence.query.blame import Blame, LineBlame, blame
from whence.store.interface import Store
from .material import Material, Samples
from .rounds import percentile, spread
from .table import Line, Options
"""
_LATER = """\
def rule_{n}(text: str) -> str:
    \"\"\"Return the text with rule {n} applied to every line.\"\"\"
    from {module} import {name}

    found: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("rule_{n}") and number % {n} == 0:
            found.append(f"{{number}}: {{line.strip()}} {{{name}!r}}")
        elif not line:
            continue
        else:
            found.append(line.replace("{n}", str({n} + number)))
    return "\\n".join(found)


"""
_NAMES = (("itertools", "chain"), ("functools", "partial"), ("string", "Template"), ("urllib.parse", "urlsplit"))


def checked(_: dict[str, Any]) -> Round:
    """Check the imports of a text."""
    from whence.checks.python import check_python

    rules = ""
    for place in range(1, 100):
        module, name = _NAMES[place % len(_NAMES)]
        rule = _LATER.format(n=place, module=module, name=name)
        rules += rule if place % 6 == 1 else rule.replace(f"    from {module} import {name}\n\n", "", 1)
    text = "".join((_IMPORTS + "\n\n" + rules).splitlines(keepends=True)[:LINES])
    text = text[: text.rindex("def rule_")]
    text += "# the end\n" * (LINES - text.count("\n"))
    path = Path(__file__).parent / "generated.py"

    def one() -> float:
        before = perf_counter()
        (result,) = check_python(text, path=path, package="benchmarks", only=("import",))
        taken = perf_counter() - before
        if result.passed is not True or text.count("\n") != LINES:
            raise RuntimeError(f"it was not as it should be: {result.failures[:3]} {result.error}")
        return taken * 1e3

    first = one()

    def run(calls: int) -> Figures:
        taken = [one() for _ in range(calls)]
        return {"ms": percentile(taken, 0.5), "p99": percentile(taken, 0.99), "first": first}

    return run


def blame(options: Options) -> list[Line]:
    """The lines."""
    kinds = (
        (f"blame on a file of {LINES:,} lines with {STEPS} transformations", 0, 100),
        (f"blame on {FILES[options.quick]:,} files of {FILE_LINES} lines, 5 steps each", FILES[options.quick], 5_000),
    )
    lines = []
    for work, files, limit in kinds:
        folder = options.temporary / f"blame-{files}"
        with Worker("provenance:blamed", folder, {"folder": str(folder), "files": files}) as worker:
            worker.round(1)
            rounds = [worker.round(1)["ms"] for _ in range(3 if options.quick else 7 if files else 21)]
        lines.append(Line(work=work, unit="ms", whence=spread(rounds).median, limit=limit))
    return lines


def checks(options: Options) -> list[Line]:
    """The line of the check of imports."""
    with Worker("provenance:checked", options.temporary / "checks") as worker:
        worker.round(3)
        rounds = [worker.round(20) for _ in range(3 if options.quick else 11)]
    first = f"the first time {rounds[0]['first']:.0f}"
    return [
        Line(
            work=f"import check of a file of {LINES:,} lines, warm, p50",
            unit="ms",
            whence=spread([each["ms"] for each in rounds]).median,
            limit=20,
            note=first,
        )
    ]
