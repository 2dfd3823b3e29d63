"""Lines that a model's words were filled into: blame names the template, the variable, and the call with its prompt."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.query.generated import Generation, sha256
from whence import query
from whence.generation import GenerationLogger
from whence.model import record as kinds
from whence.query.blame import Blame, Origin
from whence.query.filling import Value, _Open, filled
from whence.query.lineage import Ref
from whence.runtime.runtime import Runtime

PATH = "/srv/app/page.py"
Material = tuple[str, str, str]


def rendered(
    template: str,
    result: str,
    *values: Material,
    answer: str | None = None,
    run: Generation | None = None,
    **fields: Any,
) -> Blame:
    """Record an LLM call with that answer, the rendering of a template, and the writing; return who put each line there."""
    run = run or Generation()
    if answer is not None:
        run.llm("name it well", answer, name="heading")
    went_in = [("template", "t.j2", template), *values]
    run.transform("render", None, result, materials=went_in, said={"action": "render"}, **fields)
    run.wrote(PATH, result)
    count = result.count("\n")
    return query.blame(PATH, (1, count), store=run.done(), text=result)


HEAD = "A store for what is to be done"


@pytest.mark.parametrize(
    "gap", ["{{ head }}", "{{head}}", "{{- head -}}", "${head}", "$head", "{head}", "%(head)s", "<%= head %>"]
)
def test_an_answer_in_a_line_of_a_template_has_its_prompt(gap: str) -> None:
    """However short what the template says beside it is."""
    found = rendered(f"# {gap}\n", f"# {HEAD}\n", ("variable", "head", HEAD), answer=HEAD)

    (line,), (story,) = found.lines, found.stories
    assert line.step is not None
    assert (line.step.name, line.sure) == ("render", "inferred")
    assert line.why == "render took it from the template t.j2, with variable head = the answer of call heading"
    assert line.origin == Origin(role="template", name="t.j2", sha256=sha256(f"# {gap}\n"), line=1)
    assert story.call is not None
    assert (story.call.prompt, story.call.model, story.call.sure) == ("name it well", "m-1", "confirmed")
    assert [step.name for step in found.steps] == [PATH, "render", "heading"]


def test_an_answer_of_several_lines_between_quotes() -> None:
    doc = "Keeps what is to be done.\n\nIt forgets nothing,\nand loses nothing."
    found = rendered('"""{{ doc }}"""\nx = 1\n', f'"""{doc}"""\nx = 1\n', ("variable", "doc", doc), answer=doc)

    assert [line.step and line.step.name for line in found.lines] == [
        "render",
        "heading",
        "heading",
        "render",
        "render",
    ]
    for line in (found.lines[0], found.lines[3]):
        assert line.why.endswith("with variable doc = the answer of call heading")
    assert {story.call and story.call.prompt for story in found.stories[:3]} == {"name it well"}
    assert (found.lines[4].sure, found.stories[-1].call) == ("confirmed", None)


def test_by_the_generation_door(runtime: Runtime, tmp_path: Path) -> None:
    """As a generator that knows nothing of steps records it: a call, a rendering, a file."""
    path, template, result = tmp_path / "page.py", "# {{ head }}\nimport os\n", f"# {HEAD}\nimport os\n"
    with GenerationLogger() as logger:
        logger.log_llm_interaction("page", prompt="name it well", response=HEAD, model="m-1")
        logger.log_template_render("page", "t.j2", {"head": HEAD, "n": 7}, result, template=template)
        path.write_text(result)
        logger.log_file_write("page", str(path), result)

    found = query.blame(str(path), 1, text=result)

    assert "variable head = the answer of call" in found.lines[0].why
    assert found.stories[0].call is not None
    assert found.stories[0].call.prompt == "name it well"
    assert [line.sure for line in found.lines] == ["inferred", "confirmed"]


def test_what_was_taken_out_of_an_answer_is_a_part_of_it() -> None:
    """By a step that was recorded, or by its words; a name that is in every answer is nothing to recognise one by."""
    run = Generation()
    run.llm("name it", '{"name": "TodoStore", "about": "keeps what is to be done"}', name="heading")
    run.transform("parse", '{"name": "TodoStore", "about": "keeps what is to be done"}', "TodoStore")
    values = [("variable", "name", "TodoStore"), ("variable", "about", "keeps what is to be done")]
    values.append(("variable", "key", "name"))
    template = "# {{ name }}\n# {{ about }}\n# {{ key }}\n"
    found = rendered(template, "# TodoStore\n# keeps what is to be done\n# name\n", *values, run=run)

    assert [line.why.partition("with ")[2] for line in found.lines] == [
        "variable name = a part of the answer of call heading",
        "variable about = a part of the answer of call heading",
        "variable key",
    ]
    assert [story.call and story.call.sure for story in found.stories] == ["inferred", "inferred", None]


def test_an_answer_that_was_changed_on_its_way_into_the_gap_is_named_by_the_gap() -> None:
    found = rendered("title: {{ head | upper }}\n", f"title: {HEAD.upper()}\n", ("variable", "head", HEAD), answer=HEAD)

    assert found.lines[0].why.endswith("with variable head = the answer of call heading")
    assert found.stories[0].call is not None


def test_several_gaps_in_a_line() -> None:
    values = [("variable", "head", HEAD), ("variable", "n", "7")]
    found = rendered("{{ n }}: {{ head }} ({{ when }})\n", f"7: {HEAD} (today)\n", *values, answer=HEAD)

    assert found.lines[0].why.endswith("with variable n, variable head = the answer of call heading")


def test_a_template_that_is_what_the_step_was_given() -> None:
    run = Generation()
    run.llm("name it well", HEAD, name="heading")
    run.transform("fill", "# {{ head }}\n", f"# {HEAD}\n", materials=[("variable", "head", HEAD)])
    run.wrote(PATH, f"# {HEAD}\n")

    found = query.blame(PATH, 1, store=run.done(), text=f"# {HEAD}\n")

    assert found.lines[0].why == "fill took it from what it was given, with variable head = the answer of call heading"
    assert found.stories[0].call is not None


def test_a_value_in_a_line_without_any_template() -> None:
    """As an f-string makes it: the step is certain; that the value came in there is not."""
    run = Generation()
    run.llm("name it well", HEAD, name="heading")
    values = [("variable", "head", HEAD), ("variable", "name", "todo")]
    result = f"print('{HEAD}')\ndef todo(): ...\nimport todos\n"
    run.transform("render", None, result, materials=values)
    run.wrote(PATH, result)

    found = query.blame(PATH, (1, 3), store=run.done(), text=result)

    assert [(line.sure, line.why) for line in found.lines] == [
        ("inferred", "render made it, with variable head = the answer of call heading in it"),
        ("confirmed", "render made it, with variable name in it"),
        ("confirmed", "it is in what the step made, and was not recognised in anything that went in"),
    ]
    assert found.lines[0].origin is not None
    assert (found.lines[0].origin.role, found.lines[0].origin.name) == ("variable", "head")
    assert [story.call is not None for story in found.stories] == [True, False, False]


def test_a_template_that_a_model_wrote_is_followed_to_that_model() -> None:
    """Where what is in its gaps is nobody's answer."""
    run = Generation()
    run.llm("write a template", "# about {{ name }}\n", name="author")
    found = rendered("# about {{ name }}\n", "# about todo\n", ("variable", "name", "todo"), run=run)

    assert found.lines[0].step is not None
    assert (found.lines[0].step.name, found.lines[0].sure) == ("author", "inferred")
    assert found.stories[0].call is not None
    assert found.stories[0].call.prompt == "write a template"


