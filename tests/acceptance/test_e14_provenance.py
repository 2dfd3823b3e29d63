"""A pipeline LLM → template → import fixer → healer → file, in which the healer inserts a wrong import (C3.16): one command
names it, and each of the seven questions about generated code is one command."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run

PIPELINE = """
    import sys
    from pathlib import Path
    import whence

    OUT, FAULT = Path({out!r}), {fault!r}
    WRONG = "from observability import ComposedComponent\\n"
    TEMPLATE = '\"\"\"{{{{ name }}}}, made from store.j2.\"\"\"\\n\\n{{{{ code }}}}\\n'
    CODE = "class TodoStore(ComposedComponent):\\n    def put(self, item: Any) -> None:\\n        self.items.append(item)\\n"
    PROMPT = "Write a to-do store as a Python class. " * 50

    with whence.trace("generator") as trace:
        for name in ("todo_store", "rate_limiter"):
            with trace.stage("component_generation", name):
                with whence.stage("llm_request"):
                    answer = f"Certainly.\\n```python\\n{{CODE}}```"
                    whence.llm_call("generate", provider="acme", model="m-1", prompt=PROMPT, response=answer, input_tokens=500,
                                    output_tokens=60)
                    whence.transform("extract", answer, CODE, action="extract")
                with whence.stage("template_render"):
                    text = f'\"\"\"{{name}}, made from store.j2.\"\"\"\\n\\n{{CODE}}'
                    if FAULT == "template":
                        TEMPLATE = TEMPLATE.replace("\\n\\n", "\\n\\n" + WRONG)
                        text = text.replace("\\n\\n", "\\n\\n" + WRONG, 1)
                    whence.transform("template", None, text, action="render", subject=f"{{name}}.py", materials=[
                        {{"role": "template", "name": "store.j2", "content": TEMPLATE}},
                        {{"role": "variable", "name": "code", "content": CODE}}])
                with whence.stage("import_fix"):
                    fixed = text.replace("\\n\\n", "\\n\\nfrom typing import Any\\n", 1)
                    if FAULT == "fixer":
                        fixed = fixed.replace("\\n\\n", "\\n\\n" + WRONG, 1)
                    whence.transform("import_fixer", text, fixed, action="fix", subject=f"{{name}}.py")
                undefined = {{"type": "undefined", "message": "name 'ComposedComponent' is not defined", "line": 4,
                             "code": "E_UNDEFINED"}}
                there = WRONG in fixed
                whence.check("names", there, content=fixed, phase="before", failures=[] if there else [undefined])
                with whence.stage("healing") as stage:
                    healed = fixed
                    if FAULT == "healer":
                        why = stage.decision("remedy", what="import ComposedComponent from observability", confidence=0.88,
                                             why="the first module that mentions it", alternatives=["components.base"])
                        healed = fixed.replace("\\n\\n", "\\n\\n" + WRONG, 1)
                        whence.transform("healer", fixed, healed, action="heal", attempt=1, because=why,
                                         using={{"rule": "import_what_is_undefined"}}, subject=f"{{name}}.py")
                        whence.check("names", True, content=healed)
                        failure = {{"type": "import", "message": "no module named 'observability'", "line": 3,
                                   "context": "> 3 | " + WRONG.strip(), "code": "E_MODULE_NOT_FOUND"}}
                        whence.check("imports", False, content=healed, phase="after", failures=[failure])
                        again = healed.replace("\\nclass", "\\n\\n\\nclass")
                        whence.transform("healer", healed, again, action="heal", attempt=2, using={{"rule": "tidy"}})
                        healed = again
                    line = 1 + healed[:healed.index(WRONG)].count("\\n")
                    failure = {{"type": "import", "message": "no module named 'observability'", "line": line,
                               "context": "> 3 | " + WRONG.strip(), "code": "E_MODULE_NOT_FOUND"}}
                    whence.check("imports", False, content=healed, phase="after", failures=[failure])
                path = OUT / f"{{name}}.py"
                path.write_text(healed)
                whence.wrote(path, healed)
        trace.mark("failed", "todo_store does not import")
"""


def whence(*words: str, code: int = 0) -> str:
    """Run one command, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "whence", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def generate(run: Run, out: Path, fault: str = "healer") -> Path:
    out.mkdir(exist_ok=True)
    run(PIPELINE.format(out=str(out), fault=fault))
    return out / "todo_store.py"


