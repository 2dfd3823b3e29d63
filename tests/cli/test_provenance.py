"""Who put a line there, and the seven questions about generated code: each one command."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from rich.console import Console

from tests.cli.conftest import HOSTILE, Whence, environment, parsed
from whence import query
from whence.cli import main, reading, render_blame
from whence.runtime import runtime as runtime_module

PIPELINE = (
    r"""
import sys
from pathlib import Path
import whence

OUT, HOSTILE = Path(sys.argv[1]), %r
TEMPLATE = "# about {{ name }}\nimport base\n\n{{ code }}\n"
CODE = "class Store(base.Store):\n    limit = LIMIT\n"
ANSWER = f"Here you are:\n```python\n{CODE}```\n"

def generate(component, path, says=""):
    with trace.stage("generate", component):
        whence.llm_call("write", provider="acme", model="m-1", prompt="Write a store. " * 100 + says, response=ANSWER + says,
                        input_tokens=400, output_tokens=40, cost_usd=0.01)
        whence.transform("extract", ANSWER + says, CODE, action="extract")
        rendered = f"# about {component}\nimport base\n\n{CODE}"
        whence.transform("render", None, rendered, action="render", materials=[
            {"role": "template", "name": "store.j2", "content": TEMPLATE}, {"role": "variable", "name": "code", "content": CODE}])
    whence.check("names", False, content=rendered, component=component, phase="before",
                 failures=[{"type": "name", "message": "LIMIT is not defined " + says, "line": 5, "code": "E1",
                            "context": "> 5 | limit = LIMIT" + says}])
    with trace.stage("heal", component) as stage:
        why = stage.decision("remedy", what="import LIMIT " + says, why="it is not defined", confidence=0.4,
                             alternatives=["leave"])
        healed = rendered.replace("import base\n", f"import base\nfrom limits import LIMIT  {says}\n")
        whence.transform("healer" + says, rendered, healed, action="heal", attempt=1, using={"rule": "import_it"}, because=why)
    whence.check("names", True, content=healed, component=component)
    whence.check("imports", False, content=healed, component=component, phase="pre_write",
                 failures=[{"type": "import", "message": "no module named limits", "line": 3}])
    path.write_text(healed)
    trace.wrote(path, healed, component=component)

with whence.trace("shop") as trace:
    generate("store", OUT / "store.py")
    generate("hostile", OUT / "hostile:3", HOSTILE)
    trace.mark("failed", "a check failed")
with whence.trace("idle"):
    pass
"""
    % HOSTILE
)


class Made(NamedTuple):
    """What was recorded, and where the files are."""

    data: Path
    out: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A generator that healed one file badly, a file with a hostile name and content, and an idle run after it."""
    root = tmp_path_factory.mktemp("provenance")
    found = Made(root / "data", root / "out")
    found.out.mkdir()
    script = root / "generate.py"
    script.write_text(PIPELINE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(found.out)],
        env=environment(found.data),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return found


Say = Callable[..., str]
Told = Callable[..., Any]


