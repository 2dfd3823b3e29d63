"""Where the imports of a text are looked for: the search path of an interpreter, learnt without running anybody's code.

Files named `*.pth` may hold lines of code that Python runs at its start. They are read, not run: lines that are paths
count, and the tables of editable installs (setuptools, `editables`) are read from their syntax trees. Any other finder
may know modules that no directory shows; while there is one, a module that is not found is "not told", not wrong.
"""

import ast
import functools
import importlib.machinery
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from whence.errors import BadInput

ASK_TIMEOUT_S = 20
MOST_PTH_BYTES = 256 * 1024
Module = str | os.PathLike[str]
"""A module given by hand: a str is its text, a path is a file of it or a package's directory."""

_FROZEN_ONLY = ("_frozen_importlib", "_frozen_importlib_external", "__main__")
"""Modules that are always there and lie in no directory."""
_HARMLESS_FINDERS = (
    "_frozen_importlib",
    "_frozen_importlib_external",
    "_distutils_hack",
    "_virtualenv",
    "_pytest.",
    "six",
    "wrapt.",
    "importlib_metadata",
    "typeguard",
    "jaxtyping",
    "__editable__",
    "editables.",
)
"""Modules whose finders hand over to the ordinary one, know one project's own names, or have a table that is read."""
_HARMLESS_PTH = re.compile(r"_virtualenv\.pth|distutils-precedence\.pth|.*-nspkg\.pth|.*coverage.*\.pth")
_PTH_IMPORT = re.compile(r"import\s+([A-Za-z_]\w*)")

# Run as `python -I -S -c`: -S keeps site.py from running .pth lines, sitecustomize and usercustomize; -I ignores
# PYTHON* variables, the user's directory and the working directory. What is imported here is the interpreter's own
# standard library. `import site` under -S defines its functions and does nothing else.
_ASK = """
import sys, json, importlib.machinery as machinery, site
prefix = sys.argv[1] or sys.prefix
base = sys.base_prefix
library = list(sys.path)
sys.prefix = sys.exec_prefix = prefix
json.dump({
    "library": library, "stdlib": sorted(sys.stdlib_module_names), "builtins": sys.builtin_module_names,
    "suffixes": machinery.EXTENSION_SUFFIXES, "site": site.getsitepackages([prefix]),
    "base_site": site.getsitepackages([base]), "user_site": site.getusersitepackages(),
    "version": list(sys.version_info[:3]),
}, sys.stdout)
"""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What `import` can find. Build one with `current` or `of`."""

    paths: tuple[str, ...]  # directories and archives, in the order they are searched
    stdlib: frozenset[str] = frozenset()  # top-level names of the standard library, also of other platforms
    builtins: frozenset[str] = frozenset()  # modules that are part of the interpreter and have no file
    suffixes: tuple[str, ...] = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    modules: Mapping[str, Module] = {}  # dotted name -> text or path; found before those on the paths
    finders: tuple[str, ...] = ()  # what may know more modules, and cannot be asked without running it
    interpreter: str = ""

    @classmethod
    def current(cls) -> "Environment":
        """Return what this process can import, by `sys.path` as it is now."""
        return _current(tuple(sys.path), tuple(map(id, sys.meta_path)), _working_directory())

    @classmethod
    def of(cls, python: str | os.PathLike[str]) -> "Environment":
        """Return what another interpreter can import.

        The interpreter is started once for each executable, with `-I -S`, to say where its libraries are: it runs
        nothing but its own standard library, no `.pth` line and no `sitecustomize`. Who names an interpreter trusts
        that executable. PYTHONPATH is not looked at; add what it holds by `with_paths`.

        Args:
            python: an executable, or the directory of a virtual environment.

        Raises:
            BadInput: there is no such interpreter, or it does not answer within ASK_TIMEOUT_S.
        """
        executable = _executable(Path(python))
        said = _ask(str(executable), _venv_of(executable), executable.stat().st_mtime_ns)
        venv = _venv_of(executable)
        sites = list(said["site"])
        if not venv or _sees_system(venv):
            sites += [each for each in (*said["base_site"], said["user_site"]) if each not in sites]
        paths, modules, finders = list(said["library"]), dict[str, Module](), list[str]()
        for site in sites:
            if os.path.isdir(site):
                paths.append(site)
                _read_pth(Path(site), paths, modules, finders)
        return cls(
            paths=_once(paths),
            stdlib=frozenset(said["stdlib"]),
            builtins=frozenset(said["builtins"]).union(_FROZEN_ONLY),
            suffixes=tuple(said["suffixes"]),
            modules=modules,
            finders=_once(finders),
            interpreter=str(executable),
        )

    def with_modules(self, modules: Mapping[str, Module]) -> "Environment":
        """Return this environment with modules that are not on its paths, such as those generated beside a text."""
        return msgspec.structs.replace(self, modules={**self.modules, **modules})

    def with_paths(self, *paths: str | os.PathLike[str]) -> "Environment":
        """Return this environment with directories that are searched first."""
        return msgspec.structs.replace(self, paths=_once((*(os.path.abspath(each) for each in paths), *self.paths)))


def _once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


# -- this process -----------------------------------------------------------------------------------------------------


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed: what is relative to it is nowhere
        return ""


@functools.lru_cache(maxsize=4)
def _current(path: tuple[str, ...], finders: tuple[int, ...], directory: str) -> Environment:
    """Build the environment of this process; the arguments are what it depends on."""
    modules: dict[str, Module] = {}
    unknown: list[str] = []
    for finder in sys.meta_path:
        kind = finder if isinstance(finder, type) else type(finder)
        table = _table_of(finder, kind)
        modules.update(table)
        if not table and not kind.__module__.startswith(_HARMLESS_FINDERS):
            unknown.append(f"{kind.__module__}.{kind.__qualname__}")
    return Environment(
        paths=_once(
            os.path.normpath(os.path.join(directory, each))
            for each in path
            if isinstance(each, str) and (directory or os.path.isabs(each))
        ),
        stdlib=sys.stdlib_module_names,
        builtins=frozenset(sys.builtin_module_names).union(_FROZEN_ONLY),
        modules=modules,
        finders=_once(unknown),
        interpreter=sys.executable or "",
    )


def _table_of(finder: object, kind: type) -> dict[str, Module]:
    """Return the names an editable install's finder has in a table; it is read from loaded modules, nothing is called."""
    if kind.__module__.startswith("__editable__"):
        table = vars(sys.modules.get(kind.__module__, object)).get("MAPPING")
    elif kind.__module__ == "editables.redirector":
        table = vars(kind).get("_redirections")
    else:
        return {}
    return _as_paths(table)


