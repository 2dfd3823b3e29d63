"""SQLite's method: let the N-th call of something inside fail, for N = 1, 2, 3 … until none is left to fail.

The host's program gives the same result every time, and what was not recorded is counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import whence
from tests.faults.conftest import Say
from tests.faults.oracle import accounted, alive, drain, spooled_ids
from whence.clock import SystemClock
from whence.collect.drainer import Drainer, read_ledger
from whence.record import recorder as recorder_module
from whence.record import spool as spool_module
from whence.runtime.runtime import Runtime, configure
from whence.runtime.settings import Settings
from whence.tracing import TraceContext

MOST = 200  # more calls than any of these makes in the program below


def pipeline(questions: list[str]) -> list[Any]:
    """A host's program that uses every part of the recording doors, and whose result does not depend on them."""
    answers: list[Any] = []
    with TraceContext.start(project_name="host", query=questions[0]) as trace:
        trace.start_stage("intake")
        for number, question in enumerate(questions):
            with whence.stage("answer") as stage:
                answer = hashlib.sha256(question.encode()).hexdigest()[:8]
                stage.decision("choose", what=answer, why="the hash says so", confidence=0.5, inputs={"n": number})
                whence.event("chosen", answer, level=2)
                trace.record("intake", "secret", {"what": "mail jane.roe@example.com", "odd": float("nan")})
                answers.append(answer)
        trace.record_prompts("intake", {"system_prompt": "long text " * 400})
        trace.record_iteration({"passed": False})
        trace.llm_call(model="m", prompt="p", response="r", input_tokens=1)
        trace.set_outputs({"report_path": "/nowhere/report.md"})
        trace.end_stage("intake", {"n": len(questions)})
        try:
            with trace.stage("fails"):
                raise LookupError("the host's own")
        except LookupError as exc:
            answers.append(str(exc))
        trace.mark_complete()
    answers.append(asyncio.run(_finished(questions)))
    return answers


async def _finished(questions: list[str]) -> int:
    trace = TraceContext.start(project_name="host", query=questions[-1])
    trace.record("s", "d", {"what": 1})
    await TraceContext.finish(trace)
    return len(questions)


QUESTIONS = ["first?", "second?", "third?"]


class Failing:
    """Stands in for a function and raises at the N-th call, once or from then on."""

    def __init__(self, real: Callable[..., Any], error: BaseException, at: int, times: int) -> None:
        self.real, self.error, self.at, self.times = real, error, at, times
        self.calls = 0
        self.raised = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.at <= self.calls < self.at + self.times:
            self.raised += 1
            raise self.error
        return self.real(*args, **kwargs)


Install = Callable[[Runtime, "pytest.MonkeyPatch", Callable[[Callable[..., Any]], Failing]], Failing]


def on_module(module: Any, name: str) -> Install:
    def install(built: Runtime, patch: pytest.MonkeyPatch, fail: Callable[[Callable[..., Any]], Failing]) -> Failing:
        failing = fail(getattr(module, name))
        patch.setattr(module, name, failing)
        return failing

    return install


def on_clock(name: str) -> Install:
    def install(built: Runtime, patch: pytest.MonkeyPatch, fail: Callable[[Callable[..., Any]], Failing]) -> Failing:
        clock = Clock(built.recorder.clock)
        failing = fail(getattr(clock, name))
        setattr(clock, name, failing)
        built.recorder.clock = clock
        built.recorder.now_ns = clock.now_ns
        built.recorder._new_id = clock.record_id
        return failing

    return install


class Clock:
    """A clock whose methods can be replaced."""

    def __init__(self, real: Any) -> None:
        for name in ("now_ns", "monotonic_ns", "record_id", "span_id", "otel_trace_id"):
            setattr(self, name, getattr(real, name))


def on_store(name: str) -> Install:
    def install(built: Runtime, patch: pytest.MonkeyPatch, fail: Callable[[Callable[..., Any]], Failing]) -> Failing:
        store = built.store()
        failing = fail(getattr(store, name))
        patch.setattr(store, name, failing)
        return failing

    return install


def on_policy(built: Runtime, patch: pytest.MonkeyPatch, fail: Callable[[Callable[..., Any]], Failing]) -> Failing:
    import msgspec

    failing = fail(built.recorder.settings.policy)
    built.recorder.settings = msgspec.structs.replace(built.recorder.settings, policy=failing)
    return failing