@pytest.fixture
def say(made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """Return what the command line prints about them, on stderr where it fails; a terminal would obey nothing of it."""
    monkeypatch.setattr(runtime_module, "_made", {})

    def run(*words: str, code: int = 0, **extra: str) -> str:
        for name, value in environment(made.data, **extra).items():
            monkeypatch.setenv(name, value)
        given = main(words)
        out, err = capsys.readouterr()
        assert given == code, out + err
        assert not any(sign in out for sign in ("\x1b", "\x07", "\x9b", "\u202e"))
        return out if code == 0 else err

    yield run
    if (built := runtime_module.peek()) is not None:
        built.close()


@pytest.fixture
def told(say: Say) -> Told:
    """Return the JSON document that a command prints about them."""
    return lambda *words: json.loads(say(*words, "--json"))


def run_of(told: Told) -> str:
    return str(next(row["trace_id"] for row in told("traces") if row["project"] == "shop"))


# -- blame -----------------------------------------------------------------------------------------------------------


def test_a_file_is_a_table_of_runs_of_lines(say: Say, made: Made) -> None:
    said = say("blame", str(made.out / "store.py"), COLUMNS="120")

    rows = [line.split() for line in said.splitlines() if line.strip()[:1].isdigit()]
    assert [(row[0], row[1]) for row in rows] == [
        ("1", "render"),
        ("2", "render"),
        ("3", "healer"),
        ("4", "render"),
        ("5-6", "write"),
    ]
    assert "from limits import LIMIT" in said
    assert "LLM call" in said


def test_every_line_is_shown_if_asked(say: Say, made: Made) -> None:
    said = say("blame", str(made.out / "store.py"), "--all")

    assert "    limit = LIMIT" in said
    assert [line.split()[0] for line in said.splitlines() if line.strip()[:1].isdigit()] == list("123456")


def test_doubt_has_a_legend_and_a_step_one_colour(say: Say, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    said = say("blame", str(made.out / "store.py"))
    assert said.splitlines()[-1] == "? inferred, not confirmed; FILE:LINE says why"
    assert re.search(r"^ *1 +render \?", said, re.MULTILINE)

    answer = query.blame(str(made.out / "store.py"), store=reading.ready(quiet=True))
    sure = [line for line in answer.lines if line.sure == "confirmed"]
    once = msgspec.structs.replace(answer, lines=(*sure, *sure))
    out = Console(file=io.StringIO(), color_system="standard", force_terminal=True, width=120)
    with out.capture() as captured:
        out.print(render_blame.table(answer))
        out.print(render_blame.table(once))
    styles = {
        name: {
            style
            for style, shown in re.findall(r"\x1b\[([\d;]+)m([a-z]+)", captured.get())
            if shown == name and style != "2"
        }
        for name in ("render", "healer", "write")
    }
    assert [len(found) for found in styles.values()] == [1, 1, 1]
    assert len(set.union(*styles.values())) == 3
    assert captured.get().count("inferred") == 1


def test_times_are_said_in_one_way(say: Say, made: Made) -> None:
    path = made.out / "store.py"
    kept = path.read_text()
    try:
        path.write_text("# by hand\n" + kept)
        said = say("blame", f"{path}:1")
        path.unlink()
        said += say("blame", str(path))
    finally:
        path.write_text(kept)

    assert len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", said)) == 3
    assert not re.search(r"\d{4}-\d\d-\d\dT", said)


@pytest.mark.parametrize("columns", ["60", "80"])
def test_a_line_that_is_too_long_hangs_below_its_beginning(say: Say, told: Told, columns: str) -> None:
    for line in say("steps", run_of(told), "--component", "store", COLUMNS=columns).splitlines():
        assert re.match(r"\d\d:\d\d:\d\d\.\d{3}  \S  \S| {17}\S", line), line
    for command in ("checks", "llm"):
        for line in say(command, run_of(told), "--component", "store", COLUMNS=columns).splitlines():
            assert re.match(r"[✓✗◇]  \S|  ", line) or not line, line


def test_a_line_has_its_whole_story(say: Say, made: Made) -> None:
    said = say("blame", f"{made.out / 'store.py'}:3")

    for words in (
        "healer  heal, attempt 1",
        "component store, stage heal",
        "confirmed",
        '"rule":"import_it"',
        "import LIMIT",
        "it is not defined",
        "+from limits import LIMIT",
        "no module named limits",
        "line 3 of",
        "whence heal-log",
    ):
        assert words in said


def test_a_line_of_the_model_has_its_prompt(say: Say, made: Made) -> None:
    said = say("blame", f"{made.out / 'store.py'}:5-6", COLUMNS="200")

    assert "LLM call" in said
    assert "Write a store." in said
    assert "more characters" in said
    assert "Unharmed since through  4 steps" in said


def test_as_json_it_is_what_the_query_says(told: Told, made: Made) -> None:
    whole, line = told("blame", str(made.out / "store.py")), told("blame", f"{made.out / 'store.py'}:3")

    assert [each["line"] for each in whole["lines"]] == [1, 2, 3, 4, 5, 6]
    assert whole["stories"] == []
    (only,) = line["lines"]
    assert only == whole["lines"][2]
    assert (only["step"]["name"], only["step"]["attempt"], only["sure"]) == ("healer", 1, "confirmed")
    (story,) = line["stories"]
    assert story["decision"]["what"].strip() == "import LIMIT"
    assert [check["line"] for check in story["checks"]] == [3]


def test_a_name_may_end_like_a_line(told: Told, made: Made) -> None:
    """`hostile:3` is a file; `hostile:3:3` is its third line; a file that is gone is known by what is recorded."""
    assert len(told("blame", str(made.out / "hostile:3"))["lines"]) == 6
    assert [each["line"] for each in told("blame", f"{made.out / 'hostile:3'}:3")["lines"]] == [3]


def test_a_file_may_be_gone_or_changed(say: Say, told: Told, made: Made) -> None:
    path = made.out / "store.py"
    kept = path.read_text()
    try:
        path.write_text(kept + "by hand\n")
        changed = told("blame", f"{path}:7")
        drawn = say("blame", f"{path}:7")
        path.unlink()
        gone = told("blame", f"{path}:3")
    finally:
        path.write_text(kept)

    assert (changed["state"], changed["lines"][0]["step"]) == ("changed", None)
    assert "no recorded step" in drawn
    assert (gone["state"], gone["lines"][0]["step"]["name"]) == ("gone", "healer")


def test_only_what_a_run_recorded(told: Told, say: Say, made: Made) -> None:
    path = str(made.out / "store.py")

    assert told("blame", path, "--trace", run_of(told))["trace_id"] == run_of(told)
    assert "in that run" in say("blame", path, "--trace", "last", code=3)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["{out}/store.py:9"], 2, "has 6 lines, not 9"),
        (["{out}/store.py:0"], 2, "lines count from 1"),
        (["{out}/store.py:3-2"], 2, "the first line is after the last"),
        (["{out}/stroe.py"], 3, "similar: {out}/store.py"),
        (["{out}/nothing.txt:3"], 3, "nothing is recorded of {out}/nothing.txt"),
        (["{out}/store.py:-1"], 2, "'-1' is no line; accepted: FILE, FILE:LINE or FILE:FIRST-LAST, lines from 1"),
        (["{out}/store.py:abc"], 2, "'abc' is no line; accepted"),
        (["{out}/store.py:2-"], 2, "'2-' is no line; accepted"),
        (["{out}/store.py:"], 2, "'' is no line; accepted"),
        (["{out}/nothing.py:abc"], 3, "nothing is recorded of {out}/nothing.py:abc"),
        (["{out}"], 2, "is a directory; give a file"),
        (["{out}:3"], 2, "is a directory; give a file"),
        (["{out}/store.py", "--trace", "trc_nobody"], 3, "no trace"),
    ],
)
def test_what_cannot_be_answered_says_why(say: Say, made: Made, words: list[str], code: int, said: str) -> None:
    asked = [word.format(out=made.out) for word in words]

    assert said.format(out=made.out) in say("blame", *asked, code=code)


