"""Where a module is, found as `import` would find it and without importing it or the packages above it.

`importlib.util.find_spec("a.b")` imports `a`. Here each part is looked up by hand, by the rules of `importlib`: on each
entry of the path a package, then an extension module, a source file, a compiled file; then a namespace package (PEP
420) of all directories of that name.
"""

import os
import zipfile
from typing import Literal

import msgspec

from whence.checks.environment import Environment
from whence.checks.interface import MOST_CHARS
from whence.checks.symbols import Kept, Symbols, read_symbols, symbols_of_file, symbols_of_text
from whence.clock import SystemClock

SETTLED_NS = 2_000_000_000
"""A directory changed so lately is listed again each time: a second change may fall on the same time stamp."""
MOST_ENTRIES = 50_000
MOST_STARS = 200
"""So many modules are followed that take all names of others."""

_now_ns = SystemClock().now_ns
_listings: Kept[str, tuple[int, frozenset[str]]] = Kept(1024)
_archives: Kept[str, tuple[int, int, frozenset[str]]] = Kept(32)
_NO_NAMES: frozenset[str] = frozenset()
_UNREADABLE = (OSError, zipfile.BadZipFile, KeyError, ValueError, RuntimeError)
"""What an archive raises that cannot be read. A RuntimeError: it is encrypted, or of a version or compression unknown to us."""

Kind = Literal["source", "compiled", "extension", "namespace", "builtin", "text"]


class Found(msgspec.Struct, frozen=True):
    """A module that is there."""

    name: str
    kind: Kind
    path: str = ""  # the file; of a kind "text" the text itself
    search: tuple[str, ...] | None = None  # where its submodules are looked for; None: it is no package


class Missing(msgspec.Struct, frozen=True):
    """There is no such module."""

    name: str  # the first part of the dotted name that is not there
    parent: Found | None = None  # what it was looked for in; None: at the top


class Untold(msgspec.Struct, frozen=True):
    """Whether there is such a module only running code would tell."""

    reason: str


Answer = Found | Missing | Untold


