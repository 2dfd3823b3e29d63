"""Small programs in which one thing goes wrong, one for each code of the catalog: what a user's program would do, no more.

Each is played twice, with the trouble and without, in a project of its own, and records through the public doors. Time is
that of a clock that goes on when work is said to be done, so that days of runs cost milliseconds.
"""

from tests.acceptance.scenes import between, errors, flow, many_runs
from tests.acceptance.scenes.scene import SCENARIOS, Scene, project_of

__all__ = ["SCENARIOS", "Scene", "between", "errors", "flow", "many_runs", "project_of"]
