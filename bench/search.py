"""S2: how long riders wait for a search, at 32 callers over a week of a city's buses.

The real system on SQLite, with Porto Alegre's feed (../shared/data/poa_eptc.zip, about 16,000 departures in a week) put
on sale by POST /v1/feeds for the coming days. Two loads, each over the public door, on connections that stay open:
`distinct`, where hardly two ask the same (pairs of stops of real lines, any of seven days), and `repeated`, where all
ask for fifty favourites and most are answered from the gateway's memory of a second. The load shares the cores.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from bench.report import PAIRS, PAIRS_QUICK, Report, packages, run

FEED = Path(__file__).parents[2] / "shared" / "data" / "poa_eptc.zip"
OPERATOR = "poa_eptc"
# A Monday on which the feed is valid.
FIRST_DAY = date(2019, 5, 6)
DAYS = 7
CALLERS = 32
P99_SECONDS_MAX = 0.050
IMPORT_SECONDS_MAX = 300
FAVOURITES = 50
SECONDS, SECONDS_QUICK = 10.0, 5.0


@dataclass(slots=True)
class Answers:
    """What a load has seen."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    empty: int = 0
    unpriced: int = 0
    rides: int = 0

    def p(self, percent: int) -> float:
        """Return a percentile in milliseconds."""
        return round(statistics.quantiles(self.seconds, n=100)[percent - 1] * 1000, 2)


def measure(options: argparse.Namespace) -> Report:
    """Search a week of departures with both loads in turn."""
    if not FEED.exists():
        raise SystemExit(f"skipped: {FEED} is not there")
    pairs = PAIRS_QUICK if options.quick else PAIRS
    seconds = SECONDS_QUICK if options.quick else SECONDS
    with headway_up() as ready:
        imported, import_seconds = import_feed(ready)
        questions = Questions(ready["gateway_url"], random.Random(7))
        warm(questions)
        loads: dict[str, list[Answers]] = {"distinct": [], "repeated": []}
        for _ in range(pairs):
            loads["distinct"].append(asyncio.run(ask(ready["gateway_url"], questions.distinct(), seconds)))
            loads["repeated"].append(asyncio.run(ask(ready["gateway_url"], questions.repeated(), seconds)))
    return told(loads, imported, import_seconds, seconds)


def told(loads: dict[str, list[Answers]], imported: Any, import_seconds: float, seconds: float) -> Report:
    figures = {
        name: {
            "p50_ms": statistics.median(one.p(50) for one in answers),
            "p99_ms": statistics.median(one.p(99) for one in answers),
            "per_second": round(statistics.median(len(one.seconds) / seconds for one in answers)),
            "rides_an_answer": round(sum(one.rides for one in answers) / sum(len(one.seconds) for one in answers), 1),
        }
        for name, answers in loads.items()
    }
    report = Report("S2", "ms at p99, distinct searches", figures["distinct"]["p99_ms"])
    report.peers = {"limit": P99_SECONDS_MAX * 1000}
    report.spread = {
        name: (min(one.p(99) for one in answers), max(one.p(99) for one in answers)) for name, answers in loads.items()
    }
    every = [one for answers in loads.values() for one in answers]
    report.checks = {
        "every search was answered": not sum(one.failed for one in every),
        "every search found rides": not sum(one.empty for one in every),
        "every ride had its price": not sum(one.unpriced for one in every),
        "16,000 departures were on sale": imported["counts"]["departures"] > 15_000,
    }
    report.conditions = {
        **figures,
        "callers": CALLERS,
        "departures": imported["counts"]["departures"],
        "import_seconds": import_seconds,
        "cores": os.cpu_count(),
        "versions": packages(["grpcio", "fastapi", "pydantic", "uvicorn"]),
    }
    return report


