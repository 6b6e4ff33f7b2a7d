"""What a measurement says: medians, spread, ratios, and the checks that held in the same run."""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any, NoReturn

PAIRS, PAIRS_QUICK = 5, 1
SKIPPED = 77
"""How a measurement ends that cannot be made here, as test runners have it."""


@dataclass(slots=True)
class Report:
    """One goal's outcome; `ours` and `peers` are medians in `unit`, `goals` the ratios that are promised."""

    goal: str
    unit: str
    ours: float
    peers: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    spread: dict[str, tuple[float, float]] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=dict)
    goals: dict[str, float] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)
    growth: dict[str, dict[str, float]] = field(default_factory=dict)

    def line(self) -> str:
        """Write the outcome as one line of JSON."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Load:
    """What some callers got done: units a second, how long they waited, and what a unit took of this process."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


async def drive(act: Callable[[int], Awaitable[object]], *, total: int, callers: int) -> Load:
    """Let callers act one after the other until so much is done; each waits for its answer before it asks again."""
    waits: list[float] = []
    numbers = iter(range(total))

    async def call() -> None:
        for number in numbers:
            asked = time.perf_counter()
            await act(number)
            waits.append(time.perf_counter() - asked)

    began, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(call() for _ in range(callers)))
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    waits.sort()
    p50, p99 = (round(1000 * waits[int(len(waits) * part)], 2) for part in (0.5, 0.99))
    return Load(total / seconds, p50, p99, round(1e6 * busy / total, 1))


def compare(
    goal: str, unit: str, contenders: Mapping[str, Callable[[], float]], *, pairs: int, ours: str = "ours"
) -> Report:
    """Run contenders in turn, again and again, so that whatever disturbs the machine disturbs all of them.

    A ratio is the median of those of the pairs.
    """
    results: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(pairs):
        for name, run in contenders.items():
            results[name].append(run())
    medians = {name: round(statistics.median(values), 4) for name, values in results.items()}
    spread = {name: (round(min(values), 4), round(max(values), 4)) for name, values in results.items()}
    report = Report(goal, unit, medians.pop(ours), medians, spread=spread)
    for name in medians:
        ratios = [mine / theirs for mine, theirs in zip(results[ours], results[name], strict=True)]
        report.ratios[f"{goal}:{name}"] = round(statistics.median(ratios), 2)
    report.conditions |= machine() | {"pairs": pairs}
    return report


def machine() -> dict[str, Any]:
    """Say what was measured on, and how busy it was besides."""
    models = [line.split(":")[1].strip() for line in cpu_lines() if line.startswith("model name")]
    return {
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} x {models[0] if models else platform.machine()}",
        "load_average": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run on one core, and so whatever is started meanwhile; without effect where there is only one."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if len(before) > 1:
        os.sched_setaffinity(0, {sorted(before)[core % len(before)]})
    try:
        yield
    finally:
        if len(before) > 1:
            os.sched_setaffinity(0, before)


def skip(why: str) -> NoReturn:
    """End a measurement that cannot be made here; that is no failure."""
    print(f"skipped: {why}", flush=True)
    sys.exit(SKIPPED)


def packages(names: Sequence[str]) -> dict[str, str]:
    """Name the versions of those packages that are installed."""
    return {name: version(name) for name in names if any(distributions(name=name))}


def is_installed(peer: str) -> bool:
    """Tell whether the package that a peer is made with is here, and say so when it is not."""
    if not any(distributions(name=peer)):
        print(f"skipped: the peer with {peer}, which is not installed (make bench installs it)", flush=True)
        return False
    return True


def run(main: Callable[[argparse.Namespace], Report], parser: argparse.ArgumentParser | None = None) -> None:
    """Measure as the command line says, print the outcome, and fail when a check did not hold."""
    parser = parser or argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one pair instead of five, and less of everything")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    report = main(options)
    for name, held in report.checks.items():
        print(f"{'held' if held else 'DID NOT HOLD'}: {name}")
    print(f"{report.goal}: {report.ours} {report.unit}, peers {report.peers}, ratios {report.ratios}")
    for name, value in {**report.beside, **report.growth}.items():
        print(f"  {name}: {value}")
    if options.json:
        print(report.line())
    if not report.checks or not all(report.checks.values()):
        sys.exit("a check did not hold: the figures mean nothing")