class Modules:
    """The modules of an environment, as they are at one moment. For one thread, and one check."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._given = environment.modules
        self._above = {
            name[:at] for name in self._given for at, character in enumerate(name[:1000]) if character == "."
        }
        self._answers: dict[str, Answer] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._whole: dict[str, tuple[frozenset[str], str]] = {}
        # In the order of importlib.machinery.all_suffixes as FileFinder takes them.
        self._suffixes: tuple[tuple[str, Kind], ...] = (
            *((suffix, "extension") for suffix in environment.suffixes),
            (".py", "source"),
            (".pyc", "compiled"),
        )

    def find(self, dotted: str) -> Answer:
        """Return where a module is, by its absolute dotted name."""
        known = self._answers.get(dotted)
        if known is not None:
            return known
        answer: Answer | None = None
        name = ""
        for part in dotted.split("."):
            answer = self.below(answer if isinstance(answer, Found) else None, part)
            name = f"{name}.{part}" if name else part
            if not isinstance(answer, Found):
                break
        assert answer is not None
        self._answers[dotted] = answer
        return answer

    def below(self, parent: Found | None, part: str) -> Answer:
        """Return where a module is, by the package it is in (None: at the top) and its last name."""
        name = f"{parent.name}.{part}" if parent is not None else part
        known = self._answers.get(name)
        if known is None:
            known = self._answers[name] = self._look(parent, part, name)
        return known

    def _look(self, parent: Found | None, part: str, name: str) -> Answer:
        if parent is None and part in self.environment.builtins:
            return Found(name, "builtin")
        if name in self._given:
            return self._look_given(name)
        if name == "os.path":  # os puts it into sys.modules itself
            found = self.find("posixpath")
            return msgspec.structs.replace(found, name=name) if isinstance(found, Found) else Found(name, "builtin")
        search = self.environment.paths if parent is None else parent.search
        spaces: list[str] = []
        for entry in search or ():
            found_here = self._look_in(entry, part, name, spaces)
            if found_here is not None:
                return found_here
        if spaces or name in self._above:
            return Found(name, "namespace", search=tuple(spaces))
        return self._not_there(parent, name)

    def _not_there(self, parent: Found | None, name: str) -> Missing | Untold:
        if parent is None:
            if self.environment.finders:
                return Untold(f"{self.environment.finders[0]} may know it, and cannot be asked without running it")
            if name in self.environment.stdlib and not self._has_stdlib():
                return Untold("it is of the standard library, which is not on the paths given")
        elif parent.kind == "builtin" or (parent.search is None and parent.kind in ("extension", "compiled")):
            return Untold(f"{parent.name} is no Python source: what it makes of itself only running it would tell")
        elif parent.kind in ("source", "text", "compiled", "extension"):
            symbols = self.symbols(parent)
            # A package that is known by its directory alone (its name ends in a space) may be called anything.
            own = symbols is not None and (" " in parent.name or not symbols.brings.isdisjoint((name, parent.name)))
            if symbols is None or symbols.loose or (symbols.brings and own):
                return Untold(f"{parent.name} may bring its own submodules")
        return Missing(name, parent)

    def _has_stdlib(self) -> bool:
        return any("os.py" in self.names_in(entry) for entry in self.environment.paths)

    def _look_given(self, name: str) -> Found:
        given = self._given[name]
        if isinstance(given, str):
            return Found(name, "text", given, () if name in self._above else None)
        path = os.path.abspath(given)
        if os.path.isdir(path):
            init = os.path.join(path, "__init__.py")
            return (
                Found(name, "source", init, (path,)) if os.path.isfile(init) else Found(name, "namespace", "", (path,))
            )
        is_package = os.path.basename(path) == "__init__.py"
        search = (os.path.dirname(path),) if is_package else () if name in self._above else None
        return Found(name, self._kind(path), path, search)

    def _kind(self, path: str) -> Kind:
        return next((kind for suffix, kind in self._suffixes if path.endswith(suffix)), "source")

    def _look_in(self, entry: str, part: str, name: str, spaces: list[str]) -> Found | None:
        names = self.names_in(entry)
        if part in names:
            below = os.path.join(entry, part)
            within = self.names_in(below)
            for suffix, kind in self._suffixes:
                if "__init__" + suffix in within:
                    return Found(name, kind, os.path.join(below, "__init__" + suffix), (below,))
        for suffix, kind in self._suffixes:
            if part + suffix in names:
                path = os.path.join(entry, part + suffix)
                if not os.path.isdir(path):
                    return Found(name, kind, path)
        if part in names and self._is_directory(os.path.join(entry, part)):
            spaces.append(os.path.join(entry, part))
        return None

    def _is_directory(self, path: str) -> bool:
        return os.path.isdir(path) or (not os.path.isfile(path) and bool(self.names_in(path)))

    def names_in(self, entry: str) -> frozenset[str]:
        """Return the names in a directory, or in a directory of an archive; none where there is neither."""
        names = self._names.get(entry)
        if names is None:
            names = self._names[entry] = _listing(entry)
        return names

    def submodules(self, parent: Found | None) -> set[str]:
        """Return the names of modules in a package, or at the top: those that have a file or directory."""
        search = self.environment.paths if parent is None else parent.search or ()
        names = {
            name.partition(".")[0]
            for entry in search
            for name in self.names_in(entry)
            if "." not in name or name.endswith(tuple(suffix for suffix, _ in self._suffixes))
        }
        prefix = f"{parent.name}." if parent is not None else ""
        names |= {name[len(prefix) :].partition(".")[0] for name in self._given if name.startswith(prefix)}
        if parent is None:
            names |= self.environment.builtins
        return {name for name in names if name.isidentifier() and name != "__init__"}

    def symbols(self, module: Found) -> Symbols | None:
        """Return the names of a module; None where there is no source to read them from."""
        if module.kind == "namespace":
            return Symbols()
        if module.kind == "text":
            return symbols_of_text(module.path)
        if module.kind != "source":
            return None
        if os.path.exists(module.path):
            return symbols_of_file(module.path)
        data = _from_archive(module.path)
        return read_symbols(data) if data is not None else None

    def names_of(self, module: Found) -> tuple[frozenset[str], str]:
        """Return the names of a module, with those it takes of others by `*`, and why there may be more of them."""
        known = self._whole.get(module.name)
        if known is not None:
            return known
        symbols = self.symbols(module)
        if symbols is None:
            return _NO_NAMES, f"{module.name} is no Python source"
        # Two modules that take of each other come back to here.
        self._whole[module.name] = symbols.names, f"{module.name} and others take all names of each other"
        names = set(symbols.names)
        more = f"{module.name} may have more names than its text shows: {symbols.more}" if symbols.more else ""
        for level, name in symbols.stars[:MOST_STARS] if len(self._whole) < MOST_STARS else ():
            source = self._taken_of(module, level, name)
            if isinstance(source, Found):
                taken, why = self.names_of(source)
                names |= taken
                more = more or why
            else:
                more = more or f"{module.name} takes all names of {'.' * level}{name}, which cannot be read"
        if symbols.stars and (len(symbols.stars) > MOST_STARS or len(self._whole) >= MOST_STARS):
            more = more or f"{module.name} takes the names of too many modules"
        whole = self._whole[module.name] = frozenset(names), more
        return whole

    def _taken_of(self, module: Found, level: int, name: str) -> Answer | None:
        if level == 0:
            return self.find(name)
        parts = module.name.split(".")
        parts = parts[: len(parts) - (level - 1 if module.search is not None else level)]
        if not parts or module.name.endswith(" "):
            return None
        return self.find(".".join([*parts, name] if name else parts))


def _listing(entry: str) -> frozenset[str]:
    try:
        stat = os.stat(entry)
    except (OSError, ValueError):
        return _archive_listing(entry)
    kept = _listings.get(entry)
    if kept is not None and kept[0] == stat.st_mtime_ns:
        return kept[1]
    try:
        names = frozenset(os.listdir(entry))
    except NotADirectoryError:
        return _archive_listing(entry)
    except OSError:
        return _NO_NAMES
    if _now_ns() - stat.st_mtime_ns > SETTLED_NS:
        _listings.put(entry, (stat.st_mtime_ns, names))
    return names


def _split(path: str) -> tuple[str, str] | None:
    """Return the archive a path leads into, and the way within it; None where it leads into none."""
    archive, within = path, ""
    while archive and not os.path.lexists(archive):
        above, name = os.path.split(archive)
        if above == archive:
            return None
        archive, within = above, f"{name}/{within}" if within else name
    return (archive, within) if os.path.isfile(archive) else None


def _archive_listing(entry: str) -> frozenset[str]:
    """Return the names right below a directory of an archive. Zip files are the only ones Python imports from."""
    split = _split(entry)
    if split is None:
        return _NO_NAMES
    archive, within = split
    prefix = f"{within}/" if within else ""
    inside = _archive_names(archive)
    return frozenset(name[len(prefix) :].partition("/")[0] for name in inside if name.startswith(prefix)) - {""}


def _archive_names(archive: str) -> frozenset[str]:
    try:
        stat = os.stat(archive)
        kept = _archives.get(archive)
        if kept is not None and kept[:2] == (stat.st_mtime_ns, stat.st_size):
            return kept[2]
        with zipfile.ZipFile(archive) as file:
            names = frozenset(file.namelist()[:MOST_ENTRIES])
    except _UNREADABLE:
        return _NO_NAMES
    _archives.put(archive, (stat.st_mtime_ns, stat.st_size, names))
    return names


def _from_archive(path: str) -> bytes | None:
    split = _split(path)
    if split is None:
        return None
    try:
        with zipfile.ZipFile(split[0]) as file, file.open(split[1]) as member:
            return member.read(MOST_CHARS * 4 + 1)
    except _UNREADABLE:
        return None
