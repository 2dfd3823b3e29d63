"""Who put a line there: the step that really did, through every step since, and what is said where that is not known."""

import hashlib
import hmac
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import whence
from tests.query.generated import Generation, sha256
from whence import query
from whence.errors import BadInput, NotFound
from whence.model import record as kinds
from whence.query.blame import Blame, Origin
from whence.runtime.runtime import Runtime
from whence.store.interface import Store
from whence.store.sqlite import SqliteStore

PATH = "/srv/app/todo_store.py"


def steps_of(found: Blame) -> list[str]:
    """Return the name of the step behind each line; "" where there is none."""
    return [line.step.name if line.step is not None else "" for line in found.lines]


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


# -- the law ---------------------------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, list[tuple[str, str]]]]:
    """Draw versions of a text: of each line what it is, and the name of the step that put it there.

    Lines are unique within a version. A step inserts, deletes and replaces lines anywhere, changes nothing, or goes back
    to an earlier version; a line that comes back was put there by the step that brought it back.
    """
    number = 0
    versions: list[tuple[str, list[tuple[str, str]]]] = []
    for n in range(draw(st.integers(1, 12))):
        name = f"step-{n}"
        before = versions[-1][1] if versions else []
        if len(versions) > 1 and draw(st.booleans()) and draw(st.booleans()):
            now = {line for line, _ in before}
            owner = dict(before)
            old = draw(st.sampled_from(versions))[1]
            versions.append((name, [(line, owner[line] if line in now else name) for line, _ in old]))
            continue
        lines = list(before)
        for _ in range(draw(st.integers(0, 4)) if versions else draw(st.integers(1, 6))):
            number += 1
            at = draw(st.integers(0, len(lines)))
            remove = draw(st.integers(0, 3)) if lines else 0
            lines[at : at + remove] = [(f"line {number} by {name}", name)] * draw(
                st.integers(0, 1) if lines else st.just(1)
            )
        versions.append((name, lines))
    return versions


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.booleans(), st.data())
def test_blame_names_the_step_that_really_introduced_each_line(
    versions: list[tuple[str, list[tuple[str, str]]]], changed: bool, data: st.DataObject
) -> None:
    run = Generation()
    other = Generation(run.store, 2)
    before: str | None = None
    for name, lines in versions:
        now = text(*(line for line, _ in lines))
        run.transform(name, before, now, component="todo")
        other.transform(f"other-{name}", before, now, component="other")  # another run made the same
        before = now
    last = versions[-1][1]
    run.wrote(PATH, before or "", component="todo")
    other.done()

    shown = [(line, owner) for line, owner in last]
    if changed and last:
        at = data.draw(st.integers(0, len(last) - 1))
        shown = [*last[:at], ("by hand", ""), *last[at + data.draw(st.integers(0, 1)) :]]
    found = query.blame(PATH, store=run.done(), text=text(*(line for line, _ in shown)))

    assert [(line.text, step) for line, step in zip(found.lines, steps_of(found), strict=True)] == shown
    assert [line.line for line in found.lines] == list(range(1, len(shown) + 1))  # none lost, none twice
    assert found.state == ("changed" if shown != last else "as_written")
    by_id = {step.record_id: step for step in found.steps}
    for line in found.lines:
        if line.step is None:
            continue
        assert line.sure == "confirmed"
        way = [line.step, *(by_id[each] for each in line.passed)]
        assert way[-1].kind == "file"
        assert way[-1].after == found.sha256 == sha256(before or "")
        for one, following in pairwise(way):
            assert one.after == following.before  # each took what the one before it left
            assert one.ts_ns < following.ts_ns


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.data())
def test_where_a_step_was_not_recorded_nobody_is_blamed_for_its_lines(
    versions: list[tuple[str, list[tuple[str, str]]]], data: st.DataObject
) -> None:
    run = Generation()
    before: str | None = None
    unrecorded = data.draw(st.sets(st.sampled_from([name for name, _ in versions])))
    owners: dict[str, set[str]] = {}
    for name, lines in versions:
        now = text(*(line for line, _ in lines))
        for line, owner in lines:
            owners.setdefault(line, set()).add(owner)
        if name not in unrecorded:
            run.transform(name, before, now, component="todo")
        before = now
    run.wrote(PATH, before or "", component="todo")

    found = query.blame(PATH, store=run.done(), text=before)

    assert len(found.lines) == len(versions[-1][1])
    for said, (line, owner) in zip(found.lines, versions[-1][1], strict=True):
        assert said.text == line
        # A line that an unrecorded step took out and another put back is as if it had stayed.
        came_back = len(owners[line]) > 1
        if said.step is not None and said.step.kind == "transform" and not came_back:
            assert said.step.name == owner
            assert owner not in unrecorded


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc \t}"), max_size=12), min_size=1, max_size=8))
def test_lines_that_repeat_are_each_blamed_once(contents: list[list[str]]) -> None:
    """Of several equal lines it may be another one that is said to be new; none is lost, and none is made up."""
    run, before = Generation(), None
    for n, lines in enumerate(contents):
        run.transform(f"step-{n}", before, text(*lines))
        before = text(*lines)
    run.wrote(PATH, before or "")

    found = query.blame(PATH, store=run.done(), text=before)

    assert [line.text for line in found.lines] == contents[-1]
    known = {line for lines in contents for line in lines}
    for line in found.lines:
        assert line.step is not None
        assert line.step.name.startswith("step-")
        made = contents[int(line.step.name.removeprefix("step-"))]
        assert line.text in made
        assert line.text in known


