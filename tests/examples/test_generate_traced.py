"""The code generation example, recorded: every step, what went in and came out, and why."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from examples.generate import FAULTS, Result, Spec, run, shipped
from whence.model.trace import TraceView
from whence.testing import Captured, capture

STEPS = {"plan", "template_render", "import_fix", "format", "validation", "write"}


@pytest.fixture
def captured() -> Iterator[Captured]:
    """What is recorded while a test runs."""
    with capture() as taken:
        yield taken


def recorded(captured: Captured, target: Path, fault: str | None = "healer") -> tuple[Result, TraceView]:
    result = run(target=target, fault=fault)
    return result, captured.trace


def chain(trace: TraceView, component: str) -> list[tuple[str | None, str, str | None]]:
    """Return (hash before, step, hash after) of each transformation of a component, in order."""

    def of(content: object) -> str | None:
        return content["content_sha256"] if isinstance(content, dict) else None

    return [
        (of(each.said.source), each.name, of(each.said.result))
        for each in trace.transforms
        if each.component == component
    ]


@pytest.mark.parametrize("fault", [*FAULTS, None])
def test_the_chain_of_a_component_has_no_hole(captured: Captured, tmp_path: Path, fault: str | None) -> None:
    """What a step was given is what the step before it gave, up to the file: the condition for asking whence a line came."""
    result, trace = recorded(captured, tmp_path, fault)

    for outcome in result.outcomes:
        steps = chain(trace, outcome.component)
        assert steps[0][:2] == (None, "template_render")
        for (_, _, after), (before, _, _) in pairwise(steps):
            assert after == before
        assert steps[-1][2] == hashlib.sha256((tmp_path / outcome.file).read_bytes()).hexdigest()


def test_every_step_is_a_stage_of_its_component(captured: Captured, tmp_path: Path) -> None:
    """Healing and what follows it happen again for each attempt; only the component that needs it is healed."""
    _, trace = recorded(captured, tmp_path)
    begun = [r for r in captured.records if r.kind == "span.start"]

    for spec in shipped():
        stages = Counter(record.name for record in begun if record.component == spec.name)
        expected = Counter(STEPS) + Counter(["component_generation"])
        if spec.name == "csv_sink":
            expected += Counter({"heal": 3, "format": 2, "validation": 2})  # the third time it finds nothing to try
        assert stages == expected
    assert {each.component for each in trace.transforms if each.name == "heal"} == {"csv_sink"}


def test_what_went_in_is_recorded_beside_what_came_out(captured: Captured, tmp_path: Path) -> None:
    """Templates with those they include, the spec and the variables; the rule for every other step."""
    _, trace = recorded(captured, tmp_path)
    rendered = {each.component: each.said for each in trace.transforms if each.name == "template_render"}

    assert [(m["role"], m["name"]) for m in rendered["todo_store"].materials] == [
        ("template", "store.py.j2"),
        ("template", "_head.py.j2"),
        ("spec", "todo_store.toml"),
        ("variable", "variables"),
    ]
    assert [m["name"] for m in rendered["csv_sink"].materials][:2] == ["sink.py.j2", "csv_sink.toml"]  # no head
    assert all(each.said.using for each in trace.transforms)
    assert [each.said.attempt for each in trace.transforms if each.name == "heal"] == [1, 2]


def test_each_change_names_the_decision_behind_it(captured: Captured, tmp_path: Path) -> None:
    """Which template, which import, which mend: with what else there was, and how sure it is."""
    _, trace = recorded(captured, tmp_path)
    decisions = {made.record_id: made for made in captured.decisions}

    for step in trace.transforms:
        if step.name != "format":  # a formatter has no choice
            assert step.parent in decisions
    first, second, last = [made for made in captured.decisions if made.decision == "mend"]
    assert first.what == "from observability import ComposedComponent"
    assert [each.split(" (")[0] for each in first.alternatives_considered] == [
        "from composed_base import ComposedComponent"
    ]
    assert 0.5 < (first.confidence or 0) < 1
    assert "path" in second.what
    assert (last.what, last.why) == ("give up", "every rule that fits was tried")


def test_each_check_names_the_text_it_was_made_of(captured: Captured, tmp_path: Path) -> None:
    """Before healing a name is missing, after it a module: what the healer did is between the two."""
    _, trace = recorded(captured, tmp_path)
    checks = [each.said for each in trace.checks if each.component == "csv_sink"]
    contents = {after for _, _, after in chain(trace, "csv_sink")}

    assert all(check.content["content_sha256"] in contents for check in checks)
    failed = [(check.phase, check.type, check.failures[0]["line"]) for check in checks if not check.passed]
    assert [(phase, kind) for phase, kind, _ in failed] == [
        ("before", "name"),
        ("after", "import"),
        ("after", "import"),
    ]
    assert {"syntax", "import", "name"} <= {check.type for check in checks}
    others = [each.said for each in trace.checks if each.component != "csv_sink"]
    assert all(check.passed for check in others)


def test_every_file_was_read_back(captured: Captured, tmp_path: Path) -> None:
    """A component's file says which checks its content went through; what it stands on is a file as well."""
    result, trace = recorded(captured, tmp_path)
    files = {each.said.path: each.said for each in trace.files}

    assert {Path(path) for path in files} == {path for path in tmp_path.rglob("*") if path.is_file()}
    assert all(file.verified for file in files.values())
    for outcome in result.outcomes:
        checks = {check["type"]: check["passed"] for check in files[str(tmp_path / outcome.file)].checks}
        assert all(checks.values()) == (outcome.status != "failed")


def test_the_run_says_that_it_failed(captured: Captured, tmp_path: Path) -> None:
    """The stage of the component has the failure, the run has how many."""
    _, trace = recorded(captured, tmp_path)

    assert trace.end is not None
    assert (trace.end.status, trace.end.error) == ("failed", "1 of 5 components failed: csv_sink")
    errors = [attempt.error for attempt in trace.stages["component_generation"].attempts if attempt.error]
    assert len(errors) == 1
    assert errors[0].startswith("csv_sink.py:13: ")


def test_a_template_that_raises_is_a_step_that_failed(captured: Captured, tmp_path: Path) -> None:
    """What went in is recorded all the same; nothing came out."""
    spec = Spec(name="n", summary="N.", settings={"columns": 5, "delimiter": ","}, file="n.toml", text="columns = 5")
    run([spec], tmp_path)

    (rendered,) = captured.trace.transforms
    assert (rendered.name, rendered.said.result) == ("template_render", None)
    assert "TypeError" in rendered.said.error
    assert [material["name"] for material in rendered.said.materials] == ["sink.py.j2", "n.toml", "variables"]


def test_without_a_fault_the_run_is_complete(captured: Captured, tmp_path: Path) -> None:
    """A component that was healed is no failure."""
    result, trace = recorded(captured, tmp_path, None)

    assert trace.end is not None
    assert trace.end.status == "complete"
    assert result.trace_id == trace.trace_id


def test_without_recording_the_files_are_the_same(captured: Captured, tmp_path: Path) -> None:
    """Recording watches; it does not take part."""
    run(target=tmp_path / "a")
    seen = len(captured.records)
    result = run(target=tmp_path / "b", traced=False)

    assert result.trace_id is None
    assert len(captured.records) == seen
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
