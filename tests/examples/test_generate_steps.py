"""The steps of the code generation example, each for itself."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from examples.generate import imports, names, rendering
from examples.generate.formatting import tidy
from examples.generate.healing import Mend, heal
from examples.generate.plan import plan
from examples.generate.spec import BadSpec, Spec, load, shipped
from examples.generate.validation import validate
from whence.checks.interface import Failure

RUNTIME = Path(rendering.HERE) / "components"


def spec(name: str = "thing", **settings: Any) -> Spec:
    return Spec(name=name, summary="A thing.", settings=settings, file=f"{name}.toml", text="")


# -- specs and plans ----------------------------------------------------------------------------------------------------


def test_every_shipped_spec_has_the_template_that_takes_all_its_settings() -> None:
    """What the spec gives decides, not what it is called."""
    assert {each.name: plan(each).template for each in shipped()} == {
        "csv_sink": "sink.py.j2",
        "event_source": "source.py.j2",
        "http_router": "router.py.j2",
        "rate_limiter": "limiter.py.j2",
        "todo_store": "store.py.j2",
    }
    assert plan(spec("todo_store", columns=["a"], delimiter=";")).template == "sink.py.j2"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = ", "Invalid value"),
        ("name = 'x'", "does not say its summary"),
        ("name = '../../x'\nsummary = ''", "give a Python name"),
    ],
)
def test_a_spec_that_is_none_is_refused_by_file_and_reason(tmp_path: Path, text: str, complaint: str) -> None:
    """Nothing is made from half a spec."""
    path = tmp_path / "half.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(BadSpec, match=complaint) as caught:
        load(path)

    assert str(path) in str(caught.value)


def test_a_spec_that_no_template_serves_names_what_it_lacks() -> None:
    """The nearest template says what it needs."""
    with pytest.raises(BadSpec, match="store, needs key as well"):
        plan(spec(record={"a": "int"}))
    with pytest.raises(BadSpec, match="needs"):
        plan(spec(colour="red"))
    with pytest.raises(BadSpec, match=r"no spec 'todo'; there is csv_sink,"):
        shipped(["todo"])


# -- names --------------------------------------------------------------------------------------------------------------


def test_a_name_is_undefined_where_nothing_in_the_module_makes_it() -> None:
    """Arguments, loops, comprehensions, walruses, globals and builtins are no trouble; each name is told once."""
    text = """
import os.path as p
def f(a, *b, **c):
    global later
    later = [x for x in b if (y := x)]
    return later, a, c, y, p, print, __file__, missing, missing
class C(Base):
    z = 1
    def g(self) -> Answer: return z  # a class is no scope for its methods
"""

    assert [(use.name, use.line) for use in names.undefined(text)] == [
        ("missing", 6),
        ("Base", 7),
        ("Answer", 9),
        ("z", 9),
    ]


def test_the_two_indexes_disagree_about_a_name_that_others_mention_more_than_its_own_module() -> None:
    """This is the whole mistake: one index looks where a name is made, the other where it is spoken of."""
    assert names.by_definition(RUNTIME).find("ComposedComponent") == [("components.composed_base", 1.0)]

    found = names.by_mention(RUNTIME).find("ComposedComponent")
    assert [module for module, _ in found] == ["observability", "composed_base"]
    assert sum(share for _, share in found) == pytest.approx(1)
    assert names.by_mention(RUNTIME).find("totals") == [("observability", 1.0)]
    assert names.by_definition(RUNTIME).find("nobody") == []


# -- imports ------------------------------------------------------------------------------------------------------------


def test_the_import_fixer_adds_what_is_used_and_drops_what_is_not() -> None:
    """Names of one module share a line; what it does not know stays as it is."""
    text = '"""Doc."""\nimport json\n\ndef f(path: Path) -> Iterator[str]:\n    yield re.sub(a, dataclass, Counter(path))\n'

    fixed = tidy(imports.fix(text, "thing"), "thing")

    assert fixed.splitlines()[:8] == [
        '"""Doc."""',
        "",
        "import re",
        "from collections import Counter",
        "from collections.abc import Iterator",
        "from dataclasses import dataclass",
        "from pathlib import Path",
        "",
    ]
    assert [use.name for use in names.undefined(fixed)] == ["a"]
    assert imports.fix(fixed, "thing") == fixed


@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        ("x = 1\n", "import re", "import re\nx = 1\n"),
        ("import re\n", "import csv", "import csv\nimport re\n"),
        ("from a import c\n", "from a import b", "from a import b, c\n"),
        ("from a import b\n", "from a import b", "from a import b\n"),
        ("from mine import b\nx = b\n", "import re", "import re\nfrom mine import b\nx = b\n"),
        ("from a import (\n    c,\n    d,\n)\n", "from a import b", "from a import b, c, d\n"),
    ],
)
def test_an_import_goes_where_it_belongs(before: str, line: str, after: str) -> None:
    """The standard library first, then by the alphabet; blank lines are the formatter's business."""
    assert "\n".join(filter(None, imports.insert(before, line).splitlines())) + "\n" == after