def test_an_answer_of_later_is_not_behind_it() -> None:
    run = Generation()
    template = ("template", "t.j2", "# {{ head }}\n")
    run.transform("render", None, f"# {HEAD}\n", materials=[template, ("variable", "head", HEAD)])
    run.llm("name it well", HEAD)
    run.wrote(PATH, f"# {HEAD}\n")

    found = query.blame(PATH, 1, store=run.done(), text=f"# {HEAD}\n")

    assert found.lines[0].why == "render took it from the template t.j2, with variable head"
    assert found.stories[0].call is None


@given(
    st.lists(st.text("ab #{}%$()-'\"\n|.", max_size=12), max_size=5),
    st.text("ab {}%$\n", max_size=12),
    st.lists(st.text("ab #{}%$()\n", max_size=12), min_size=1, max_size=5),
)
def test_no_template_is_too_odd(template: list[str], value: str, result: list[str]) -> None:
    """Every line is told of, by one step, whatever the texts are."""
    text = "".join(f"{line}\n" for line in result)
    run = Generation()
    run.llm("p", value)
    went_in = [("template", "t", "\n".join(template)), ("variable", "a", value), ("prompt", "p", value)]
    run.transform("render", None, text, materials=went_in)
    run.wrote(PATH, text)

    found = query.blame(PATH, store=run.done(), text=text)

    assert [line.text for line in found.lines] == text[:-1].split("\n")
    assert {line.step is not None for line in found.lines} == {True}


