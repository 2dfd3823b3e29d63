"""The trouble codes by the seed's names (R0.4, R0.6): a view of the one catalog, which is read when it is first asked."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from whence.diagnose.catalog import Catalog, Code


class DTC(msgspec.Struct, frozen=True, kw_only=True):
    """What a diagnostic trouble code means, how bad it is, and what to do."""

    code: str
    name: str
    description: str
    severity: str  # critical, high, medium, low, info
    category: str  # of the part that it is about, in words: Transformer, Judge, …
    remediation: list[str]  # steps, in this order
    references: list[str]
    vector_signature: list[float] | None = None


class DTCCatalog(Mapping[str, DTC]):
    """Every code that whence knows, the user's own included (docs/codes.md). Older names of a code find it too."""

    def __getitem__(self, code: str) -> DTC:
        found = _catalog().get(code)
        if found is None:
            raise KeyError(code)
        return _dtc(found)

    def __iter__(self) -> Iterator[str]:
        return iter(_catalog().codes)

    def __len__(self) -> int:
        return len(_catalog().codes)

    def __repr__(self) -> str:
        return f"<DTC_CATALOG: {len(self)} codes>"


DTC_CATALOG = DTCCatalog()


def _catalog() -> "Catalog":
    from whence.diagnose.catalog import catalog

    return catalog()


def _dtc(found: "Code") -> DTC:
    category = _catalog().categories.get(found.category)
    return DTC(
        code=found.code,
        name=found.name,
        description=found.description,
        severity=found.severity.label,
        category=category.name if category is not None else found.category,
        remediation=list(found.remediation),
        references=list(found.references),
        vector_signature=list(found.vector_signature) if found.vector_signature is not None else None,
    )
