"""Names: which ones a module uses and never defines, and which module of a package could be meant by one."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_OF_EVERY_MODULE: Final = frozenset((*dir(builtins), "__file__", "__name__", "__doc__", "__path__", "__spec__"))
_WORD: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Use:
    """Where a name is used first; line and column from 1."""

    name: str
    line: int
    column: int


def undefined(text: str) -> list[Use]:
    """Return the names that a module uses and nothing in it defines, in order. Raises SyntaxError."""
    module = symtable.symtable(text, "<generated>", "exec")
    symbols = [(scope, symbol) for scope in _scopes(module) for symbol in scope.get_symbols()]
    defined = {
        symbol.get_name()
        for scope, symbol in symbols
        if scope is module or symbol.is_declared_global()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
    used = {symbol.get_name() for _, symbol in symbols if symbol.is_referenced() and symbol.is_global()}
    missing = used - defined - _OF_EVERY_MODULE
    first: dict[str, Use] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and node.id in missing and isinstance(node.ctx, ast.Load):
            use = Use(node.id, node.lineno, node.col_offset + 1)
            known = first.get(node.id)
            if known is None or (use.line, use.column) < (known.line, known.column):
                first[node.id] = use
    return sorted(first.values(), key=lambda use: (use.line, use.column))


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _scopes(child)


class Index:
    """Which module could be meant by a name, the likeliest first."""

    def __init__(self, weights: dict[str, Counter[str]], how: str) -> None:
        self._weights = weights
        self.how = how  # in words, for whoever reads the decisions that rest on it

    def find(self, name: str) -> list[tuple[str, float]]:
        """Return (module, share of all that speaks for it, 0 to 1); empty where nothing does."""
        found = self._weights.get(name, Counter())
        return sorted(
            ((module, n / found.total()) for module, n in found.items()), key=lambda each: (-each[1], each[0])
        )


def by_definition(package: Path) -> Index:
    """Index a package by what its modules define: a name belongs to the module, dotted, whose top level makes it."""
    weights: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                weights[node.name][module] += 1
    return Index(weights, "modules that define it")


def by_mention(package: Path) -> Index:
    """Index a package by its words: a name belongs to the file that speaks of it most, called by that file's name.

    Quick to write, needs no parser, right for most names: and wrong for one that others use more often than its own
    module does. Besides, a file's name is not the module's: the package is missing.
    """
    weights: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path in sorted(package.rglob("*.py")):
        for word in _WORD.findall(path.read_text(encoding="utf-8")):
            weights[word][path.stem] += 1
    return Index(weights, "files that mention it")
