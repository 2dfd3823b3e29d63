"""`whence redact`: what would be masked in a text, before a pipeline with such texts is recorded."""

import re
import sys
from typing import Annotated

from cyclopts import Parameter

from whence.cli import plain, render
from whence.cli.options import Json
from whence.errors import BadInput

_MASK = re.compile(r"\[REDACTED:([a-z0-9_-]+)\]")


def redact(
    *,
    test: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    json: Json = False,
) -> None:
    """Show a text as it would be stored: secrets and personal data masked. Reads stdin without --test.

    Args:
        test: The text.
    """
    from whence.redact.text import redact_text

    if test is None:
        if sys.stdin.isatty():
            raise BadInput("no text; give --test TEXT, or pipe one in")
        test = sys.stdin.buffer.read().decode("utf-8", "replace")
    masked = redact_text(test)
    kinds = sorted(set(_MASK.findall(masked)) - set(_MASK.findall(test)))
    if json:
        render.as_json({"text": masked, "changed": masked != test, "masked": kinds})
        return
    sys.stdout.write(plain.text(masked).rstrip("\n") + "\n")
    render.note(f"masked: {', '.join(kinds)}" if kinds else "changed" if masked != test else "nothing to mask")
