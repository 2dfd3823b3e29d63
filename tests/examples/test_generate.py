"""The code generation example: what becomes of each component, under each fault, and that what was made runs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from examples.generate import FAULTS, NoTemplateEngine, Result, Spec, run, shipped
from examples.generate.__main__ import main
from examples.generate.spec import load

BAD_LINE = "from observability import ComposedComponent"
GOOD_LINE = "from components.composed_base import ComposedComponent"


def made(target: Path, fault: str | None = None, *, healer: bool = True) -> Result:
    """Run the pipeline without recording."""
    return run(target=target, fault=fault, healer=healer, traced=False)


def lines(target: Path, name: str = "csv_sink") -> list[str]:
    return (target / f"{name}.py").read_text(encoding="utf-8").splitlines()


def tree(target: Path) -> dict[str, bytes]:
    """Return every file below a directory: name -> bytes."""
    return {str(path.relative_to(target)): path.read_bytes() for path in sorted(target.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_component_fails_and_the_others_do_not(tmp_path: Path, fault: str) -> None:
    """Whichever step is at fault, the bad line is the same, and it is in the file."""
    result = made(tmp_path, fault)

    assert {outcome.component: outcome.status for outcome in result.outcomes} == {
        "csv_sink": "failed",
        "event_source": "made",
        "http_router": "made",
        "rate_limiter": "made",
        "todo_store": "made",
    }
    (sink,) = result.failed
    (failure,) = sink.failures
    assert failure.type == "import"
    assert "observability" in failure.message
    assert failure.line is not None
    assert lines(tmp_path)[failure.line - 1] == BAD_LINE
    assert sink.attempts == (2 if fault == "healer" else 1)  # the first of two is the one that spoils it


def test_the_file_does_not_tell_which_step_spoiled_it(tmp_path: Path) -> None:
    """The bytes are the same under each fault: only what was recorded on the way can tell."""
    found = {fault: made(tmp_path / fault, fault) and tree(tmp_path / fault)["csv_sink.py"] for fault in FAULTS}

    assert len(set(found.values())) == 1


def test_without_a_fault_the_healer_mends_what_the_template_forgot(tmp_path: Path) -> None:
    """The template's mistake is always there; with the better index it costs one attempt."""
    result = made(tmp_path)

    assert not result.failed
    sink = result.outcomes[0]
    assert (sink.component, sink.status, sink.attempts) == ("csv_sink", "healed", 1)
    assert GOOD_LINE in lines(tmp_path)


@pytest.mark.parametrize("fault", [None, "healer"])
def test_without_the_healer_the_template_s_own_mistake_is_left(tmp_path: Path, fault: str | None) -> None:
    """A name that nothing defines, and no import line at all."""
    (sink,) = made(tmp_path, fault, healer=False).failed

    assert sink.attempts == 0
    assert [failure.message for failure in sink.failures] == ["name 'ComposedComponent' is not defined"]
    assert not any("import ComposedComponent" in line for line in lines(tmp_path))


@pytest.mark.parametrize("fault", [*FAULTS, None])
def test_twice_the_same_bytes(tmp_path: Path, fault: str | None) -> None:
    """No time, no chance, no place: a second run, elsewhere, writes the same files."""
    made(tmp_path / "a", fault)
    made(tmp_path / "b", fault)

    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert str(tmp_path).encode() not in b"".join(tree(tmp_path / "a").values())


def test_a_second_run_into_the_same_directory_replaces_the_first(tmp_path: Path) -> None:
    """What was bad is good once the fault is gone."""
    made(tmp_path, "healer")
    assert not made(tmp_path).failed
    assert BAD_LINE not in lines(tmp_path)


def test_a_fault_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """Nothing is written."""
    with pytest.raises(ValueError, match="one of template, import_fixer, healer, or None"):
        made(tmp_path / "new", "formatter")
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_made_is_no_reason_not_to_make_the_others(tmp_path: Path) -> None:
    """A spec that no template serves, values that a template cannot use, and a text that breaks the code around it."""

    def spec(name: str, text: str) -> Spec:
        path = tmp_path / f"{name}.toml"
        path.write_text(f"name = '{name}'\n{text}", encoding="utf-8")
        return load(path)

    specs = (
        spec("unserved", "summary = 'Nothing.'\ncolour = 'red'"),
        spec("number", "summary = 'A number.'\ncolumns = 5\ndelimiter = ','"),
        spec("quoted", 'summary = \'Ends """ early.\'\ncapacity = 1\nrefill_per_s = 1.0'),
        *shipped(["todo_store"]),
    )

    result = run(specs, tmp_path / "out", traced=False)

    found = {each.component: (each.status, [failure.type for failure in each.failures]) for each in result.outcomes}
    assert found["unserved"] == ("failed", ["spec"])
    assert found["number"] == ("failed", ["template"])
    assert found["quoted"][0] == "failed"
    assert "syntax" in found["quoted"][1]
    assert found["todo_store"] == ("made", [])
    assert "number.toml does not go with sink.py.j2" in result.outcomes[1].failures[0].message
    assert sorted(path.name for path in (tmp_path / "out").glob("*.py")) == ["quoted.py", "todo_store.py"]