# -- a pipeline ------------------------------------------------------------------------------------------------------

TEMPLATE = "# {{ name }}: generated\nimport base\n\n{{ code }}\n"
CODE = "class TodoStore(base.Store):\n    def put(self, item):\n        return item\n"
ANSWER = f"Here it is:\n```python\n{CODE}```\n"
RENDERED = f"# todo: generated\nimport base\n\n{CODE}"
FIXED = f"import os\n{RENDERED}"
HEALED = FIXED.replace("import base\n", "import base\nfrom observability import trace\n")


def pipeline(run: Generation) -> dict[str, str]:
    """Record model → extract → render → fix → heal → write, the healer inserting a wrong import; return ids."""
    of: dict[str, Any] = {"component": "todo"}
    ids = {"llm": run.llm("write a store", ANSWER, **of)}
    ids["extract"] = run.transform("extract", ANSWER, CODE, said={"action": "extract"}, **of)
    went_in = [("template", "store.j2", TEMPLATE), ("variable", "code", CODE)]
    ids["render"] = run.transform("render", None, RENDERED, materials=went_in, said={"action": "render"}, **of)
    ids["fix"] = run.transform("import_fixer", RENDERED, FIXED, said={"action": "fix"}, **of)
    ids["before"] = run.check("imports", FIXED, (1, "os is not used"), **of)
    ids["decision"] = run.decision("remedy", "add the missing import", "NameError", **of)
    said = {"action": "heal", "attempt": 1, "using": {"rule": "add_import"}}
    ids["heal"] = run.transform("healer", FIXED, HEALED, said=said, parent=ids["decision"], **of)
    ids["after"] = run.check("imports", HEALED, (4, "no module named observability"), said={"phase": "pre_write"}, **of)
    ids["file"] = run.wrote(PATH, HEALED, **of)
    return ids


def test_every_line_is_followed_to_where_it_came_from() -> None:
    run = Generation()
    ids = pipeline(run)

    found = query.blame(PATH, store=run.done(), text=HEALED)

    assert found.state == "as_written"
    assert found.file_record == ids["file"]
    assert found.trace_id == run.trace_id
    assert steps_of(found) == ["import_fixer", "render", "render", "healer", "render", "llm", "llm", "llm"]
    by_template = found.lines[1]
    assert (by_template.sure, by_template.origin and by_template.origin.name) == (
        "inferred",
        "store.j2",
    )  # its gap filled in
    assert found.lines[2].origin == Origin(role="template", name="store.j2", sha256=sha256(TEMPLATE), line=2)
    of_model = found.lines[5]
    assert of_model.origin == Origin(role="response", name="llm", sha256=sha256(ANSWER), line=3)
    assert of_model.sure == "confirmed"
    assert of_model.passed == tuple(ids[name] for name in ("extract", "render", "fix", "heal", "file"))
    assert found.lines[0].passed == (ids["heal"], ids["file"])


def test_a_line_has_its_whole_story() -> None:
    run = Generation()
    ids = pipeline(run)

    found = query.blame(PATH, 4, store=run.done(), text=HEALED)

    line = found.lines[3]
    assert line.step is not None
    assert (line.step.record_id, line.step.action, line.step.attempt) == (ids["heal"], "heal", 1)
    assert (line.step.before, line.step.after) == (sha256(FIXED), sha256(HEALED))
    assert line.step.using == {"rule": "add_import"}
    (story,) = found.stories
    assert (story.first, story.last) == (4, 4)
    assert "+from observability import trace" in story.diff.splitlines()
    assert story.diff.startswith("@@ -1,6 +1,7 @@")
    assert story.decision is not None
    assert (story.decision.record_id, story.decision.what, story.decision.sure) == (
        ids["decision"],
        "add the missing import",
        "confirmed",
    )
    (failed,) = story.checks
    assert (failed.record_id, failed.message, failed.line) == (ids["after"], "no module named observability", 4)


def test_the_prompt_stands_beside_what_the_model_wrote() -> None:
    run = Generation()
    pipeline(run)

    found = query.blame(PATH, (6, 8), store=run.done(), text=HEALED)

    (story,) = found.stories
    assert (story.first, story.last) == (6, 8)
    assert story.call is not None
    assert (story.call.prompt, story.call.response, story.call.model) == ("write a store", ANSWER, "m-1")