SITES: dict[str, tuple[Install, BaseException]] = {
    "write-OSError": (on_module(spool_module, "_write"), OSError(5, "injected")),
    "write-MemoryError": (on_module(spool_module, "_write"), MemoryError()),
    "crc32": (on_module(spool_module, "crc32"), MemoryError()),
    "encode": (on_module(recorder_module, "_encode"), MemoryError()),
    "encode-RecursionError": (on_module(recorder_module, "_encode"), RecursionError("injected")),
    "redactor": (on_module(recorder_module, "clean"), RuntimeError("injected")),
    "prefilter": (on_module(recorder_module, "suspicious"), RuntimeError("injected")),
    "record-id": (on_clock("record_id"), RuntimeError("injected")),
    "wall-clock": (on_clock("now_ns"), OSError(75, "injected")),
    "monotonic-clock": (on_clock("monotonic_ns"), OSError(75, "injected")),
    "span-id": (on_clock("span_id"), OSError(5, "no randomness")),
    "trace-id": (on_clock("otel_trace_id"), OSError(5, "no randomness")),
    "policy": (on_policy, RuntimeError("injected")),
    "store-accept": (on_store("accept"), sqlite3.OperationalError("injected")),
    "store-trace": (on_store("trace"), OSError(5, "injected")),
    "store-findings": (on_store("findings"), RuntimeError("injected")),
    "store-content": (on_store("content"), RuntimeError("injected")),
    "os.open": (on_module(os, "open"), OSError(24, "injected")),
    "os.replace": (on_module(os, "replace"), OSError(28, "injected")),
}


@pytest.fixture
def no_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The host's log stays as it is; what we say there is said once a minute."""
    logging.getLogger("whence").addHandler(logging.NullHandler())
    return


@pytest.mark.parametrize("site", SITES)
def test_the_nth_call_fails(tmp_path: Path, no_log: None, say: Say, site: str) -> None:
    """Once and for good, from the first call to the last: the same answers, exact accounts, and recording afterwards."""
    install, error = SITES[site]
    expected = [hashlib.sha256(each.encode()).hexdigest()[:8] for each in QUESTIONS] + ["the host's own", 3]
    cases = raised = counted = dropped = 0
    for times in (1, 10**9):
        for at in range(1, MOST):
            data = tmp_path / f"{times}-{at}"
            built = configure(Settings(data=data, documents=data, drain_budget_s=5.0))
            built.recorder.spool.settings = _impatient(built)
            as_built = built.recorder.settings
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Drainer, "_remove", lambda *_, **__: None)  # so that all that was written can be counted
                failing = install(built, patch, lambda real, at=at, times=times: Failing(real, error, at, times))
                assert pipeline(QUESTIONS) == expected, (site, at)
            cases += 1
            raised += failing.raised
            stats = whence.stats()
            counted += stats["internal_errors"] + stats["emitted"] - stats["written"]
            built.recorder.settings, built.recorder.clock = as_built, SystemClock()
            built.recorder.now_ns, built.recorder._new_id = built.recorder.clock.now_ns, built.recorder.clock.record_id
            built.recorder.spool.wake()
            dropped += accounted(stats, len(spooled_ids(data)))
            alive()
            built.close()
            if not failing.raised:
                break
    assert raised > 0
    say(f"{cases} cases, {raised} failures, {counted} counted, {dropped} records dropped")


def _impatient(built: Runtime) -> Any:
    import msgspec

    return msgspec.structs.replace(built.recorder.spool.settings, retry_s=0.0)


class Hostile:
    """An object whose every protocol fails."""

    __hash__ = None  # type: ignore[assignment]

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __float__(self) -> float:
        raise RuntimeError("float")

    def __int__(self) -> int:
        raise RuntimeError("int")


class OddFloat(float):
    """A number that cannot be compared."""

    def __le__(self, other: object) -> bool:
        raise RuntimeError("le")

    __lt__ = __ge__ = __gt__ = __ne__ = __le__  # type: ignore[assignment]


class OddError(Exception):
    """An exception that cannot be looked at."""

    @property
    def args(self) -> Any:  # type: ignore[override]
        raise RuntimeError("args")


ODD: dict[str, Callable[[], Any]] = {
    "list": lambda: ["unhashable"],
    "dict": lambda: {"un": "hashable"},
    "hostile": Hostile,
    "odd-float": lambda: OddFloat(0.5),
    "word": lambda: "many",
    "bytes": lambda: b"bytes",
    "none": lambda: None,
    "number": lambda: -1,
    "surrogate": lambda: "\ud800",
}