USES = r'''
    import json
    from pathlib import Path

    from components.observability import running, totals
    from csv_sink import CsvSink
    from event_source import EventSource
    from http_router import HttpRouter
    from rate_limiter import RateLimiter
    from todo_store import TodoStore

    store, source = TodoStore(), EventSource(history=2)
    heard = []
    source.subscribe("done", heard.append)
    milk = store.add("milk", False)
    tea = store.add("tea", False)
    store.change(milk.id, done=True)
    source.publish("added", tea)
    assert source.publish("done", milk) == 1
    source.publish("removed", tea)
    assert [event.topic for event in source.recent()] == ["done", "removed"]
    assert [event.data for event in heard] == [milk]
    try:
        source.subscribe("lost", heard.append)
    except ValueError as exc:
        assert "added, done, removed" in str(exc)
    store.remove(tea.id)
    assert [record.title for record in store.find(lambda record: record.done)] == ["milk"]

    path = Path("todos.csv")
    for _ in range(2):
        with CsvSink(path) as sink:
            assert running([sink, store]) == ["csv_sink"]
            sink.write({"id": milk.id, "title": 'milk, "fresh"', "done": True})
    assert path.read_text().splitlines() == ["id,title,done", *['1,"milk, ""fresh""",True'] * 2]

    now = 0.0
    limiter = RateLimiter(capacity=2, refill_per_s=0.5, clock=lambda: now)
    assert [limiter.allow() for _ in range(3)] == [True, True, False]
    assert limiter.wait_s() == 2
    now = 2.0
    assert limiter.allow() and not limiter.allow()

    router = HttpRouter({"list_todos": lambda: [milk.id], "show_todo": lambda id: store.get(int(id)), "add_todo": store.add})
    assert router.handle("GET", "/todos") == (200, [1])
    assert router.handle("GET", "/todos/1")[1].done
    assert [router.handle(method, path)[0] for method, path in (("PUT", "/todos"), ("GET", "/x"))] == [405, 404]
    print(json.dumps(totals([store, source, limiter, router])))
'''


def test_what_was_made_runs(tmp_path: Path) -> None:
    """All five together, in a process that knows nothing but the target directory."""
    made(tmp_path)

    done = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; sys.path.insert(0, '.')\n" + textwrap.dedent(USES)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert '"todo_store.changed": 1' in done.stdout


def test_what_failed_does_not_run_either(tmp_path: Path) -> None:
    """The validator is right: the import that it could not resolve fails when it is tried."""
    made(tmp_path, "healer")

    done = subprocess.run(
        [sys.executable, "csv_sink.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 1
    assert "No module named 'observability'" in done.stderr


# -- the command line ---------------------------------------------------------------------------------------------------


def test_the_command_line_says_what_became_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 where a component failed, 0 where none did."""
    assert main(["--target", str(tmp_path), "--no-trace"]) == 1
    said = capsys.readouterr().out
    assert "failed    csv_sink.py after 2 attempts of healing" in said
    assert "made      todo_store.py" in said

    assert main(["todo_store", "--target", str(tmp_path / "one"), "--no-trace"]) == 0
    assert sorted(path.name for path in (tmp_path / "one").glob("*.py")) == ["todo_store.py"]
    assert main(["--fault", "none", "--target", str(tmp_path), "--no-trace"]) == 0
    assert main(["nothing", "--target", str(tmp_path), "--no-trace"]) == 2
    assert "there is csv_sink" in capsys.readouterr().err


def test_without_jinja_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is an extra, loaded when the first template is rendered; nothing is written before that."""
    monkeypatch.setitem(sys.modules, "jinja2", None)

    with pytest.raises(NoTemplateEngine, match="pip install"):
        made(tmp_path / "new")
    assert main(["--target", str(tmp_path / "new"), "--no-trace"]) == 2
    assert "pip install 'whence[demo]'" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
