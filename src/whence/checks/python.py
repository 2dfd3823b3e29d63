"""The checks of Python text: encoding, syntax, indentation, ast, import. None of them runs any of it."""

import os
from collections.abc import Callable
from typing import Any

from whence.checks.encoding import ENCODING, decode
from whence.checks.environment import Environment
from whence.checks.imports import check_imports
from whence.checks.interface import CheckAll, Checker, CheckResult, Collected, clock, too_long, untold
from whence.checks.layout import MOST_CHAINED, Layout, check_indentation, scan
from whence.checks.lines import Lines
from whence.checks.tree import check_tree, parse

SYNTAX = "syntax"
INDENTATION = "indentation"
AST = "ast"
IMPORT = "import"
TYPES = (ENCODING, SYNTAX, INDENTATION, AST, IMPORT)
"""In the order they are made: what fails early says why the later ones could not be made."""


def check_python(
    text: str | bytes,
    *,
    path: str | os.PathLike[str] | None = None,
    environment: Environment | None = None,
    package: str | None = None,
    only: tuple[str, ...] = TYPES,
) -> tuple[CheckResult, ...]:
    """Check Python text; the text is parsed once, and neither it nor anything it imports is run.

    Args:
        text: the text, or the bytes of its file.
        path: the file it is meant for; relative imports are looked for beside it where `package` does not say more.
        environment: where its imports are looked for; that of this process by default.
        package: the dotted name of the package it belongs to, for relative imports; "" for a script.
        only: which checks, of TYPES; the results come in the order of TYPES.

    Returns one result per check. A text above MOST_CHARS is not checked at all, one that cannot be decoded only for its
    encoding, one that cannot be parsed for encoding, syntax and indentation: the others have `passed` None and say why.
    The syntax is that of the Python that runs the check. Raises nothing.
    """
    if reason := too_long(text):
        return tuple(untold(each, reason) for each in TYPES if each in only)
    decoded = decode(text)
    lines = decoded.lines
    if reason := too_long(lines.text):
        return tuple(untold(each, reason) for each in TYPES if each in only)
    results: dict[str, CheckResult] = {ENCODING: decoded.result}
    if not decoded.readable:
        why = f"not checked: {decoded.result.failures[0].message}" if decoded.result.failures else "not checked"
        results |= {each: untold(each, why) for each in TYPES[1:]}
        return tuple(results[each] for each in TYPES if each in only)

    start_ns = clock.monotonic_ns()
    found = Collected(SYNTAX, lines)
    layout = scan(lines.text)
    tree = None
    if layout.chained_line is not None:
        message = f"nested too deeply: an expression of more than {MOST_CHAINED} characters without a comma"
        found.add("E_TOO_DEEP", message, layout.chained_line)
    else:
        tree = parse(lines, found)
    results[SYNTAX] = found.result(start_ns)
    if INDENTATION in only:
        results[INDENTATION] = _made(INDENTATION, lines, lambda found: _indentation(layout, found))
    if tree is None:
        why = f"not checked: the syntax is wrong ({found.failures[0].message})"
        results |= {each: untold(each, why) for each in (AST, IMPORT)}
        return tuple(results[each] for each in TYPES if each in only)
    parsed = tree
    if AST in only:
        results[AST] = _made(AST, lines, lambda found: check_tree(parsed, lines, found))
    if IMPORT in only:
        beside = os.fspath(path) if path is not None else None
        results[IMPORT] = _made(
            IMPORT,
            lines,
            lambda found: check_imports(
                parsed, lines, found, environment or Environment.current(), package=package, path=beside
            ),
        )
    return tuple(results[each] for each in TYPES if each in only)


def _indentation(layout: Layout, found: Collected) -> dict[str, Any]:
    return dict(check_indentation(layout, found))


def _made(type: str, lines: Lines, check: Callable[[Collected], dict[str, Any]]) -> CheckResult:
    start_ns = clock.monotonic_ns()
    found = Collected(type, lines)
    try:
        attributes = check(found)
    except Exception as exc:  # noqa: BLE001 - hostile text, odd file systems: one check less, and it says so
        return untold(type, f"the check broke: {exc.__class__.__name__}: {exc}")
    return found.result(start_ns, attributes)


class PythonCheck:
    """One of the checks, in the environment of this process."""

    def __init__(self, name: str) -> None:
        self.name = name

    def check(self, text: str | bytes, path: str | None = None) -> CheckResult:
        return check_python(text, path=path, only=(self.name,))[0]


_ALL = tuple(PythonCheck(name) for name in TYPES)
_STUB = _ALL[:3]


def _check_stub(text: str | bytes, *, path: str | None = None) -> tuple[CheckResult, ...]:
    # A stub defines a name several times on purpose, and imports what exists only for type checkers.
    return check_python(text, path=path, only=TYPES[:3])


CHECKERS: dict[str, tuple[tuple[Checker, ...], CheckAll | None]] = {
    ".py": (_ALL, check_python),
    ".pyi": (_STUB, _check_stub),
}