def test_the_prompt_of_a_step_that_asked_a_model_itself_is_inferred() -> None:
    run = Generation()
    run.transform("render", None, "a = 1\nb = c\n")
    run.llm("mend it", "a = 1\nb = 2\n", parent="a" * 16, component="todo")
    run.transform("healer", "a = 1\nb = c\n", "a = 1\nb = 2\n")
    run.wrote(PATH, "a = 1\nb = 2\n")

    found = query.blame(PATH, 2, store=run.done(), text="a = 1\nb = 2\n")

    assert steps_of(found) == ["render", "healer"]
    assert found.stories[0].call is not None
    assert (found.stories[0].call.prompt, found.stories[0].call.sure) == ("mend it", "inferred")


def test_checks_are_found_by_the_lines_number_in_the_version_that_was_checked() -> None:
    run = Generation()
    run.transform("render", None, "x = y\n")
    run.check("names", "x = y\n", (1, "y is not defined"))
    run.transform("license", "x = y\n", "# license\n# more\nx = y\n")
    run.check("names", "# license\n# more\nx = y\n", (3, "y is still not defined"), (1, "too old"))
    run.wrote(PATH, "# license\n# more\nx = y\n")

    (story,) = query.blame(PATH, 3, store=run.done(), text="# license\n# more\nx = y\n").stories

    assert [(each.message, each.line) for each in story.checks] == [
        ("y is not defined", 1),
        ("y is still not defined", 3),
    ]


def test_a_decision_in_the_same_span_is_only_supposed_to_be_behind_a_step() -> None:
    run = Generation()
    first = run.decision("remedy", "rename")
    run.transform("one", None, "a = 1\n")
    run.transform("two", "a = 1\n", "a = 1\nb = 2\n")
    run.wrote(PATH, "a = 1\nb = 2\n")

    stories = query.blame(PATH, (1, 2), store=run.done(), text="a = 1\nb = 2\n").stories

    assert stories[0].decision is not None
    assert (stories[0].decision.record_id, stories[0].decision.sure) == (first, "inferred")
    assert stories[1].decision is None  # another step lies between


# -- ways that are not straight --------------------------------------------------------------------------------------


def test_going_to_and_fro_ends() -> None:
    run = Generation()
    a, b = "one\n", "one\ntwo\n"
    run.transform("make", None, a)
    for n in range(3):
        run.transform(f"add-{n}", a, b)
        run.transform(f"remove-{n}", b, a)
    run.transform("add-last", a, b)
    run.transform("idle", b, b)
    run.wrote(PATH, b)
    run.transform("remove-later", b, a)  # what came after the file was written is not behind it

    found = query.blame(PATH, store=run.done(), text=b)

    assert steps_of(found) == ["make", "add-last"]
    names = {step.record_id: step.name for step in found.steps}
    assert names[found.lines[1].passed[0]] == "idle"
    assert len(found.lines[0].passed) == 9


def test_a_clock_that_was_put_back_does_not_hide_the_steps() -> None:
    run = Generation()
    late = run.at_ns + 10**12
    run.transform("make", None, "one\n", ts_ns=late)
    run.transform("add", "one\n", "one\ntwo\n", ts_ns=late + 5)
    run.wrote(PATH, "one\ntwo\n")

    assert steps_of(query.blame(PATH, store=run.done(), text="one\ntwo\n")) == ["make", "add"]


def test_the_step_of_the_same_run_and_component_is_taken(tmp_path: Path) -> None:
    """Boilerplate is made again and again; who made this one is who worked for the same component in the same run."""
    first = Generation()
    second = Generation(first.store, 2)
    for run in (first, second):
        for component in ("a", "b"):
            run.transform(f"make-{component}", None, "same\n", component=component)
        run.wrote("/p/a.py", "same\n", component="a")
        run.wrote("/p/b.py", "same\n", component="b")
    first.done()

    for name in ("a", "b"):
        found = query.blame(f"/p/{name}.py", store=second.done(), text="same\n")
        assert steps_of(found) == [f"make-{name}"]
        assert found.trace_id == second.trace_id
    assert query.blame("/p/a.py", store=second.store, text="same\n", trace=first.trace_id).trace_id == first.trace_id


def test_another_run_that_made_the_same_meanwhile_is_not_taken_for_this_one() -> None:
    mine = Generation()
    other = Generation(mine.store, 2)
    mine.transform("make", None, "one\n")
    mine.transform("add", "one\n", "one\ntwo\n")
    other.at_ns = mine.at_ns
    other.transform("other-make", None, "one\n")
    other.transform("other-add", "one\n", "one\ntwo\n")
    mine.at_ns = other.at_ns + 1
    mine.wrote(PATH, "one\ntwo\n")
    other.done()

    assert steps_of(query.blame(PATH, store=mine.done(), text="one\ntwo\n")) == ["make", "add"]


def test_a_clock_that_was_put_back_makes_no_circle() -> None:
    run = Generation()
    begin = run.at_ns
    run.transform("to-b", "a\n", "b\n", ts_ns=begin + 60)
    run.transform("to-a", "b\n", "a\n", ts_ns=begin + 50)
    run.wrote(PATH, "a\n")

    found = query.blame(PATH, store=run.done(), text="a\n")

    assert steps_of(found) == ["to-a"]
    assert found.lines[0].passed == (found.file_record,)


