"""S3: how long a city's feed takes to be on sale, and what riders who buy meanwhile notice.

The real system on SQLite; Porto Alegre's feed (../shared/data/poa_eptc.zip, one weekday, 2,374 departures of 130,019
calls) goes in by POST /v1/feeds while riders hold seats, one after the other each, on a departure of another operator.
Weight is the peak of booking and of the reader that it starts, as proportional set sizes from /proc (Linux).
"""

import argparse
import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from bench.report import PAIRS, PAIRS_QUICK, Report, machine, packages, run
from bench.search import FEED, FIRST_DAY, headway_up, next_monday

SECONDS_MAX, MEBIBYTES_MAX, HOLD_SECONDS_MAX = 20.0, 400.0, 0.250
RIDERS = 4
ALONE_SECONDS = 5.0
DEPARTURES, CALLS = 2374, 130_019


def measure(options: argparse.Namespace) -> Report:
    """Import the feed for an operator after the other, riders buying all the time."""
    if not FEED.exists():
        raise SystemExit(f"skipped: {FEED} is not there")
    with headway_up() as ready, httpx2.Client(base_url=f"{ready['gateway_url']}/v1", timeout=70) as staff:
        granted = staff.post("/oauth/token", data={"grant_type": "client_credentials", **ready["admin"]}).json()
        staff.headers["Authorization"] = f"Bearer {granted['access_token']}"
        departure = publish(staff)
        alone = ride(ready, departure, lambda: time.sleep(ALONE_SECONDS))[0]
        runs = []
        for number in range(PAIRS_QUICK if options.quick else PAIRS):
            watch = Weight(ready["pids"]["booking"])
            with watch:
                holds, (feed, seconds) = ride(ready, departure, partial(import_feed, staff, f"poa_{number}"))
            runs.append((seconds, watch.mebibytes, p99(holds), feed, len(holds)))
    return told(runs, alone)


def told(runs: list[tuple[float, float, float, Any, int]], alone: list[float]) -> Report:
    seconds, weights, slowest, feeds, holds = zip(*runs, strict=True)
    report = Report("S3", "seconds to on sale", round(statistics.median(seconds), 2))
    report.peers = {"limit": SECONDS_MAX}
    report.ratios = {"S3:limit": round(report.ours / SECONDS_MAX, 2)}
    report.spread = {"ours": (min(seconds), max(seconds)), "weight_mebibytes": (min(weights), max(weights))}
    report.checks = {
        "every departure and call of the feed is on sale": all(
            (feed["counts"]["departures"], feed["counts"]["calls"]) == (DEPARTURES, CALLS) for feed in feeds
        ),
        "riders bought all the time": min(holds) > 0,
    }
    report.beside = {
        "weight_mebibytes": max(weights),
        "weight_ratio": round(max(weights) / MEBIBYTES_MAX, 3),
        "hold_p99_ms_meanwhile": round(statistics.median(slowest) * 1000, 1),
        "hold_p99_ratio": round(statistics.median(slowest) / HOLD_SECONDS_MAX, 3),
        "hold_p99_ms_alone": round(p99(alone) * 1000, 1),
        "holds_meanwhile": sum(holds),
    }
    report.conditions = machine() | {"versions": packages(["grpcio", "fastapi"])}
    return report


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


def import_feed(staff: httpx2.Client, operator_id: str) -> tuple[Any, float]:
    """Put one weekday of the feed on sale; return what was told and how long it took."""
    form = {"operator_id": operator_id, "from": FIRST_DAY.isoformat(), "days": 1, "lay_on": str(next_monday())}
    began = time.monotonic()
    with FEED.open("rb") as content:
        sent = staff.post("/feeds", data=form, files={"file": content}, headers={"Idempotency-Key": operator_id})
    if sent.status_code != 202:
        raise SystemExit(sent.text)
    while (feed := staff.get(sent.headers["Location"].removeprefix("/v1")).json())["state"] == "importing":
        time.sleep(0.1)
    if feed["state"] != "published":
        raise SystemExit(f"the feed was {feed['state']}: {feed['problems'][:3]}")
    return feed, round(time.monotonic() - began, 2)


def publish(staff: httpx2.Client) -> Any:
    """Put a large ship on sale."""
    seats = [{"id": str(number), "row": number // 20, "column": number % 20} for number in range(2000)]
    layout = staff.post("/layouts", json={"operator_id": "ships", "name": "Ship", "seats": seats}).json()
    start = datetime.now(UTC) + timedelta(days=2)
    calls = [
        {
            "stop": {"name": f"Pier {n}", "timezone": "Europe/Berlin", "latitude": 54.0 + n, "longitude": 11.0},
            "scheduled_departure_at": (start + timedelta(hours=n)).isoformat(),
        }
        for n in range(2)
    ]
    body = {"operator_id": "ships", "route": {"short_name": "S", "mode": "ferry"}, "calls": calls}
    body |= {"service_date": start.date().isoformat(), "layout_id": layout["id"]}
    sent = staff.post("/departures", json=body, headers={"Idempotency-Key": "ship"})
    if sent.status_code != 201:
        raise SystemExit(sent.text)
    return sent.json()


def ride(ready: Any, departure: Any, meanwhile: Any) -> tuple[list[float], Any]:
    """Let riders hold and release a seat again and again while something else goes on."""
    over = threading.Event()
    with ThreadPoolExecutor(RIDERS) as riders:
        waiting = [riders.submit(hold_again_and_again, ready["gateway_url"], departure, over) for _ in range(RIDERS)]
        try:
            outcome = meanwhile()
        finally:
            over.set()
        return [seconds for one in waiting for seconds in one.result()], outcome


def hold_again_and_again(url: str, departure: Any, over: threading.Event) -> list[float]:
    """Quote once, then hold and release until it is over; return how long each hold took."""
    ends = [call["stop_id"] for call in departure["calls"]]
    leg = {"departure_id": departure["id"], "origin_stop_id": ends[0], "destination_stop_id": ends[1]}
    found = []
    with httpx2.Client(base_url=f"{url}/v1", timeout=30) as rider:
        rider.headers["Authorization"] = f"Bearer {rider.post('/guests').json()['access_token']}"
        quote = rider.post("/quotes", json={"legs": [leg], "passengers": [{"category": "adult"}]}).json()
        body = {"quote_token": quote["token"], "passengers": [{"name": "Ada", "category": "adult"}]}
        body |= {"contact": {"email": "ada@example.com"}}
        while not over.is_set():
            began = time.perf_counter()
            held = rider.post("/bookings", json=body, headers={"Idempotency-Key": os.urandom(8).hex()})
            found.append(time.perf_counter() - began)
            if held.status_code != 201:
                raise SystemExit(held.text)
            rider.post(f"/bookings/{held.json()['id']}/release", headers={"Idempotency-Key": os.urandom(8).hex()})
    return found


class Weight:
    """Watches what a process and its children weigh together, at the most."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.mebibytes = 0.0

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            kibibytes = sum(map(weight_of, [self._pid, *children_of(self._pid)]))
            self.mebibytes = max(self.mebibytes, round(kibibytes / 1024, 1))


def children_of(pid: int) -> list[int]:
    """List a process's own children, whichever of its threads started them."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found.extend(map(int, path.read_text().split()))
    return found


def weight_of(pid: int) -> int:
    """Read a process's proportional set size in KiB; one that has gone weighs nothing."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    run(measure)
