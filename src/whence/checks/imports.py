"""Do the imports of a text find what they name? Looked up by `modules`, nothing is imported.

A failure has the type "import" and one of these codes:

    E_MODULE_NOT_FOUND       no such module
    E_NAME_NOT_FOUND         the module is there, and has no such name
    E_RELATIVE_NO_PACKAGE    a relative import in a text that belongs to no package
    E_RELATIVE_BEYOND_TOP    more dots than packages

An import that may fail without harm is no failure: in a `try` whose `except` takes ImportError, within
`contextlib.suppress(ImportError)`, under a test of TYPE_CHECKING, the platform or the version; and a module of the
standard library that only other systems have, under any test.

What only running code would tell (a name in a module in C, what a module does with `globals()`) is no failure either, and
does not keep the check from passing: nearly every text takes names of such modules, and a check that is never sure is
asked by nobody. It is listed under `not_told`, with the reason. What can be told is told: os is no package, `import os.x`
fails.
"""

import ast
import os
from typing import Any

import msgspec

from whence.checks.environment import Environment
from whence.checks.interface import Collected
from whence.checks.lines import Lines, printable
from whence.checks.modules import Answer, Found, Missing, Modules, Untold
from whence.checks.suggest import Suggestions
from whence.checks.tree import bodies, column_of, directory_of

MOST_LISTED = 20
"""So many imports that are optional or cannot be told are listed in the attributes; all are counted."""
_TAKES_IMPORT_ERROR = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")
_CONDITIONS = ("TYPE_CHECKING", "version_info", "platform", "implementation", "hexversion", "PY2", "PY3")


class _Relative(msgspec.Struct, frozen=True):
    """A relative import that leads nowhere."""

    code: str
    message: str


def check_imports(
    tree: ast.Module,
    lines: Lines,
    found: Collected,
    environment: Environment,
    *,
    package: str | None = None,
    path: str | None = None,
) -> dict[str, Any]:
    """Add each import that finds nothing; return counts, and those that are optional or cannot be told."""
    check = _Imports(Modules(environment), lines, found, package, path)
    check.body(tree.body, optional=False)
    attributes: dict[str, Any] = {"imports": check.count, "resolved": check.resolved}
    if check.missing_optional:
        attributes["optional_missing"] = check.missing_optional
    if check.untold:
        attributes["not_told"] = check.untold
        attributes["not_told_total"] = check.untold_total
        attributes["notes"] = [f"{check.untold_total} not resolvable without running code"]
    return attributes


