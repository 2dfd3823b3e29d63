"""What a run was like, in some tens of kilobytes: all that questions over many runs need, so that they never read the records.

A digest is derived from the records of one run by `whence.diagnose.digesting`, and made anew when more of them arrive. Stored by
`accept` like everything else, as a record of kind `digest` that takes the place of the one before it.
"""

import msgspec


class PartDigest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One component (or stage, where no component was named) in one run. Durations in ns, money in US dollars."""

    records: int = 0
    errors: int = 0  # records of level high and above, and spans that failed
    spans: int = 0  # finished
    failed: int = 0  # of them
    attempts: int = 0  # the most tries of one stage or of healing
    durations_ns: tuple[int, ...] = ()  # of its finished spans in order of time, the first 64
    total_ns: int = 0  # of all of them, without what lies in spans of the same component
    self_ns: int = 0  # of all of them, without any span inside
    calls: int = 0  # of language models
    tokens: int = 0
    cost_usd: float | None = None
    version: str = ""  # fingerprint of what ran: prompt, tools, model, parameters, code (8 hex digits); "" if unknown
    versions: dict[str, str] = {}  # what it is made of: {model, prompt, tools, parameters, code}
    confidences: tuple[float, ...] = ()  # of its decisions, in order of time, the first 64
    first_ns: int = 0
    last_ns: int = 0
    stage: str = ""  # the stage it acted in, where it acted in one only


class ErrorDigest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One error of a run."""

    template: str  # the message without what varies (whence.measure.templates.template_of)
    component: str = ""
    stage: str = ""
    record_id: str = ""
    level: int = 3
    ts_ns: int = 0
    count: int = 1


class Traits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What each place of a run said, in numbers and words (`whence.diagnose.traits`): `place|what` → field → what it was."""

    ranges: dict[str, dict[str, tuple[float, float]]] = {}  # a number's least and most, in its own unit
    values: dict[str, dict[str, tuple[str, ...]]] = {}  # the words of a field
    counts: dict[str, dict[str, tuple[int, int]]] = {}  # records in each timed part, least and most
    ranges_of: dict[str, dict[str, tuple[float, float]]] = {}  # by `place|what|field` and what it is about
    values_of: dict[str, dict[str, tuple[str, ...]]] = {}


class RunDigest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run."""

    trace: str  # OpenTelemetry id
    trace_id: str = ""
    project: str = ""
    started_ns: int = 0
    ended_ns: int = 0  # 0: it has not ended
    duration_ns: int = 0
    status: str = ""
    reason: str = ""
    outcome: str = ""  # good, bad, in_progress (whence.query.claims.outcome_of)
    intent: str = ""
    domain: str = ""
    report_type: str = ""
    query: str = ""  # its hash, 8 hex digits: only whether two are equal matters here
    score: float | None = None
    gate_passed: bool | None = None
    principles: dict[str, float] = {}
    records: int = 0
    calls: int = 0
    tokens: int = 0
    cost_usd: float | None = None
    code: str = ""  # version of the program
    parts: dict[str, PartDigest] = {}
    order: tuple[str, ...] = ()  # names of stages and other spans as they began, the first 200
    attributes: dict[str, str] = {}
    """What can be put beside other runs: `decision:<stage>.<name>`, `model:<component>`, `prompt:<component>`, `tool:<name>`,
    `check:<name>` (passed, failed), `source:<…>`, `output:<stage>.<key>`, `code`, what the run began with; short texts."""
    records_of: dict[str, str] = {}  # attribute -> the record that says so
    numbers: dict[str, float] = {}
    """What can be put beside other runs as a quantity: outputs, evidence counts, scores, distances, metrics."""
    errors: tuple[ErrorDigest, ...] = ()  # the first 50 templates
    minutes: dict[str, dict[int, int]] = {}  # component -> minute (Unix time) -> records, the first 1,000 minutes
    codes: dict[str, int] = {}  # of the findings about the run itself, and their severity
    dropped: int = 0
    last_record: str = ""
    traits: msgspec.Raw = msgspec.Raw(b"{}")
    """Its `Traits` in JSON: larger than the rest, and read only where a run is explained."""


def sorted_runs(digests: "list[RunDigest] | tuple[RunDigest, ...]") -> list[RunDigest]:
    """Return runs in the one order that every computation over them uses: by start, then by id; each once."""
    latest: dict[str, RunDigest] = {}
    for each in digests:
        known = latest.get(each.trace)
        if known is None or (each.records, each.last_record) >= (known.records, known.last_record):
            latest[each.trace] = each
    return sorted(latest.values(), key=lambda each: (each.started_ns, each.trace))
