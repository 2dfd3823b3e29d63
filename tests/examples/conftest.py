"""A small library of made-up packages, so that these tests do not depend on what is installed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from examples.research.corpus import load
from examples.research.index import Index

AS_OF = date(2026, 1, 1)

LIBRARY = {
    "lampion": (
        "Development Status :: 5 - Production/Stable",
        "3.14",
        "Draw lanterns and progress bars in a terminal",
        """# lampion

[![badge](https://img.example/b.svg)](https://ci.example)

Lampion draws progress bars, lanterns and 256 colors in any [terminal](https://example.org).

## Progress bars

Wrap an iterable in `lampion.track()` to show a progress bar while it is consumed:

```python
from lampion import track
for item in track(range(10)): ...
```

However, a progress bar in a terminal without colors is drawn in 7-bit ASCII instead.

## License

The progress bar of the license is MIT.
""",
    ),
    "gleam": (
        "Development Status :: 4 - Beta",
        "3.13",
        "Terminal progress reporting",
        """gleam
=====

Gleam reports the progress of long downloads in a terminal, with `Bar(total=100)` and two other styles.

Every bar is `rendered <https://example.org/r>`__ by a thread of its own, 20 times a second.
""",
    ),
    "fossil": (
        "Development Status :: 1 - Planning",
        "3.4",
        "An old progress bar",
        "Fossil shows a progress bar in a terminal, as it did when terminals were green and bars were dots.",
    ),
    "ledger": (
        "Development Status :: 5 - Production/Stable",
        "3.14",
        "Bookkeeping for small shops",
        "Ledger keeps accounts in double entry.\n\nIt exports to CSV, JSON and 3 other formats.",
    ),
}


@pytest.fixture
def make_library(tmp_path: Path) -> Callable[[dict[str, tuple[str, str, str, str]]], Index]:
    """Return a function that installs packages (name -> status, newest Python, summary, README) and indexes them."""

    def make(packages: dict[str, tuple[str, str, str, str]]) -> Index:
        site = tmp_path / "site"
        for name, (status, python, summary, readme) in packages.items():
            folder = site / f"{name}-1.2.dist-info"
            folder.mkdir(parents=True)
            (folder / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\nSummary: {summary}\nLicense: MIT\n"
                f"Author: Somebody\nProject-URL: Home, https://example.org\nClassifier: {status}\n"
                f"Classifier: Programming Language :: Python :: {python}\n\n{readme}",
                encoding="utf-8",
            )
        return Index(load(as_of=AS_OF, path=[str(site)]))

    return make


@pytest.fixture
def index(make_library: Callable[[dict[str, tuple[str, str, str, str]]], Index]) -> Index:
    """The library above, indexed."""
    return make_library(LIBRARY)
