"""The process's own telemetry service (R0.9)."""

import os
import threading
from pathlib import Path
from typing import Any

from whence.record.notice import notice
from whence.runtime.doors import use_directory
from whence.telemetry.service import TelemetryService

_own: dict[str, TelemetryService] = {}
_making = threading.RLock()


def init_telemetry(db_session: Any = None, *, project: str | None = None) -> TelemetryService:
    """Make the process's telemetry service, and return it. Optional: `get_telemetry` makes one where there is none.

    Args:
        db_session: None: whence's own store. A path (str or Path): the data directory to use, as `whence.init(data=…)`.
            Anything else, such as an SQLAlchemy session or a database's address, is ignored with a notice: whence keeps
            its own store.
        project: of what is recorded outside any trace; without it that of the settings.

    Raises:
        BadInput: the settings of that directory are not accepted. This call is made on purpose, at the start.
    """
    if isinstance(db_session, str | Path) and "://" not in str(db_session):
        use_directory(Path(db_session))
    elif db_session is not None:
        notice(
            f"whence keeps its own store; the {type(db_session).__name__} given to init_telemetry is not used "
            "(a path would say where that store is)"
        )
    service = TelemetryService(project=project)
    _own["service"] = service
    return service


def get_telemetry() -> TelemetryService:
    """Return the process's telemetry service, made on first use; never None."""
    found = _own.get("service")
    if found is None:
        with _making:
            found = _own.get("service") or _own.setdefault("service", TelemetryService())
    return found


def service_of(telemetry: Any) -> TelemetryService:
    """Return the service that is given, else the process's own."""
    return telemetry if isinstance(telemetry, TelemetryService) else get_telemetry()


def get_telemetry_service() -> TelemetryService:
    """As `get_telemetry`, by its later name (D0.2)."""
    return get_telemetry()


def quickstart_telemetry(db_session: Any = None, *, project: str | None = None) -> TelemetryService:
    """Make the process's telemetry service ready in one call: as `init_telemetry`, and its store is opened (R0.37).

    A store that cannot be opened is said in the log; recording goes on without it.
    """
    from whence.errors import WhenceError
    from whence.runtime.runtime import runtime_or_default

    service = init_telemetry(db_session, project=project)
    try:
        runtime_or_default().store()
    except WhenceError as exc:
        notice(f"whence could not open its store: {exc}. What is recorded waits in the spool")
    return service


def _after_fork_in_child() -> None:
    global _making
    _making = threading.RLock()  # a thread of the parent's may have held it


os.register_at_fork(after_in_child=_after_fork_in_child)
