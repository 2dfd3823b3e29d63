"""A finding: a derived statement about records, with its evidence."""

from typing import Any

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is, or may be, wrong. Travels as the payload of a record of kind `finding`."""

    code: str  # CAL-01 …; the catalog of codes says what it means
    title: str  # one sentence a person reads
    severity: int = 1  # whence.model.severity
    confidence: float | None = None  # 0..1, measured as the detector's docstring says
    fingerprint: str = ""  # equal for "the same thing again"
    evidence: tuple[str, ...] = ()  # record or trace ids
    remediation: str = ""
    attributes: dict[str, Any] = {}
