"""`whence projects`: which projects are recorded, and how much of their text is kept."""

from typing import Any

from cyclopts import App

from whence.cli import reading, render, render_lists
from whence.cli.options import Json, Limit
from whence.errors import BadInput
from whence.record.recorder import Policy
from whence.redact.capture import CaptureLevel
from whence.runtime import settings as settings_module
from whence.runtime.runtime import runtime
from whence.runtime.settings import ProjectConfig

app = App(name="projects", help="List projects; switch recording on or off, or set what is kept, for one of them.")


@app.default
@app.command(name="list")
def list_(*, limit: Limit = 100, json: Json = False) -> None:
    """List projects: recorded or not, what is kept of their text, how many runs (the most first)."""
    store, settings = reading.ready(), runtime().settings
    runs = {group.key: group.totals for group in store.totals_by("project")}
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys([*runs, *sorted({**settings.projects, **settings.written})]):
        policy, totals = settings.policy(name), runs.get(name)
        rows.append(
            {
                **_row(name, policy),
                "runs": totals.total_runs if totals else 0,
                "gate_passed": totals.qg_passed if totals else 0,
                "gate_failed": totals.qg_failed if totals else 0,
            }
        )
    empty = reading.empty("no project yet: the first run that is recorded makes one")
    render.page(rows[: _checked(limit)], None, json=json, draw=render_lists.projects, data=lambda row: row, empty=empty)


def _checked(limit: int) -> int:
    from whence.query.find import check_limit

    return check_limit(limit)


@app.command
def enable(name: str, /, *, json: Json = False) -> None:
    """Record a project again; running processes notice within a second.

    Args:
        name: The project.
    """
    _write(name, json, enabled=True)


@app.command
def disable(name: str, /, *, json: Json = False) -> None:
    """Stop recording a project; running processes notice within a second.

    Args:
        name: The project.
    """
    _write(name, json, enabled=False)


@app.command
def capture(name: str, level: str, /, *, json: Json = False) -> None:
    """Set how much of a project's text is kept: hash, preview, redacted or full. Secrets are masked at every level.

    Args:
        name: The project.
        level: hash (length and keyed hash), preview (80 characters), redacted, full (personal data kept).
    """
    try:
        chosen = CaptureLevel(level.lower())
    except ValueError:
        raise BadInput(f"capture level {level!r}; accepted: {', '.join(each.value for each in CaptureLevel)}") from None
    _write(name, json, capture=chosen)


def _write(name: str, json: bool, *, enabled: bool | None = None, capture: CaptureLevel | None = None) -> None:
    if not name.strip():
        raise BadInput(f"project {name!r}; give the name that its runs carry")
    settings = settings_module.load()
    old = settings.written.get(name) or settings.projects.get(name, ProjectConfig())
    said = ProjectConfig(enabled=old.enabled if enabled is None else enabled, capture=capture or old.capture)
    settings_module.write_project(settings.data, name, said)
    policy = settings.resolved(said)
    if json:
        render.as_json(_row(name, policy))
    else:
        words = f"recorded, {policy.capture.value} text" if policy.enabled else "not recorded"
        render.show(render.text(f"{name}: {words}"))


def _row(name: str, policy: Policy) -> dict[str, Any]:
    return {"name": name, "enabled": policy.enabled, "capture": policy.capture.value}