@contextmanager
def headway_up() -> Iterator[Any]:
    """Start the system in an empty folder and stop it in the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        command = [sys.executable, "-m", "cli", "up", "--data-dir", str(folder), "--gateway-port", "0"]
        environment = {**os.environ, "GATEWAY_RATE_LIMITS": "off"}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 60
            while not (folder / "ready.json").exists():
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit("headway up did not become ready")
                time.sleep(0.05)
            yield json.loads((folder / "ready.json").read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)


def import_feed(ready: Any) -> tuple[Any, float]:
    """Put the feed on sale from the next day of the same weekday on; return what was told and how long it took."""
    with httpx2.Client(base_url=f"{ready['gateway_url']}/v1", timeout=70) as client:
        granted = client.post("/oauth/token", data={"grant_type": "client_credentials", **ready["admin"]}).json()
        client.headers["Authorization"] = f"Bearer {granted['access_token']}"
        began = time.monotonic()
        form = {"operator_id": OPERATOR, "from": FIRST_DAY.isoformat(), "days": DAYS, "lay_on": on_sale_from()}
        with FEED.open("rb") as content:
            sent = client.post("/feeds", data=form, files={"file": content}, headers={"Idempotency-Key": "bench"})
        if sent.status_code != 202:
            raise SystemExit(sent.text)
        while (feed := client.get(sent.headers["Location"].removeprefix("/v1")).json())["state"] == "importing":
            if time.monotonic() - began > IMPORT_SECONDS_MAX:
                raise SystemExit(f"the import did not end: {feed['progress']}")
            time.sleep(0.2)
        if feed["state"] != "published":
            raise SystemExit(f"the feed was {feed['state']}: {feed['problems'][:3]}")
        return feed, round(time.monotonic() - began, 1)


def on_sale_from() -> str:
    """Return the first Monday after today."""
    today = datetime.now().astimezone().date()
    return (today + timedelta(days=7 - today.weekday())).isoformat()


class Questions:
    """What riders ask: pairs of stops that a line connects."""

    def __init__(self, url: str, chance: random.Random) -> None:
        self._chance = chance
        with httpx2.Client(base_url=f"{url}/v1", timeout=30) as client:
            ids = [one for route in pages(client, "/routes") for one in route["pattern_ids"]]
            self._lines = [
                line["calls"]
                for start in range(0, len(ids), 50)
                for line in client.get("/patterns", params={"ids": ids[start : start + 50]}).json()["items"]
            ]
        self._first = date.fromisoformat(on_sale_from())

    def one(self) -> str:
        """Write a search along a line on one of the days, weekdays only: at weekends not every line runs."""
        line = self._chance.choice(self._lines)
        origin, destination = sorted(self._chance.sample(range(len(line)), 2))
        day = self._first + timedelta(days=self._chance.randrange(5))
        ends = (line[origin]["stop"]["id"], line[destination]["stop"]["id"])
        return f"/v1/itineraries?origin_stop_id={ends[0]}&destination_stop_id={ends[1]}&date={day}"

    def distinct(self) -> Iterator[str]:
        while True:
            yield self.one()

    def repeated(self) -> Iterator[str]:
        favourites = [self.one() for _ in range(FAVOURITES)]
        while True:
            yield self._chance.choice(favourites)


def pages(client: httpx2.Client, path: str) -> Iterator[Any]:
    """Read a list to its end."""
    cursor = ""
    while cursor is not None:
        page = client.get(path, params={"operator_id": OPERATOR, "limit": 200, "cursor": cursor}).json()
        yield from page["items"]
        cursor = page["next_cursor"]


def warm(questions: Questions) -> None:
    """Wait until pricing has followed what booking has put on sale."""


async def ask(url: str, questions: Iterator[str], seconds: float) -> Answers:
    """Let all callers ask one question after the other for a while."""
    answers = Answers()
    until = time.monotonic() + seconds
    host, port = urlsplit(url).hostname, urlsplit(url).port
    await asyncio.gather(*(caller(str(host), port or 80, questions, answers, until) for _ in range(CALLERS)))
    return answers


async def caller(host: str, port: int, questions: Iterator[str], answers: Answers, until: float) -> None:
    """Ask over one connection that stays open."""
    reader, writer = await asyncio.open_connection(host, port)
    while time.monotonic() < until:
        request = f"GET {next(questions)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = await reader.readexactly(length)
        answers.seconds.append(time.perf_counter() - began)
        judge(answers, head, body)
    writer.close()


def judge(answers: Answers, head: bytes, body: bytes) -> None:
    """Count what an answer lacks; its text tells, since reading it all would take what is to be measured."""
    rides = body.count(b'"seats_available":')
    answers.rides += rides
    answers.failed += not head.startswith(b"HTTP/1.1 200")
    answers.empty += not rides
    answers.unpriced += body.count(b'"price_from":null')


if __name__ == "__main__":
    run(measure)
