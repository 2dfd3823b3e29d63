"""The door: a page of names, and light to open."""

import subprocess
import sys
from typing import Any

import pytest

import whence.generation
from whence.generation import GenerationLogger, SimpleGenerationLogger, observable

NAMES = {
    *(
        "GenerationLogger",
        "SimpleGenerationLogger",
        "GenerationEvent",
        "observable",
        "observe",
        "get_generation_logger",
    ),
    *("patch_existing_generator", "add_observer", "remove_observer", "replay", "observer_stats", "flush"),
}


def test_the_page_lists_the_names() -> None:
    assert set(whence.generation.__all__) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_is_there_and_documented(name: str) -> None:
    assert getattr(whence.generation, name).__doc__


@pytest.mark.parametrize(
    "public",
    [getattr(GenerationLogger, name) for name in vars(GenerationLogger) if not name.startswith("_")]
    + [SimpleGenerationLogger, observable],
    ids=lambda each: getattr(each, "__name__", "property"),
)
def test_every_method_is_documented(public: Any) -> None:
    assert public.__doc__


def test_opening_it_loads_the_standard_library_and_msgspec_alone() -> None:
    code = """
import sys
before = set(sys.modules)
import whence.generation
foreign = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names) - {"whence"}
print(*sorted(name for name in foreign if not name.startswith("_sysconfigdata")))
print(*sorted({"asyncio", "hashlib", "whence.runtime.runtime"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    foreign, late = done.stdout.split("\n")[:2]
    assert set(foreign.split()) <= {"msgspec", "typing_extensions"}
    assert late == ""


def test_nothing_is_printed(tmp_path: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """C3.14."""
    from whence.testing import capture

    with capture(), GenerationLogger(tmp_path) as logger:
        logger.log_llm_interaction("c", "p", "r")
        logger.log_error("s", "c", "bad")
        observable("s")(lambda: 1)()

    assert capfd.readouterr() == ("", "")
