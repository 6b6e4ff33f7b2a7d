"""Runs the measurements, each in a process of its own, keeps what came of them and writes docs/benchmarks.md of it."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import plot
from bench.report import SKIPPED

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
KEPT = PAGE.with_suffix("")
MEASUREMENTS = {
    "B1": ("hot_departure", "--engine", "postgresql"),
    "B2": ("hot_departure", "--engine", "sqlite"),
    "B3": ("journeys",),
    "E1": ("outbox_relay",),
    "G1": ("gateway", "--goal", "G1"),
    "G2": ("gateway", "--goal", "G2"),
    "G3": ("gateway", "--goal", "G3"),
    "T4": ("live_fanout",),
    "S1": ("startup",),
    "S2": ("search",),
    "S3": ("import_feed",),
}
"""What the goals are measured by; a name alone chooses one."""
GROWTH_MAX = 1.5
NOTES = {
    "B1": """Falls short of its goals. What bounds us is one thread of Python: the rules of a hold, its events and its
reply alone, without any database, come at about twice the rate of whole holds, and four times what one statement does
with the pool that suits it best is beyond even that. That statement does less: it takes a counter for a seat, so that
it can sell whole rides only, and knows neither caps nor holds that are over. Our availability is told once a group,
the peers' with each hold. How long 256 callers wait, who ask again at once, is 256 divided by the rate (Little's law):
for 50 ms it would have to be above 5,000 a second, nearly all that the rules alone leave.""",
    "B2": """On one core the asyncio program is a third faster than on two, where its threads hand every statement
across: both are shown. The goal of 20 holds against the usual way to run it and is missed against the best.""",
    "B3": """Falls short of its goal. A journey takes 9 ms of processor time in all: booking 3.7 (a fifth of that the
payment provider's client), the gateway 2.1, pricing 1.5, the sandbox provider 0.7, broker and tracking 0.8, the load
0.3. The peer does it all in one process, signs nothing, publishes nothing and tells no other service.""",
    "E1": """Most of what an event costs the relay is writing it for the broker, its headers above all.
The relay marks each event in the database when the broker has it; the peers publish from memory and mark nothing.""",
    "G1": """Falls short: an answer costs our gateway five to six times as much as the peers, of Go and C++. Two
fifths of it are FastAPI's layers and routing, a fifth is the call of grpc.aio, a fifth uvicorn's sending; the
peers check no token, and write no entity tag, security headers or metrics.""",
    "G2": """Falls short, for the reasons of G1: with few callers each answer costs as much.""",
    "G3": """Falls short. Here the Python service behind the gateways, which shares its core with the load, bounds
the peers; ours pays for itself on top.""",
    "S2": """Riders think before they ask again: that is the paced load, and the goal's figure. Callers who never do
wait for each other: a search that nobody asked a moment ago takes about 5 ms of processor time in all, so that two
cores, which the load shares, answer some 350 a second, and 32 callers wait 90 ms each.""",
    "T4": """Sending is what a delivery costs, so events that come less than 20 ms apart share a write; sixteen are on
their way at any time here. Where each goes alone, what is left of the difference is the CPU time told below.""",
}
"""What must be known to read a figure rightly."""
HEAD = """# Measurements

Written by `make bench`: each is a file of `bench/` that sets its peers up itself, runs them and us in turn on the same
machine, and counts the rows afterwards: a figure whose rows are wrong is none. Any of them runs alone:
`.venv/bin/python -m bench.hot_departure --engine sqlite --json`. A ratio is the median of those of the pairs. What a
figure was measured under stands below it; the load average is the machine's before the run, its other tenants included.

"""


def main() -> int:
    """Measure what was asked for and tell, or write down, what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    kinds = f"some of {', '.join(MEASUREMENTS)}; default: all; `page` measures nothing and writes the page anew"
    parser.add_argument("names", nargs="*", help=kinds)
    parser.add_argument("--quick", action="store_true", help="one pair each, and nothing is written")
    asked = parser.parse_args()
    failed = 0
    for name, command in MEASUREMENTS.items():
        if asked.names and name not in asked.names:
            continue
        done = run(command, is_quick=asked.quick)
        failed += done is None
        if done and not asked.quick:
            KEPT.mkdir(exist_ok=True)
            (KEPT / f"{name}.json").write_text(json.dumps(done, indent=1) + "\n")
    if not asked.quick:
        kept = [KEPT / f"{name}.json" for name in MEASUREMENTS]
        PAGE.write_text(HEAD + "\n".join(section(json.loads(path.read_text())) for path in kept if path.exists()))
    return 1 if failed else 0


def run(command: tuple[str, ...], *, is_quick: bool) -> dict[str, Any] | None:
    """Run one measurement and show what it prints; return what came of it: {} when skipped, None when it failed."""
    print(f"=== {' '.join(command)}", flush=True)
    line = [sys.executable, "-m", f"bench.{command[0]}", *command[1:], "--json", *(["--quick"] if is_quick else [])]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False)
    *told, last = done.stdout.splitlines() or [""]
    print("\n".join(told), flush=True)
    if done.returncode == SKIPPED:
        print(last, flush=True)
        return {}
    if done.returncode:
        print(f"failed: {last}", flush=True)
        return None
    outcome: dict[str, Any] = json.loads(last)
    return outcome


def section(report: dict[str, Any]) -> str:
    """Write one measurement's charts, its table, what was checked and under which conditions."""
    goal = report["goal"]
    rows = [f"| **Headway** | {report['ours']:,} | {spread(report, 'ours')} | | |"]
    for peer, value in report["peers"].items():
        ratio, promised = (report[kind].get(f"{goal}:{peer}", "") for kind in ("ratios", "goals"))
        rows.append(f"| {peer.replace('_', ' ')} | {value:,} | {spread(report, peer)} | {ratio} | {promised} |")
    beside = [
        f"- {name.replace('_', ' ')}: {value}" for name, value in {**report["beside"], **report["growth"]}.items()
    ]
    beside += [f"- goal: {name.replace('_', ' ')} {most}" for name, most in report["goals"].items() if ":" not in name]
    checks = [f"- held: {name}" for name, held in report["checks"].items() if held]
    conditions = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in report["conditions"].items())
    table = ["| | median | spread | ours is times as much | goal |", "|---|---|---|---|---|", *rows, ""]
    title = f"## {goal}: {report['unit']}\n"
    note = [NOTES[goal] + "\n"] if goal in NOTES else []
    return "\n".join([title, *note, *charts(report), *table, *beside, *checks, "", f"Conditions: {conditions}.\n"])


def charts(report: dict[str, Any]) -> list[str]:
    """Draw what can be compared and how costs grow; return the lines that show it."""
    drawn = {}
    if report["peers"]:
        values = {"Headway": report["ours"], **report["peers"]}
        drawn[report["goal"]] = plot.bars(f"{report['goal']}: {report['unit']}", values)
    for place, (name, costs) in enumerate(report["growth"].items()):
        drawn[f"{report['goal']}-growth-{place}"] = plot.growth(f"{report['goal']}: {name}", costs, at_most=GROWTH_MAX)
    for name, chart in drawn.items():
        (KEPT / f"{name}.svg").write_text(chart)
    return [f"![{name}]({KEPT.name}/{name}.svg)\n" for name in drawn]


def spread(report: dict[str, Any], name: str) -> str:
    found = report["spread"].get(name)
    return f"{found[0]:,} to {found[1]:,}" if found else ""


if __name__ == "__main__":
    sys.exit(main())
