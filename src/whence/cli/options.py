"""Options that commands share, each under one name and one sentence."""

from typing import Annotated

from cyclopts import Parameter

Json = Annotated[bool, Parameter("--json", negative="", show_default=False, help="Print one JSON document, plain.")]
Limit = Annotated[int, Parameter("--limit", help="How many at most (1 to 10000).")]
Cursor = Annotated[str | None, Parameter("--cursor", help="Go on where a page ended: what it gave as `next`.")]
Project = Annotated[str | None, Parameter("--project", help="Only of this project.")]
Since = Annotated[str | None, Parameter("--since", help="Only from then on: 15m, 1h, 7d, today, a date, an ISO time.")]
Until = Annotated[str | None, Parameter("--until", help="Only before then: an ISO time, or a span back from now.")]
RunName = Annotated[str, Parameter(help="A run: its name, a unique part of it, `last` or `last-bad`.")]
