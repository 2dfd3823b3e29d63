"""The validator: is it Python, do its imports lead somewhere, is every name defined? Nothing of it is run."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import whence
from whence.checks.environment import Environment
from whence.checks.interface import CheckResult, Failure
from whence.checks.python import check_python

from .names import undefined

_STDLIB = sysconfig.get_path("stdlib")


def validate(text: str, component: str, target: Path, phase: str) -> list[Failure]:
    """Return what is wrong with a module that is going to lie in `target`, in order of lines; each check is recorded.

    Args:
        component: the component's name, for the record.
        phase: before or after healing, for the record.
    """
    results = check_python(text, path=target / f"{component}.py", environment=_environment(target), package="")
    parsed = all(result.passed for result in results if result.type in ("encoding", "syntax"))
    if parsed:
        results = (*results, check_names(text))
    found: list[Failure] = []
    for result in results:
        whence.check(
            result.type, result.passed, type=result.type, content=text, failures=result.failures,
            subject=f"{component}.py", phase=phase, error=result.error,
        )  # fmt: skip
        found += result.failures
        if result.passed is None and parsed:  # a check that could not be made is no good news
            found.append(Failure(type=result.type, message=result.error or "not checked"))
    return sorted(found, key=lambda failure: (failure.line or 0, failure.column or 0))


def _environment(target: Path) -> Environment:
    """Return what a module in `target` may import: what lies there, and the standard library."""
    library = [path for path in sys.path if path.startswith(_STDLIB) and not path.endswith("-packages")]
    return Environment(
        paths=(str(target), *library),
        stdlib=sys.stdlib_module_names,
        builtins=frozenset(sys.builtin_module_names),
    )


def check_names(text: str) -> CheckResult:
    """Check that every name a module uses is defined in it; a check of our own, beside those of whence. Raises SyntaxError."""
    lines = text.splitlines()
    failures = tuple(
        Failure(
            type="name",
            message=f"name {use.name!r} is not defined",
            line=use.line,
            column=use.column,
            context=lines[use.line - 1],
            code="E_UNDEFINED",
        )
        for use in undefined(text)
    )
    return CheckResult(type="name", passed=not failures, failures=failures, failures_total=len(failures))
