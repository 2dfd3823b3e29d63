"""The statements of `queries.sql`, by name."""

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


@cache
def _statements() -> dict[str, str]:
    text = resources.files(__package__).joinpath("queries.sql").read_text(encoding="utf-8")
    pieces = _NAME.split(text)
    return {name: _bare(body) for name, body in zip(pieces[1::2], pieces[2::2], strict=True)}


def _bare(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()


def sql(name: str) -> str:
    """Return the statement or fragment under this name."""
    return _statements()[name]


def filtered(name: str, fragments: Iterable[str], key: str = "key_none") -> str:
    """Return the statement with a conjunction of fragments (names) in its place, and a key where it groups."""
    conditions = " AND ".join(sql(fragment) for fragment in fragments) or sql("any")
    return sql(name).replace("/*filters*/", conditions).replace("/*key*/", sql(key))
