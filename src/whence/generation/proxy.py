"""Objects that can be called, observed: what stands for such an object, and is like it in everything else."""

import copy
from collections.abc import Callable
from typing import Any, Final

from whence.generation.site import Site

_OWN: Final = (
    *("__call__", "__class__", "__class_getitem__", "__copy__", "__deepcopy__", "__del__", "__delattr__", "__dict__"),
    *("__doc__", "__getattr__", "__getattribute__", "__getstate__", "__init__", "__init_subclass__", "__module__"),
    *("__new__", "__reduce__", "__reduce_ex__", "__repr__", "__set_name__", "__setattr__", "__setstate__"),
    *("__sizeof__", "__slots__", "__subclasshook__", "__weakref__"),
)
"""What the class that stands for another one has of its own, or must not have."""


class ObservedCallable:
    """An object that can be called, observed. Everything else is as on the object: its attributes, which can be set,
    its class for `isinstance`, what it compares to, its length. Only its `repr` says that it is observed."""

    __slots__ = ("__weakref__", "__wrapped__", "_whence_call", "_whence_site")
    __wrapped__: Any
    _whence_call: Callable[..., Any]
    _whence_site: Site

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._whence_call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in ObservedCallable.__slots__:  # it is being made, or copied: there is no object yet
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return f"<observed {self.__wrapped__!r}>"

    def __copy__(self) -> Any:
        return _again(copy.copy(self.__wrapped__), self._whence_site)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _again, (self.__wrapped__, self._whence_site)


def observed_callable(target: Any, call: Callable[..., Any], site: Site) -> Any:
    """Return what stands for an object that can be called.

    Args:
        call: the call of it, observed.
        site: as it was before it knew the object.
    """
    made = _class_for(type(target))()
    for name, value in (("__wrapped__", target), ("_whence_call", call), ("_whence_site", site)):
        object.__setattr__(made, name, value)
    return made


def _again(target: Any, site: Site) -> Any:
    from whence.generation.kinds import observed  # which makes this of it

    return observed(target, site)


def _class_for(kind: type) -> type[ObservedCallable]:
    """Return a class with the special methods of another one, which Python looks for in classes alone."""
    said: dict[str, Any] = {"__slots__": (), "__class__": property(lambda self: type(self.__wrapped__))}
    for name in dir(kind):
        if name.startswith("__") and name.endswith("__") and name not in _OWN:
            found = getattr(kind, name, _OWN)
            if callable(found):
                said[name] = _forwarded(name)
            elif found is None:  # as in `__hash__ = None`: it cannot be hashed
                said[name] = None
    return type("ObservedCallable", (ObservedCallable,), said)


def _forwarded(name: str) -> Callable[..., Any]:
    def method(self: ObservedCallable, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.__wrapped__, name)(*args, **kwargs)

    return method
