"""Errors that programs raise, checks that fail, judgements that cannot be right."""

import asyncio
import errno
import json
import os
from contextlib import suppress

import whence
from tests.acceptance.scenes.scene import (
    NORTH,
    Scene,
    of,
    raise_if,
    stage,
    traced,
)
from whence.telemetry import hook_judge_evaluation_telemetry

# -- errors that are raised ------------------------------------------------------------------------------------------------


@of("A01-01", "planner")
def nobody_caught_it(scene: Scene) -> None:
    """A division by the number of results, of which there are none."""
    with stage(scene, "ranking", "planner"):
        results: list[float] = [] if scene.trouble else [0.5]
        sum(results) / len(results)


@of("A01-02", "loader")
def too_much_memory(scene: Scene) -> None:
    """A real MemoryError: more bytes than any machine has."""
    with stage(scene, "load", "loader"):
        bytearray(2**62 if scene.trouble else 2**10)


@of("A01-03", "fetcher")
def a_real_timeout(scene: Scene) -> None:
    """What is waited for does not come in time."""
    with stage(scene, "fetch", "fetcher"):
        asyncio.run(asyncio.wait_for(asyncio.sleep(0.05 if scene.trouble else 0), 0.001 if scene.trouble else 5))


@of("A01-07", "search")
def a_tool_that_fails(scene: Scene) -> None:
    """A tool, called and timed by a framework that reports to OpenTelemetry."""
    said = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    with (
        traced(scene) as tracer,
        suppress(ValueError),
        tracer.start_as_current_span("execute_tool search", attributes=said),
    ):
        raise_if(scene, ValueError("unknown argument 'limt'"))


@of("E01-01", "embedder")
def no_vector(scene: Scene) -> None:
    """The embedding model runs on a device that is not there."""
    with stage(scene, "embed", "embedder"):
        raise_if(scene, RuntimeError("No CUDA GPUs are available"))


@of("E01-02", "qdrant")
def vector_store_gone(scene: Scene) -> None:
    """Nobody listens where the vector store should."""
    with stage(scene, "retrieval", "qdrant"):
        raise_if(scene, ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)))


@of("I01-01", "intake")
def no_plan(scene: Scene) -> None:
    """What the model answered is no JSON."""
    with stage(scene, "intent", "intake"):
        json.loads("Sure! Here is the plan" if scene.trouble else '{"plan": []}')


@of("J01-02", "judge")
def judged_too_late(scene: Scene) -> None:
    """The decision did not come in time."""
    with stage(scene, "evaluation", "judge"):
        raise_if(scene, TimeoutError("no decision within 5 s"))


@of("O01-01", "publisher")
def not_written(scene: Scene) -> None:
    """A real OSError: where the report should be there is a directory."""
    with stage(scene, "publish", "publisher"):
        target = scene.directory if scene.trouble else scene.directory / "report.md"
        target.write_text("# Report")


@of("T01-01", "writer")
def no_answer(scene: Scene) -> None:
    """The provider is overloaded, and the client gives up."""
    with stage(scene, "synthesis", "writer"):
        error = RuntimeError("529 overloaded_error: Overloaded") if scene.trouble else None
        whence.llm_call("write", provider="anthropic", model="m-1", duration_s=0.4, error=error)


@of("T01-06", "writer")
def too_long_a_prompt(scene: Scene) -> None:
    """More was put into the prompt than the model takes."""
    with stage(scene, "synthesis", "writer"):
        raise_if(scene, ValueError("prompt is too long: 210411 tokens > 200000 maximum"))


@of("W01-01", "knowledge_graph")
def dangling_edge(scene: Scene) -> None:
    """An edge of the knowledge graph leads nowhere."""
    with stage(scene, "reason", "knowledge_graph"):
        nodes, edges = {"perovskite", "oxygen"}, [("perovskite", "oxigen" if scene.trouble else "oxygen")]
        for edge in edges:
            if not nodes.issuperset(edge):
                raise ValueError(f"invalid edge {edge}: a node is missing")


