"""Which names a module has, read from its syntax tree. Kept by file, time and size of the file."""

import ast
import os
from collections import OrderedDict
from stat import S_ISREG
from threading import Lock
from typing import Generic, TypeVar

import msgspec

from whence.checks.encoding import decode
from whence.checks.interface import MOST_CHARS, Collected
from whence.checks.layout import scan
from whence.checks.tree import bodies, parse

MOST_KEPT = 1024
_FREE = ("globals", "global_enum")
_FREE_AT_TOP = ("vars", "locals", "exec", "eval", "setattr", "__dict__")
"""What a module mentions (the latter outside functions) that may give it names which its text does not show."""
_LOOSE = ("__path__", "extend_path")
"""What a module mentions that may give it submodules from elsewhere; to write into sys.modules is another."""
K = TypeVar("K")
V = TypeVar("V")


class Symbols(msgspec.Struct, frozen=True):
    """The names at the top of a module."""

    names: frozenset[str] = frozenset()
    stars: tuple[tuple[int, str], ...] = ()  # of which modules all names are taken: dots before it, its name
    more: str = ""  # why there may be others than `names`; empty when these are all
    loose: bool = False  # whether it may have submodules that do not lie in its directory, of any name
    brings: frozenset[str] = frozenset()  # the modules that it puts into sys.modules by name, such as os "os.path"


class Kept(Generic[K, V]):
    """The values used last, at most so many. Safe in any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> V:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


_of_files: Kept[str, tuple[int, int, Symbols]] = Kept(MOST_KEPT)
_of_texts: Kept[str, Symbols] = Kept(64)


def symbols_of_file(path: str) -> Symbols:
    """Return the names of a source file; read anew only when its time or size has changed."""
    try:
        stat = os.stat(path)
        if not S_ISREG(stat.st_mode):  # to open a pipe waits for its other end
            return Symbols(more=f"{path} is no file", loose=True)
        kept = _of_files.get(path)
        if kept is not None and kept[:2] == (stat.st_mtime_ns, stat.st_size):
            return kept[2]
        if stat.st_size > MOST_CHARS * 4:
            return Symbols(more=f"{path} is too large to be read", loose=True)
        with open(path, "rb") as file:
            data = file.read(MOST_CHARS * 4)
    except OSError as exc:
        return Symbols(more=f"{path} cannot be read: {exc.strerror}", loose=True)
    found = read_symbols(data)
    _of_files.put(path, (stat.st_mtime_ns, stat.st_size, found))
    return found


def symbols_of_text(text: str) -> Symbols:
    """Return the names of a module given as text."""
    return _of_texts.get(text) or _of_texts.put(text, read_symbols(text))


def read_symbols(text: str | bytes) -> Symbols:
    """Return the names of a module by its text."""
    if len(text) > MOST_CHARS * 4:
        return Symbols(more="it is too large to be read", loose=True)
    decoded = decode(text)
    if not decoded.readable:
        return Symbols(more="its text cannot be read", loose=True)
    if scan(decoded.lines.text).chained_line is not None:
        return Symbols(more="it is nested too deeply to be read", loose=True)
    tree = parse(decoded.lines, Collected("syntax", decoded.lines))
    if tree is None:
        return Symbols(more="its syntax is wrong", loose=True)
    names: set[str] = set()
    stars = _statements(tree, names)
    more = ""
    loose = False
    brings: set[str] = set()
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    while todo:
        node, within = todo.pop()
        if isinstance(node, ast.Global):
            names.update(node.names)
        elif isinstance(node, ast.Name | ast.Attribute | ast.alias):
            name = _name(node)
            if name in _FREE or (name in _FREE_AT_TOP and not within):
                more = more or f"it uses {name}"
            loose = loose or name in _LOOSE
            if isinstance(node, ast.Attribute) and name in ("_convert_", "_convert"):  # enum: into the module's globals
                more = more or f"it uses {name}"
        if _is_modules(getattr(node, "value", None)):
            if isinstance(node, ast.Subscript):
                more = more or "it takes modules out of sys.modules, such as itself"
                if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
                    brings.update(() if isinstance(node.ctx, ast.Load) else (node.slice.value,))
                else:
                    loose = loose or not isinstance(node.ctx, ast.Load)
            elif isinstance(node, ast.Attribute) and node.attr in ("update", "setdefault"):
                loose = True
        within = within or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        todo.extend((each, within) for each in ast.iter_child_nodes(node))
    if "__getattr__" in names:
        more = "it has a __getattr__"
    return Symbols(frozenset(names), stars, more, loose, frozenset(brings))


def _is_modules(node: object) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "modules"


def _name(node: ast.Name | ast.Attribute | ast.alias) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else node.name


def _statements(tree: ast.Module, names: set[str]) -> tuple[tuple[int, str], ...]:
    """Add the names bound at the top, also within if, try, with and loops; return the modules all names are taken of."""
    stars: dict[tuple[int, str], None] = {}
    todo: list[list[ast.stmt]] = [tree.body]
    while todo:
        for node in todo.pop():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
                continue
            if isinstance(node, ast.Import):
                names.update(each.asname or each.name.partition(".")[0] for each in node.names)
            elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                stars[node.level, node.module or ""] = None
            elif isinstance(node, ast.ImportFrom):
                names.update(each.asname or each.name for each in node.names)
            else:
                _bound(node, names)
            todo.extend(bodies(node))
    return tuple(stars)


def _bound(statement: ast.stmt, names: set[str]) -> None:
    """Add what a statement that defines no scope binds: assignments, loops, with, except, match, walrus."""
    blocks = {id(each) for body in bodies(statement) for each in body}
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            names.add(node.rest)
        todo.extend(each for each in ast.iter_child_nodes(node) if id(each) not in blocks)
