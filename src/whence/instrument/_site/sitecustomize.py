"""Runs at the start of every Python that `whence run` starts, its directory being first in PYTHONPATH.

It takes itself out of the way, lets the environment's own sitecustomize run, and begins the recording, whatever comes of
that one: its errors are shown as they would be without us.
"""

import os
import sys

_here = os.path.dirname(__file__)
sys.path[:] = [each for each in sys.path if each != _here]
_own = sys.modules.pop("sitecustomize", None)
try:
    import sitecustomize  # noqa: F401 - that of the environment, which ours has hidden
except ImportError as _exc:
    if _exc.name != "sitecustomize":
        raise
    if _own is not None:
        sys.modules["sitecustomize"] = _own
finally:
    try:
        from whence.instrument.program import begin
    except ImportError:
        if not os.environ.get("WHENCE_RUN_TOLD"):  # once, not by each of the programs that this one starts
            os.environ["WHENCE_RUN_TOLD"] = "1"
            sys.stderr.write(
                f"whence: not installed for {sys.executable}, so nothing inside this program is recorded; "
                "install it there: pip install whence\n"
            )
    else:
        begin()