def test_a_step_of_an_earlier_run_is_followed_too() -> None:
    first = Generation()
    first.transform("make", None, "one\n")
    second = Generation(first.store, 2)
    second.transform("add", "one\n", "one\ntwo\n")
    second.wrote(PATH, "one\ntwo\n")
    first.done()

    found = query.blame(PATH, store=second.done(), text="one\ntwo\n")

    assert steps_of(found) == ["make", "add"]
    assert found.lines[0].step is not None
    assert found.lines[0].step.trace_id == first.trace_id


def test_a_step_of_an_unrelated_run_that_made_the_same_text_is_only_supposed(runtime: Runtime) -> None:
    """What this run was given and did not make is another project's line only in that it reads the same."""
    with whence.trace("other") as trace:
        trace.transform("unrelated", "import os\n", "import os\nx = 1\n", component="Z", subject="/other/file.py")
    with whence.trace("mine") as trace:
        trace.transform("h1", "import os\nx = 1\n", "import os\nx = 1\ny = 2\n")
        trace.wrote(PATH, "import os\nx = 1\ny = 2\n", verify=False)

    found = query.blame(PATH, text="import os\nx = 1\ny = 2\n")

    assert steps_of(found) == ["", "unrelated", "h1"]
    assert [line.sure for line in found.lines] == ["unknown", "inferred", "confirmed"]
    step = found.lines[1].step
    assert step is not None
    assert found.lines[1].why.endswith(f"; the same text was made by unrelated in another run, {step.trace_id}")
    assert step.trace_id != found.trace_id
    assert "in another run" not in found.lines[2].why


@pytest.mark.parametrize("tie", ["component", "subject", "path", "content"])
def test_an_earlier_run_for_the_same_thing_is_certain(tie: str) -> None:
    """It had the same component or subject, or wrote the same file, or a file that this run then read."""
    first = Generation()
    second = Generation(first.store, 2)
    of: dict[str, Any] = {"component": "todo"} if tie == "component" else {}
    said = {"subject": "app/todo_store.py"} if tie == "subject" else {}
    first.transform("make", None, "one\n", said=said, **of)
    if tie == "path":
        first.wrote(PATH, "something else\n")
    if tie == "content":
        first.wrote("/elsewhere/draft.py", "one\n")
    second.transform("add", "one\n", "one\ntwo\n", **of)
    second.wrote(PATH, "one\ntwo\n", **of)
    first.done()

    found = query.blame(PATH, store=second.done(), text="one\ntwo\n")

    assert [(line.sure, line.step and line.step.name) for line in found.lines] == [
        ("confirmed", "make"),
        ("confirmed", "add"),
    ]


def test_of_several_runs_the_one_that_is_tied_to_this_is_taken() -> None:
    first = Generation()
    stranger, mine = Generation(first.store, 2), Generation(first.store, 3)
    first.transform("make", None, "one\n")
    first.wrote(PATH, "one\n")
    stranger.transform("make-too", None, "one\n")
    mine.wrote(PATH, "one\n")
    first.done()
    stranger.done()

    found = query.blame(PATH, store=mine.done(), text="one\n")

    assert (steps_of(found), found.lines[0].sure) == (["make"], "confirmed")


def test_a_model_that_answered_the_same_in_another_run_is_only_supposed() -> None:
    other = Generation()
    mine = Generation(other.store, 2)
    answer = CODE * 20  # long enough to be kept under its hash
    other.llm("write another", answer, component="other")
    mine.wrote(PATH, answer, component="todo")
    other.done()

    found = query.blame(PATH, store=mine.done(), text=answer)

    assert {line.sure for line in found.lines} == {"inferred"}
    assert f"the same text was made by llm in another run, {other.trace_id}" in found.lines[0].why


def test_an_erased_text_that_another_run_made_too_is_only_supposed() -> None:
    other = Generation()
    mine = Generation(other.store, 2)
    other.transform("make", None, "one\n")
    mine.wrote(PATH, "one\n")
    other.done()
    mine.done().erase_content(sha256("one\n"))

    (line,) = query.blame(PATH, store=mine.store, text="one\n").lines

    assert (line.step and line.step.name, line.sure) == ("make", "inferred")
    assert "in another run" in line.why


