"""E15: `@observable` on everything that can be called, nested and fifty at once, read back from the store."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import whence
from whence.generation import GenerationLogger, observable
from whence.runtime.runtime import Runtime


class Broken(Exception):
    """What the pipeline raises."""


class Pipeline:
    """A generator of components, decorated as the original design shows (phase 1)."""

    name = "pipeline"

    @observable("component_generation_run")
    async def generate_component(self, name: str, spec: dict[str, Any]) -> str:
        prompt = self.create_prompt(spec)
        chunks = [chunk async for chunk in self.call_llm(prompt)]
        code = "".join(self.apply_template(chunk) for chunk in chunks)
        self.validate_syntax(code)
        return self.finish(code)

    @observable("llm_prompt")
    def create_prompt(self, spec: dict[str, Any]) -> str:
        return f"Generate {spec['name']}"

    @observable("llm_response")
    async def call_llm(self, prompt: str) -> AsyncIterator[str]:
        for word in prompt.split():
            await asyncio.sleep(0)
            yield word

    @observable("template_render")
    def render(self, chunk: str) -> Iterator[str]:
        yield chunk
        yield "\n"

    def apply_template(self, chunk: str) -> str:
        return "".join(self.render(chunk))

    @staticmethod
    @observable("validation")
    def validate_syntax(code: str) -> None:
        if "bad" in code:
            raise Broken(f"cannot parse {code!r}")

    @classmethod
    @observable("finish")
    def finish(cls, code: str) -> str:
        return code.strip()


STAGES = ("component_generation_run", "llm_prompt", "llm_response", "template_render", "validation", "finish")


async def test_the_decorated_pipeline(runtime: Runtime) -> None:
    """Every stage has its start and its end, its duration, and the component, though nobody gave it by keyword."""
    async with GenerationLogger(project="shop") as logger:
        assert await Pipeline().generate_component("todo_store", {"name": "todo"}) == "Generate\ntodo"
        summary = logger.generate_summary()

    view = runtime.view(logger.trace.otel_trace_id)
    assert set(STAGES) <= set(view.stages)
    for name in STAGES:
        for attempt in view.stages[name].attempts:
            assert attempt.start_record
            assert attempt.end_record
            assert attempt.duration_ns is not None
            assert attempt.error is None
    run = view.stages["component_generation_run"].attempts[0]
    inside = [attempt for name in STAGES[1:] for attempt in view.stages[name].attempts]
    assert all(attempt.duration_ns <= run.duration_ns for attempt in inside)  # type: ignore[operator]
    assert len(view.stages["template_render"].attempts) == 2
    store = runtime.store()
    components = {each.component for each in store.trace_records(logger.trace.otel_trace_id) if each.stage in STAGES}
    assert components == {"todo"}
    assert {name: summary["stages"][name]["count"] for name in STAGES} == {
        **dict.fromkeys(STAGES, 1),
        "template_render": 2,
    }


async def test_fifty_parallel_runs_of_one_component(runtime: Runtime) -> None:
    """Starts and ends match, and each run's parts are its own."""
    async with GenerationLogger() as logger:
        pipeline = Pipeline()
        runs = [pipeline.generate_component("n", {"name": "todo", "number": number}) for number in range(50)]
        assert len(await asyncio.gather(*runs)) == 50

    records = list(runtime.ready_store().trace_records(logger.trace.otel_trace_id))
    starts = {each.span: each for each in records if each.kind == "span.start"}
    ends = {each.span: each for each in records if each.kind == "span.end"}
    assert set(starts) == set(ends)
    assert all(starts[span].parent == ends[span].parent for span in starts)
    assert all(starts[span].record_id < ends[span].record_id for span in starts)
    whole = {span for span, each in starts.items() if each.name == "component_generation_run"}
    assert len(whole) == 50
    for name in STAGES[1:]:
        parents = [each.parent for each in starts.values() if each.name == name]
        each_has = 2 if name == "template_render" else 1
        assert sorted(parents) == sorted(parent for parent in whole for _ in range(each_has))


async def test_an_exception_goes_through_all_of_it_unchanged(runtime: Runtime) -> None:
    async with GenerationLogger() as logger:
        with pytest.raises(Broken, match="cannot parse") as caught:
            await Pipeline().generate_component("n", {"name": "bad"})

    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[-1] == "validate_syntax"
    assert "generate_component" in frames
    assert caught.value.__context__ is None
    view = runtime.view(logger.trace.otel_trace_id)
    for name in ("validation", "component_generation_run"):
        error = view.stages[name].error
        assert (error["type"], error["message"]) == ("Broken", "cannot parse 'Generate\\nbad\\n'")
    told = view.stages["validation"].error
    assert "in validate_syntax" in str(told["traceback"]) or "content_sha256" in told["traceback"]
    assert view.stages["component_generation_run"].error["same_as"] == view.stages["validation"].attempts[0].end_record
    assert view.stages["llm_prompt"].error is None
    assert logger.generate_summary()["total_errors"] == 1
    assert view.status == "complete"
    assert whence.current_trace() is None