@of("W01-02", "tokenizer")
def one_token_for_two(scene: Scene) -> None:
    """Raised on purpose, by the program that knows."""
    scene.telemetry.log_event("tokenizer", "token_made", artifact_id="a-1")
    if scene.trouble:
        scene.telemetry.raise_code("VECTOR_TOKEN_COLLISION", "a-1 and a-2 have one token", "tokenizer", token="t-77")
    scene.telemetry.end_run()


@of("A01-04", "fetcher")
def the_same_again(scene: Scene) -> None:
    """Three pages cannot be fetched, for one reason."""
    with stage(scene, "fetch", "fetcher"):
        for page in (3, 17, 29) if scene.trouble else ():
            whence.event("fetch_failed", f"page {page}: certificate expired", level="high")
            scene.spend(0.2)
        raise_if(scene, ValueError("too few pages"))


@of("A01-05", "fetcher")
def one_leads_to_another(scene: Scene) -> None:
    """The collector fails because the fetcher did."""
    with scene.run(), whence.stage("collection", "collector"):
        scene.spend(0.2)
        try:
            with whence.stage("fetch", "fetcher"):
                scene.spend(0.2)
                if scene.trouble:
                    raise ConnectionResetError("connection reset by peer")
        except ConnectionResetError as exc:
            raise ValueError("no document to read") from exc


@of("A01-06", "storage")
def most_are_critical(scene: Scene) -> None:
    """Five errors, of which three are critical."""
    with stage(scene, "archive", "storage"):
        levels = ("critical", "critical", "critical", "high", "high") if scene.trouble else ("low",) * 5
        for number, level in enumerate(levels):
            words = ("disk", "index", "journal", "cache", "mirror")[number]
            whence.event("damaged", f"the {words} is damaged", level=level)
            scene.spend(0.1)
        raise_if(scene, ValueError("nothing can be archived"))


# -- checks, judgements ----------------------------------------------------------------------------------------------------


@of("T01-02", "coder")
def no_python(scene: Scene) -> None:
    """Generated code that does not compile."""
    with stage(scene, "generate", "coder"):
        code = "def add(a, b:\n    return a + b\n" if scene.trouble else "def add(a, b):\n    return a + b\n"
        found: list[SyntaxError] = []
        try:
            compile(code, "store.py", "exec")
        except SyntaxError as exc:
            found.append(exc)
        failures = [{"type": "SyntaxError", "message": each.msg, "line": each.lineno} for each in found]
        whence.check("compiles", not found, type="syntax", subject="store.py", content=code, failures=failures)


@of("T01-07", "coder")
def imports_nothing(scene: Scene) -> None:
    """Generated code that imports what there is not."""
    with stage(scene, "generate", "coder"):
        failures = [{"type": "ModuleNotFoundError", "message": "No module named 'reqests'", "line": 1}]
        found = failures if scene.trouble else []
        whence.check("imports", not found, type="import", subject="client.py", failures=found)


@of("A01-08", "coder")
def tests_fail(scene: Scene) -> None:
    """The tests of generated code fail."""
    with stage(scene, "generate", "coder"):
        found = [{"type": "AssertionError", "message": "add(1, 1) is 3"}] if scene.trouble else []
        whence.check("unit_tests", not found, type="test", subject="store.py", failures=found)


@of("J01-01", "Judge")
def a_weight_of_minus_one(scene: Scene) -> None:
    """The weights of a judgement were filled in wrongly."""
    weights = {"safety": -1.0 if scene.trouble else 1.0, "speed": 0.5}
    scores = {"safety": 0.7, "speed": 0.6}
    scene.telemetry.log_event("Judge", "action_evaluation", metadata={"weights": weights, "scores": scores})
    scene.telemetry.end_run()


@of("J01-03", "Judge")
def torn(scene: Scene) -> None:
    """Approved, although one objective is as bad as another is good."""
    scores = {"utility": 0.95, "safety": 0.1 if scene.trouble else 0.8}
    hook_judge_evaluation_telemetry(scene.telemetry, "deploy", NORTH, scores, 0.6, approved=True)
    scene.telemetry.end_run()


@of("J01-04", "judge")
def below_the_gate(scene: Scene) -> None:
    """The quality gate says no."""
    with scene.run(), whence.stage("quality_gate", "judge") as gate:
        gate.outputs.update(passed=not scene.trouble, overall_score=1.4 if scene.trouble else 2.6)
