"""What the research pipeline reads: made-up packages with documentation, the same on every machine.

The documentation of what is installed, which the example reads, differs from one environment to the next.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

MIRRORS: Final = ("mirror/north", "mirror/east", "mirror/south")
PACKAGES: Final = 4
"""To each subject; each speaks of it in its own words."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What packages are about and people ask for."""

    name: str
    task: str  # "show a progress bar in a terminal"
    thing: str  # "progress bar"

    @property
    def mirror(self) -> str:
        """Where the packages of this subject are fetched from."""
        return MIRRORS[[subject.name for subject in SUBJECTS].index(self.name) % len(MIRRORS)]

    @property
    def packages(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(f"{self.name}{ending}" for ending in ("kit", "lite", "ex", "ary"))


SUBJECTS: Final = (
    Subject("progress", "show a progress bar in a terminal", "progress bar"),
    Subject("markup", "convert markdown documents to html", "markdown converter"),
    Subject("ledger", "store ledger entries in a sqlite database", "sqlite ledger"),
    Subject("palette", "print coloured tables to a console", "coloured table"),
    Subject("courier", "send http requests through a proxy", "http proxy"),
    Subject("calend", "parse calendar dates with a timezone", "calendar parser"),
    Subject("cipher", "encrypt configuration files with a passphrase", "passphrase cipher"),
    Subject("thumb", "create thumbnail images from a video", "video thumbnail"),
    Subject("sched", "run scheduled jobs on a cluster", "job scheduler"),
    Subject("vector", "find similar vectors in an index", "vector index"),
)

_QUESTIONS = ("How do I {task}?", "How should I {task}?", "Which packages {task}?")

_SAID: Final = (
    (
        "Call `{pkg}.open_{word}()` to {task}: it takes {n} arguments and returns a {thing}.",
        "Since version {v}, {Name} can {task} in {n} ms on Python 3.1{d}.",
        "A {thing} of {Name} keeps at most {n} kB in memory while it is used.",
    ),
    (
        "`{word}_session(limit={n})` is how {Name} will {task}, one {thing} for each caller.",
        "Where {n} callers share a {thing}, {Name} locks it with `RLock` to {task} safely.",
        "Settings live in `{pkg}.toml`, which names the {thing} and how to {task}.",
    ),
    (
        "The command `{pkg} --{word} {n}` lets you {task} without a line of code.",
        "Benchmarks with {n} rounds show that {Name} needs {d}% of a core to {task}.",
        "Errors of a {thing} are raised as `{Name}Error`, whose `retry_s` is {d} seconds.",
    ),
    (
        "Decorate a function with `@{word}_task` and {Name} will {task} around its {n} calls.",
        "Plugins for a {thing} implement `{Name}Protocol` with {d} methods, to {task} elsewhere.",
        "Logs of the {thing} carry {n} fields, named in `{pkg}.LOG_FIELDS`.",
    ),
)


def question(subject: Subject, random: Random) -> str:
    """Return something that may be asked about a subject."""
    return random.choice(_QUESTIONS).format(task=subject.task)


def subject_of(package: str) -> Subject:
    """Return what a package is about."""
    return next(subject for subject in SUBJECTS if package in subject.packages)


def document(package: str, now_ns: int) -> dict[str, Any]:
    """Return what a mirror has of a package as of a moment: its newest release."""
    subject = subject_of(package)
    random = Random(package)
    now = datetime.fromtimestamp(now_ns / 1e9, UTC)
    minor = random.randint(2, 9)
    return {
        "name": package,
        "version": f"{random.randint(1, 4)}.{minor}",
        "released": (now - timedelta(days=random.randint(20, 240))).date().isoformat(),
        "summary": f"{package.capitalize()}: small, typed, tested and maintained",
        "links": random.randint(3, 6),
        "body": _body(subject, package, random),
    }


def old_document(package: str, now_ns: int, random: Random) -> dict[str, Any]:
    """Return a release of a package from years ago, when it had little documentation."""
    now = datetime.fromtimestamp(now_ns / 1e9, UTC)
    return document(package, now_ns) | {
        "version": f"0.{random.randint(1, 4)}",
        "released": (now - timedelta(days=random.randint(2300, 3600))).date().isoformat(),
        "body": f"# {package}\n\nThis project is at its beginning, and more will be written here.\n",
    }


def _body(subject: Subject, package: str, random: Random) -> str:
    words = {
        "pkg": package,
        "Name": package.capitalize(),
        "task": subject.task,
        "thing": subject.thing,
        "word": subject.thing.split()[0],
        "v": f"{random.randint(1, 3)}.{random.randint(0, 9)}",
        "n": str(random.randint(12, 90)),
        "d": str(random.randint(1, 4)),
    }
    one, two, three = (said.format(**words) for said in _SAID[subject.packages.index(package)])
    return f"""# {package}

{one}

```python
import {package}

# {subject.task}
{words["word"]} = {package}.open_{words["word"]}(limit={words["n"]})
{words["word"]}.start()  # the {subject.thing}
```

## Usage of the {subject.thing}

{two}

## Details of a {subject.thing}

{three}

## Installation

Install it with `pip install {package}`, on any system with Python 3.1{words["d"]} or newer.

## Licence

The licence of {package} is the MIT licence, as the file LICENCE says in full.
"""
