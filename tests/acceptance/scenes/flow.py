"""How runs go from their beginning to their end."""

import subprocess
import sys
from contextlib import ExitStack, suppress

from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

import whence
from tests.acceptance.scenes.scene import HOUR_S, Scene, of, raise_if, report, stage, traced, usual
from whence.telemetry import hook_orchestrator_state_change_telemetry


@of("I01-02", "StateFlow")
def a_state_nobody_entered(scene: Scene) -> None:
    """The flow goes from CODING to TESTING, and then leaves PLANNING."""
    for before, after in (("CODING", "TESTING"), ("PLANNING" if scene.trouble else "TESTING", "DONE")):
        hook_orchestrator_state_change_telemetry(scene.telemetry, before, after)
    scene.telemetry.end_run()


@of("O01-02", "coder")
def they_wait_for_each_other(scene: Scene) -> None:
    """Each waits for what the other does first, and neither has ended when somebody looks."""
    scene.spend(600)
    trace = whence.trace(project=scene.project)
    with ExitStack() as never_left:
        never_left.enter_context(trace)
        for name, component, awaited in (("coding", "coder", "tester"), ("testing", "tester", "coder")):
            never_left.enter_context(whence.stage(name, component))
            whence.event("waiting", waiting_for=awaited if scene.trouble else "operator")
        never_left.pop_all()


@of("O01-03", "store.py")
def healed_three_times_in_vain(scene: Scene) -> None:
    """Three attempts to heal, and the check still fails."""
    with stage(scene, "heal", "store.py"):
        for attempt in (1, 2, 3):
            whence.transform(
                "import_healer", "import reqests", f"import reqests{attempt}", action="heal", attempt=attempt
            )
            scene.spend(0.1)
            whence.check("imports", not scene.trouble and attempt == 3, type="import", subject="store.py")


@of("O01-05", "crasher")
def killed(scene: Scene) -> None:
    """A process of its own, killed in the middle of a stage; without the trouble it ends as programs do."""
    program = f"""
import os, signal, whence
trace = whence.trace(project={scene.project!r})
with trace, whence.stage("crunch", "crasher"):
    whence.event("begun")
    if {scene.trouble}:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], check=not scene.trouble, capture_output=True)


@of("O01-06", "collector")
def nothing_for_two_minutes(scene: Scene) -> None:
    """A stage from which nothing is heard, until somebody stops it."""
    with scene.run(), whence.stage("collection", "collector"):
        whence.event("asking")
        scene.spend(120 if scene.trouble else 2)
        whence.event("stopped", level="low")
        raise_if(scene, RuntimeError("stopped by the operator"))


@of("O01-07")
def ten_times_as_long(scene: Scene) -> None:
    """A run of a kind that takes six seconds takes a minute."""
    usual(scene)
    report(scene, writing_s=60.0 if scene.trouble else 2.0)


@of("O01-08", "writer")
def most_runs_fail(scene: Scene) -> None:
    """From one day on four of five runs fail."""
    for number in range(40):
        fails = scene.trouble and number >= 20 and number % 5
        report(scene, failing=ValueError("no title in the draft") if fails else None)


@of("O01-09", "fetcher")
def again_and_again(scene: Scene) -> None:
    """A page is asked for nine times."""
    with scene.run():
        for attempt in range(9 if scene.trouble else 1):
            with suppress(ValueError), whence.stage("fetch", "fetcher"):
                scene.spend(0.1)
                if attempt < 8 and scene.trouble:
                    raise ValueError("503 Service Unavailable")


@of("O01-04", "ticker", "low")
def numbers_are_missing(scene: Scene) -> None:
    """A component numbers what it says, and two numbers never came."""
    with stage(scene, "tick", "ticker"):
        for number in (1, 2, 5, 6) if scene.trouble else (1, 2, 3, 4):
            whence.event("tick", sequence=number)


@of("O01-10", "worker", "low")
def an_hour_apart(scene: Scene) -> None:
    """The worker's clock is an hour behind that of the scheduler that sends it the work."""
    behind_s = HOUR_S if scene.trouble else 0
    with scene.run(), whence.stage("dispatch", "scheduler"):
        scene.spend(-behind_s)
        with whence.stage("work", "worker"):
            scene.spend(1.0)
        scene.spend(behind_s)


@of("O01-12", "", "low")
def parents_never_came(scene: Scene) -> None:
    """A span of a process whose own spans nobody exported."""
    with traced(scene) as tracer, tracer.start_as_current_span("request") as root:
        seen = root.get_span_context()
        lost = SpanContext(seen.trace_id, 0xABC, is_remote=False, trace_flags=TraceFlags(1))
        around = set_span_in_context(NonRecordingSpan(lost) if scene.trouble else root)
        tracer.start_span("work", context=around).end()
