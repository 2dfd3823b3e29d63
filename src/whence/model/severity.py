"""One ordered scale for everything: info < low < medium < high < critical (DESIGN §2)."""

import enum


class Severity(enum.IntEnum):
    """How bad it is. Insight `warning` is medium, a logged ERROR is high, CRITICAL is critical (B1)."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """Lower-case name, as shown and as accepted."""
        return self.name.lower()

    @property
    def logged(self) -> str:
        """The level of logging that it corresponds to."""
        return ("INFO", "INFO", "WARNING", "ERROR", "CRITICAL")[self]

    @classmethod
    def nearest(cls, level: int) -> "Severity":
        """Return the severity that a record's level is, or is nearest to: levels may be any whole number."""
        return cls(min(max(level, cls.INFO), cls.CRITICAL))
