"""How a client's calls are seen: three methods of the base class that both libraries are generated upon.

`request` is where every resource of a client ends up (create, parse, stream, raw and streaming responses), sync or async,
with the request as it was meant and before any retry: a call begins there, and its exceptions come out of there.
`_sleep_for_retry` tells of each retry. `_process_response` has the answer before it is turned into anything: what is read
is read there, of its bytes, so that the objects the caller gets are those that the library makes, untouched.
Patching each resource's `create` would see neither retries nor answers that are read raw, and there are dozens of them.
"""

import functools
import threading
import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from whence.errors import BadInput
from whence.instrument._underway import Reply, Underway
from whence.record import otel
from whence.record.context import current_trace
from whence.record.guard import not_started

DEEPEST: Final = 50
_NOT_SAID: Final = ("Omit", "NotGiven")
"""Arguments that were left out, as both libraries hand them on."""
_underway: ContextVar[Underway | None] = ContextVar("whence_llm_call", default=None)


class Asked(NamedTuple):
    """What a client is about to ask."""

    client: Any
    path: str
    body: dict[str, Any]
    stream: bool


class Described(NamedTuple):
    """A call that is to be recorded: the fields of its request, and what will read its answer."""

    fields: dict[str, Any]
    reply: Reply


class Door:
    """The instrumentation of one library; it can be put in and taken out any number of times."""

    def __init__(
        self, library: str, classes: Callable[[], tuple[type, type]], describe: Callable[[Asked], Described | None]
    ) -> None:
        self._library = library
        self._classes = classes
        self._describe = describe
        self._everyone = False
        self._only: weakref.WeakSet[Any] = weakref.WeakSet()
        self._patched: dict[tuple[type, str], tuple[Any, Any]] = {}  # (class, name): what was there, ours
        self._turn = threading.Lock()

    def install(self, client: Any = None) -> None:
        """Record the calls of all clients, or of this one as well; doing it twice changes nothing.

        Raises:
            BadInput: the library is not installed, is of a version whose inside is not known, or `client` is not its.
        """
        with self._turn:
            try:
                bases = [_base(each) for each in self._classes()]
            except ImportError as exc:
                raise BadInput(f"{self._library} is not installed ({exc}); pip install {self._library}") from None
            except LookupError:
                raise BadInput(
                    f"this version of {self._library} cannot be instrumented; update it, or whence"
                ) from None
            if client is None:
                self._everyone = True
            elif isinstance(client, tuple(bases)):
                self._only.add(client)
            else:
                raise BadInput(f"{type(client).__name__} is no client of {self._library}")
            for base, is_async in zip(bases, (False, True), strict=True):
                self._patch(base, "request", self._asking_async if is_async else self._asking)
                self._patch(base, "_sleep_for_retry", self._waiting)
                self._patch(base, "_process_response", self._answering)

    def remove(self) -> None:
        """Record no more calls, and put back what was there; doing it twice changes nothing.

        Where another library has wrapped ours meanwhile, ours stays underneath it and does nothing.
        """
        with self._turn:
            self._everyone = False
            self._only.clear()
            for (base, name), (original, ours) in list(self._patched.items()):
                if vars(base).get(name) is ours:
                    setattr(base, name, original)
                    del self._patched[base, name]

    def _patch(self, base: type, name: str, wrapper: Callable[[Any], Any]) -> None:
        if (base, name) in self._patched:
            return
        original = vars(base)[name]
        ours = wrapper(original)
        self._patched[base, name] = (original, ours)
        setattr(base, name, ours)

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Underway | None:
        """Return what records the call, None where nothing does. Before the client has asked anything, so it never raises."""
        trace = None
        try:
            if not (self._everyone or client in self._only):
                return None
            trace = current_trace()
            if not trace or otel.tells_of_a_call():
                return None
            options = kwargs["options"] if "options" in kwargs else args[1]
            if str(options.method).lower() != "post" or not isinstance(options.json_data, Mapping):
                return None
            extra = getattr(options, "extra_json", None)
            said = {**options.json_data, **(extra if isinstance(extra, Mapping) else {})}
            body = {name: value for name, value in said.items() if type(value).__name__ not in _NOT_SAID}
            path = str(options.url).partition("?")[0].rstrip("/")
            described = self._describe(Asked(client, path, body, bool(kwargs.get("stream", False))))
            if described is None:
                return None
            fields = {"request_model": body.get("model"), "model": body.get("model"), **described.fields}
            call = trace.llm(fields.get("operation") or "llm", **fields)
            return Underway(call, described.reply) if call.open else None
        except Exception as exc:  # noqa: BLE001 - a call that cannot be recorded is a call all the same
            if trace is not None:
                trace.refused("instrument", exc)
            else:
                not_started(exc)
            return None

    def _asking(self, original: Any) -> Any:
        @functools.wraps(original)
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            underway, outer = self._begin(client, args, kwargs), _underway.get()
            if underway is None and outer is None:
                return original(client, *args, **kwargs)
            _underway.set(underway)
            try:
                result = original(client, *args, **kwargs)
            except BaseException as error:
                if underway is not None:
                    underway.failed(error)
                raise
            finally:
                _underway.set(outer)
            if underway is not None:
                underway.returned(result)
            return result

        return request

    def _asking_async(self, original: Any) -> Any:
        @functools.wraps(original)
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            underway, outer = self._begin(client, args, kwargs), _underway.get()
            if underway is None and outer is None:
                return await original(client, *args, **kwargs)
            _underway.set(underway)
            try:
                result = await original(client, *args, **kwargs)
            except BaseException as error:
                if underway is not None:
                    underway.failed(error)
                raise
            finally:
                _underway.set(outer)
            if underway is not None:
                underway.returned(result)
            return result

        return request

    # The two below return what the original returns, of the async class a coroutine.

    def _waiting(self, original: Any) -> Any:
        @functools.wraps(original)
        def sleep_for_retry(client: Any, *args: Any, **kwargs: Any) -> Any:
            underway = _underway.get()
            if underway is not None:
                underway.retried()
            return original(client, *args, **kwargs)

        return sleep_for_retry

    def _answering(self, original: Any) -> Any:
        @functools.wraps(original)
        def process_response(client: Any, *args: Any, **kwargs: Any) -> Any:
            underway = _underway.get()
            if underway is not None and "response" in kwargs:
                underway.answered(client, kwargs["response"])
            return original(client, *args, **kwargs)

        return process_response


def _base(client_class: type) -> type:
    """Return the class whose methods are patched; raises LookupError where its inside is not as it is known."""
    for base in client_class.__mro__:
        if {"request", "_sleep_for_retry", "_process_response"} <= vars(base).keys():
            return base
    raise LookupError(client_class.__name__)


def server_of(client: Any) -> str | None:
    """Return the host and port that a client asks; nothing else of its address, which may hold a secret."""
    url = getattr(client, "base_url", None)
    host = getattr(url, "host", None)
    if not isinstance(host, str) or not host:
        return None
    port = getattr(url, "port", None)
    return f"{host}:{port}" if isinstance(port, int) else host


def plain(value: Any, depth: int = 0) -> Any:
    """Return a copy of a part of a request in plain Python.

    Nothing is iterated that can be iterated only once: it is the request that needs it. Its type stands for it.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if depth > DEEPEST:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        kept = {key: each for key, each in value.items() if type(each).__name__ not in _NOT_SAID}
        return {str(key): plain(each, depth + 1) for key, each in kept.items()}
    if isinstance(value, list | tuple):
        return [plain(each, depth + 1) for each in value]
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return plain(dump(mode="json", exclude_none=True), depth + 1)
    return f"<{type(value).__name__}>"
