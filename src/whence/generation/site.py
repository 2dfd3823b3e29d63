"""One place in the code that is observed, and what a call of it comes to: a stage, begun and ended (R3.25).

What can be found out once is found out when the function is decorated: the names of its parameters, and where the name of
the component is to be had (C3.8).
"""

import inspect
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final

from whence.errors import BadInput
from whence.generation import events
from whence.generation.events import Cleaner, GenerationEvent
from whence.generation.observers import deliver, deliveries
from whence.generation.session import COMPONENT_SPAN, SessionTrace
from whence.generation.told import remember, told
from whence.record import context
from whence.record.disabled import NoTrace
from whence.record.failure import describe_error, is_cancellation
from whence.record.recorder import STRUCTURE
from whence.record.trace import Stage, Trace

RATE_LIMITED: Final = "rate_limited"
SAMPLED_OUT: Final = "sampled_out"
"""Why a call was not recorded, in `whence.stats()["dropped"]`."""

OFF: Final[set[type]] = {type(None), NoTrace}
"""The classes of traces that record nothing, as far as any were met: to look a class up costs less than to ask a trace."""
_BOUND: Final = ("self", "cls", "mcs", "mcls")
_SCALARS = frozenset((str, int, bool, type(None), float))
_scalars = _SCALARS.issuperset
_texts = frozenset((str,)).issuperset
_enter, _leave = context.enter, context.leave

Named = str | Callable[..., Any] | None


