"""The debug door: logs, states and numbers of distributed components, and what is to be said of them, under the names of seed 4.

    from whence.debug import DebugQuery, get_debug_collector

    collector = get_debug_collector()
    await collector.collect_event(event_type="log", component_type="agent", component_id="agent-123",
                                  correlation_id="corr-456", level="INFO", message="Agent started")
    health = await DebugQuery().get_component_health("agent", "agent-123", "1h")

Collecting never raises and waits for nothing. Asking may raise `whence.errors`, and says what to do.
"""

from whence.debug.cache import DebugCache, get_debug_cache
from whence.debug.collector import DebugCollector, get_debug_collector
from whence.debug.engine import DebugInsightEngine
from whence.debug.models import DebugEvent, DebugInsight, DebugMetric, DebugSession, DebugStateSnapshot
from whence.debug.query import DebugQuery
from whence.debug.sessions import add_note, close_session, get_session, list_sessions, open_session, reopen_session
from whence.debug.storage import HybridDebugStorage

__all__ = [
    "DebugCache",
    "DebugCollector",
    "DebugEvent",
    "DebugInsight",
    "DebugInsightEngine",
    "DebugMetric",
    "DebugQuery",
    "DebugSession",
    "DebugStateSnapshot",
    "HybridDebugStorage",
    "add_note",
    "close_session",
    "get_debug_cache",
    "get_debug_collector",
    "get_session",
    "list_sessions",
    "open_session",
    "reopen_session",
]
