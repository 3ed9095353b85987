"""io: places at which tests let a process die, as by a power cut.

DAYBREAK_CRASH_AT=after-claim, or before-send:3 for the third time, in the environment of a dispatcher.
"""

import os
import signal
from collections import Counter

VARIABLE = "DAYBREAK_CRASH_AT"
POINTS = (
    "after-claim",
    "after-read",
    "before-send",
    "after-send",
    "before-finish",
    "after-finish",
    "before-takeover",
    "after-takeover",
)

passed: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Die here, if that's what was asked for."""
    if VARIABLE not in os.environ:
        return
    assert name in POINTS
    passed[name] += 1
    wanted, _, times = os.environ[VARIABLE].partition(":")
    if wanted == name and passed[name] == int(times or 1):
        os.kill(os.getpid(), signal.SIGKILL)