class _Imports:
    def __init__(self, modules: Modules, lines: Lines, found: Collected, package: str | None, path: str | None) -> None:
        self.modules = modules
        self.lines = lines
        self.found = found
        self.package = package
        self.path = path
        self.count = 0  # names of modules and names out of modules
        self.resolved = 0
        self.misses = 0  # optional ones too
        self.branches = 0  # how many `if` the statement lies in
        self.missing_optional: list[str] = []
        self.untold: list[dict[str, Any]] = []
        self.untold_total = 0
        self.suggestions = Suggestions(modules)

    # -- which statements -------------------------------------------------------------------------------------------------

    def body(self, statements: list[ast.stmt], *, optional: bool) -> None:
        # Recursion goes as deep as the indentation, which Python limits to 100; chains of elif go round the loop.
        for statement in statements:
            if isinstance(statement, ast.Import):
                self._import(statement, optional)
            elif isinstance(statement, ast.ImportFrom):
                self._import_from(statement, optional)
            elif isinstance(statement, ast.Try) or type(statement).__name__ == "TryStar":
                self._try(statement, optional)
            elif isinstance(statement, ast.If):
                self._if(statement, optional)
            else:
                for below in bodies(statement):
                    self.body(below, optional=optional or _suppresses(statement))

    def _if(self, statement: ast.If, optional: bool) -> None:
        self.branches += 1
        while True:
            optional = optional or _conditional(statement.test)
            self.body(statement.body, optional=optional)
            if len(statement.orelse) != 1 or not isinstance(statement.orelse[0], ast.If):
                break
            statement = statement.orelse[0]
        self.body(statement.orelse, optional=optional)
        self.branches -= 1

    def _try(self, statement: Any, optional: bool) -> None:
        guarded = any(_takes_import_error(each) for each in statement.handlers)
        before = self.misses
        self.body(statement.body, optional=optional or guarded)
        # Where all was found the handler does not run; where not, what it imports instead is needed.
        spared = guarded and self.misses == before
        for handler in statement.handlers:
            self.body(handler.body, optional=optional or spared)
        self.body(statement.orelse, optional=optional or (guarded and not spared))
        self.body(statement.finalbody, optional=optional)

    # -- one statement ----------------------------------------------------------------------------------------------------

    def _import(self, statement: ast.Import, optional: bool) -> None:
        for each in statement.names:
            self.count += 1
            self._judge(self.modules.find(each.name), f"import {each.name}", each, optional, ())

    def _import_from(self, statement: ast.ImportFrom, optional: bool) -> None:
        named = f"{'.' * statement.level}{statement.module or ''}"
        names = tuple(each.name for each in statement.names)
        self.count += len(names)
        module = self._relative(statement) if statement.level else self.modules.find(statement.module or "")
        if not isinstance(module, Found):
            shown = f"from {named} import {', '.join(names[:5])}"
            self._judge(module, shown, statement, optional, names, len(names))
            return
        for each in statement.names:
            answer = self._name(module, each.name)
            if isinstance(answer, Found):
                self.resolved += 1
            else:
                self._judge(answer, f"from {named} import {each.name}", each, optional, ())

    def _name(self, module: Found, name: str) -> Answer:
        """Return the module where the name was found in it; Missing, with the module as parent, where it is not."""
        if name == "*" or (name.startswith("__") and name.endswith("__")):
            return module
        names, more = self.modules.names_of(module)
        if name in names:
            return module
        if module.search is not None:
            below = self.modules.below(module, name)
            if not isinstance(below, Missing):
                return below
        if more:
            return Untold(more)
        return Missing(name, module)

    def _relative(self, statement: ast.ImportFrom) -> Answer | _Relative:
        if self.package == "":
            message = "relative import in a text that belongs to no package"
            return _Relative("E_RELATIVE_NO_PACKAGE", message)
        base: Answer | None = None
        if self.package is not None:
            parts = self.package.split(".")
            keep = len(parts) - (statement.level - 1)
            if keep < 1:
                message = f"{statement.level} dots lead beyond the top of the package {self.package!r}"
                return _Relative("E_RELATIVE_BEYOND_TOP", message)
            base = self.modules.find(".".join(parts[:keep]))
            if isinstance(base, Missing):
                base = None
        if base is None and self.path is not None:
            base = self._directory(self.path, statement.level)
        if base is None:
            why = "which package it is in was not said" if self.package is None else f"{self.package} is not there yet"
            return Untold(f"a relative import: {why}")
        if not isinstance(base, Found) or not statement.module:
            return base
        for part in statement.module.split("."):
            base = self.modules.below(base, part)
            if not isinstance(base, Found):
                break
        return base

    def _directory(self, path: str, level: int) -> Found | None:
        directory = directory_of(path)
        for _ in range(min(level - 1, 100)):
            directory = os.path.dirname(directory)
        if not os.path.isdir(directory):
            return None
        name = os.path.basename(directory) or directory
        init = os.path.join(directory, "__init__.py")
        if os.path.isfile(init):
            return Found(f"{name} ", "source", init, (directory,))  # the space: no absolute name is like it
        return Found(f"{name} ", "namespace", "", (directory,))

    # -- what is said of it ---------------------------------------------------------------------------------------------

    def _judge(
        self,
        answer: Answer | _Relative,
        shown: str,
        node: ast.AST,
        optional: bool,
        names: tuple[str, ...],
        weight: int = 1,
    ) -> None:
        if isinstance(answer, Found):
            self.resolved += weight
            return
        line, column = column_of(node, self.lines)
        if isinstance(answer, Untold):
            self.untold_total += weight
            if len(self.untold) < MOST_LISTED:
                reason = printable(answer.reason, 200)
                self.untold.append({"line": line, "import": printable(shown, 200), "reason": reason})
            return
        self.misses += 1
        if optional or (self.branches and self._of_another_system(answer)):
            if len(self.missing_optional) < MOST_LISTED:
                self.missing_optional.append(printable(shown, 200))
            return
        end_line = getattr(node, "end_lineno", None)
        end_line = end_line if end_line is not None and end_line > line else None
        if self.found.full:  # counted only: no words for what nobody sees
            self.found.add("", "")
        elif isinstance(answer, _Relative):
            self.found.add(answer.code, f"{shown}: {answer.message}", line, column, end_line=end_line)
        else:
            code, message = self._said(answer, shown, names)
            self.found.add(code, message, line, column, end_line=end_line)

    def _of_another_system(self, answer: Answer | _Relative) -> bool:
        """Whether it is a module of the standard library that other systems have: `if windows: import winreg`."""
        if not isinstance(answer, Missing) or answer.parent is not None:
            return False
        return answer.name in self.modules.environment.stdlib

    def _said(self, missing: Missing, shown: str, names: tuple[str, ...]) -> tuple[str, str]:
        parent = missing.parent
        # A name looked for in a module is said without its module, a module by its whole name.
        if parent is not None and not missing.name.startswith(f"{parent.name}."):
            hint = self.suggestions.name(parent, missing.name)
            return "E_NAME_NOT_FOUND", f"no name {_short(missing.name)} in module {_short(parent.name)}{hint}"
        hint = self.suggestions.module(missing, names)
        message = f"no module named {_short(missing.name)}"
        if parent is None and missing.name in self.modules.environment.stdlib:
            message += " (of the standard library, but not in this environment)"
        elif parent is not None and parent.search is None:
            message += f" ({_short(parent.name)} is no package)"
        return "E_MODULE_NOT_FOUND", message + hint


def _short(name: str) -> str:
    return repr(printable(name.replace(" .", "."), 100).strip())


def _takes_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(_last_name(each) in _TAKES_IMPORT_ERROR for each in kinds)


def _suppresses(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.With | ast.AsyncWith):
        return False
    for item in statement.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and _last_name(call.func) == "suppress":
            return any(_last_name(each) in _TAKES_IMPORT_ERROR for each in call.args)
    return False


def _conditional(test: ast.expr) -> bool:
    """Whether a test is of what the program runs on, so that a branch of it need not work everywhere."""
    return any(_last_name(node) in _CONDITIONS for node in ast.walk(test)) or (
        isinstance(test, ast.Compare) and isinstance(test.left, ast.Attribute) and test.left.attr == "name"
    )


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
