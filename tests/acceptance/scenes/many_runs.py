"""What only many runs show: time, volume, calibration, deviations."""

from typing import Any

import whence
from tests.acceptance.scenes.scene import HOUR_S, Scene, of, report, stage, usual

# -- time, resources, volume -----------------------------------------------------------------------------------------------


@of("P01-01", "writer")
def a_slow_stage(scene: Scene) -> None:
    """Writing takes thirty seconds instead of two."""
    usual(scene)
    report(scene, writing_s=30.0 if scene.trouble else 2.0)


@of("P01-02", "writer", "info")
def one_stage_takes_it_all(scene: Scene) -> None:
    """Writing takes nine tenths of the run."""
    report(scene, writing_s=40.0 if scene.trouble else 1.5)


@of("P01-03", "writer")
def slower_since_the_new_model(scene: Scene) -> None:
    """From one model on, every run takes longer."""
    for number in range(24):
        late = scene.trouble and number >= 12
        report(scene, model="m-2" if late else "m-1", writing_s=(6.0 if late else 2.0) + number % 3 / 10)


@of("P01-04", "", "info")
def more_runs(scene: Scene) -> None:
    """One run an hour for half a day, then four."""
    for hour in range(26):
        for _ in range(4 if scene.trouble and hour >= 13 else 1):
            with stage(scene, "answer", "bot", apart_s=0):
                pass
        scene.clock.spend(HOUR_S)


@of("P01-05", "node/n1")
def a_busy_processor(scene: Scene) -> None:
    """The processor is measured five times, and is always busy."""
    for value in (97, 95, 99, 96, 98) if scene.trouble else (31, 28, 40, 33, 29):
        scene.debug.record_metric("cpu", "node", "n1", value, "%", operation_id="load")
        scene.spend(1.0)
    scene.debug.end_operation("load")


@of("V01-01", "crawler")
def a_flood(scene: Scene) -> None:
    """One minute in forty holds a hundred records more."""
    for minute in range(40):
        with stage(scene, "crawl", "crawler", apart_s=59):
            for _ in range(120 if scene.trouble and minute == 25 else 1):
                whence.event("page")


@of("V01-02", "guard")
def nobody_heard_of_it_since(scene: Scene) -> None:
    """A component that took part in each run, once a minute, does so no more."""
    for minute in range(60):
        with scene.run(apart_s=59):
            with whence.stage("serve", "server"):
                scene.spend(0.5)
            if not scene.trouble or minute < 40:
                with whence.stage("guard", "guard"):
                    scene.spend(0.2)


# -- calibration -----------------------------------------------------------------------------------------------------------


def scored(scene: Scene, score: float, *, passed: bool = True, principle: float = 3.0, **said: Any) -> None:
    """A run with a verdict."""
    with scene.run(**said), whence.stage("quality_gate", "judge") as gate:
        scene.spend(0.5)
        gate.outputs.update(
            passed=passed, overall_score=score, principle_scores=[{"id": f"{scene.project[:6]}-P", "score": principle}]
        )


@of("C01-01", "quality_gate")
def a_principle_that_keeps_failing(scene: Scene) -> None:
    """One principle fails three times in a week."""
    for _ in range(3):
        scored(scene, 2.5, principle=1.0 if scene.trouble else 3.0, apart_s=24 * HOUR_S)


@of("C01-02", "quality_gate")
def an_intent_below_the_rest(scene: Scene) -> None:
    """Runs of one intent come out far below the others."""
    for _ in range(5):
        scored(scene, 0.9 if scene.trouble else 2.6, intent=f"intent of {scene.project}")


@of("C01-03", "quality_gate")
def a_domain_below_the_rest(scene: Scene) -> None:
    """Runs of one domain come out far below the others."""
    for _ in range(5):
        scored(scene, 0.9 if scene.trouble else 2.6, domain=f"domain of {scene.project}")


@of("C01-04", "quality_gate")
def it_passed_before(scene: Scene) -> None:
    """A run passes the gate, the next one does not."""
    scored(scene, 2.6)
    scored(scene, 1.2 if scene.trouble else 2.7, passed=not scene.trouble)


@of("C01-05", "classifier")
def sure_and_wrong(scene: Scene) -> None:
    """Ten decisions, each as good as certain, of which three turn out right."""
    with stage(scene, "classify", "classifier"):
        for number in range(10):
            decision = whence.decision(f"label_{number}", "relevant", "it reads so", 0.95)
            right = number < 3 or not scene.trouble
            whence.check(f"label_{number}", right, type="judgement", subject=f"paper {number}", decision=decision)


# -- deviations ------------------------------------------------------------------------------------------------------------


@of("D01-01", "planner")
def another_choice(scene: Scene) -> None:
    """What was always `standard` is `shallow`."""
    usual(scene)
    report(scene, depth="shallow" if scene.trouble else "standard")


@of("D01-02", "reviewer")
def no_review(scene: Scene) -> None:
    """The step that each run takes is left out."""
    usual(scene)
    report(scene, review=not scene.trouble)


@of("D01-03", "collector")
def hardly_a_source(scene: Scene) -> None:
    """Twelve sources are usual, one is found."""
    usual(scene)
    report(scene, sources=1 if scene.trouble else 12)


@of("D01-04", "writer", "low")
def another_model(scene: Scene) -> None:
    """The provider answers with another model."""
    usual(scene)
    report(scene, model="m-2" if scene.trouble else "m-1")
