"""Another interpreter's modules are known without running anything of it but its own standard library."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.checks.looking import HERE, imports, tree
from whence.checks.environment import Environment
from whence.errors import BadInput


def test_asking_another_interpreter_runs_nothing_of_it(tmp_path: Path) -> None:
    """Its .pth lines, sitecustomize and usercustomize would leave a file behind; they do when it is really started."""
    home = tmp_path / "env"
    venv.create(home, with_pip=False, symlinks=True)
    site = next(home.glob("lib/python*/site-packages"))
    ran = tmp_path / "ran"
    evil = f"open({str(ran)!r}, 'w').close()\n"
    tree(site, {"evil.pth": f"import sys; {evil}", "sitecustomize.py": evil, "there.py": "a = 1\n"})
    tree(tmp_path, {"src/mine.py": "b = 1\n"})
    (site / "mine.pth").write_text(f"# where it lies\n{tmp_path / 'src'}\n/nowhere/at/all\n")

    environment = Environment.of(home)

    assert imports("from there import a\nfrom mine import b\nimport json", environment).passed is True
    assert not ran.exists()
    # What that line of code does is not known: a module it might bring cannot be told.
    untold = imports("import somewhere_else", environment)
    assert untold.passed is True
    assert "evil.pth" in untold.attributes["not_told"][0]["reason"]
    subprocess.run([home / "bin" / "python", "-c", ""], check=True)
    assert ran.exists()


def test_another_environment_has_its_own_modules(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)

    environment = Environment.of(tmp_path / "env" / "bin" / "python")

    assert imports("import json, os.path, sys, _socket", environment).passed is True
    assert imports("import msgspec", environment).passed is False
    assert imports("import msgspec", HERE).passed is True
    assert environment == Environment.of(tmp_path / "env")


@pytest.mark.parametrize("python", ["nowhere", "file"])
def test_what_is_no_interpreter_is_refused(tmp_path: Path, python: str) -> None:
    (tmp_path / "file").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "file").chmod(0o755)

    with pytest.raises(BadInput, match="Python"):
        Environment.of(tmp_path / python)


def test_editable_installs_are_read_from_their_tables(tmp_path: Path) -> None:
    """As setuptools and `editables` (hatch, pdm) write them: code that is read and not run."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    site = next((tmp_path / "env").glob("lib/python*/site-packages"))
    tree(tmp_path, {"src/first/__init__.py": "a = 1\n", "src/second.py": "b = 1\n", "src/third.py": "c = 1\n"})
    table = {"first": str(tmp_path / "src/first"), "second": str(tmp_path / "src/second")}
    tree(
        site,
        {
            "__editable__.first-1.pth": "import __editable___first_1_finder; __editable___first_1_finder.install()",
            "__editable___first_1_finder.py": f"MAPPING: dict = {table!r}\nNAMESPACES: dict = {{}}\nraise SystemExit\n",
            "_third.pth": "import _editable_impl_third",
            "_editable_impl_third.py": "from editables.redirector import RedirectingFinder as F\nF.install()\n"
            f"F.map_module('third', {str(tmp_path / 'src/third.py')!r})\n",
        },
    )

    environment = Environment.of(tmp_path / "env")

    assert environment.finders == ()
    assert imports("from first import a\nfrom second import b\nfrom third import c", environment).failures == ()
    assert imports("from first import z\nimport fourth", environment).failures_total == 2


def test_a_finder_that_cannot_be_asked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Secret:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            return None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Secret])

    result = imports("import nope", Environment.current())

    assert result.passed is True
    assert "Secret may know it" in result.attributes["not_told"][0]["reason"]
