"""The formatter: blank lines, quotes and ends of lines as everybody expects them."""

from __future__ import annotations

import ast
import io
import tokenize
from typing import TypeGuard

import whence

from .imports import rank

STEP = "format"
_AFTER_DEFINITION = 2


def tidy(text: str, component: str) -> str:
    """Return the same program, formatted; twice gives what once gives. Raises SyntaxError."""
    changed = {}
    result = text
    for rule in (ends_of_lines, quotes, blank_lines):
        before, result = result, rule(result)
        changed[rule.__name__] = before != result
    whence.transform(
        STEP, text, result, action="format", subject=f"{component}.py",
        using={"rule": ", ".join(name for name, did in changed.items() if did) or "nothing to do"},
    )  # fmt: skip
    return result


def ends_of_lines(text: str) -> str:
    """Return a text without blanks at the ends of its lines, ending in one line break."""
    inside = _inside_strings(text)
    lines = [line if number in inside else line.rstrip() for number, line in enumerate(text.splitlines(), 1)]
    return "\n".join(lines).strip("\n") + "\n"


def quotes(text: str) -> str:
    """Return a text in which plain strings in single quotes have double ones."""
    lines = text.splitlines(keepends=True)
    for token in reversed(_plain_strings(text)):
        prefix, _, inside = token.string.partition("'")
        escaped = "\\" in inside and "r" not in prefix.lower()
        if '"' in token.string or not inside.endswith("'") or "'" in inside[:-1] or escaped:
            continue
        line, start, end = token.start[0] - 1, token.start[1], token.end[1]
        lines[line] = f'{lines[line][:start]}{prefix}"{inside[:-1]}"{lines[line][end:]}'
    return "".join(lines)


def _plain_strings(text: str) -> list[tokenize.TokenInfo]:
    """Return the strings that are not f-strings, nor inside one: there, quotes mean something else."""
    found, depth = [], 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]  # before Python 3.12 an f-string is one token, later it is several
        depth += kind.endswith("STRING_START") - kind.endswith("STRING_END")
        if kind == "STRING" and not depth and "f" not in token.string.split(token.string[-1])[0].lower():
            found.append(token)
    return found


def blank_lines(text: str) -> str:
    """Return a text with two blank lines around what stands at the top, one between methods, never more than that."""
    wanted = _wanted(ast.parse(text))
    inside = _inside_strings(text)
    result: list[str] = []
    waiting = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() and number not in inside:
            waiting += 1
            continue
        blank = wanted.get(number, min(waiting, 1)) if result else 0
        result += [""] * blank + [line]
        waiting = 0
    return "\n".join(result) + "\n"


def _wanted(module: ast.Module) -> dict[int, int]:
    """Return how many blank lines stand before a line, for the lines where that is not as the author likes."""
    wanted: dict[int, int] = {}
    for before, node in zip([None, *module.body], module.body, strict=False):
        if isinstance(before, ast.Expr) and isinstance(before.value, ast.Constant):
            wanted[_first_line(node)] = 1
        if isinstance(before, ast.Import | ast.ImportFrom):
            same = isinstance(node, ast.Import | ast.ImportFrom) and rank(node)[0] == rank(before)[0]
            wanted[_first_line(node)] = 0 if same else 1
        if _defines(node) or (before is not None and _defines(before)):
            wanted[_first_line(node)] = _AFTER_DEFINITION
        if isinstance(node, ast.ClassDef):
            wanted |= {_first_line(method): 1 for method in node.body[1:] if _defines(method)}
    for node in filter(_defines, ast.walk(module)):  # none between a decorator and what it decorates
        _, *others = sorted([*(each.lineno for each in node.decorator_list), node.lineno])
        wanted |= dict.fromkeys(others, 0)
    return wanted


def _defines(node: ast.AST) -> TypeGuard[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


def _first_line(node: ast.stmt) -> int:
    """Return the line a statement begins in, its decorators included."""
    return min([node.lineno, *(each.lineno for each in node.decorator_list)]) if _defines(node) else node.lineno


def _inside_strings(text: str) -> frozenset[int]:
    """Return the lines that lie in a string over several lines, whose blanks are part of it."""
    return frozenset(
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno != node.lineno
        for line in range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)
    )
