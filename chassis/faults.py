"""Places where a test may break the program; inert unless the environment switches one on.

HEADWAY_FAULTS="relay.read:kill:3" kills a process the third time it passes that point, "relay.read@pricing:kill:3" only
`python -m pricing_svc`; with HEADWAY_FAULTS_DIR each fault happens once, whatever restarts.
HEADWAY_FAULTS_OFF="seat_lock,once" switches guards off, so that a test can show that it would notice.
"""

import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from chassis.errors import Unavailable

_passed: Counter[str] = Counter()


def fault_point(name: str) -> None:
    """Break here if the environment says so; count the passage if it names any fault."""
    plan = os.environ.get("HEADWAY_FAULTS")
    if not plan:
        return
    _passed[name] += 1
    for entry in plan.split(","):
        point, action, nth = (*entry.split(":"), "1")[:3]
        if point in (name, f"{name}@{process_name()}") and _passed[name] == int(nth) and _is_first_time(entry):
            _break(action)


def process_name() -> str:
    """Name the process by the package that it was started from: booking for `python -m booking_svc`."""
    return Path(sys.argv[0]).parent.name.removesuffix("_svc")


def is_guard_off(name: str) -> bool:
    """Tell whether a test has switched this guard off."""
    return name in os.environ.get("HEADWAY_FAULTS_OFF", "").split(",")


def _is_first_time(entry: str) -> bool:
    """Remember over a restart, in a file beside the test's, that this fault has happened."""
    folder = os.environ.get("HEADWAY_FAULTS_DIR")
    if not folder:
        return True
    try:
        os.close(os.open(f"{folder}/{entry.replace(':', '-')}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _break(action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "fail":
        raise Unavailable("A test broke this on purpose.")
    elif action.startswith("sleep"):
        time.sleep(float(action.removeprefix("sleep")))
