"""Imports are looked up in an environment: found as `import` would find them, and nothing is imported."""

import importlib.util
import json
import keyword
import os
import py_compile
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checks.looking import HERE, LIBRARIES, beside, imports, only_failure, tree
from whence.checks.environment import Environment
from whence.checks.interface import MOST_FAILURES
from whence.checks.python import check_python

# Importing these opens a browser, prints a poem, starts a program, or is this program.
NOT_TO_IMPORT = {"antigravity", "this", "idlelib", "__main__", "turtledemo"}


# -- the line that failed every component -----------------------------------------------------------------------------


def test_the_import_that_failed_every_component(tmp_path: Path) -> None:
    """One wrong import line made all components fail; it is an import failure, with its line, and says the right path."""
    tree(
        tmp_path,
        {
            "autocoder_cc/__init__.py": "",
            "autocoder_cc/observability/__init__.py": "class ComposedComponent: ...\n",
            "autocoder_cc/other/observability.py": "",
        },
    )
    text = '"""A component."""\n\nfrom observability import ComposedComponent\n\nclass Store(ComposedComponent): ...\n'

    result = imports(text, beside(tmp_path))

    assert result.type == "import"
    assert result.passed is False
    assert only_failure(result).as_dict() == {
        "type": "import",
        "code": "E_MODULE_NOT_FOUND",
        "message": "no module named 'observability'; did you mean 'autocoder_cc.observability'?",
        "line": 3,
        "column": 1,
        "context": '  1 | """A component."""\n  2 | \n> 3 | from observability import ComposedComponent\n  4 | \n'
        "  5 | class Store(ComposedComponent): ...",
    }
    assert imports(text.replace("from ", "from autocoder_cc."), beside(tmp_path)).passed is True


# -- nothing is run ---------------------------------------------------------------------------------------------------


def test_nothing_is_imported(tmp_path: Path) -> None:
    """Packages, their parents, their submodules and a compiled module that would each leave a file behind."""
    ran = tmp_path / "ran"
    evil = f"open({str(ran)!r}, 'w').close()\nx = 1\n__path__ = [*__path__]\n"
    tree(
        tmp_path,
        {
            "evil/__init__.py": evil,
            "evil/sub/__init__.py": evil,
            "evil/sub/deep.py": evil,
            "evil_module.py": evil,
            "sitecustomize.py": evil,
            "usercustomize.py": evil,
            "source.py": evil,
        },
    )
    py_compile.compile(str(tmp_path / "source.py"), cfile=str(tmp_path / "compiled.pyc"))
    text = (
        f"import evil\nimport evil.sub.deep as d\nfrom evil.sub import x, deep\nfrom evil.sub.deep import x\n"
        f"import evil_module, compiled, sitecustomize\nfrom compiled import x\nfrom evil import *\nfrom evil import nope\n{evil}"
    )

    results = check_python(text, environment=beside(tmp_path), path=tmp_path / "generated.py")

    assert not ran.exists()
    assert not {"evil", "evil.sub", "evil_module", "compiled"} & set(sys.modules)
    assert results[-1].attributes["resolved"] >= 7
    assert not list(tmp_path.rglob("__pycache__"))


# -- as the real import system does -----------------------------------------------------------------------------------


def test_the_standard_library_resolves_as_it_really_does() -> None:
    """A module is found exactly if it can be imported, and no name that it really has is said to be missing."""
    program = """
        import importlib, json, sys
        names = {}
        for each in sorted(sys.stdlib_module_names - set(sys.argv[1:])):
            try:
                names[each] = dir(importlib.import_module(each))
            except ImportError as exc:
                names[each] = getattr(exc, "name", "") == each
        json.dump(names, sys.stdout)
    """
    really = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", textwrap.dedent(program), *NOT_TO_IMPORT],
        capture_output=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    checked = 0
    for module, names in json.loads(really.stdout).items():
        result = imports(f"import {module}\n")
        if isinstance(names, bool):  # itself not there; or something it needs, which is of another system
            assert result.passed is False or not names, module
            continue
        assert result.passed is True, result
        known = [each for each in names if each.isidentifier() and not keyword.iskeyword(each)]
        assert imports(f"from {module} import {', '.join(known)}\n").failures == (), module
        checked += len(known)

    assert checked > 5_000


