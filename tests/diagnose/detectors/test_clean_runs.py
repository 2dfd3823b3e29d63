"""Clean runs that vary as runs do give next to nothing that anybody need look at (at most 0.05 of medium per run)."""

import random

from tests.diagnose.detectors.natural import natural_run
from whence.diagnose.detector import Detector, history_of, windows
from whence.diagnose.detectors.calibration import Calibration
from whence.diagnose.detectors.deviation import Deviations
from whence.diagnose.detectors.errors import Errors
from whence.diagnose.detectors.flow import Flow
from whence.diagnose.detectors.performance import Performance
from whence.diagnose.detectors.volume import Volume
from whence.diagnose.digesting import digest_of
from whence.model.digest import RunDigest
from whence.model.severity import Severity

DETECTORS: tuple[type[Detector], ...] = (Flow, Performance, Volume, Errors, Deviations, Calibration)


def test_two_hundred_clean_runs_give_at_most_one_finding_of_medium_in_twenty() -> None:
    chance = random.Random(20261120)
    digests: list[RunDigest] = []
    found = []
    for number in range(1, 201):
        run = natural_run(number, chance).run
        digest = digest_of(run)
        for detector in DETECTORS:
            found += detector().examine(run, history_of(digest, digests))
        digests.append(digest)
    for window in windows(digests):
        for detector in DETECTORS:
            found += detector().survey(window)

    bad = [each.title for each in found if each.severity >= Severity.MEDIUM]
    assert len(bad) <= 0.05 * 200, bad
    assert found  # some is said at info and low, so the detectors did look
