"""What the catalog says of a code, and of a category."""

from typing import Final

import msgspec

from whence.model.severity import Severity

INSIGHTS: Final = ("consistency", "flow", "performance", "error", "anomaly")
SEVERITIES: Final = tuple(each.label for each in Severity)
ACTION: Final = {
    Severity.CRITICAL: "halt the system",
    Severity.HIGH: "have a person look at it",
    Severity.MEDIUM: "heal: try again, repair",
    Severity.LOW: "log it and go on",
    Severity.INFO: "know it",
}
"""What a severity asks for (R0.5); info is below the seed's four."""


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """The first letter of codes."""

    letter: str
    name: str
    description: str
    insight_type: str = "error"


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A trouble code. `FIELDS` says what each field means."""

    code: str
    name: str
    category: str
    severity: Severity
    description: str
    remediation: tuple[str, ...]
    references: tuple[str, ...] = ()
    detector: str = ""
    raised_by: str = ""
    vector_signature: tuple[float, ...] | None = None
    aliases: tuple[str, ...] = ()
    insight_type: str = "error"
    source: str = ""

    @property
    def behind(self) -> str:
        """Who raises it, in words."""
        return f"the detector `{self.detector}`" if self.detector else self.raised_by


FIELDS: Final = {
    "code": (
        "the table's key: category, subsystem, fault",
        "one letter, two digits, `-`, two digits: `T01-01` (R0.2)",
    ),
    "name": ("what programs and people call it", "capital letters, digits and `_`: `LLM_INFERENCE_FAILURE`"),
    "category": (
        "the part of a system that it is about",
        "the letter of a category; without it, the first of the code",
    ),
    "severity": ("how bad it is, and so what is to be done", ", ".join(f"`{each}`" for each in SEVERITIES)),
    "description": ("what it means, for a person", "one or two sentences"),
    "remediation": ("what to do, in this order", "a list of at least one sentence; commands between backticks"),
    "references": ("where more is said", "a list of addresses, pages of this documentation, or requirement numbers"),
    "detector": ("the detector that raises it", "the name of a detector; either this or `raised_by` must be given"),
    "raised_by": ("the call that raises it", "a public call in words, where no detector does"),
    "vector_signature": ("a vector that is typical of it", "a list of numbers; optional, and no detector needs it"),
    "aliases": ("older names under which it is found too", "a list of texts of any form"),
    "insight_type": (
        "what kind of insight it is",
        ", ".join(f"`{each}`" for each in INSIGHTS) + "; else the category's",
    ),
    "source": ("where the entry comes from", "not written: `whence`, or the last file that added or changed it"),
}
"""Field of a code -> (what it means, what is accepted)."""
WRITTEN: Final = tuple(each for each in FIELDS if each not in ("code", "source"))
"""Fields that a file may give of a code."""
OF_CATEGORY: Final = {
    "name": ("what it is called", "a text"),
    "description": ("what belongs there", "a sentence"),
    "insight_type": ("what kind of insight its codes are", ", ".join(f"`{each}`" for each in INSIGHTS)),
}