@settings(deadline=None, max_examples=200)
@given(st.from_regex(r"[a-z_][a-z0-9_]{0,8}(\.[a-z]{1,5})?", fullmatch=True))
def test_other_names_resolve_only_where_python_finds_them(name: str) -> None:
    top, _, below = name.partition(".")
    if any(keyword.iskeyword(each) for each in (top, below)) or top in NOT_TO_IMPORT:
        return
    found = importlib.util.find_spec(top) is not None  # of a name at the top: imports nothing

    result = imports(f"import {top}\n")

    assert result.passed is found
    if not found:
        assert imports(f"import {name}\n").passed is False


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("from json import loads, lods", "no name 'lods' in module 'json'; did you mean 'loads'"),
        ("import json.decodr", "no module named 'json.decodr'; did you mean 'json.decoder' or 'json.encoder'?"),
        ("import string.more", "no module named 'string.more' ('string' is no package)"),
        ("from asyncio import sleeep", "no name 'sleeep' in module 'asyncio'; did you mean 'sleep'?"),
        ("from os.path import joinn", "no name 'joinn' in module 'os.path'; did you mean 'join'?"),
        ("import winreg", "no module named 'winreg' (of the standard library, but not in this environment)"),
        ("from __future__ import telepathy", "no name 'telepathy' in module '__future__'"),
    ],
)
def test_what_is_missing_is_said_with_what_is_like_it(text: str, missing: str) -> None:
    failure = only_failure(imports(text))

    assert failure.message.startswith(missing)
    assert failure.code == ("E_NAME_NOT_FOUND" if missing.startswith("no name") else "E_MODULE_NOT_FOUND")
    assert failure.column == (text.rindex(" ") + 2 if "no name" in missing else len("import ") + 1)


@pytest.mark.parametrize(
    "text", ["from itertools import chian", "from unittest import nothing", "import six.moves.nothing"]
)
def test_what_only_running_would_tell_is_no_failure(text: str, tmp_path: Path) -> None:
    """A module in C, one with a __getattr__, one that puts submodules into sys.modules."""
    six = tree(tmp_path, {"six.py": "import sys\nsys.modules[__name__ + '.moves'] = object()\n__path__ = []\n"})

    result = imports(text, Environment.current().with_paths(six))

    assert result.passed is True
    assert result.attributes["not_told_total"] == 1
    assert result.attributes["notes"] == ["1 not resolvable without running code"]


def test_a_module_that_brings_submodules_by_name_brings_no_others(tmp_path: Path) -> None:
    """As `os` does with os.path: what it puts into sys.modules is written there, and it is no package."""
    text = "import sys\nsys.modules['host.guest'] = sys\n"
    tree(tmp_path, {"host.py": text, "itself.py": text.replace("host.guest", "itself"), "pkg/__init__.py": text})
    environment = beside(tmp_path)

    for name in ("os.nosuch", "host.nosuch", "pkg.nosuch", "os.path.nosuch"):
        failed = imports(f"import {name}", environment)
        assert (failed.passed, only_failure(failed).code) == (False, "E_MODULE_NOT_FOUND")
    assert "('os' is no package)" in only_failure(imports("from os.nosuch import x", environment)).message
    assert imports("import os.path", environment).attributes["resolved"] == 1
    # Found only when it runs, and what takes its own place may be a package.
    for name in ("host.guest", "itself.nosuch"):
        assert imports(f"import {name}", environment).attributes["not_told_total"] == 1
    # Known by its directory alone, its name may be any.
    beside_it = imports("from .guest import x", environment, path=str(tmp_path / "pkg" / "made.py"))
    assert beside_it.attributes["not_told_total"] == 1


