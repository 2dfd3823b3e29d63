"""Words to the host's log: at most one a minute, never a Python warning (which the host may have made an error)."""

import time

EVERY_S = 60.0
MOST_CHARS = 400
_last = -EVERY_S


def notice(message: str) -> None:
    """Log a warning unless one was logged within the minute."""
    global _last
    now = time.monotonic()
    if now - _last >= EVERY_S:
        _last = now
        import logging  # late: most programs never have anything to be told

        shown = "".join(c if c.isprintable() else " " for c in message[:MOST_CHARS])
        logging.getLogger("whence").warning("%s", shown)