class Muted:
    """A call that is left out, as long as it does not fail: errors are always recorded."""

    __slots__ = ("args", "kwargs", "started", "trace")

    def __init__(self, trace: Trace, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.trace, self.args, self.kwargs = trace, args, kwargs
        self.started = trace.monotonic_ns()


class Site:
    """What is decided once for a place that is observed."""

    def __init__(
        self,
        stage: str,
        *,
        capture_args: bool = True,
        capture_result: bool = True,
        component: Named = None,
        max_per_s: float | None = None,
        sample: float = 1.0,
    ) -> None:
        """Keep the options.

        Raises:
            BadInput: one of them is not accepted. This is said where the function is decorated, not where it is called.
        """
        if not isinstance(stage, str) or not stage:
            raise BadInput(f'stage={stage!r}; accepted: a name, as in @observable("template_render")')
        if component is not None and not isinstance(component, str) and not callable(component):
            raise BadInput(f"component={component!r}; accepted: a name, or a function of the call's arguments")
        if max_per_s is not None and not (_is_number(max_per_s) and max_per_s > 0):
            raise BadInput(f"max_per_s={max_per_s!r}; accepted: a number above 0")
        if not (_is_number(sample) and 0 <= sample <= 1):
            raise BadInput(f"sample={sample!r}; accepted: a number from 0 to 1")
        self.options: dict[str, Any] = {
            "capture_args": capture_args,
            "capture_result": capture_result,
            "component": component,
            "max_per_s": max_per_s,
            "sample": sample,
        }
        self.stage = stage
        self.capture_args = capture_args
        self.capture_result = capture_result
        self.component = component
        self.max_per_s = max_per_s
        self.sample = sample
        self.limited = max_per_s is not None or sample < 1
        self._calls = count()
        self._window_s = max(1.0, 1 / max_per_s) if max_per_s is not None else 1.0
        self._window = 0
        self._in_window = count()
        self._names: tuple[str, ...] = ()
        self._bound = 0
        self._rest = "args"
        self._sources: tuple[tuple[str, str, int, Any], ...] = ()

    def of(self, function: Callable[..., Any]) -> "Site":
        """Return the same site for a function, whose signature it knows."""
        site = Site(self.stage, **self.options)
        try:
            parameters = tuple(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # a builtin that does not tell
            return site
        positional = [
            each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        site._rest = next((each.name for each in parameters if each.kind is each.VAR_POSITIONAL), "args")
        if positional and positional[0] in _BOUND:
            site._bound = 1
        site._names = tuple(positional[site._bound :])
        places = {name: index for index, name in enumerate(positional)}
        defaults = {each.name: None if each.default is each.empty else each.default for each in parameters}
        names = {
            each.name: (places.get(each.name, -1), defaults[each.name])
            for each in parameters
            if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        }
        site._sources = _sources(names, bool(site._bound))
        return site

    def __reduce__(self) -> Any:
        return _site, (self.stage, self.options)  # its counts are those of this process

    # -- a call ------------------------------------------------------------------------------------------------------

    def begin(
        self, trace: Trace, args: tuple[Any, ...], kwargs: dict[str, Any], *, failed: bool = False
    ) -> Stage | Muted | None:
        """Record that a call begins, and make it the current stage; None if it could not be recorded (and counted).

        Args:
            failed: it is known already that the call failed; so it is recorded in any case.
        """
        try:
            if self.limited and not failed and self.left_out(trace):
                return Muted(trace, args, kwargs)
            attributes: dict[str, Any] | None = None
            plain = True
            if self.capture_args:
                arguments = kwargs
                if args:
                    bound, names = self._bound, self._names
                    # Not strict=False, which says the same and costs as much again.
                    arguments = dict(zip(names, args[bound:] if bound else args))  # noqa: B905
                    if len(args) - bound > len(names):
                        arguments[self._rest] = list(args[bound + len(names) :])
                    if kwargs:
                        arguments.update(kwargs)
                if arguments:
                    plain = _scalars(map(type, arguments.values()))
                    attributes = {"arguments": arguments}
            component = self.component_of(args, kwargs) if self._sources or self.component is not None else None
            if type(trace) is SessionTrace and trace.session is not None:
                stage = self._in_session(trace, component, attributes, plain)
            else:
                stage = trace.stage(self.stage, component, attributes, plain=plain)
            if not stage:
                if not trace:
                    OFF.add(type(trace))
                return None
            stage._scope = _enter(trace, stage)
            if type(trace) is SessionTrace and trace.session is not None:
                trace.session.observed(events.START, stage, attributes or {}, plain)
            elif deliveries:
                _deliver(stage, events.START, attributes or {})
            return stage
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is not the host's
            trace.refused("observable", exc)
            return None

    def _in_session(
        self, trace: SessionTrace, component: str | None, attributes: dict[str, Any] | None, plain: bool
    ) -> Stage:
        """Begin the stage inside what runs, or inside its component's span where nothing runs.

        A stage of that very name is the component's span itself, for as long as it runs.
        """
        scope = context.current_scope()
        inside_one = scope is not None and scope.stage is not None
        if component is None or trace.session is None or inside_one or self.stage == COMPONENT_SPAN:
            return trace.stage(self.stage, component, attributes, plain=plain)
        span = trace.session.span_of(trace.session.label(component, events.UNKNOWN))
        inside = _enter(trace, span)
        try:
            return trace.stage(self.stage, component, attributes, plain=plain)
        finally:
            _leave(inside)

    def end(self, stage: Stage | Muted, outputs: dict[str, Any] | None) -> None:
        """Record that a call has ended, with what it gave."""
        if type(stage) is not Stage:
            return
        try:
            if stage._scope is not None:
                _leave(stage._scope)
            stage.end(outputs, plain=(outputs is None or _flat(outputs)) or None)
            trace = stage.trace
            if type(trace) is SessionTrace and trace.session is not None:
                took = (trace.monotonic_ns() - stage._started) / 1e6
                plain = outputs is None or _scalars(map(type, outputs.values()))
                trace.session.observed(events.END, stage, outputs or {}, plain, took)
            elif deliveries:
                _deliver(stage, events.END, outputs or {})
        except Exception as exc:  # noqa: BLE001 - as above
            stage.trace.refused("observable", exc)

    def fail(
        self,
        stage: Stage | Muted,
        error: BaseException,
        outputs: dict[str, Any] | None = None,
        *,
        block: bool = False,
    ) -> None:
        """Record that a call has failed: with the whole stack, unless a stage inside it has told that already.

        One that was cancelled has not failed: its outputs say that it was.

        Args:
            block: what failed is the block of a `with`.
        """
        try:
            cancelled = is_cancellation(error)
            if isinstance(stage, Muted):
                begun = None if cancelled else self.begin(stage.trace, stage.args, stage.kwargs, failed=True)
                if not isinstance(begun, Stage):
                    return
                begun._started = stage.started
                stage = begun
            if cancelled:
                self.end(stage, {**(outputs or {}), "cancelled": True})
                return
            if stage._scope is not None:
                _leave(stage._scope)
            data, stack, known = dict(outputs or {}), None, told(stage, error, block=block)
            if known is not None:
                kind, message = known.type, known.message
                stage.end(outputs, known.error())
                data["same_as"] = known.record
            else:
                about = describe_error(error)
                kind, message = about["type"], about["message"]
                stack = events.stack(error)
                record = stage.end(outputs, {**about, "traceback": stack})
                remember(stage, error, block, record, kind, message)
            data["error_type"] = kind
            trace = stage.trace
            if type(trace) is SessionTrace and trace.session is not None:
                took = (trace.monotonic_ns() - stage._started) / 1e6
                trace.session.observed(events.ERROR, stage, data, False, took, message or kind, stack)
            elif deliveries:
                _deliver(stage, events.ERROR, data, message or kind, stack)
        except Exception as exc:  # noqa: BLE001 - as above
            stage.trace.refused("observable", exc)

    # -- what is known of a call -------------------------------------------------------------------------------------

    def component_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """Return the component that a call is about; None where the stage around it says that."""
        named = self.component
        if type(named) is str:
            return named
        try:
            if callable(named):
                return _name(named(*args, **kwargs))
            weak = False
            for how, name, index, default in self._sources:
                if how in _WEAK and not weak:
                    scope = context.current_scope()
                    if scope is not None and scope.stage is not None and scope.stage.component:
                        return None  # what runs around it knows better
                    weak = True
                if name in kwargs:
                    value = kwargs[name]
                elif 0 <= index < len(args):
                    value = args[index]
                else:
                    value = default
                found = _READ[how](value)
                if found is not None:
                    return found
        except Exception:  # noqa: BLE001 - a property of the host's, or a function of the user's, that raises
            return None
        return None

    # -- calls that are not recorded ---------------------------------------------------------------------------------

    def left_out(self, trace: Trace) -> bool:
        """Return whether this call is not to be recorded, and count it if so."""
        if not trace:
            return False
        if self.sample < 1:
            number = next(self._calls)
            # Every so many calls one, by counting: evenly, and without touching anybody's random numbers.
            if int((number + 1) * self.sample) == int(number * self.sample):
                trace.recorder.spool.skip(SAMPLED_OUT, STRUCTURE)
                return True
        if self.max_per_s is not None:
            window = int(time.monotonic() / self._window_s)
            if window != self._window:
                self._window, self._in_window = window, count()
            if next(self._in_window) >= self.max_per_s * self._window_s:
                trace.recorder.spool.skip(RATE_LIMITED, STRUCTURE)
                return True
        return False


def _site(stage: str, options: dict[str, Any]) -> Site:
    return Site(stage, **options)


def _deliver(stage: Stage, kind: str, data: dict[str, Any], error: str | None = None, stack: str | None = None) -> None:
    """Tell observers of a call in a trace that is no session's: the trace is its session."""
    trace = stage.trace
    clean = Cleaner(trace.recorder, trace.policy.capture)
    deliver(
        GenerationEvent(
            stage=stage.name,
            component=stage.component or events.UNKNOWN,
            data=clean(data)[0],
            error=clean.text(error),
            event_type=kind,
            session_id=trace.trace_id,
            duration_ms=None if kind == events.START else (trace.monotonic_ns() - stage._started) / 1e6,
            traceback=clean.text(stack),
            ts_ns=trace.recorder.now_ns(),
        )
    )


def _flat(outputs: dict[str, Any]) -> bool:
    """Return whether outputs are scalars, or dicts of scalars by texts: what `is_plain` says of more, said sooner."""
    for value in outputs.values():
        kind = type(value)
        if kind is dict:
            if not (_scalars(map(type, value.values())) and _texts(map(type, value))):
                return False
        elif kind not in _SCALARS:
            return False
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(value: Any) -> str | None:
    return value if type(value) is str and value else None


def _name_of_spec(value: Any) -> str | None:
    return _name(value.get("name") if isinstance(value, Mapping) else getattr(value, "name", None))


def _name_or_that_of(value: Any) -> str | None:
    return _name(value) or _name_of_spec(value)


def _component_name_of(value: Any) -> str | None:
    return _name(getattr(value, "component_name", None))


def _name_of(value: Any) -> str | None:
    return _name(getattr(value, "name", None))


_READ: Final[Mapping[str, Callable[[Any], str | None]]] = {
    "argument": _name,
    "component": _name_or_that_of,
    "spec": _name_of_spec,
    "self.component_name": _component_name_of,
    "name": _name,
    "self.name": _name_of,
}
_WEAK: Final = ("name", "self.name")
"""A `name` may be that of a template or a file: it counts where nothing else says whom it is about."""


def _sources(names: Mapping[str, tuple[int, Any]], bound: bool) -> tuple[tuple[str, str, int, Any], ...]:
    """Return where a component's name is looked for, in this order: (how, parameter, its position or -1, its default).

    Args:
        names: parameter → (position or -1, default or None).
        bound: the first parameter is `self` or `cls`.
    """
    found = [("argument", "component_name", *names["component_name"])] if "component_name" in names else []
    found += [("component", "component", *names["component"])] if "component" in names else []
    found += [("spec", "spec", *names["spec"])] if "spec" in names else []
    found += [("self.component_name", "self", 0, None)] if bound else []
    found += [("name", "name", *names["name"])] if "name" in names else []
    found += [("self.name", "self", 0, None)] if bound else []
    return tuple(found)