def test_a_name_that_a_module_may_make_at_run_time_does_not_fail_the_others(tmp_path: Path) -> None:
    result = imports("import json\nfrom os import nosuch\nimport nowhere_at_all", beside(tmp_path))

    assert result.passed is False
    assert only_failure(result).line == 3
    assert [each["import"] for each in result.attributes["not_told"]] == ["from os import nosuch"]


# -- what lies on the path --------------------------------------------------------------------------------------------


def test_every_kind_of_module_is_found(tmp_path: Path) -> None:
    suffix = HERE.suffixes[0]
    tree(
        tmp_path,
        {
            "one/space/a.py": "x = 1\n",
            "two/space/b.py": "y = 1\n",
            f"one/native{suffix}": "",
            f"one/boxed/__init__{suffix}": "",
            "one/boxed/inner.py": "z = 1\n",
            "one/shadow/nothing.txt": "",
            "two/shadow.py": "s = 1\n",
        },
    )
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as archive:
        archive.writestr("zipped/__init__.py", "from zipped.core import run\n")
        archive.writestr("zipped/core.py", "def run(): ...\n")
        archive.writestr("below/inside.py", "i = 1\n")
    environment = Environment(
        paths=tuple(str(tmp_path / each) for each in ("one", "two", "lib.zip", "lib.zip/below", "nowhere"))
    )
    text = (
        "from space.a import x\nfrom space import b\nimport native\nfrom native import any\nfrom boxed.inner import z\n"
        "from shadow import s\nfrom zipped import run, core\nimport zipped.core\nfrom inside import i\n"
    )

    result = imports(text, environment)

    assert result.failures == ()
    assert [each["import"] for each in result.attributes["not_told"]] == ["from native import any"]
    wrong = imports("from space import c\nimport space.c\nfrom zipped.core import rum\nimport zipped.cor", environment)
    assert [each.code for each in wrong.failures] == [
        "E_NAME_NOT_FOUND",
        "E_MODULE_NOT_FOUND",
        "E_NAME_NOT_FOUND",
        "E_MODULE_NOT_FOUND",
    ]


def test_names_are_read_wherever_a_module_binds_them(tmp_path: Path) -> None:
    module = (
        "import a.b, c as d\nfrom e import f as g\n(h, [i, *j]) = 1, [2]\nk: int = 1\nl = m = 1\nif (n := 1): o = 1\n"
        "try: p = 1\nexcept E as q: pass\nelse: r = 1\nfor s in t: u = 1\nwith v as w: x = 1\n"
        "def y(hidden): global z; inner = 1\nclass A: hidden2 = 1\n"
        "match 1:\n    case {'k': B, **C}: pass\n    case [D, *E]: F = 1\n"
    )
    tree(tmp_path, {"m.py": module})
    there = [*"adghijklmnopqrsuwxyzABCDEF"]

    assert imports(f"from m import {', '.join(there)}", beside(tmp_path)).failures == ()
    gone = imports("from m import c, f, hidden, inner, hidden2, t, v, b", beside(tmp_path))
    assert gone.failures_total == 8


def test_all_names_of_other_modules_are_followed(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "pkg/__init__.py": "from .inner import *\nfrom pkg.other import *\n",
            "pkg/inner.py": "a = 1\n",
            "pkg/other.py": "from .deeper.core import *\nb = 1\n",
            "pkg/deeper/core.py": "c = 1\n",
            "x.py": "from y import *\n",
            "y.py": "from x import *\n",
            "z.py": "from nowhere_at_all import *\n",
        },
    )

    result = imports("from pkg import a, b, c, d", beside(tmp_path))

    assert only_failure(result).message.startswith("no name 'd' in module 'pkg'")
    assert imports("from x import q\nfrom z import q", beside(tmp_path)).attributes["not_told_total"] == 2


