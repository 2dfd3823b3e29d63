"""Runs at the start of every Python that `whence run` starts, its directory being first in PYTHONPATH.

It takes itself out of the way, lets the environment's own sitecustomize run, and begins the recording.
"""

import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [each for each in sys.path if os.path.abspath(each or ".") != _here]
_own = sys.modules.pop("sitecustomize", None)
try:
    import sitecustomize  # noqa: F401 - that of the environment, which ours has hidden
except ImportError as _exc:
    if _exc.name != "sitecustomize":
        sys.stderr.write(f"whence: the environment's own sitecustomize failed: {_exc}\n")
    if _own is not None:
        sys.modules["sitecustomize"] = _own

try:
    from whence.instrument.program import begin
except ImportError:
    sys.stderr.write(
        f"whence: not installed for {sys.executable}, so nothing inside this program is recorded; "
        "install it there: pip install whence\n"
    )
else:
    begin()
