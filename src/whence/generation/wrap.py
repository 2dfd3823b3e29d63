"""Observing what is already there, without editing it (R3.30)."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal

from whence.errors import BadInput
from whence.generation.kinds import observed
from whence.generation.site import Site

ENTRY_POINTS: Final[Mapping[str, str]] = {
    "generate_component": "component_generation",
    "_generate_component": "component_generation",
    "_write_component_file": "file_write",
}
"""What `patch_existing_generator` looks for: method → stage. The two of the original generator (D3), and the public name
that its design has for the first."""
_MISSING: Final = object()


class Observation:
    """An object or class that is observed until `undo()`. A context manager that undoes it."""

    def __init__(self, target: Any, stages: Mapping[str, str]) -> None:
        self.target = target
        self.stages = dict(stages)
        self._before: list[tuple[str, object, object]] = []

    def put(self, name: str, wrapped: object) -> None:
        """Put something observed in the place of an attribute, and remember what the object itself had there."""
        before = vars(self.target).get(name, _MISSING) if hasattr(self.target, "__dict__") else _MISSING
        setattr(self.target, name, wrapped)
        self._before.append((name, before, wrapped))

    def undo(self) -> None:
        """Restore exactly what was there. Undoing twice is ignored; what somebody else put there since then stays."""
        while self._before:
            name, before, wrapped = self._before.pop()
            if vars(self.target).get(name, _MISSING) is not wrapped:
                continue
            if before is _MISSING:
                delattr(self.target, name)
            else:
                setattr(self.target, name, before)

    def __enter__(self) -> "Observation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        self.undo()
        return False


def observe(target: Any, stages: Mapping[str, str], **options: Any) -> Observation:
    """Record the calls of methods of an object, or of a class and thereby of all its objects, as `observable` does.

        with observe(generator, stages={"generate_component": "component_generation", "_render": "template_render"}):
            generator.generate_component(spec)

    Args:
        target: an object, a class or a module; its source stays as it is.
        stages: the methods to observe, and the names of their stages.
        options: those of `observable`: capture_args, capture_result, component, max_per_s, sample.

    Raises:
        BadInput: there is no such method (the message names those there are), or nothing can be put into the object's
            place; then nothing has been changed.
    """
    if not isinstance(stages, Mapping) or not stages:
        raise BadInput(f'stages={stages!r}; accepted: methods and their stages, {{"generate": "generation"}}')
    wrapped: dict[str, object] = {}
    for name, stage in stages.items():
        found = _attribute(target, name)
        if found is _MISSING or not _observable(found):
            raise BadInput(f"{_called(target)} has no method {name!r}; it has: {', '.join(_methods(target)) or 'none'}")
        try:
            wrapped[name] = observed(found, Site(stage, **options))
        except TypeError as exc:
            raise BadInput(f"{exc}; accepted: capture_args, capture_result, component, max_per_s, sample") from exc
    observation = Observation(target, stages)
    try:
        for name, each in wrapped.items():
            observation.put(name, each)
    except (AttributeError, TypeError) as exc:
        observation.undo()
        raise BadInput(f"{_called(target)} takes no attributes ({exc}); observe its class instead") from exc
    return observation


def patch_existing_generator(generator: Any, **options: Any) -> Observation:
    """Observe the entry points of a generator of components (D3): `generate_component` or `_generate_component`, and
    `_write_component_file`. For methods of other names there is `observe`.

    Args:
        generator: an object or a class.
        options: as for `observe`.

    Raises:
        BadInput: it has none of these methods; use `observe` and name them.
    """
    found = {}
    for name, stage in ENTRY_POINTS.items():
        there = _attribute(generator, name)
        if there is not _MISSING and _observable(there):
            found[name] = stage
    if not found:
        methods = ", ".join(_methods(generator)) or "none"
        raise BadInput(
            f"{_called(generator)} has none of {', '.join(ENTRY_POINTS)}; name the methods: observe(…, stages={{…}}); "
            f"it has: {methods}"
        )
    return observe(generator, found, **options)


def _attribute(target: Any, name: object) -> Any:
    """Return what is to be observed: of a class as it is written there (static and class methods are still such), of an
    object as it is called (bound)."""
    if not isinstance(name, str):
        return _MISSING
    if isinstance(target, type):
        for base in target.__mro__:
            if name in vars(base):
                return vars(base)[name]
        return _MISSING
    return getattr(target, name, _MISSING)


def _observable(found: Any) -> bool:
    return isinstance(found, staticmethod | classmethod) or (callable(found) and not isinstance(found, type))


def _methods(target: Any) -> list[str]:
    kind = target if isinstance(target, type) else type(target)
    names = {name for name in dir(kind) if not name.startswith("__")} | set(getattr(target, "__dict__", ()))
    return (
        sorted(name for name in names if not name.startswith("__") and _observable(_attribute(kind, name)))
        if kind is target
        else sorted(name for name in names if not name.startswith("__") and callable(getattr(target, name, None)))
    )


def _called(target: Any) -> str:
    return target.__name__ if isinstance(target, type) else f"{type(target).__name__} object"