@given(st.lists(st.one_of(st.none(), st.text("ab,", max_size=3)), min_size=1, max_size=8), st.text("ab, ", max_size=20))
def test_what_is_in_the_gaps_is_what_a_pattern_would_find(parts: list[str | None], line: str) -> None:
    """As little as may be in each gap, from the first one on."""
    pattern = "".join("(.*?)" if part is None else re.escape(part) for part in parts)
    found = re.fullmatch(pattern, line)

    if None in parts:
        assert _Open(0, parts, telling=True).fits(line) == (found and found.groups())


def test_a_line_with_many_gaps_that_it_nearly_is_takes_no_time() -> None:
    """Trying every way to fill six gaps would take minutes."""
    template = ",".join(["{{ a }}"] * 6) + ",zzzzzz;\n"
    line = "," * 390

    found = rendered(template, f"{line}\n{line},zzzzzz;\n", ("variable", "a", "none of it"))

    assert [line.sure for line in found.lines] == ["confirmed", "inferred"]


@given(
    st.lists(st.sampled_from(["{{ a }}", "x = {{ a }};", "# {{ b }}", "# {{ c }} end", "plain", "[{{ b }}{{ c }}]"])),
    st.sampled_from(["one", "two\nlines\nof it", "end"]),
    st.lists(st.sampled_from(["one", "x = one;", "x = two", "lines", "of it;", "# some end", "# none", "[some end]"])),
)
def test_a_line_is_found_among_many_as_it_would_be_alone(template: list[str], text: str, wanted: list[str]) -> None:
    """Lines of a template are looked up by how they begin and end; that leaves none out."""
    values = [Value.of("variable", name, Ref(key=name), said) for name, said in (("a", text), ("b", "some"))]

    among = dict(filled(template, values, wanted, range(len(wanted))))

    for n, line in enumerate(wanted):
        alone = [fill for each in template for _, fill in filled([each], values, [line], [0])]
        assert (n in among) == bool(alone)
        if alone:
            assert among[n].values in [fill.values for fill in alone]


# -- decisions beside a step -------------------------------------------------------------------------------------------


def test_a_models_choice_of_tools_is_no_decision_behind_a_step() -> None:
    """Nor is what was decided for another component; only what lies before it in the same stage, of its own."""
    for component, attributes in (("", {"derived_from": "llm_call"}), ("weather", {})):
        run = Generation()
        said = {"what": "get_weather", "attributes": attributes}
        run.add(kinds.DECISION, said, "tool", component=component)
        found = rendered("# {{ name }}\n", "# one\n", run=run)
        assert found.stories[0].decision is None


def test_a_decision_is_seen_past_a_models_choice_of_tools() -> None:
    run = Generation()
    own = run.decision("layout", "short")
    run.add(kinds.DECISION, {"what": "get_weather", "attributes": {"derived_from": "llm_call"}}, "tool")
    run.transform("other", None, "two\n", component="other")
    found = rendered("# {{ name }}\n", "# one\n", run=run)

    assert found.stories[0].decision is not None
    assert (found.stories[0].decision.record_id, found.stories[0].decision.sure) == (own, "inferred")
