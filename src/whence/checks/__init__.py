"""Generated text is looked at here, and never run.

What comes in: a text (or the bytes of a file) that a program made, and its path.
What goes out: one `CheckResult` per check, each failure with its line, column and the lines around it.

    interface.check_text(text, path)    every check of this path's language
    interface.register(suffix, …)       checks for another language
    python.check_python(text, …)        encoding, syntax, indentation, ast, import; parsed once
    environment.Environment             where imports are looked for: this interpreter, or another one's
    data.JSON, data.TOML                the two smallest languages

Nothing is imported or executed, neither the text nor what it imports: modules are looked for in directories and
archives, and their names are read from their syntax trees. What only running code could tell is said to be untold
(`attributes["not_told"]`), and does not fail a check.

`passed` is None where a check could not be made: the text is above `interface.MOST_CHARS`, an earlier check failed
that this one needs, or the checker itself broke; `error` says which.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whence.checks.environment import Environment
    from whence.checks.interface import Checker, CheckResult, Failure, check_text, checkers_for, register
    from whence.checks.python import check_python

__all__ = [
    "CheckResult",
    "Checker",
    "Environment",
    "Failure",
    "check_python",
    "check_text",
    "checkers_for",
    "register",
]

_ELSEWHERE = {"Environment": "environment", "check_python": "python"}


def __getattr__(name: str) -> Any:
    # Late: who records a check of their own need not load a parser.
    if name not in __all__:
        raise AttributeError(f"module 'whence.checks' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"whence.checks.{_ELSEWHERE.get(name, 'interface')}"), name)
    globals()[name] = value
    return value