def test_of_several_homes_the_likeliest_comes_first() -> None:
    """The shares are what a decision says of its confidence."""
    first, *others = imports.standard("replace")

    assert first.line == "from dataclasses import replace"
    assert first.share > max(other.share for other in others)
    assert sum(each.share for each in (first, *others)) == pytest.approx(1)
    assert imports.standard("csv") == [("import csv", 1.0)]
    assert imports.standard("ComposedComponent") == []


# -- the formatter ------------------------------------------------------------------------------------------------------

UNTIDY = '''


import re···
from mine import x
from mine.more import y
A = 'it' + "it's" + 'say "so"' + r'\\d' + '\\n' + b'z'
@decorated

class C:
    """One


    two."""
    def f(self):
        """It's."""


        return f'{x!r} {"a"}'
    def g(self): return 'g'
g = C



'''.replace("·", " ")


def test_the_formatter_changes_blanks_and_quotes_and_nothing_else() -> None:
    """The program is the same, and a second time changes nothing."""
    tidied = tidy(UNTIDY, "thing")

    assert ast.dump(ast.parse(tidied)) == ast.dump(ast.parse(UNTIDY))
    assert tidy(tidied, "thing") == tidied
    assert (
        tidied
        == '''import re

from mine import x
from mine.more import y

A = "it" + "it's" + 'say "so"' + r"\\d" + '\\n' + b"z"


@decorated
class C:
    """One


    two."""

    def f(self):
        """It's."""

        return f'{x!r} {"a"}'

    def g(self): return "g"


g = C
'''
    )


# -- the validator and the healer ---------------------------------------------------------------------------------------


def test_the_validator_names_the_line_of_everything_that_is_wrong(tmp_path: Path) -> None:
    """Nothing is run: a module that would write a file when it is imported is only looked for."""
    (tmp_path / "bomb.py").write_text("open(__file__ + '.went_off', 'w')\n", encoding="utf-8")
    text = "import json\nimport bomb\nfrom nowhere import x\nprint(json, bomb, x, y)\n"

    failures = validate(text, "thing", tmp_path, "before")

    assert [(failure.type, failure.line) for failure in failures] == [("import", 3), ("name", 4)]
    assert "from nowhere import x" in failures[0].context
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bomb.py"]
    assert [f.line for f in validate("def f(:\n", "thing", tmp_path, "before")] == [1]
    assert validate("import bomb\nprint(bomb)\n", "thing", tmp_path, "before") == []


def test_the_healer_tries_each_rule_once_and_gives_up_then() -> None:
    """A mend that did not help is not tried again for the same failure."""
    index = names.by_definition(RUNTIME)
    undefined = Failure(type="name", message="name 'ComposedComponent' is not defined", line=1, column=9)
    text = "class A(ComposedComponent):\n    pass\n"

    mend = heal(text, [undefined], index, [], component="a", attempt=1)

    assert isinstance(mend, Mend)
    assert mend.text.splitlines()[0] == "from components.composed_base import ComposedComponent"
    assert heal(text, [undefined], index, [mend.key], component="a", attempt=2) is None
    unknown = Failure(type="name", message="name 'pass' is not defined", line=2, column=5)
    assert heal(text, [unknown], index, [], component="a", attempt=1) is None
    assert heal(text, [Failure(type="syntax", message="no", line=1)], index, [], component="a", attempt=1) is None


def test_a_module_that_is_not_found_is_looked_for_beside_the_file() -> None:
    """The line itself is left as it is, further down."""
    text = "import csv\n\nfrom nowhere import x\n\nprint(csv, x)\n"
    failure = Failure(type="import", message="no module nowhere", line=3)

    mend = heal(text, [failure], names.by_definition(RUNTIME), [], component="a", attempt=1)

    assert mend is not None
    assert tidy(mend.text, "a").splitlines()[:8] == [
        "import csv",
        "import sys",
        "from pathlib import Path",
        "",
        "sys.path.insert(0, str(Path(__file__).parent))",
        "from nowhere import x",
        "",
        "print(csv, x)",
    ]


def test_a_path_with_names_in_braces_becomes_a_pattern() -> None:
    """All else in it is taken as it stands."""
    from examples.generate.rendering import _as_pattern

    assert _as_pattern("/todos/{id}/files.txt") == r"/todos/(?P<id>[^/]+)/files\.txt"
