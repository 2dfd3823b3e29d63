"""`@observable`: a function whose calls are recorded (R3.11, R3.25)."""

import contextlib
from types import TracebackType
from typing import Any, Literal, TypeVar

from whence.generation.blocks import Block
from whence.generation.kinds import observed
from whence.generation.session import runner
from whence.generation.site import Named, Site

F = TypeVar("F")


class observable:
    """Record every call of a function as a stage: start with arguments, end with result and duration, errors with stack.

        @observable("template_render")           # or @observable alone: the stage is called like the function
        def render(template, data): ...

    Decorates functions, coroutine functions, generators and async generators, methods, static and class methods (in
    either order of decorators), properties, objects that can be called, and functions made by
    `contextlib.contextmanager`; what comes out is of the same kind. Also a context manager, sync and async:
    `with observable("validation"): …`.

    The stage belongs to the trace that the call is made in, else to the process's own session
    (`get_generation_logger()`); what is recorded during the call lies in it. Exceptions go on, unchanged: the innermost
    stage tells one with its whole stack, those around it only say what it was and the record that tells it (`same_as`). A
    call that is cancelled is no error; its outputs say `cancelled`.

    Args:
        stage: the stage's name.
        capture_args: keep the arguments, by name, without `self` and `cls`.
        capture_result: keep the result; of a generator the first 100 things it yields, and what it returns.
        component: whom the call is about: a name, or a function of the call's arguments. Otherwise taken from the
            arguments `component_name`, `component`, `spec` (its `name`), from `self.component_name`; then from the stage
            around the call; then from the argument `name`, or `self.name`.
        max_per_s: how many calls a second are recorded, of this function. Those left out are counted
            (`whence.stats()["dropped"]["rate_limited"]`); one that fails is recorded all the same.
        sample: the share of calls that is recorded, 0 to 1; as above (`sampled_out`).

    Raises:
        BadInput: an option is not accepted, or what is decorated cannot be called; said when decorating, never later.
    """

    def __new__(cls, stage: Any, *options: Any, **more: Any) -> Any:
        """Return the decorator; of `@observable` without a stage the function itself, observed under its own name."""
        made = super().__new__(cls)
        if not callable(stage) or options or more:
            return made
        made.__init__(getattr(stage, "__name__", type(stage).__name__))  # type: ignore[misc]
        return made(stage)

    def __init__(
        self,
        stage: str,
        capture_args: bool = True,
        capture_result: bool = True,
        *,
        component: Named = None,
        max_per_s: float | None = None,
        sample: float = 1.0,
    ) -> None:
        self._site = Site(
            stage,
            capture_args=bool(capture_args),
            capture_result=bool(capture_result),
            component=component,
            max_per_s=max_per_s,
            sample=sample,
        )
        self._open: list[tuple[tuple[int, int], Block]] = []

    def __call__(self, function: F) -> F:
        """Return the function, observed."""
        wrapped: F = observed(function, self._site)
        return wrapped

    def __enter__(self) -> "observable":
        block = Block(self._site, (), {})
        block.__enter__()
        self._open.append((runner(), block))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        opened = self._open.copy()
        if opened:
            # That which this thread or task entered last; left elsewhere than it was entered, the latest that is open.
            me = runner()
            left = next((each for each in reversed(opened) if each[0] == me), opened[-1])
            with contextlib.suppress(ValueError):  # another thread was first to leave it
                self._open.remove(left)
            left[1].__exit__(kind, error, tb)
        return False

    async def __aenter__(self) -> "observable":
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        return self.__exit__(kind, error, tb)
