"""Rows of the tables as values of the model, and back."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from whence.model.record import Record
from whence.model.trace import TraceSummary

_decode = msgspec.json.decode

COLUMNS: Final = TraceSummary.__struct_fields__
"""The columns of `traces`, in the order of `queries.sql`."""

_AT = {name: place for place, name in enumerate(COLUMNS)}
_ID, _GATE, _FLAGGED = _AT["id"], _AT["quality_gate_passed"], _AT["flagged_for_review"]
_MAPPINGS = (_AT["principle_scores"], _AT["stage_durations"])
_LISTS = (_AT["gap_principles"], _AT["strength_principles"], _AT["output_file_paths"])


def record_of(row: Sequence[Any]) -> Record:
    """Return the record in a row of its thirteen columns."""
    (record_id, kind, name, ts_ns, trace, span, parent, stage, project, component, level, flags, payload) = row
    return Record(
        record_id.hex(), kind, name, ts_ns, trace.hex(), span, parent, stage, project, component, level, flags,
        msgspec.Raw(payload),
    )  # fmt: skip


def trace_of(row: Sequence[Any]) -> TraceSummary:
    """Return the trace in a row of COLUMNS."""
    values = list(row)
    values[_ID] = values[_ID].hex()
    values[_FLAGGED] = bool(values[_FLAGGED])
    if values[_GATE] is not None:
        values[_GATE] = bool(values[_GATE])
    for place in _MAPPINGS:
        values[place] = _decode(values[place])
    for place in _LISTS:
        values[place] = tuple(_decode(values[place]))
    return TraceSummary(**dict(zip(COLUMNS, values, strict=True)))