def test_a_module_that_changed_is_read_again(tmp_path: Path) -> None:
    environment = beside(tmp_path)
    assert imports("from late import a", environment).passed is False

    tree(tmp_path, {"late.py": "a = 1\n"})
    assert imports("from late import a", environment).passed is True

    tree(tmp_path, {"late.py": "renamed = 1\n"})
    assert imports("from late import a", environment).passed is False


def test_a_file_made_within_one_tick_of_the_clock_is_found(tmp_path: Path) -> None:
    """The directory's time is the same before and after; it was changed too lately to be trusted."""
    environment = beside(tmp_path)
    assert imports("import late", environment).passed is False
    before = tmp_path.stat().st_mtime_ns

    tree(tmp_path, {"late.py": ""})
    os.utime(tmp_path, ns=(before, before))

    assert imports("import late", environment).passed is True


def test_modules_can_be_given_as_text_or_path_before_they_are_written(tmp_path: Path) -> None:
    file = tree(tmp_path, {"else/where.py": "class Where: ...\n"}) / "else" / "where.py"
    environment = LIBRARIES.with_modules(
        {"app.store": "class TodoStore: ...\n", "app.where": file, "elsewhere": tmp_path / "else"}
    )

    fine = (
        "from app.store import TodoStore\nfrom app import where\nfrom app.where import Where\nimport elsewhere.where\n"
    )
    assert imports(fine, environment).failures == ()
    assert imports("from .store import TodoStore\nfrom . import where", environment, package="app").failures == ()
    wrong = imports(
        "from app.stores import TodoStore\nfrom app.store import Todo\nfrom store import TodoStore", environment
    )
    assert [each.message for each in wrong.failures] == [
        "no module named 'app.stores'; did you mean 'app.store'?",
        "no name 'Todo' in module 'app.store'",
        "no module named 'store'; did you mean 'app.store'?",
    ]


# -- relative imports -------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tree(
        tmp_path,
        {"app/__init__.py": "v = 1\n", "app/core/__init__.py": "", "app/core/a.py": "x = 1\n", "app/b.py": "y = 1\n"},
    )


@pytest.mark.parametrize("options", [{"package": "app.core"}, {"path": "app/core/new.py"}])
def test_relative_imports_are_looked_for_in_the_package(project: Path, options: dict[str, str]) -> None:
    if "path" in options:
        options = {"path": str(project / options["path"])}
    fine = "from . import a\nfrom .a import x\nfrom .. import v, b\nfrom ..b import y\nfrom ..core.a import x\n"

    assert imports(fine, beside(project), **options).failures == ()
    wrong = imports("from .a import q\nfrom .q import a\nfrom .. import q\nfrom . import q", beside(project), **options)
    assert [each.code for each in wrong.failures] == [
        "E_NAME_NOT_FOUND",
        "E_MODULE_NOT_FOUND",
        "E_NAME_NOT_FOUND",
        "E_NAME_NOT_FOUND",
    ]


def test_relative_imports_that_lead_nowhere(project: Path) -> None:
    beyond = only_failure(imports("from ...b import y", beside(project), package="app.core"))
    script = only_failure(imports("from .b import y", beside(project), package=""))

    assert (beyond.code, script.code) == ("E_RELATIVE_BEYOND_TOP", "E_RELATIVE_NO_PACKAGE")
    assert imports("from .b import y", beside(project)).attributes["not_told_total"] == 1
    assert imports("from .b import y", beside(project), package="unwritten").attributes["not_told_total"] == 1


