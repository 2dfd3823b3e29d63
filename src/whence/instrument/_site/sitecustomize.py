"""Runs at the start of every Python that `whence run` starts, its directory being first in PYTHONPATH.

It takes itself out of the way, lets the environment's own sitecustomize run, and then waits, whatever came of that one: until
a library is imported that has something to say, or the program fails. Nothing of whence is loaded before that, so a Python
that has nothing to say is not held up. What can be waited for is known here; what is then done, by `instrument/program.py`.
"""

import atexit
import os
import sys

TYPE_CHECKING = False  # as `typing` has it, which takes longer to load than all of this
if TYPE_CHECKING:
    from typing import Any

_MODULES = {
    "opentelemetry": "opentelemetry.sdk.trace",
    "openai": "openai",
    "anthropic": "anthropic",
    "logging": "logging",
}
_ALWAYS = ("whence", "threading")  # the program's own recording; exceptions of threads

_here = os.path.dirname(__file__)


def _told(word: str) -> bool:
    """Return whether this was said already, by this program or one that has started it; from now on it was."""
    said = os.environ.get("WHENCE_RUN_TOLD", "")
    os.environ["WHENCE_RUN_TOLD"] = f"{said},{word}" if said else word
    return word in said.split(",")


def _found() -> "str | None":
    """Return the file that `import whence` would load."""
    for finder in list(sys.meta_path):
        find = getattr(finder, "find_spec", None)
        spec = find("whence", None) if find is not None and finder is not _finder else None
        if spec is not None:
            return spec.origin if spec.loader is not None else None
    return None


class _Loader:
    """A loader that is another one, and tells when it has loaded its module."""

    def __init__(self, real: "Any") -> None:
        self._real = real

    def __getattr__(self, name: str) -> "Any":
        return getattr(object.__getattribute__(self, "_real"), name)

    def create_module(self, spec: "Any") -> "Any":
        create = getattr(self._real, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module: "Any") -> None:
        real = self._real
        if getattr(module.__spec__, "loader", None) is self:
            module.__spec__.loader = real
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = real
        name, whole = module.__name__, False
        _loading.append(name)
        try:
            real.exec_module(module)
            whole = True
        finally:
            _loading.remove(name)
            for program in _program:  # we have begun meanwhile: `openai` imports `logging`
                program.loaded(name, whole)
        _loaded(name)


class _Finder:
    """Answers for the modules that are waited for, with what the other finders say."""

    def __init__(self) -> None:
        chosen = os.environ.get("WHENCE_RUN", "").split(",")
        self.waiting = {*_ALWAYS, *(module for name, module in _MODULES.items() if name in chosen)}
        self._looking = set()  # type: set[str]

    def find_spec(self, fullname: str, path: "Any" = None, target: "Any" = None) -> "Any":
        if fullname not in self.waiting or fullname in self._looking:
            return None
        self._looking.add(fullname)
        try:
            for finder in list(sys.meta_path):
                find = getattr(finder, "find_spec", None)
                spec = find(fullname, path, target) if finder is not self and find is not None else None
                if spec is not None:
                    if hasattr(spec.loader, "exec_module"):
                        spec.loader = _Loader(spec.loader)
                    return spec
        finally:
            self._looking.discard(fullname)
        return None


_loading = []  # type: list[str]
_program = []  # type: list[Any]
_begun = []  # type: list[bool]
_finder = _Finder()
_origin = None  # type: str | None


def _loaded(name: str) -> None:
    _finder.waiting.discard(name)
    if name == "threading":
        _watch_threads()
    else:
        _begin()
    if not _finder.waiting and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


def _begin() -> None:
    """Go on with the run, now that there may be something to record."""
    if _begun:
        return
    _begun.append(True)
    try:
        whence = sys.modules.get("whence")
        if (_found() if whence is None else getattr(whence, "__file__", None)) != _origin:
            raise ImportError("another module is called whence here")
        from whence.instrument import program

        program.begin(_loading)
        _program.append(program)
    except Exception as exc:  # noqa: BLE001 - the program runs all the same
        if not _told("trouble"):
            sys.stderr.write(f"whence: nothing inside this program is recorded: {type(exc).__name__}: {exc}\n")
    _finder.waiting.intersection_update(("threading",))  # the rest is waited for by what has begun


def _finish() -> None:
    for program in _program:
        program.finish()


def _watch_exceptions() -> None:
    shown = sys.excepthook

    def excepthook(kind: "Any", error: "Any", tb: "Any") -> None:
        if not issubclass(kind, KeyboardInterrupt):  # to load anything now would make Python forget that it was one
            _begin()
        for program in _program:
            program.uncaught(error)
        shown(kind, error, tb)

    sys.excepthook = excepthook


def _watch_threads() -> None:
    import threading

    shown = threading.excepthook

    def excepthook(args: "Any") -> None:
        if not isinstance(args.exc_value, SystemExit):  # a thread may end itself so
            _begin()
            for program in _program:
                program.uncaught(args.exc_value, thread=True)
        shown(args)

    threading.excepthook = excepthook


def _wait() -> None:
    """Wait until there may be something to record."""
    global _origin
    _origin = _found()
    if _origin is None:
        if not _told("missing"):  # once, not by each of the programs that this one starts
            sys.stderr.write(
                f"whence: not installed for {sys.executable}, so nothing inside this program is recorded; "
                "install it there: pip install whence\n"
            )
        return
    atexit.register(_finish)  # before the program's own, and so after them
    _watch_exceptions()
    sys.meta_path.insert(0, _finder)
    for name in sorted(_finder.waiting & set(sys.modules)):
        _loaded(name)


sys.path[:] = [each for each in sys.path if each != _here]
_own = sys.modules.pop("sitecustomize", None)
try:
    import sitecustomize  # noqa: F401 - that of the environment, which ours has hidden
except ImportError as _exc:
    if _exc.name != "sitecustomize":
        raise
    if _own is not None:
        sys.modules["sitecustomize"] = _own
finally:
    if os.environ.get("TRACEPARENT"):
        _wait()
