"""The page of the door: every name is there, importing it is light, and the process has one service."""

import re
import subprocess
import sys

import pytest

from tests.docs.pages import text
from whence import telemetry as door
from whence.runtime import runtime as process
from whence.runtime.runtime import Runtime

LIGHT = """
import sys
before = set(sys.modules)
import whence.telemetry
ours = set(sys.modules) - before - {"whence.store", "whence.store.current"}  # those two come with `import whence`
foreign = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names) - {"whence"}
print(*sorted(name for name in foreign if not name.startswith("_sysconfigdata")))
print(*sorted(name for name in ours if name.startswith(("whence.diagnose", "whence.store", "whence.query", "whence.collect"))))
"""


@pytest.mark.parametrize("name", door.__all__)
def test_every_listed_name_is_there_and_documented(name: str) -> None:
    assert getattr(door, name).__doc__


def test_importing_it_is_light() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)

    foreign, heavy = done.stdout.split("\n")[:2]
    assert set(foreign.split()) <= {"msgspec", "typing_extensions"}
    assert heavy == ""


def test_there_is_one_service_made_when_it_is_first_asked_for(runtime: Runtime) -> None:
    first = door.init_telemetry()

    assert door.get_telemetry() is door.get_telemetry_service() is first
    assert door.init_telemetry() is not first


def test_a_path_is_where_the_store_is(runtime: Runtime) -> None:
    elsewhere = runtime.settings.data.parent / "elsewhere"

    door.quickstart_telemetry(elsewhere)

    assert process.runtime().settings.data == elsewhere
    assert (elsewhere / "whence.db").exists()
    process.runtime().close()


@pytest.mark.parametrize("session", [object(), "postgresql://user@host/base"])
def test_a_session_of_another_database_is_accepted_and_not_used(runtime: Runtime, session: object) -> None:
    door.init_telemetry(session).log_event(component="A", event_type="made")

    assert process.runtime() is runtime
    assert len(door.get_telemetry().events()) == 1


def test_the_guide_leaves_no_name_out() -> None:
    page = text("guide/telemetry.md")

    assert not [name for name in door.__all__ if not re.search(rf"^\|.*`{name}\b", page, re.M)]
