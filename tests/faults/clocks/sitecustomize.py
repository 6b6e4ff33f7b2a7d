"""Python reads this before a program: in a fault run each process has a clock of its own, which a test may step."""

import os
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from chassis.clock import SystemClock

CLOCKS_VARIABLE = "HEADWAY_TEST_CLOCKS"


def step_seconds() -> float:
    """Read how far the clock of this process is off."""
    module = sys.orig_argv[sys.orig_argv.index("-m") + 1] if "-m" in sys.orig_argv else ""
    try:
        return float((Path(os.environ[CLOCKS_VARIABLE]) / module).read_text())
    except (OSError, ValueError):
        return 0.0


def step() -> None:
    real_now, real_ns = SystemClock.now, time.time_ns

    def now(self: SystemClock) -> datetime:
        return real_now(self) + timedelta(seconds=step_seconds())

    SystemClock.now = now  # type: ignore[method-assign]
    time.time_ns = lambda: real_ns() + int(step_seconds() * 1e9)


if CLOCKS_VARIABLE in os.environ:
    step()
