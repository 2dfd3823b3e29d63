"""Hand-overs between components, observed by a call or by a decorator."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, overload

from whence.errors import BadInput
from whence.measure.schemas import contract_of
from whence.runtime.doors import refused
from whence.telemetry.default import service_of
from whence.telemetry.recording import NOT_GIVEN
from whence.telemetry.service import TelemetryService
from whence.telemetry.shapes import StructuralGap

F = TypeVar("F", bound=Callable[..., Any])


@overload
def observe_handoff(
    source: Any,
    target: Any,
    *,
    expects: Any = None,
    argument: str | None = None,
    artifact_type: Any = None,
    telemetry: TelemetryService | None = None,
) -> Callable[[F], F]: ...


@overload
def observe_handoff(
    source: Any,
    target: Any,
    artifact: Any,
    expects: Any = None,
    *,
    artifact_type: Any = None,
    expected_embedding: Any = None,
    actual_embedding: Any = None,
    telemetry: TelemetryService | None = None,
) -> StructuralGap | None: ...


def observe_handoff(
    source: Any,
    target: Any,
    artifact: Any = NOT_GIVEN,
    expects: Any = None,
    *,
    argument: str | None = None,
    artifact_type: Any = None,
    expected_embedding: Any = None,
    actual_embedding: Any = None,
    telemetry: TelemetryService | None = None,
) -> Any:
    """Observe what one component hands to another. With an artifact, a call; without, a decorator. Never raises.

        observe_handoff("CoderAgent", "TesterAgent", artifact, expects=Solution)

        @observe_handoff("CoderAgent", "TesterAgent", expects=Solution)
        def generate(task): ...

    The call returns the gap, or None. The decorated function, plain or async, returns what it returns; a gap shows in
    `whence findings` and in the next report. Only the structure of an artifact is recorded, never its content.

    Args:
        expects: what the target expects: an example (every key required), a JSON Schema, a pydantic model, dataclass,
            TypedDict or msgspec Struct. Without it the structure is recorded as seen, and whence infers from the history of
            such hand-overs what is usual (I01-05 when it changes).
        argument: the decorated function is the target, and this argument of it the artifact; without it the function is the
            source, and what it returns is the artifact.
        artifact_type: what the artifact is called; without it the name of `expects`, the argument, the function or its type.
        expected_embedding: vector of what is expected; a call only.
        actual_embedding: vector of the artifact; a call only.
        telemetry: the service to record with; without it the process's own.
    """
    if artifact is not NOT_GIVEN:
        name = artifact_type if artifact_type is not None else _name_of(expects)
        return service_of(telemetry).observe_handoff(
            source,
            target,
            artifact,
            expects,
            artifact_type=name,
            expected_embedding=expected_embedding,
            actual_embedding=actual_embedding,
        )

    contract = _prepared(expects)

    def decorate(function: F) -> F:
        name = next(
            each for each in (artifact_type, _name_of(expects), argument, _name_of(function), "artifact") if each
        )
        signature = _signature(function) if argument is not None else None

        def observe(artifact: Any) -> None:
            service_of(telemetry).observe_handoff(source, target, artifact, contract, artifact_type=name)

        def before(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if argument is None:
                return
            try:
                found = _argument(signature, argument, args, kwargs)
            except Exception as exc:  # noqa: BLE001 - an argument of the host's, whose class is its own code
                refused("observe_handoff", exc)
                return
            if found is not NOT_GIVEN:
                observe(found)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def observed_async(*args: Any, **kwargs: Any) -> Any:
                before(args, kwargs)
                result = await function(*args, **kwargs)
                if argument is None:
                    observe(result)
                return result

            return observed_async  # type: ignore[return-value]

        @functools.wraps(function)
        def observed(*args: Any, **kwargs: Any) -> Any:
            before(args, kwargs)
            result = function(*args, **kwargs)
            if argument is None:
                observe(result)
            return result

        return observed  # type: ignore[return-value]

    return decorate


def _prepared(expects: Any) -> Any:
    """Return the contract, prepared once; what is none is said with each hand-over, as `error` of its record."""
    if expects is None:
        return None
    try:
        return contract_of(expects)
    except BadInput:
        return expects
    except Exception as exc:  # noqa: BLE001 - a class of the host's, whose schema is its own code
        refused("observe_handoff", exc)
        return expects


def _name_of(thing: Any) -> str | None:
    try:
        name = thing.__name__ if isinstance(thing, type) or inspect.isroutine(thing) else None
    except Exception:  # noqa: BLE001 - an object of the host's, whose class is its own code
        return None
    return name if isinstance(name, str) else None


def _signature(function: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _argument(signature: inspect.Signature | None, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return an argument of a call, its default included; NOT_GIVEN where the call has none of that name."""
    if signature is None:
        return kwargs.get(name, NOT_GIVEN)
    try:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
    except TypeError:  # the call itself will say so
        return NOT_GIVEN
    if name in bound.arguments:
        return bound.arguments[name]
    for value in bound.arguments.values():
        if isinstance(value, dict) and name in value and name in kwargs:  # it came through **kwargs
            return value[name]
    return NOT_GIVEN