def test_where_nothing_is_recorded_it_says_so(whence: Whence, tmp_path: Path) -> None:
    done = whence("blame", __file__, data=tmp_path / "empty")

    assert done.returncode == 3
    assert "nothing is recorded in" in done.stderr


def test_a_file_that_is_no_text_is_read_as_it_was_recorded(whence: Whence, tmp_path: Path) -> None:
    script = "import sys, whence\nwith whence.trace('p') as t:\n    t.wrote(sys.argv[1], b'\\xff\\x00one\\ntwo\\n')\n"
    path = tmp_path / "odd.bin"
    path.write_bytes(b"\xff\x00one\ntwo\n")
    data = tmp_path / "data"
    subprocess.run([sys.executable, "-c", script, str(path)], env=environment(data), check=True, timeout=60)

    found = parsed(whence("blame", str(path), "--json", data=data))

    assert found["state"] == "as_written"
    assert len(found["lines"]) == 2


# -- the seven questions -----------------------------------------------------------------------------------------------


def test_1_what_prompt_was_sent(say: Say, told: Told) -> None:
    said = say("llm", run_of(told), "--component", "store", "--prompt", COLUMNS="2000")

    assert "Write a store. " * 99 + "Write a store." in said
    assert "Here you are" not in said


def test_2_what_the_model_answered(say: Say, told: Told) -> None:
    said = say("llm", run_of(told), "--component", "store", "--response")

    assert "class Store(base.Store):" in said
    assert "Write a store." not in said


def test_3_how_the_response_was_transformed(say: Say, told: Told) -> None:
    said = say("steps", run_of(told), "--component", "store", "--diff")

    names = [line.split()[2] for line in said.splitlines() if line[2:3] == ":"]
    assert names == ["write", "extract", "render", "names", "remedy", "healer", "names", "imports", names[-1]]
    assert "+from limits import LIMIT" in said


def test_4_where_validation_failed(say: Say, told: Told) -> None:
    said = say("checks", run_of(told), "--component", "store", "--failed")

    assert "line 3  no module named limits" in said
    assert said.count("✗  names") == 1
    assert "> 5 | limit = LIMIT" not in said


def test_5_what_the_exact_error_was(say: Say, told: Told) -> None:
    said = say("checks", run_of(told), "--component", "store", "--failed", "--full")

    assert "E1 LIMIT is not defined" in said
    assert "> 5 | limit = LIMIT" in said
    assert "record" in said


def test_6_and_7_what_healing_was_tried_and_why_it_failed(say: Say, told: Told) -> None:
    said = say("heal-log", run_of(told), "--component", "store", COLUMNS="200")

    assert "store  worse than before" in said
    assert (
        "attempt 1 (import_it) fixed name: LIMIT is not defined (line 5) and introduced import: no module named limits "
        "(line 3)"
    ) in said
    assert "gave up after 1 attempt with import: no module named limits (line 3)" in said
    assert "+from limits import LIMIT" in said


@pytest.mark.parametrize("command", ["heal-log", "steps", "llm", "checks"])
def test_each_prints_one_json_list(told: Told, say: Say, command: str) -> None:
    found = told(command, run_of(told), "--component", "store")

    assert found
    assert {each["component"] for each in found} == {"store"}
    assert json.loads(json.dumps(found)) == found
    assert told(command, "last") == []
    assert say(command, "last") == ""
    assert "its components: hostile, store" in say(command, run_of(told), "--component", "nobody", code=3)
    assert "no trace" in say(command, "trc_nobody", code=3)


@pytest.mark.parametrize(
    "words",
    [
        ["heal-log", "{run}"],
        ["steps", "{run}", "--diff"],
        ["llm", "{run}", "--full"],
        ["checks", "{run}", "--full"],
        ["blame", "{out}/hostile:3"],
        ["blame", "{out}/hostile:3", "--all"],
        ["blame", "{out}/hostile:3:1-6"],
    ],
)
@pytest.mark.parametrize("columns", ["30", "80", "200"])
def test_hostile_text_is_only_text(say: Say, told: Told, made: Made, words: list[str], columns: str) -> None:
    said = say(*(word.format(run=run_of(told), out=made.out) for word in words), COLUMNS=columns)

    assert "red" in said or columns == "30"
