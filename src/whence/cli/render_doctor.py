"""The doctor's report."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from whence.cli import plain
from whence.cli.render import BAD, COMMAND, GOOD, MAYBE, NAME, QUIET, text
from whence.model.severity import Severity
from whence.runtime.doctor import Check, healthy


def report(checks: Sequence[Check]) -> RenderableType:
    """Return what was looked at, what is wrong with it, and what to do."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        bad = BAD if check.severity >= Severity.HIGH else MAYBE
        sign = Text("✓", GOOD) if check.ok else Text("✗", bad)
        table.add_row(sign, Text(check.name, "" if check.ok else NAME), text(check.message, "" if check.ok else bad))
        if check.remedy:
            table.add_row(
                "", "", Text.assemble(("→ ", QUIET), (plain.line(check.remedy), QUIET if check.ok else COMMAND))
            )
    found = sum(not check.ok for check in checks)
    if healthy(checks):
        verdict = Text("healthy: what is recorded arrives and can be read back", GOOD)
    else:
        verdict = Text(f"{found} problem{'s' if found > 1 else ''} found", BAD)
    return Group(table, Text(), verdict)
