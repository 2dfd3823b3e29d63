"""Did you mean …? For an import that finds nothing: names that are like it, and places where it is."""

import difflib
import os
from collections import deque

from whence.checks.modules import Found, Missing, Modules

MOST_ASKED = 20
"""So many imports of one text get a suggestion: comparing names is slow, and a text may have 10,000 wrong ones."""
MOST_NAME_CHARS = 64
MOST_CANDIDATES = 5_000
MOST_SEEN = 1_000
MOST_READ = 60
"""So many modules are listed in search of one that is elsewhere, and so many read in search of a name."""
_INSTALLED = ("site-packages", "dist-packages")


class Suggestions:
    """Suggestions for one check; asks the directories once."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._asked = 0
        self._own: list[Found] | None = None
        self._read: set[str] = set()

    def module(self, missing: Missing, names: tuple[str, ...]) -> str:
        """Return a hint for a module that is not there; `names` are what was to be taken out of it."""
        last = missing.name.rpartition(".")[2]
        if not self._may_ask(last):
            return ""
        prefix = f"{missing.parent.name}." if missing.parent is not None else ""
        elsewhere = [each for each in self._own_modules() if each.name.rpartition(".")[2] == last]
        having = [each for each in elsewhere if names and self._has(each, names)]
        places = [each.name for each in having or elsewhere if each.name != missing.name]
        like = [f"{prefix}{each}" for each in _like(last, self._modules.submodules(missing.parent))]
        return _hint([*places[:3], *like])

    def name(self, module: Found, name: str) -> str:
        """Return a hint for a name that a module does not have."""
        if not self._may_ask(name):
            return ""
        names, _ = self._modules.names_of(module)
        like = _like(name, set(names) | self._modules.submodules(module))
        places = [f"{each.name}.{name}" for each in self._own_modules() if self._has(each, (name,))]
        return _hint([*like, *places[:2]])

    def _may_ask(self, name: str) -> bool:
        self._asked += 1
        return self._asked <= MOST_ASKED and len(name) <= MOST_NAME_CHARS

    def _has(self, module: Found, names: tuple[str, ...]) -> bool:
        if module.kind not in ("source", "text"):
            return False
        if module.name not in self._read and len(self._read) >= MOST_READ:
            return False
        self._read.add(module.name)
        symbols = self._modules.symbols(module)
        return symbols is not None and all(each in symbols.names for each in names)

    def _own_modules(self) -> list[Found]:
        """Return the modules that are no installed library: those given, and those of source directories on the path."""
        if self._own is None:
            self._own = self._walk()
        return self._own

    def _walk(self) -> list[Found]:
        environment = self._modules.environment
        tops = dict.fromkeys(name.partition(".")[0] for name in environment.modules)
        for entry in environment.paths:
            names = self._modules.names_in(entry)
            if "os.py" in names or "lib-dynload" in entry or any(each in entry for each in _INSTALLED):
                continue
            if os.path.isdir(entry):
                modules = (each.removesuffix(".py") for each in sorted(names))
                tops.update(dict.fromkeys(each for each in modules if each.isidentifier()))
        own: list[Found] = []
        waiting: deque[tuple[Found | None, str]] = deque((None, top) for top in tops)
        while waiting and len(own) < MOST_SEEN:
            parent, part = waiting.popleft()
            answer = self._modules.below(parent, part)
            if not isinstance(answer, Found) or answer.kind in ("builtin", "extension", "compiled"):
                continue
            own.append(answer)
            # Any directory may be a namespace: below the first, only real packages are gone into.
            if answer.search is not None and answer.name.count(".") < (1 if answer.kind == "namespace" else 3):
                waiting.extend((answer, each) for each in sorted(self._modules.submodules(answer)))
        return own


def _like(name: str, names: set[str]) -> list[str]:
    near = [each for each in sorted(names) if abs(len(each) - len(name)) <= 3 and each != name][:MOST_CANDIDATES]
    return difflib.get_close_matches(name, near, n=3, cutoff=0.75)


def _hint(names: list[str]) -> str:
    names = list(dict.fromkeys(names))[:3]
    return f"; did you mean {' or '.join(repr(each) for each in names)}?" if names else ""
