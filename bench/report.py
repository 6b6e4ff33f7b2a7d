"""What a measurement says: medians, spread, ratios, and the checks that held in the same run."""

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

PAIRS, PAIRS_QUICK = 5, 1


@dataclass(slots=True)
class Report:
    """One goal's outcome; `ours` and `peers` are medians in `unit`."""

    goal: str
    unit: str
    ours: float
    peers: dict[str, float] = field(default_factory=dict)
    spread: dict[str, tuple[float, float]] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)
    conditions: dict[str, object] = field(default_factory=dict)

    @property
    def ratios(self) -> dict[str, float]:
        return {f"{self.goal}:{name}": round(self.ours / value, 3) for name, value in self.peers.items() if value}

    def line(self) -> str:
        """Write the outcome as one line of JSON."""
        return json.dumps(
            {
                "goal": self.goal,
                "unit": self.unit,
                "ours": self.ours,
                "peers": self.peers,
                "ratios": self.ratios,
                "spread": self.spread,
                "checks": self.checks,
                "conditions": self.conditions,
            }
        )


def compare(
    goal: str, unit: str, contenders: Mapping[str, Callable[[], float]], *, pairs: int, ours: str = "ours"
) -> Report:
    """Run contenders in turn, again and again, so that whatever disturbs the machine disturbs all of them."""
    results: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(pairs):
        for name, run in contenders.items():
            results[name].append(run())
    medians = {name: round(statistics.median(values), 4) for name, values in results.items()}
    spread = {name: (round(min(values), 4), round(max(values), 4)) for name, values in results.items()}
    report = Report(goal, unit, medians.pop(ours), medians, spread)
    report.conditions |= {"pairs": pairs, "python": platform.python_version(), "machine": platform.machine()}
    return report


def packages(names: Sequence[str]) -> dict[str, str]:
    """Name the versions of packages."""
    return {name: version(name) for name in names}


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
    if options.json:
        print(report.line())
    if not report.checks or not all(report.checks.values()):
        sys.exit("a check did not hold: the figures mean nothing")
