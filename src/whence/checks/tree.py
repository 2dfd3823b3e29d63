"""What a Python text defines, and what its syntax tree shows to be wrong."""

import ast
import os
import re
import sys
import warnings
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from whence.checks.interface import Collected
from whence.checks.lines import Lines

MOST_NAMES = 200
_FILENAME = "whence.checked.text"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def parse(lines: Lines, found: Collected) -> ast.Module | None:
    """Return the syntax tree of a text; None where there is none: why is then among the failures."""
    _no_warnings()
    try:
        return ast.parse(lines.text, _FILENAME)
    except SyntaxError as exc:
        _add_syntax_error(exc, lines, found)
    except (RecursionError, MemoryError):
        found.add("E_TOO_DEEP", "nested too deeply: Python cannot parse this")
    except ValueError as exc:
        found.add("E_SYNTAX", str(exc))
    return None


def _no_warnings() -> None:
    """Keep what Python would warn of in a checked text from the host.

    A filter for the one file name we parse under, put in place where it is missing: `warnings.catch_warnings` changes
    the filters of all threads and loses changes that others make meanwhile.
    """
    context_aware = getattr(sys.flags, "context_aware_warnings", 0)  # 3.14: the filters are then not all to be seen
    pattern = re.escape(_FILENAME)
    if context_aware or not any(getattr(each[3], "pattern", None) == pattern for each in warnings.filters[:20]):
        warnings.filterwarnings("ignore", module=pattern)


def _add_syntax_error(exc: SyntaxError, lines: Lines, found: Collected) -> None:
    line = min(max(exc.lineno or 1, 1), lines.last)
    width = len(lines.line(line))
    column = min(max(exc.offset or 1, 1), width + 1)
    indentation = isinstance(exc, IndentationError)  # TabError is one
    end = exc.end_lineno if exc.end_lineno and line < exc.end_lineno <= lines.last else None
    found.add(
        "E_INDENTATION" if indentation else "E_SYNTAX",
        exc.msg or "invalid syntax",
        line,
        column,
        end_line=end,
        type="indentation" if indentation else "",
    )


def bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the lists of statements right below a statement or module, in the order of the text."""
    for name in ("body", "handlers", "cases", "orelse", "finalbody"):
        found = getattr(node, name, None)
        if not isinstance(found, list) or not found:
            continue
        if name in ("handlers", "cases"):
            for each in found:
                yield each.body
        else:
            yield found


def check_tree(tree: ast.Module, lines: Lines, found: Collected) -> dict[str, Any]:
    """Add what is wrong in the tree; return what it defines: counts, and the first MOST_NAMES names at the top."""
    counts = {"classes": 0, "functions": 0, "imports": 0, "statements": 0}
    wrong: list[tuple[int, int, str, str]] = []
    twice: list[tuple[ast.stmt, ast.stmt, str]] = []
    # A stack of our own: a chain of elif is as deep as it is long.
    todo: list[tuple[list[ast.stmt], bool, bool]] = [(tree.body, False, False)]
    while todo:
        body, in_function, in_loop = todo.pop()
        defined: dict[str, ast.stmt] = {}
        for node in body:
            counts["statements"] += 1
            if isinstance(node, _SCOPES):
                counts["classes" if isinstance(node, ast.ClassDef) else "functions"] += 1
                before = defined.get(node.name)
                if before is not None and node.name != "_":
                    twice.append((before, node, node.name))
                defined[node.name] = node
                todo.append((node.body, not isinstance(node, ast.ClassDef), False))
                continue
            if isinstance(node, ast.Import | ast.ImportFrom):
                counts["imports"] += 1
            elif isinstance(node, ast.Return) and not in_function:
                wrong.append((node.lineno, node.col_offset, "E_OUTSIDE_FUNCTION", "'return' outside function"))
            elif isinstance(node, ast.Break | ast.Continue) and not in_loop:
                word = "break" if isinstance(node, ast.Break) else "continue"
                wrong.append((node.lineno, node.col_offset, "E_OUTSIDE_LOOP", f"{word!r} outside loop"))
            for below in bodies(node):
                looping = in_loop or (isinstance(node, _LOOPS) and below is node.body)
                todo.append((below, in_function, looping))
    wrong += _defined_twice(tree, twice)
    for line, offset, code, message in sorted(wrong):
        found.add(code, message, line, lines.column(line, offset))
    names = [each.name for each in tree.body if isinstance(each, _SCOPES)]
    return counts | {"names": [name[:200] for name in names[:MOST_NAMES]], "lines": lines.last}


def _defined_twice(
    tree: ast.Module, twice: list[tuple[ast.stmt, ast.stmt, str]]
) -> Iterator[tuple[int, int, str, str]]:
    """Yield those definitions that replace one which nothing used; `@f.setter` and `@overload` use it."""
    if not twice:
        return
    used: defaultdict[str, list[int]] = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used[node.id].append(node.lineno)
    for places in used.values():
        places.sort()
    for before, node, name in twice:
        places = used.get(name, [])
        at = bisect_left(places, (before.end_lineno or before.lineno) + 1)
        in_use = at < len(places) and places[at] < node.lineno
        if not in_use and not _overload(before):
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            message = f"{kind} {name!r} is defined again: the one of line {before.lineno} is lost"
            yield node.lineno, node.col_offset, "E_DUPLICATE_DEFINITION", message


def _overload(node: ast.stmt) -> bool:
    for each in getattr(node, "decorator_list", ()):
        called = each.func if isinstance(each, ast.Call) else each
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in ("overload", "register", "dispatch"):
            return True
    return False


def column_of(node: ast.AST, lines: Lines) -> tuple[int, int]:
    """Return line and column of a node, both from 1, the column in characters."""
    line: int = getattr(node, "lineno", 1)
    return line, lines.column(line, getattr(node, "col_offset", 0))


def directory_of(path: str) -> str:
    """Return the directory a file lies in, absolute."""
    return os.path.dirname(os.path.abspath(path))