# -- blanks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reformat",
    [
        lambda text: text.replace("  ", "    "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("  ", "\t"),
        lambda text: text.replace(" ", "   "),
    ],
)
def test_a_formatter_that_changes_blanks_hides_nobody(reformat: Callable[[str], str]) -> None:
    before = "class A:\n  def put(self):\n    x=1\n    return x\n"
    healed = before.replace("    x=1\n", "    from observability import trace\n    x=1\n")
    after = reformat(healed.replace("return x", "return (x)"))
    run = Generation()
    run.transform("make", None, before)
    run.transform("healer", before, healed)
    run.transform("formatter", healed, after)
    run.wrote(PATH, after)

    found = query.blame(PATH, (1, 5), store=run.done(), text=after)

    assert steps_of(found) == ["make", "make", "healer", "make", "formatter"]
    for line, old in zip(found.lines[:4], healed.split("\n"), strict=False):
        changed = line.text != old
        assert line.sure == ("inferred" if changed else "confirmed")
        assert line.why.endswith("; formatter changed its blanks only") == changed
    assert len(found.lines[2].passed) == 2  # the formatter, and the file
    assert found.lines[4].sure == "confirmed"
    assert any("+    from observability import trace" in story.diff for story in found.stories)


def test_a_line_that_a_step_adds_beside_one_that_reads_the_same_is_its_own() -> None:
    """Only a line that is gone can be the one whose blanks were changed."""
    before, after = "import os\nx = 1\n", "import os\nx = 1\n    import os\n"
    run = Generation()
    run.transform("make", None, before)
    run.transform("healer", before, after)
    run.wrote(PATH, after)

    found = query.blame(PATH, store=run.done(), text=after)

    assert [(line.sure, line.step and line.step.name) for line in found.lines] == [
        ("confirmed", "make"),
        ("confirmed", "make"),
        ("confirmed", "healer"),
    ]


@pytest.mark.parametrize(("line", "recognised"), [("x", False), ("})", False), ("  })  ", False), ("go(", True)])
def test_a_line_of_one_or_two_characters_is_not_recognised_by_itself(line: str, recognised: bool) -> None:
    """Brackets are everywhere: that a template has one too says nothing."""
    run = Generation()
    result = f"made = 1\n{line}\nmade = 2\n"
    run.transform("render", None, result, materials=[("template", "t.j2", f"other = 1\n{line}\nother = 2\n")])
    run.wrote(PATH, result)

    found = query.blame(PATH, 2, store=run.done(), text=result)

    assert (found.lines[1].origin is not None) == recognised


def test_a_closing_bracket_is_no_line_whose_blanks_were_changed() -> None:
    run = Generation()
    run.transform("make", None, "one = 1\n})\nlast\n")
    run.transform("healer", "one = 1\n})\nlast\n", "one = 1\n  })\nlast\n")
    run.wrote(PATH, "one = 1\n  })\nlast\n")

    assert steps_of(query.blame(PATH, store=run.done(), text="one = 1\n  })\nlast\n")) == ["make", "healer", "make"]


def test_what_was_there_before_the_first_step_is_not_blamed_on_it() -> None:
    run = Generation()
    run.transform("add", "old\n", "old\nnew\n")
    run.wrote(PATH, "old\nnew\n")

    found = query.blame(PATH, store=run.done(), text="old\nnew\n")

    assert steps_of(found) == ["", "add"]
    assert found.lines[0].sure == "unknown"
    assert "it was there already in what add was given" in found.lines[0].why


def test_over_a_step_that_was_not_recorded_the_way_goes_on() -> None:
    """Something, a formatter perhaps, stands between what a step made and what the next was given."""
    run = Generation()
    run.transform("make", None, "import os\nx = 'one'\ny = 2\n", component="todo")
    run.transform("other", None, "import os\nz = 3\n", component="other")
    run.transform("add", 'import os\nx = "one"\ny = 2\n', 'import os\nx = "one"\ny = 2\nz = 3\n', component="todo")
    run.wrote(PATH, '# written\nimport os\nx = "one"\ny = 2\nz = 3\n', component="todo")

    found = query.blame(PATH, store=run.done(), text='# written\nimport os\nx = "one"\ny = 2\nz = 3\n')

    assert steps_of(found) == [PATH, "make", "", "make", "add"]
    assert [line.sure for line in found.lines] == ["inferred", "inferred", "unknown", "inferred", "inferred"]
    assert found.lines[0].why == "it came after add, by a step that is not recorded"
    assert found.lines[2].why == "it came after make, by a step that is not recorded"


def test_the_same_subject_is_followed_over_a_step_that_was_not_recorded() -> None:
    run = Generation()
    run.transform("make", None, "one = 1\n", said={"subject": "todo_store.py"})
    run.transform("other", None, "one = 1\nmore = 2\n", said={"subject": "other.py"})
    run.wrote(PATH, "one = 1\ntwo = 2\n")

    found = query.blame(PATH, store=run.done(), text="one = 1\ntwo = 2\n")

    assert steps_of(found) == ["make", PATH]


def test_a_template_is_no_version_of_what_was_made_of_it_before() -> None:
    """The second try renders the same template: its lines are the template's, not the first try's."""
    run, template = Generation(), "import base\n# {{ name }} of the store\n"
    for n in (1, 2):
        went_in = [("template", "store.j2", template)]
        run.transform(f"render-{n}", None, f"import base\n# {n} of the store\n", materials=went_in, component="todo")
    run.llm("chat", "try this:\nimport base\n", component="todo")
    run.wrote(PATH, "import base\n# 2 of the store\n", component="todo")

    found = query.blame(PATH, store=run.done(), text="import base\n# 2 of the store\n")

    assert steps_of(found) == ["render-2", "render-2"]
    assert [line.origin and line.origin.name for line in found.lines] == ["store.j2", "store.j2"]


