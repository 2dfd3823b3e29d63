"""How both doors begin a trace: for which project, whether at all, and never with an exception."""

from collections.abc import Callable
from typing import Any, TypeVar

from whence.record.guard import not_started
from whence.record.normalise import as_label
from whence.runtime.runtime import runtime_or_default

T = TypeVar("T")


def begin(
    trace: Callable[..., T],
    nothing: Callable[[], Any],
    *,
    enabled: bool,
    project_name: Any,
    project_id: Any,
    **said: Any,
) -> T:
    """Return a trace that has begun, or what stands in for one of a project that is not to be recorded.

    Args:
        trace: makes a door's trace of a recorder and what is said of the run.
        nothing: makes the door's falsy stand-in.
        project_name: without it and `project_id` the project of the settings is meant.
    """
    try:
        runtime = runtime_or_default()
        project = as_label(project_name) or as_label(project_id)
        if project is None:
            project = project_name = runtime.settings.project
        if enabled and runtime.records(project):
            return trace(runtime.recorder, project_name=project_name, project_id=project_id, **said)
    except Exception as exc:  # noqa: BLE001 - a run that cannot be recorded is a run all the same
        not_started(exc)
    return nothing()  # type: ignore[no-any-return]
