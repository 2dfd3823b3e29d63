"""Hand-overs observed by a call, and by a decorator that changes nothing of the function it is put on."""

import asyncio
import inspect
import json
from typing import Any

import pydantic
import pytest

from tests.telemetry.reading import rows
from whence.runtime.runtime import Runtime
from whence.telemetry import init_telemetry, observe_handoff


class Solution(pydantic.BaseModel):
    code: str
    test_plan: str


@pytest.fixture(autouse=True)
def telemetry(runtime: Runtime) -> None:
    init_telemetry()


def checks(runtime: Runtime) -> list[dict[str, Any]]:
    found = rows(runtime, "SELECT name, component, payload FROM records WHERE kind = 'check' ORDER BY n")
    return [{**json.loads(row["payload"]), "name": row["name"], "component": row["component"]} for row in found]


def test_a_call_returns_the_gap(runtime: Runtime) -> None:
    gap = observe_handoff("CoderAgent", "TesterAgent", {"code": "x"}, expects=Solution)

    assert gap is not None
    assert (gap.missing_fields, gap.artifact_type) == (["test_plan"], "Solution")
    assert observe_handoff("CoderAgent", "TesterAgent", Solution(code="x", test_plan="y"), Solution) is None
    assert [(each["type"], each["passed"]) for each in checks(runtime)] == [("interface", False), ("interface", True)]


def test_a_decorated_function_hands_over_what_it_returns(runtime: Runtime) -> None:
    @observe_handoff("CoderAgent", "TesterAgent", expects=Solution)
    def generate(task: str, *, tries: int = 1) -> dict[str, str]:
        """Generate."""
        return {"code": task * tries}

    assert generate("x", tries=2) == {"code": "xx"}
    assert (generate.__name__, generate.__doc__, str(inspect.signature(generate))) == (
        *("generate", "Generate."),
        "(task: str, *, tries: int = 1) -> dict[str, str]",
    )
    (check,) = checks(runtime)
    assert (check["component"], check["subject"], check["name"]) == ("CoderAgent", "TesterAgent", "Solution")
    assert check["attributes"]["missing_fields"] == ["test_plan"]


def test_an_async_function_too(runtime: Runtime) -> None:
    @observe_handoff("CoderAgent", "TesterAgent", expects=Solution)
    async def generate() -> dict[str, str]:
        await asyncio.sleep(0)
        return {"code": "x", "test_plan": "y"}

    assert inspect.iscoroutinefunction(generate)
    assert asyncio.run(generate()) == {"code": "x", "test_plan": "y"}
    assert [check["passed"] for check in checks(runtime)] == [True]


@pytest.mark.parametrize(
    "call", [lambda run: run({"code": "x"}), lambda run: run(artifact={"code": "x"}), lambda run: run()]
)
def test_a_named_argument_is_what_is_handed_to_the_function(runtime: Runtime, call: Any) -> None:
    @observe_handoff("CoderAgent", "TesterAgent", expects=Solution, argument="artifact")
    def run_tests(artifact: Any = ("the default",)) -> str:
        return "done"

    assert call(run_tests) == "done"
    (check,) = checks(runtime)
    assert check["passed"] is False


def test_an_exception_of_the_function_goes_on_and_nothing_is_handed_over(runtime: Runtime) -> None:
    @observe_handoff("CoderAgent", "TesterAgent", expects=Solution)
    def generate() -> None:
        raise KeyError("the host's own")

    with pytest.raises(KeyError, match="the host's own"):
        generate()
    assert checks(runtime) == []


def test_without_a_contract_the_structure_is_recorded_from_which_one_is_inferred(runtime: Runtime) -> None:
    assert observe_handoff("Loader", "Ranker", {"rows": [{"id": 1}]}) is None

    (check,) = checks(runtime)
    assert "passed" not in check
    assert "expected" not in check
    assert check["actual"]["properties"]["rows"]["items"]["properties"] == {"id": {"type": "integer"}}


def test_a_change_of_what_is_usually_handed_over_is_found_without_any_contract(runtime: Runtime) -> None:
    import whence

    def once(artifact: dict[str, Any]) -> None:
        with whence.trace(project="shop"):
            observe_handoff("Loader", "Ranker", artifact, artifact_type="rows")

    for _ in range(6):
        once({"id": 1, "price": 2.5})
        runtime.drain()
    once({"id": 1, "cost": 2.5})
    runtime.drain()

    assert "I01-05" in {each.finding.code for each in runtime.store().findings()}


class Hostile:
    """Whoever looks at it runs its code."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("do not look")


@pytest.mark.parametrize("artifact", [None, 3, "text", Hostile, float("nan"), [1, [2]], {1: {2: 3}}], ids=str)
def test_any_artifact_can_be_handed_over(runtime: Runtime, artifact: Any) -> None:
    artifact = Hostile() if artifact is Hostile else artifact

    @observe_handoff("A", "B", expects=Solution)
    def give() -> Any:
        return artifact

    assert give() is artifact
    assert len(checks(runtime)) == 1


def test_a_contract_that_is_none_stops_nobody(runtime: Runtime) -> None:
    @observe_handoff("A", "B", expects={"type": "object", "properties": {"a": {"type": "nonsense"}}})
    def give() -> int:
        return 1

    assert give() == 1
    (check,) = checks(runtime)
    assert "passed" not in check
    assert "nonsense" in check["error"]["message"]