def test_a_file_that_no_step_made_was_put_there_by_its_writing() -> None:
    run = Generation()
    run.wrote(PATH, "one\n")

    found = query.blame(PATH, store=run.done(), text="one\n")

    assert found.lines[0].step is not None
    assert (found.lines[0].step.kind, found.lines[0].passed) == ("file", ())
    assert found.lines[0].why == "no recorded step made this content"


def test_what_a_model_answered_is_found_within_it_where_no_step_says_so() -> None:
    run = Generation()
    run.llm("for another", "import os\nx = 1\n", component="other")
    run.llm("write", f"Sure!\n\n{CODE}\nGood luck", component="todo")
    run.wrote(PATH, CODE, component="todo")

    found = query.blame(PATH, store=run.done(), text=CODE)

    assert steps_of(found) == ["llm"] * 3
    assert {line.sure for line in found.lines} == {"inferred"}
    assert found.lines[0].origin is not None
    assert found.lines[0].origin.line == 3


def test_an_edit_is_the_steps_own_though_a_model_once_said_the_same() -> None:
    """A line that a step adds is its doing, whatever was in some response of the run."""
    run = Generation()
    run.llm("chat", "from observability import trace\nx = 1\n")
    run.transform("make", None, "x = 1\n", materials=[("variable", "code", "x = 1\n")])
    run.transform("healer", "x = 1\n", "from observability import trace\nx = 1\n")
    run.wrote(PATH, "from observability import trace\nx = 1\n")

    found = query.blame(PATH, store=run.done(), text="from observability import trace\nx = 1\n")

    assert steps_of(found)[0] == "healer"


def test_a_line_that_was_moved_in_is_recognised_and_said_to_be_inferred() -> None:
    run = Generation()
    run.transform("wrap", None, "def f():\n    return 1 + 1\n", materials=[("variable", "body", "return 1 + 1\n")])
    run.wrote(PATH, "def f():\n    return 1 + 1\n")

    found = query.blame(PATH, store=run.done(), text="def f():\n    return 1 + 1\n")

    assert [line.sure for line in found.lines] == ["confirmed", "inferred"]
    assert found.lines[1].origin is not None
    assert (found.lines[1].origin.name, found.lines[1].origin.line) == ("body", 1)


# -- files that are not as they were ---------------------------------------------------------------------------------


def test_a_file_that_has_changed_is_compared_with_what_was_written() -> None:
    run = Generation()
    pipeline(run)
    now = HEALED.replace("import os\n", "import os\nimport sys  # by hand\n")

    found = query.blame(PATH, 2, store=run.done(), text=now)

    assert found.state == "changed"
    assert steps_of(found)[:3] == ["import_fixer", "", "render"]
    assert "changed after" in found.lines[1].why
    assert found.stories[0].diff == ""


def test_a_file_that_is_gone_is_told_of_from_what_is_stored() -> None:
    run = Generation()
    pipeline(run)

    found = query.blame(PATH, 4, store=run.done())

    assert found.state == "gone"
    assert "the file is gone" in found.said
    assert found.lines[3].text == "from observability import trace"
    assert steps_of(found)[3] == "healer"


def test_a_copy_is_recognised_by_its_content() -> None:
    run = Generation()
    pipeline(run)

    found = query.blame("/elsewhere/copy.py", store=run.done(), text=HEALED)

    assert (found.state, found.recorded_path) == ("elsewhere", PATH)
    assert steps_of(found)[3] == "healer"


def test_a_result_that_was_never_written_is_recognised_by_its_content() -> None:
    run = Generation()
    run.transform("make", None, "one\n")

    found = query.blame(PATH, store=run.done(), text="one\n")

    assert (found.state, found.file_record, found.recorded_path) == ("unwritten", "", "")
    assert steps_of(found) == ["make"]


def test_a_version_before_the_last_one_is_recognised() -> None:
    run = Generation()
    run.transform("one", None, "one\n")
    run.wrote(PATH, "one\n")
    run.transform("two", "one\n", "two\n")
    last = run.wrote(PATH, "two\n")

    found = query.blame(PATH, store=run.done(), text="one\n")

    assert found.state == "as_written"
    assert found.file_record != last
    assert steps_of(found) == ["one"]


def test_secrets_are_masked_in_what_is_stored_and_the_file_is_recognised() -> None:
    raw = "x = 1\npassword = 'hunter2-hunter2-hunter2'\ny = 2\n"
    masked = raw.replace("hunter2-hunter2-hunter2", "[REDACTED:secret]")
    run = Generation()
    run.transform("make", None, masked)
    run.wrote(PATH, masked)

    found = query.blame(PATH, 2, store=run.done(), text=raw)

    assert found.state == "as_written"
    assert steps_of(found) == ["make"] * 3
    assert found.lines[1].text == "password = '[REDACTED:secret]'"


