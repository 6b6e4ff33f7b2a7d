"""Where the code can be broken, read from the code itself: fault points by process, and guards."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROCESSES = {"booking": "booking_svc", "pricing": "pricing_svc", "tracking": "tracking_svc", "gateway": "gateway"}
"""Process -> the package that it is started from."""
POINT = re.compile(r'fault_point\("([\w.]+)"\)')
GUARD = re.compile(r'is_guard_off\("(\w+)"\)')
USED_BY = {"relay": "Relay(", "consumer": "Consumer(", "writer": "chassis.store import Store"}
"""Part of the chassis -> what a package writes that runs it."""


def sources(package: str) -> Iterator[str]:
    return (path.read_text() for path in sorted((ROOT / package).rglob("*.py")))


def fault_points() -> list[str]:
    """List every point of every process that passes it, as point@process."""
    found = set()
    for process, package in PROCESSES.items():
        own = "\n".join(sources(package))
        found |= {f"{point}@{process}" for point in POINT.findall(own)}
        for point in POINT.findall("\n".join(sources("chassis"))):
            if USED_BY[point.partition(".")[0]] in own:
                found.add(f"{point}@{process}")
    return sorted(found)


def guards() -> list[str]:
    """List every guard that can be switched off."""
    packages = ("chassis", *PROCESSES.values(), "cli")
    return sorted({guard for package in packages for text in sources(package) for guard in GUARD.findall(text)})