# -- imports that may fail --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import nope\nexcept ImportError:\n    nope = None\n",
        "try:\n    import nope\nexcept (KeyError, ModuleNotFoundError) as e:\n    import json\n",
        "try:\n    import nope\nexcept:\n    pass\n",
        "try:\n    import json\nexcept ImportError:\n    import nope\n",
        "try:\n    import json\nexcept ImportError:\n    pass\nelse:\n    import os\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nope import x\n",
        "import sys\nif sys.version_info >= (3, 99):\n    import nope\nelse:\n    import json\n",
        "import sys\nif sys.platform == 'win32':\n    import winreg\nelif a:\n    import json\n",
        "if windows:\n    import winreg\n",
        "import __main__\n",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import nope\n",
    ],
)
def test_an_import_that_may_fail_is_no_failure(text: str) -> None:
    assert imports(text).failures == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def f():\n    async def g():\n        import nope\n", 3),
        ("try:\n    import nope\nexcept ValueError:\n    pass\n", 2),
        ("try:\n    import nope\nexcept ImportError:\n    import nope_too\n", 4),
        ("try:\n    pass\nfinally:\n    import nope\n", 4),
        ("if debug:\n    import json\nelif other:\n    import nope\n", 4),
        ("class A:\n    for a in b:\n        import nope\n", 3),
        ("match a:\n    case 1:\n        import nope\n", 3),
    ],
)
def test_an_import_that_is_needed_is_found_wherever_it_stands(text: str, line: int) -> None:
    assert only_failure(imports(text)).line == line


def test_what_was_optional_is_listed() -> None:
    result = imports("try:\n    import nope\nexcept ImportError:\n    pass\n")

    assert result.attributes == {"imports": 1, "resolved": 0, "optional_missing": ["import nope"]}


# -- hostile ----------------------------------------------------------------------------------------------------------


def test_ten_thousand_failures_are_counted_and_the_first_are_listed() -> None:
    result = imports("".join(f"import nope{each}\n" for each in range(10_000)))

    assert (len(result.failures), result.failures_total) == (MOST_FAILURES, 10_000)
    assert result.failures[-1].line == MOST_FAILURES


def test_hostile_modules_on_the_path_are_read_with_care(tmp_path: Path) -> None:
    tree(tmp_path, {"deep.py": "x = " + "(" * 10_000, "huge.py": "#" * 5_000_000, "big/__init__.py/file": ""})
    (tmp_path / "binary.py").write_bytes(b"\xff\0")
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    (tmp_path / "fake.zip").write_bytes(b"PK\3\4" + b"\0" * 100)
    environment = beside(tmp_path).with_paths(tmp_path, tmp_path / "fake.zip")

    result = imports("\n".join(f"from {each} import x" for each in ("deep", "huge", "binary", "loop")), environment)

    assert result.error is None
    assert result.attributes["not_told_total"] == 4
    assert imports("import " + "a" * 19_000 + ", json." + "b" * 19_000, environment).failures_total == 2
    assert imports("import json" + ".x" * 9_000, environment).failures_total == 1


@pytest.mark.parametrize(("at", "value"), [(8, b"\1\0"), (10, b"\x63\0")], ids=["encrypted", "packed"])
def test_an_archive_that_cannot_be_read_is_no_failure_of_the_code(tmp_path: Path, at: int, value: bytes) -> None:
    path = tmp_path / "lib.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("closed.py", "x = 1\n")
    raw = bytearray(path.read_bytes())
    entry = raw.index(b"PK\1\2")
    raw[entry + at : entry + at + 2] = value
    path.write_bytes(raw)

    result = imports("from closed import x", beside(tmp_path).with_paths(path))

    assert result.error is None
    assert (result.attributes.get("not_told_total"), result.failures_total) == (1, 0)


def test_a_pipe_on_the_path_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    os.mkfifo(tmp_path / "tube")
    program = f"""
        from whence.checks.environment import Environment
        from whence.checks.python import check_python
        result = check_python("from pipe import x\\nimport tube", environment=Environment(paths=({str(tmp_path)!r},)))[-1]
        print(result.attributes["not_told_total"], result.failures_total)
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout.split() == ["1", "1"]


def test_a_working_directory_that_is_gone_is_no_hindrance(tmp_path: Path) -> None:
    program = f"""
        import os, sys
        sys.path.insert(0, "")
        from whence.checks.python import check_python
        os.mkdir({str(tmp_path / "gone")!r}); os.chdir({str(tmp_path / "gone")!r}); os.rmdir(os.getcwd())
        print(check_python("import json")[-1].passed)
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout.strip() == "True"
