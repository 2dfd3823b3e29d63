"""The doctor's report."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli import plain
from whence.cli.render import BAD, COMMAND, GOOD, MAYBE, NAME, QUIET, beside, many, text
from whence.model.severity import Severity
from whence.runtime.doctor import Check, healthy


def report(checks: Sequence[Check]) -> RenderableType:
    """Return what was looked at, what is wrong with it, and what to do."""
    width = max((len(check.name) for check in checks), default=0)
    lines = [_line(check, width) for check in checks]
    found = sum(check.checked and not check.ok for check in checks)
    left = sum(not check.checked for check in checks)
    if healthy(checks):
        verdict = Text("healthy: what is recorded arrives and can be read back", GOOD)
    else:
        verdict = Text(f"{many(found, 'problem')} found", BAD)
        verdict.append(f", {many(left, 'thing')} not checked" if left else "", MAYBE)
    return Group(*lines, Text(), verdict)


def _line(check: Check, width: int) -> RenderableType:
    bad = BAD if check.severity >= Severity.HIGH else MAYBE
    sign, style = ("✓", "") if check.ok else ("✗", bad) if check.checked else ("–", QUIET)
    name = Text.assemble((sign, style or GOOD), "  ", (check.name.ljust(width), NAME if style == bad else style), "  ")
    parts: list[RenderableType] = [text(check.message, style)]
    if check.remedy:
        parts.append(Text.assemble(("→ ", QUIET), (plain.line(check.remedy), QUIET if check.ok else COMMAND)))
    return beside(name, Group(*parts))
