"""The public surface is a page: every name on it is there, and reading it costs next to nothing."""

import subprocess
import sys

import pytest

import whence
import whence.tracing

LIGHT = """
import sys
before = set(sys.modules)
import whence
{more}
foreign = {{name.partition(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names) - {{"whence"}}
print(*sorted(name for name in foreign if not name.startswith("_sysconfigdata")))
"""


@pytest.mark.parametrize("name", whence.__all__)
def test_every_listed_name_is_there(name: str) -> None:
    assert getattr(whence, name) is not None


@pytest.mark.parametrize("name", whence.tracing.__all__)
def test_every_name_of_the_tracing_door_is_there_and_documented(name: str) -> None:
    assert getattr(whence.tracing, name).__doc__


def test_a_name_that_is_not_listed_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        whence.nonsense  # noqa: B018


@pytest.mark.parametrize("more", ["", "import whence.tracing, whence.api"])
def test_importing_loads_the_standard_library_and_msgspec_alone(more: str) -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT.format(more=more)], capture_output=True, text=True, check=True)

    # msgspec itself takes typing_extensions where it is installed
    assert set(done.stdout.split()) <= {"msgspec", "typing_extensions"}


def test_recording_loads_nothing_heavy(tmp_path: object) -> None:
    code = f"""
import sys, os
os.environ["WHENCE_DATA"] = {str(tmp_path)!r}
import whence
trace = whence.trace("p")
with trace.stage("s") as stage:
    stage.decision("d", what=1)
print(sorted({{"apsw", "rich", "cyclopts", "platformdirs", "asyncio", "opentelemetry"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
