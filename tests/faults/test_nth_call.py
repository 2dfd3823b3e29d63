"""SQLite's method: let the N-th call of something inside fail, for N = 1, 2, 3 … until none is left to fail.

The host's program gives the same result every time, and what was not recorded is counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import whence
from tests.faults.conftest import Say
from tests.faults.oracle import accounted, alive, spooled_ids
from whence.collect.drainer import Drainer
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
    yield


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
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Drainer, "_remove", lambda *_, **__: None)  # so that all that was written can be counted
                failing = install(built, patch, lambda real, at=at, times=times: Failing(real, error, at, times))
                assert pipeline(QUESTIONS) == expected, (site, at)
            cases += 1
            raised += failing.raised
            stats = whence.stats()
            counted += stats["internal_errors"] + stats["emitted"] - stats["written"]
            built.recorder.clock = _real_clock()
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


def _real_clock() -> Any:
    from whence.clock import SystemClock

    return SystemClock()

