"""Something to be done once a module has been imported, whoever imports it, without getting in that import's way.

A finder at the head of `sys.meta_path` answers only for the modules that are waited for, with what the other finders say,
their loader wrapped. When the module is loaded the wrapper first puts the real loader back, so nothing of ours stays on it.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from whence.record.notice import notice

Callback = Callable[[], object]


class _Loader:
    """A loader that is another one, and calls back once it has loaded its module."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_real"), name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        create = getattr(self._real, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module: ModuleType) -> None:
        real: Any = self._real
        spec: Any = module.__spec__
        if spec is not None and spec.loader is self:
            spec.loader = real
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = real
        with _finder.loading(module.__name__):
            real.exec_module(module)
        _finder.loaded(module.__name__)


class _Finder:
    def __init__(self) -> None:
        self._waiting: dict[str, list[Callback]] = {}
        self._loading: set[str] = set()
        self._looking = threading.local()
        self._turn = threading.Lock()

    def add(self, name: str, callback: Callback) -> bool:
        """Wait for a module; False where it is there already."""
        with self._turn:
            if name in sys.modules and name not in self._loading:
                return False
            self._waiting.setdefault(name, []).append(callback)
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)
            return True

    @contextmanager
    def loading(self, name: str) -> Iterator[None]:
        """While a module is being loaded it is in `sys.modules`, and not there yet."""
        self._loading.add(name)
        try:
            yield
        finally:
            self._loading.discard(name)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        looking = vars(self._looking).setdefault("names", set())
        if fullname not in self._waiting or fullname in looking:
            return None
        looking.add(fullname)
        try:
            for finder in list(sys.meta_path):
                find = getattr(finder, "find_spec", None)
                spec: ModuleSpec | None = find(fullname, path, target) if finder is not self and find else None
                if spec is not None:
                    if hasattr(spec.loader, "exec_module"):
                        spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                    return spec
        finally:
            looking.discard(fullname)
        return None

    def loaded(self, name: str) -> None:
        """Call back, each once; a module whose import failed is waited for again."""
        with self._turn:
            callbacks = self._waiting.pop(name, [])
            if not self._waiting and self in sys.meta_path:
                sys.meta_path.remove(self)
        for callback in callbacks:
            _call(name, callback)


def _call(name: str, callback: Callback) -> None:
    try:
        callback()
    except Exception as exc:  # noqa: BLE001 - the import it hangs on is the host's
        notice(f"what was to be done once {name} is imported failed: {type(exc).__name__}: {exc}")


_finder = _Finder()


def when_imported(name: str, callback: Callback) -> None:
    """Call back once, when a module (`openai`, `anthropic.lib`) has been imported: now if it is, else when it will be.

    An import that fails does not count: the next one is waited for. A callback that raises does not break the import; it
    is logged.
    """
    if not _finder.add(name, callback):
        _call(name, callback)
