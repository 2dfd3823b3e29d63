"""The import fixer: imports what is used and not imported, drops what is imported and not used."""

from __future__ import annotations

import ast
import sys
import tomllib
from functools import cache
from typing import NamedTuple

import whence

from .names import Index, undefined
from .spec import HERE

STEP = "import_fix"


class Candidate(NamedTuple):
    """A line that would define a name, and how likely it is the one that is meant (0 to 1)."""

    line: str
    share: float


def fix(text: str, component: str, project: Index | None = None) -> str:
    """Return the text with the imports it needs and no others; one recorded change for each. Raises SyntaxError.

    Args:
        component: the component's name, for the record.
        project: where names come from that the standard library does not have; None: those are left as they are.
    """
    for use in undefined(text):
        table = "the table of standard names"
        candidates = standard(use.name)
        if not candidates and project is not None:
            table = project.how
            candidates = [
                Candidate(f"from {module} import {use.name}", share) for module, share in project.find(use.name)
            ]
        if not candidates:
            continue
        chosen, *others = candidates
        because = whence.decision(
            "import",
            what=chosen.line,
            why=f"{use.name} is used in line {use.line} and not defined; first of {table}",
            confidence=round(chosen.share, 2),
            alternatives=[f"{other.line} ({other.share:.2f})" for other in others],
            inputs={"name": use.name, "line": use.line},
        )
        before, text = text, insert(text, chosen.line)
        whence.transform(
            STEP, before, text, action="fix", subject=f"{component}.py",
            using={"rule": "import_what_is_used", "table": table}, because=because,
        )  # fmt: skip
    for line in unused(text):
        before, text = text, without(text, line)
        whence.transform(
            STEP, before, text, action="fix", subject=f"{component}.py", using={"rule": "drop_what_is_not_used"}
        )
    return text


def standard(name: str) -> list[Candidate]:
    """Return how the standard library offers a name: `import csv`, `from collections import deque`; likeliest first."""
    modules, names = _table()
    if name in modules:
        return [Candidate(f"import {name}", 1.0)]
    homes = names.get(name, [])
    total = sum(1 / rank for rank in range(1, len(homes) + 1))
    return [Candidate(f"from {home} import {name}", 1 / rank / total) for rank, home in enumerate(homes, 1)]


@cache
def _table() -> tuple[frozenset[str], dict[str, list[str]]]:
    said = tomllib.loads((HERE / "standard_names.toml").read_text(encoding="utf-8"))
    return frozenset(said["modules"]), said["names"]


# -- lines of imports ---------------------------------------------------------------------------------------------------


def imports_of(text: str) -> list[ast.Import | ast.ImportFrom]:
    """Return the imports at the top level of a module, in order. Raises SyntaxError."""
    return [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]


def insert(text: str, line: str) -> str:
    """Return a module with one more import, where it belongs by the alphabet: the standard library first.

    A name from a module that is imported from already joins that line.
    """
    lines = text.splitlines(keepends=True)
    (new,) = imports_of(line)
    block = imports_of(text)
    if isinstance(new, ast.ImportFrom):
        for node in block:
            if isinstance(node, ast.ImportFrom) and node.module == new.module and not node.level:
                names = sorted({alias.name for alias in (*node.names, *new.names)}, key=str.casefold)
                lines[node.lineno - 1 : node.end_lineno] = [f"from {node.module} import {', '.join(names)}\n"]
                return "".join(lines)
    above = [node for node in block if rank(node) <= rank(new)]
    if above:
        at = max(node.end_lineno or node.lineno for node in above)
        lines.insert(at, f"{line}\n")
    elif block:
        lines.insert(block[0].lineno - 1, f"{line}\n")
    else:
        at = _after_docstring(text)
        lines.insert(at, f"\n{line}\n" if at else f"{line}\n\n")
    return "".join(lines)


def rank(node: ast.Import | ast.ImportFrom) -> tuple[bool, bool, str]:
    """Return what imports are sorted by: the standard library first, `import` before `from`, then by name."""
    module = node.names[0].name if isinstance(node, ast.Import) else node.module or ""
    return module.split(".")[0] not in sys.stdlib_module_names, isinstance(node, ast.ImportFrom), module


def _after_docstring(text: str) -> int:
    body = ast.parse(text).body
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        return body[0].end_lineno or 0
    return 0


def unused(text: str) -> list[int]:
    """Return the lines (from 1) of the imports none of whose names is used again, the last first."""
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return [
        node.lineno
        for node in reversed(imports_of(text))
        if not any((alias.asname or alias.name).split(".")[0] in used for alias in node.names)
    ]


def without(text: str, line: int) -> str:
    """Return a text without one of its lines (from 1)."""
    lines = text.splitlines(keepends=True)
    del lines[line - 1]
    return "".join(lines)
