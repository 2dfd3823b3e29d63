"""What the front doors share: a recording call that failed is counted; a directory that is given becomes the process's own."""

import os
from pathlib import Path

from whence.record.guard import not_started


def refused(where: str, exc: Exception) -> None:
    """Count a record that could not be made."""
    try:
        from whence.runtime.runtime import runtime_or_default

        runtime_or_default().recorder.refuse(where, exc)
    except Exception:  # noqa: BLE001 - there is nothing to count with
        not_started(exc)


def use_directory(data: Path) -> None:
    """Record into this data directory, and read from it, from now on; what is used already stays as it is.

    Raises:
        BadInput: the settings of that directory are not accepted.
    """
    from whence.runtime import runtime, settings

    wanted = data.expanduser().absolute()
    built = runtime.peek()
    if built is None or built.settings.data != wanted:
        runtime.configure(settings.load({**os.environ, "WHENCE_DATA": str(wanted)}))