def _as_paths(table: object) -> dict[str, Module]:
    if not isinstance(table, dict):
        return {}
    found: dict[str, Module] = {}
    for name, where in table.items():
        if isinstance(name, str) and isinstance(where, str):
            # setuptools leaves the suffix of a module's file away
            path = Path(where)
            found[name] = path if path.exists() or not Path(f"{where}.py").exists() else Path(f"{where}.py")
    return found


# -- another interpreter ----------------------------------------------------------------------------------------------


def _executable(python: Path) -> Path:
    candidates = (python / "bin" / "python", python / "Scripts" / "python.exe") if python.is_dir() else (python,)
    for each in candidates:
        if each.is_file() and os.access(each, os.X_OK):
            return Path(os.path.abspath(each))  # not resolved: a virtual environment's is a link to another's
    raise BadInput(f"{str(python)!r} is no Python; give an executable, or the directory of a virtual environment")


def _venv_of(executable: Path) -> str:
    """Return the virtual environment an executable belongs to, empty where it belongs to none (PEP 405)."""
    for each in (executable.parent, executable.parent.parent):
        if (each / "pyvenv.cfg").is_file():
            return str(each)
    return ""


def _sees_system(venv: str) -> bool:
    text = (Path(venv) / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    return re.search(r"(?im)^include-system-site-packages\s*=\s*true\s*$", text) is not None


@functools.lru_cache(maxsize=32)
def _ask(executable: str, venv: str, changed_ns: int) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [executable, "-I", "-S", "-c", _ASK, venv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_TIMEOUT_S,
            check=True,
        )
        return dict(json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as exc:
        raise BadInput(f"{executable!r} does not say where its libraries are ({exc}); give a Python ≥ 3.10") from exc


def _read_pth(site: Path, paths: list[str], modules: dict[str, Module], finders: list[str]) -> None:
    """Read the .pth files of a directory as `site.addsitedir` would, but run none of their lines."""
    for name in sorted(os.listdir(site)):
        if not name.endswith(".pth") or name.startswith("."):
            continue
        for line in _bounded(site / name).splitlines():
            line = line.rstrip()
            if not line or line.startswith("#"):
                continue
            if not line.startswith(("import ", "import\t")):
                where = os.path.abspath(site / line)
                if os.path.exists(where):
                    paths.append(where)
                continue
            if _HARMLESS_PTH.fullmatch(name):
                continue
            imported = _PTH_IMPORT.match(line)
            table = _static_table(site / f"{imported[1]}.py") if imported is not None else None
            if table is None:
                finders.append(f"{name} ({line[:80]})")
            else:
                modules.update(table)


def _static_table(path: Path) -> dict[str, Module] | None:
    """Return the table of an editable install's finder, read from its text; None where there is no such table."""
    try:
        tree = ast.parse(_bounded(path), "whence.checked.text")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    table: dict[str, Any] = {}
    known = False
    for node in tree.body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        names = [each.id for each in targets if isinstance(each, ast.Name)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            if "MAPPING" in names:  # setuptools
                known = True
                table.update(_literal(node.value))
            elif "NAMESPACES" in names and node.value.keys:
                return None
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "map_module":
            given = [each.value for each in call.args if isinstance(each, ast.Constant)]
            if len(given) == 2:  # editables
                known = True
                table[str(given[0])] = given[1]
    return _as_paths(table) if known else None


def _literal(node: ast.Dict) -> dict[str, Any]:
    try:
        return dict(ast.literal_eval(node))
    except (ValueError, TypeError, RecursionError, MemoryError):
        return {}


def _bounded(path: Path) -> str:
    try:
        if not path.is_file():  # to open a pipe waits for its other end
            return ""
        with path.open("rb") as file:
            return file.read(MOST_PTH_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