def test_a_masked_block_may_be_one_line_of_what_is_stored(runtime: Runtime) -> None:
    key = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *["MIIEowIBAAKCAQEA" * 4] * 5, "-----END RSA PRIVATE KEY-----"])
    raw = f"a = 1\n{key}\nb = 2\nmail = 'joe@example.com'\n"
    with whence.trace("p") as trace:
        trace.transform("make", None, f"a = 1\n{key}\nb = 2\n")
        trace.transform("add", f"a = 1\n{key}\nb = 2\n", raw)
        trace.wrote(PATH, raw, verify=False)

    found = query.blame(PATH, 10, text=raw)

    assert found.state == "as_written"
    assert steps_of(found) == ["make"] * 9 + ["add"]
    assert [line.text for line in found.lines] == [
        "a = 1",
        *["[REDACTED:private_key]"] * 7,
        "b = 2",
        "mail = '[REDACTED:email]'",
    ]
    assert "+mail = '[REDACTED:email]'" in found.stories[0].diff


def test_a_text_too_long_to_be_kept_whole_is_told_of_as_far_as_it_is_kept(runtime: Runtime) -> None:
    raw = "".join(f"line {n} of a large generated file\n" for n in range(20_000))
    with whence.trace("p") as trace:
        trace.transform("make", None, raw)
        trace.transform("add", raw, "first\n" + raw)
        trace.wrote(PATH, "first\n" + raw, verify=False)

    found = query.blame(PATH, text="first\n" + raw)

    assert found.state == "as_written"
    assert len(found.lines) == 20_001
    assert steps_of(found)[:2] == ["add", "make"]
    assert (found.lines[-1].step, found.lines[-1].why) == (None, "it lies beyond what is kept of a text this long")


