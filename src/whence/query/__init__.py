"""Questions, answered from the store. Synchronous and read-only; doors, CLI and server are faces of these functions.

Every function takes `store=`; without it the process's own store is asked, with everything spooled drained into it.
"""

from whence.query.blame import blame, blame_many
from whence.query.compare import compare, comparison
from whence.query.document import full_trace, trace_document, view
from whence.query.find import (
    by_domain,
    by_intent,
    by_project,
    decisions,
    find,
    flagged_for_review,
    low_scoring_principle,
    principle_patterns,
    quality_gate_failures,
    records,
    search,
    summary,
    traces,
)
from whence.query.healing import healing
from whence.query.steps import checks, llm_calls, steps
from whence.query.why import why

__all__ = [
    "blame",
    "blame_many",
    "by_domain",
    "by_intent",
    "by_project",
    "checks",
    "compare",
    "comparison",
    "decisions",
    "find",
    "flagged_for_review",
    "full_trace",
    "healing",
    "llm_calls",
    "low_scoring_principle",
    "principle_patterns",
    "quality_gate_failures",
    "records",
    "search",
    "steps",
    "summary",
    "trace_document",
    "traces",
    "view",
    "why",
]
