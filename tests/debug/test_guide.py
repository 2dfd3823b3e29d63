"""The guide of this door leaves nothing out."""

import re

from tests.docs.pages import text
from whence import debug
from whence.debug.settings import VARIABLES, load


def test_every_name_and_every_variable_is_in_the_guide() -> None:
    page = text("guide/debug.md")

    assert not [name for name in debug.__all__ if not re.search(rf"\b{name}\b", page)]
    assert not [name for name in VARIABLES if f"| `{name}` |" not in page]


def test_every_default_is_that_of_the_guide() -> None:
    page, said = text("guide/debug.md"), load({})
    for variable, field in VARIABLES.items():
        (default,) = re.findall(rf"^\| `{variable}` \| `([^`]+)`", page, re.M)
        value = getattr(said, field)
        assert default == (str(value).lower() if isinstance(value, bool) else f"{value:g}")