def test_a_file_whose_content_was_not_said_cannot_be_compared(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.wrote(PATH, None)

    found = query.blame(PATH, text="one\n")

    assert (found.state, found.lines[0].step) == ("uncompared", None)
    assert "no text was recorded" in found.said


def test_a_path_with_a_secret_in_it_and_a_long_one_are_found(runtime: Runtime) -> None:
    paths = ["/srv/joe@example.com/a.py", "/srv/" + "deep/" * 60 + "a.py", "/srv/" + "deep/" * 60 + "b.py"]
    with whence.trace("p") as trace:
        for path in paths:
            trace.wrote(path, f"{path[-4]} = 1\n", verify=False)

    for path in paths:
        assert query.blame(path, text=None).lines[0].text == f"{path[-4]} = 1"


def test_an_unknown_file_names_similar_ones() -> None:
    run = Generation()
    pipeline(run)
    run.wrote("/srv/app/other.py", "x\n")

    with pytest.raises(NotFound, match=rf"nothing is recorded of /tmp/todo_stor\.py; similar: {PATH}"):
        query.blame("/tmp/todo_stor.py", store=run.done(), text="something else\n")
    with pytest.raises(NotFound, match="there is no such file; similar"):
        query.blame("/tmp/todo_store.py", store=run.store)
    with pytest.raises(NotFound, match="no file was recorded as written"):
        query.blame("/tmp/x.py", store=Generation().done())


@pytest.mark.parametrize("line", [0, -1, 9, (3, 2)])
def test_a_line_that_is_not_there_is_refused(line: int) -> None:
    run = Generation()
    pipeline(run)

    with pytest.raises(BadInput, match="has 8 lines"):
        query.blame(PATH, line, store=run.done(), text=HEALED)


def test_an_empty_file_has_no_lines() -> None:
    run = Generation()
    run.transform("make", None, "")
    run.wrote(PATH, "")

    assert query.blame(PATH, store=run.done(), text="").lines == ()


# -- texts that are not there ----------------------------------------------------------------------------------------


def test_an_erased_text_between_two_steps_leaves_both_in_doubt() -> None:
    run = Generation()
    run.transform("make", None, "one\n")
    run.transform("second", "one\n", "one\ntwo\n")
    run.transform("third", "one\ntwo\n", "one\ntwo\nthree\n")
    run.wrote(PATH, "one\ntwo\nthree\n")
    run.done().erase_content(sha256("one\ntwo\n"))

    found = query.blame(PATH, store=run.store, text="one\ntwo\nthree\n")

    assert steps_of(found) == ["make", "third", "third"]
    assert [line.sure for line in found.lines] == ["inferred"] * 3
    assert "one of these steps put it there: second, third" in found.lines[1].why
    assert "erased" in found.lines[1].why


def test_erased_beginnings_are_said_to_be_erased() -> None:
    run = Generation()
    run.transform("make", "zero\n", "one\n")
    run.transform("second", "one\n", "one\ntwo\n")
    run.wrote(PATH, "one\ntwo\n")
    for gone in ("zero\n", "one\n"):
        run.done().erase_content(sha256(gone))

    found = query.blame(PATH, store=run.store, text="one\ntwo\n")

    assert steps_of(found) == ["", ""]
    assert "it came through make, second; of what make was given, the text was erased" in found.lines[0].why


def test_an_erased_content_is_followed_by_its_hashes() -> None:
    run = Generation()
    run.transform("make", None, "one\n")
    run.transform("second", "one\n", "one\ntwo\n")
    run.wrote(PATH, "one\ntwo\n")
    run.done().erase_content(sha256("one\ntwo\n"))

    found = query.blame(PATH, store=run.store, text="one\ntwo\n")

    assert [step.name for step in found.steps] == [PATH, "second", "make"]
    assert {line.sure for line in found.lines} == {"unknown"}
    assert "by the hashes it went through make, second" in found.lines[0].why


def keyed(text_: str) -> str:
    return f"hmac-sha256:k:{hmac.digest(b'key', text_.encode(), 'sha256').hex()}"


def hashed(text_: str) -> dict[str, object]:
    return {"hash": keyed(text_), "chars": len(text_)}


def test_where_no_text_is_kept_the_keyed_hashes_are_followed() -> None:
    run = Generation()
    run.add(kinds.TRANSFORM, {"result": hashed("one\n")}, "make")
    run.add(kinds.TRANSFORM, {"source": hashed("one\n"), "result": hashed("two\n")}, "second")
    run.add(kinds.FILE, {"path": PATH, "content": hashed("two\n")}, PATH)
    store = run.done()

    unknown = query.blame(PATH, 1, store=store, text="two\n")
    same = query.blame(PATH, store=store, text="two\n", keyed=keyed)
    changed = query.blame(PATH, store=store, text="three\n", keyed=keyed)

    assert (unknown.state, same.state, changed.state) == ("uncompared", "as_written", "changed")
    assert "the capture level kept no text" in unknown.said
    assert "by the hashes it went through make, second" in same.lines[0].why
    assert [step.name for step in same.steps] == [PATH, "second", "make"]
    assert "has changed since it was written" in changed.lines[0].why


def test_where_one_step_made_it_all_no_text_is_needed() -> None:
    run = Generation()
    run.add(kinds.TRANSFORM, {"result": hashed("one\n")}, "make")
    run.add(kinds.FILE, {"path": PATH, "content": hashed("one\n")}, PATH)

    found = query.blame(PATH, store=run.done(), text="one\n", keyed=keyed)

    assert steps_of(found) == ["make"]


def test_odd_payloads_are_passed_over() -> None:
    run = Generation()
    run.transform("make", None, "one\n")
    run.add(kinds.TRANSFORM, {"source": 5, "result": ["x"], "materials": "none"}, "odd")
    run.add(kinds.TRANSFORM, {"source": "inline", "result": run.text("one\n"), "materials": [{"content": 7}]}, "inline")
    run.add(kinds.CHECK, {"content": run.text("one\n"), "failures": [{"line": "x"}, {}]}, "odd")
    run.wrote(PATH, "one\n")

    found = query.blame(PATH, 1, store=run.done(), text="one\n")

    assert steps_of(found) == ["inline"]


# -- large ones ------------------------------------------------------------------------------------------------------


def test_many_files_are_told_of_together_as_alone(tmp_path: Path) -> None:
    store: Store = SqliteStore.open(tmp_path / "whence.db")
    run = Generation(store)
    texts: dict[str, str | None] = {}
    for n in range(20):
        made, fixed = f"a{n}\nsame\n", f"a{n}\nfixed\nsame\n"
        run.transform("make", None, made, component=f"c{n}")
        run.transform("fix", made, fixed, component=f"c{n}")
        run.wrote(f"/p/{n}.py", fixed, component=f"c{n}")
        texts[f"/p/{n}.py"] = fixed
    run.done()

    together = query.blame_many(texts, store=store)

    assert list(together) == list(texts)
    for path, found in together.items():
        assert found == query.blame(path, store=store, text=texts[path])
        assert steps_of(found) == ["make", "fix", "make"]
    store.close()


def test_a_huge_text_of_equal_lines_ends() -> None:
    """Lines that cannot be told apart are not compared each with each."""
    run = Generation()
    a = text(*(["x", "y"] * 20_000))
    b = text("z", *(["y", "x", "x"] * 20_000), "w")
    run.transform("make", None, a)
    run.transform("mix", a, b)
    run.wrote(PATH, b)

    found = query.blame(PATH, store=run.done(), text=b)

    assert len(found.lines) == 60_002
    assert steps_of(found)[0] == steps_of(found)[-1] == "mix"


def test_texts_are_told_apart_by_line_feeds_only() -> None:
    run = Generation()
    odd = "a\x0cb\u2028c\r\nd"
    run.transform("make", None, odd)
    run.wrote(PATH, odd)

    found = query.blame(PATH, store=run.done(), text=odd)

    assert [line.text for line in found.lines] == ["a\x0cb\u2028c\r", "d"]
    assert hashlib.sha256(odd.encode()).hexdigest() == found.sha256
