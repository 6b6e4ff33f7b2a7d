"""Runs the measurements, each in a process of its own, and writes docs/benchmarks.md."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
MEASUREMENTS = {
    "B1": ("hot_departure", "--engine", "postgresql"),
    "B2": ("hot_departure", "--engine", "sqlite"),
    "E1": ("outbox_relay",),
    "S1": ("startup",),
    "S2": ("search",),
    "S3": ("import_feed",),
}
"""What the goals are measured by; a name alone chooses one."""
HEAD = """# Measurements

Written by `make bench`: each is a file of `bench/` that sets its peers up itself, runs them and us in turn on the same
machine, and counts the rows afterwards: a figure whose rows are wrong is none. Any of them runs alone:
`.venv/bin/python -m bench.hot_departure --engine sqlite --json`. A ratio is the median of those of the pairs.

"""


def main() -> int:
    """Measure what was asked for and tell, or write down, what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(MEASUREMENTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="one pair each, and nothing is written")
    asked = parser.parse_args()
    reports, failed = [], 0
    for name, command in MEASUREMENTS.items():
        if asked.names and name not in asked.names:
            continue
        done = run(command, is_quick=asked.quick)
        failed += done is None
        reports += [done] if done else []
    if not asked.quick and not asked.names:
        PAGE.write_text(HEAD + "\n".join(map(section, reports)))
    return 1 if failed else 0


def run(command: tuple[str, ...], *, is_quick: bool) -> dict[str, Any] | None:
    """Run one measurement, show what it prints and return its outcome; None when a check did not hold."""
    print(f"=== {' '.join(command)}", flush=True)
    line = [sys.executable, "-m", f"bench.{command[0]}", *command[1:], "--json", *(["--quick"] if is_quick else [])]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)
    *told, last = done.stdout.splitlines() or [""]
    print("\n".join(told), flush=True)
    if done.returncode:
        print(f"failed: {last}", flush=True)
        return None
    outcome: dict[str, Any] = json.loads(last)
    return outcome


def section(report: dict[str, Any]) -> str:
    """Write one measurement's table, what was checked and under which conditions."""
    rows = [f"| **Headway** | {report['ours']:,} | {spread(report, 'ours')} | | |"]
    for peer, value in report["peers"].items():
        ratio, goal = (
            report["ratios"].get(f"{report['goal']}:{peer}", ""),
            report["goals"].get(f"{report['goal']}:{peer}", ""),
        )
        rows.append(f"| {peer.replace('_', ' ')} | {value:,} | {spread(report, peer)} | {ratio} | {goal} |")
    beside = [
        f"- {name.replace('_', ' ')}: {value}" for name, value in {**report["beside"], **report["growth"]}.items()
    ]
    checks = [f"- held: {name}" for name, held in report["checks"].items() if held]
    conditions = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in report["conditions"].items())
    return "\n".join(
        [
            f"## {report['goal']}: {report['unit']}\n",
            "| | median | spread | ours is times as much | goal |",
            "|---|---|---|---|---|",
            *rows,
            "",
            *beside,
            *checks,
            "",
            f"Conditions: {conditions}.\n",
        ]
    )


def spread(report: dict[str, Any], name: str) -> str:
    found = report["spread"].get(name)
    return f"{found[0]:,} to {found[1]:,}" if found else ""


if __name__ == "__main__":
    sys.exit(main())