def _calls(odd: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield every public recording call, with something odd in each place."""
    trace = TraceContext.start(project_name="doors")
    stage = trace.stage("s")
    yield (
        "start",
        lambda: TraceContext.start(odd, odd, odd, odd, odd, odd, odd, parent_trace_id=odd, traceparent=odd).end(),
    )
    yield "whence.trace", lambda: whence.trace(odd, query=odd, intent=odd, domain=odd, traceparent=odd, more=odd).end()
    yield "record-stage", lambda: trace.record(odd, "d", {})
    yield "record-name", lambda: trace.record("s", odd, {})
    yield "record-data", lambda: trace.record("s", "d", odd)
    yield "record-confidence", lambda: trace.record("s", "d", {"confidence": odd, "alternatives_considered": odd})
    yield "start_stage", lambda: trace.start_stage(odd)
    yield "end_stage", lambda: trace.end_stage(odd, odd, odd)
    yield "end_stage-2", lambda: trace.end_stage("s", odd, odd)
    yield "record_evidence", lambda: trace.record_evidence(odd, odd)
    yield "record_prompts", lambda: trace.record_prompts(odd, odd)
    yield "record_iteration", lambda: trace.record_iteration(odd)
    yield "record_iteration-2", lambda: trace.record_iteration({"passed": odd, "quality_gate_result": odd})
    yield "set_outputs", lambda: trace.set_outputs(odd)
    yield "add_child_trace", lambda: trace.add_child_trace(odd, odd, odd)
    yield "mark_failed", lambda: trace.mark_failed(odd)
    yield "mark", lambda: trace.mark(odd, odd)
    yield "event", lambda: trace.event(odd, odd, level=odd, stage=odd, more=odd)
    yield "decision", lambda: trace.decision(odd, odd, odd, odd, odd, odd, stage=odd, more=odd)
    yield "stage", lambda: _in_stage(trace, odd)
    yield "stage.event", lambda: stage.event(odd, odd, level=odd)
    yield "stage.decision", lambda: stage.decision(odd, odd, odd, odd, odd, odd)
    yield (
        "llm_call",
        lambda: trace.llm_call(
            odd, model=odd, prompt=odd, input_tokens=odd, output_tokens=odd, cost_usd=odd, duration_s=odd, error=odd
        ),
    )
    yield "whence.stage", lambda: whence.stage(odd)
    yield "whence.event", lambda: whence.event(odd, odd, level=odd)
    yield "whence.decision", lambda: whence.decision(odd, odd, odd, odd, odd, odd)
    yield "whence.llm_call", lambda: whence.llm_call(odd, duration_s=odd)
    yield "end", lambda: trace.end(odd)
    yield "finish", lambda: TraceContext.finish_sync(trace)


def _in_stage(trace: Any, odd: Any) -> None:
    with trace.stage(odd) as stage:
        stage.end(odd, odd)


@pytest.mark.parametrize("odd", ODD)
def test_no_call_raises_whatever_it_is_given(tmp_path: Path, no_log: None, say: Say, odd: str) -> None:
    """A caller's slip (a list for a name, a word for a number) costs at most the record in which it is."""
    data = tmp_path / "data"
    built = configure(Settings(data=data, documents=data))
    raised = []
    for name, call in _calls(ODD[odd]()):
        try:
            call()
        except Exception as exc:
            raised.append(f"{name}: {type(exc).__name__}")

    assert not raised, f"{len(raised)} calls raise: {', '.join(raised)}"
    accounted(whence.stats(), len(spooled_ids(data)))
    alive()
    built.close()
    say(f"{whence.stats()['internal_errors']} counted")


@pytest.mark.parametrize(
    "error", [OddError(), OddError("text"), KeyError(Hostile()), ValueError("\ud800")], ids=range(4)
)
def test_an_odd_exception_goes_on_unchanged(tmp_path: Path, no_log: None, error: Exception) -> None:
    """Whatever leaves the block is what arrives outside."""
    built = configure(Settings(data=tmp_path, documents=tmp_path))
    caught = None
    try:
        with whence.trace("odd") as trace, trace.stage("s"):
            raise error
    except Exception as exc:
        caught = exc

    assert caught is error
    assert whence.current_trace() is None
    alive()
    built.close()


def test_recording_near_the_recursion_limit(tmp_path: Path, no_log: None, say: Say) -> None:
    """Where the host has hardly any stack left, its own calls still work; ours are counted if they do not fit."""
    built = configure(Settings(data=tmp_path, documents=tmp_path))
    with whence.trace("deep") as trace:

        def down(left: int) -> int:
            if left == 0:
                trace.decision("deep", what=1, inputs={"secret": "mail jane.roe@example.com"})
                return 0
            return down(left - 1) + 1

        limit = sys.getrecursionlimit()
        deepest = 0
        for left in range(limit - 400, limit):
            try:
                assert down(left) == left
                deepest = left
            except RecursionError:
                break
        host_alone = _deepest_alone(limit)

    stats = whence.stats()
    # The counting itself may find no stack left: then a record is missing from the drops, and never one from the spool.
    assert 0 <= stats["written"] - len(spooled_ids(tmp_path)) <= stats["internal_errors"]
    assert host_alone - deepest <= 12, "a record took stack that the host needed"
    alive()
    built.close()
    drain(tmp_path)
    ledger = read_ledger(tmp_path / "spool")  # the drainer counts what the process found no stack to count
    dropped = sum(sum(classes.values()) for classes in ledger.dropped.values())
    assert ledger.emitted >= stats["emitted"]
    assert ledger.emitted == ledger.drained + dropped + ledger.unexplained
    say(f"{deepest} deep, {host_alone} without us, {whence.stats()['internal_errors']} counted")


def _deepest_alone(limit: int) -> int:
    """Return how deep the same function goes when it records nothing."""

    def nothing() -> None:
        return None

    def down(left: int) -> int:
        if left == 0:
            nothing()
            return 0
        return down(left - 1) + 1

    deepest = 0
    for left in range(limit - 400, limit):
        try:
            down(left)
            deepest = left
        except RecursionError:
            break
    return deepest
