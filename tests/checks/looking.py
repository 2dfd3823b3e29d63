"""What the tests of imports share: a check, an environment, files to look in."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from whence.checks.environment import Environment, Module
from whence.checks.interface import CheckResult, Failure
from whence.checks.python import check_python

HERE = Environment.current()
LIBRARIES = msgspec.structs.replace(
    HERE, paths=tuple(each for each in HERE.paths if Path(each).is_relative_to(sys.base_prefix))
)
"""The standard library alone: what is suggested does not depend on where the tests run."""


def imports(text: str, environment: Environment = HERE, **options: Any) -> CheckResult:
    return check_python(text, environment=environment, only=("import",), **options)[0]


def only_failure(result: CheckResult) -> Failure:
    assert result.failures_total == 1, result
    return result.failures[0]


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def beside(root: Path, **modules: Module) -> Environment:
    return LIBRARIES.with_paths(root).with_modules(modules)