def blamed(path: Path, line: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is said of a line, and its story."""
    answer = json.loads(whence("blame", f"{path}:{line}", "--json"))
    (said,), (story,) = answer["lines"], answer["stories"]
    return said, story


def test_blame_names_the_healer_its_time_its_hashes_and_its_change(run: Run, data: Path, tmp_path: Path) -> None:
    path = generate(run, tmp_path / "out")
    final = path.read_text()
    wrong = "from observability import ComposedComponent"
    assert final.splitlines()[2] == wrong

    said, story = blamed(path, 3)

    step = said["step"]
    assert (said["text"], said["sure"]) == (wrong, "confirmed")
    assert (step["name"], step["action"], step["attempt"], step["component"]) == ("healer", "heal", 1, "todo_store")
    assert step["time"].startswith("20")
    healed = final.replace("\n\n\nclass", "\nclass")
    fixed = healed.replace(f"{wrong}\n", "")
    assert step["before"] == hashlib.sha256(fixed.encode()).hexdigest()
    assert step["after"] == hashlib.sha256(healed.encode()).hexdigest()
    assert f"+{wrong}" in story["diff"].splitlines()
    assert story["decision"]["what"] == "import ComposedComponent from observability"
    assert story["decision"]["sure"] == "confirmed"
    assert {check["message"] for check in story["checks"]} == {"no module named 'observability'"}
    assert len(said["passed"]) == 2  # the second attempt, and the file

    drawn = whence("blame", f"{path}:3")
    for words in ("healer", "attempt 1", f"+{wrong}", step["before"][:8], step["after"][:8], step["record_id"]):
        assert words in drawn


def test_the_other_lines_are_the_work_of_others(run: Run, data: Path, tmp_path: Path) -> None:
    path = generate(run, tmp_path / "out")

    answer = json.loads(whence("blame", str(path), "--json"))

    by = {line["text"]: (line["step"]["name"], line["step"]["kind"]) for line in answer["lines"] if line["text"]}
    assert by == {
        '"""todo_store, made from store.j2."""': ("template", "transform"),
        "from observability import ComposedComponent": ("healer", "transform"),
        "from typing import Any": ("import_fixer", "transform"),
        "class TodoStore(ComposedComponent):": ("generate", "llm"),
        "    def put(self, item: Any) -> None:": ("generate", "llm"),
        "        self.items.append(item)": ("generate", "llm"),
    }
    model, story = blamed(path, 7)
    assert model["origin"]["role"] == "response"
    assert story["call"]["prompt"] == "Write a to-do store as a Python class. " * 50


@pytest.mark.parametrize(("fault", "step"), [("fixer", "import_fixer"), ("template", "template"), ("healer", "healer")])
def test_whoever_inserts_it_is_the_one_that_is_named(
    run: Run, data: Path, tmp_path: Path, fault: str, step: str
) -> None:
    path = generate(run, tmp_path / "out", fault)
    line = path.read_text().splitlines().index("from observability import ComposedComponent") + 1

    said, _ = blamed(path, line)

    assert (said["step"]["name"], said["sure"]) == (step, "confirmed")


def test_the_seven_questions_are_one_command_each(run: Run, data: Path, tmp_path: Path) -> None:
    generate(run, tmp_path / "out")
    of = ("last", "--component", "todo_store")

    prompts = json.loads(whence("llm", *of, "--prompt", "--json"))
    assert [call["prompt"] for call in prompts] == ["Write a to-do store as a Python class. " * 50]  # 1
    assert "Certainly." in whence("llm", *of, "--response")  # 2
    steps = json.loads(whence("steps", *of, "--diff", "--json"))  # 3
    made = [(step["name"], step["added"]) for step in steps if step["kind"] == "transform"]
    assert made == [("extract", 0), ("template", 5), ("import_fixer", 1), ("healer", 1), ("healer", 2)]
    assert "+from typing import Any" in next(step["diff"] for step in steps if step["name"] == "import_fixer")
    failed = json.loads(whence("checks", *of, "--failed", "--json"))  # 4
    assert [(run_["name"], run_["failures"][0]["line"]) for run_ in failed] == [
        ("names", 4),
        ("imports", 3),
        ("imports", 3),
    ]
    said = whence("checks", *of, "--failed", "--full")  # 5
    assert "E_MODULE_NOT_FOUND no module named 'observability'" in said
    assert "> 3 | from observability import ComposedComponent" in said
    (log,) = json.loads(whence("heal-log", *of, "--json"))  # 6
    assert [(each["number"], each["using"]["rule"]) for each in log["attempts"]] == [
        (1, "import_what_is_undefined"),
        (2, "tidy"),
    ]
    assert log["outcome"] == "worse"
    assert log["why"] == (  # 7
        "attempt 1 (import_what_is_undefined) fixed undefined: name 'ComposedComponent' is not defined (line 4) and "
        "introduced import: no module named 'observability' (line 3); attempt 2 (tidy) did not touch line 3 (import: no "
        "module named 'observability'); gave up after 2 attempts with import: no module named 'observability' (line 3)"
    )


def test_it_works_from_what_is_stored_when_the_file_changed_or_is_gone(run: Run, data: Path, tmp_path: Path) -> None:
    path = generate(run, tmp_path / "out")

    path.write_text("# by hand\n" + path.read_text())
    changed = json.loads(whence("blame", f"{path}:1-4", "--json"))
    path.unlink()
    gone = json.loads(whence("blame", f"{path}:3", "--json"))

    assert changed["state"] == "changed"
    assert [line["step"] and line["step"]["name"] for line in changed["lines"]] == [
        None,
        "template",
        "template",
        "healer",
    ]
    assert "changed after" in changed["lines"][0]["why"]
    assert (gone["state"], gone["lines"][0]["step"]["name"]) == ("gone", "healer")
    assert "the file is gone" in whence("blame", f"{path}:3")
    whence("blame", f"{path}x:3", code=3)


def test_it_works_where_no_text_is_kept(run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps are followed by their keyed hashes; which line came from which cannot be told, and it says so."""
    monkeypatch.setenv("WHENCE_CAPTURE", "hash")
    path = generate(run, tmp_path / "out")

    answer = json.loads(whence("blame", f"{path}:3", "--json"))

    assert answer["state"] == "as_written"
    (line,) = answer["lines"]
    assert (line["step"], line["sure"]) == (None, "unknown")
    assert "the capture level kept no text" in line["why"]
    assert "healer" in line["why"]
    assert {"healer", "import_fixer", "template"} <= {step["name"] for step in answer["steps"]}
