"""What components have between them: vectors, interfaces, states."""

from typing import Any, Final

from tests.acceptance.scenes.scene import NORTH, Scene, of, stage

NEAR: Final = [0.95, 0.3, *[0.0] * 766]
ASIDE: Final = [0.7, 0.714, *[0.0] * 766]
AWAY: Final = [0.1, 0.99, *[0.0] * 766]


# -- vectors ---------------------------------------------------------------------------------------------------------------


def generated(scene: Scene, vector: list[float]) -> None:
    """An output beside its specification."""
    scene.telemetry.track_transformer_diff(NORTH, vector, NORTH, "solution.py", "p-1", "g-1", component="CoderAgent")
    scene.telemetry.end_run()


@of("T01-04", "CoderAgent")
def drifted(scene: Scene) -> None:
    """An output that is off its specification."""
    generated(scene, ASIDE if scene.trouble else NEAR)


@of("T01-05", "CoderAgent")
def missed(scene: Scene) -> None:
    """An output about something else."""
    generated(scene, AWAY if scene.trouble else NEAR)


@of("T01-03", "CoderAgent")
def one_dimension_less(scene: Scene) -> None:
    """What came out has 767 dimensions, what went in 768."""
    output = NEAR[:767] if scene.trouble else NEAR
    scene.telemetry.log_event("CoderAgent", "code_generation_complete", NORTH, output, artifact_id="a-1")
    scene.telemetry.end_run()


@of("E01-03", "Embedder")
def a_vector_of_zeros(scene: Scene) -> None:
    """An empty text, embedded by a model that makes nothing of it."""
    scene.telemetry.log_event("Embedder", "embedded", output_embedding=[0.0] * 768 if scene.trouble else NORTH)
    scene.telemetry.end_run()


@of("E01-04", "TesterAgent", "high")
def another_subject(scene: Scene) -> None:
    """The tests are about something else than the code."""
    scene.telemetry.log_event("CoderAgent", "code_generation_complete", output_embedding=NORTH)
    scene.telemetry.log_event("TesterAgent", "tests_written", output_embedding=AWAY if scene.trouble else NEAR)
    scene.telemetry.end_run()


# -- interfaces ------------------------------------------------------------------------------------------------------------

CONTRACT: Final = {"id": "a-1", "code": "x = 1", "language": "python"}


@of("I01-03", "CoderAgent", "high")
def a_field_is_missing(scene: Scene) -> None:
    """The tester needs to know the language."""
    artifact = {"id": "a-7", "code": "y = 2"} | ({} if scene.trouble else {"language": "python"})
    scene.telemetry.observe_handoff("CoderAgent", "TesterAgent", artifact, CONTRACT, artifact_type="Solution")
    scene.telemetry.end_run()


@of("I01-04", "CoderAgent")
def nothing_fits(scene: Scene) -> None:
    """Four things are handed over, and each lacks something."""
    for number, name in enumerate(("id", "code", "language", "id")):
        artifact = {key: value for key, value in CONTRACT.items() if key != name or not scene.trouble}
        scene.telemetry.observe_handoff("CoderAgent", "TesterAgent", artifact, CONTRACT, artifact_type=f"Part{number}")
    scene.telemetry.end_run()


@of("I01-05", "parser")
def a_field_was_renamed(scene: Scene) -> None:
    """Nobody declared a contract, and one day `title` is called `headline`."""
    for number in range(8):
        name = "headline" if scene.trouble and number == 7 else "title"
        with stage(scene, "parse", "parser"):
            scene.telemetry.observe_handoff(
                "parser", "writer", {name: "On oxygen", "pages": number}, artifact_type="Paper"
            )


# -- state -----------------------------------------------------------------------------------------------------------------


def replicated(
    scene: Scene, number: int, nodes: dict[str, dict[str, Any]], lag_s: float = 0.1, apart_s: float = 600
) -> None:
    """Nodes say what they hold, one after the other."""
    scene.spend(apart_s)
    for node, state in nodes.items():
        scene.debug.record_state_snapshot("node", node, f"sync-{number}", state, "after_sync")
        scene.spend(lag_s)
    scene.debug.end_operation(f"sync-{number}")


@of("S01-01", "node/n3")
def one_holds_something_else(scene: Scene) -> None:
    """One of three replicas has an older version."""
    version = 6 if scene.trouble else 7
    replicated(scene, 1, {"n1": {"version": 7}, "n2": {"version": 7}, "n3": {"version": version}})


@of("S01-02", "node/n3")
def one_is_not_there(scene: Scene) -> None:
    """One that always reported does not."""
    for number in range(7):
        names = ("n1", "n2") if scene.trouble and number == 6 else ("n1", "n2", "n3")
        replicated(scene, number, {name: {"version": number} for name in names})


@of("S01-03", "node/n2")
def one_comes_late(scene: Scene) -> None:
    """The second node has the state nine seconds after the first."""
    replicated(scene, 1, {"n1": {"version": 7}, "n2": {"version": 7}}, lag_s=9.0 if scene.trouble else 0.1)
