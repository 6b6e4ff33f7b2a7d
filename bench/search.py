"""S2: how long riders wait for a search, at 32 callers over a week of a city's buses.

The real system on SQLite, with Porto Alegre's feed (../shared/data/poa_eptc.zip, 11,870 departures in a week, nearly
all on weekdays) put on sale by POST /v1/feeds for the coming days. Three loads, each over the public door, on
connections that stay open, sharing the cores with the system:

- `paced`: hardly two ask the same (pairs of stops of real lines, any weekday), and each thinks for half a second before
  asking again, as 32 riders do. The goal's figure.
- `repeated`: all ask without a pause for two hundred favourites, which the gateway mostly remembers.
- `distinct`: hardly two ask the same, without a pause: what the machine can do at most.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from bench.report import PAIRS, PAIRS_QUICK, Report, machine, packages, run

FEED = Path(__file__).parents[2] / "shared" / "data" / "poa_eptc.zip"
OPERATOR = "poa_eptc"
# A Monday on which the feed is valid.
FIRST_DAY = date(2019, 5, 6)
DAYS = 7
DEPARTURES = 11_870
CALLERS = 32
P99_MS_MAX = 50.0
IMPORT_SECONDS_MAX = 300
LEARN_SECONDS_MAX = 120
FAVOURITES = 200
THINKING_SECONDS = 0.5
SECONDS, SECONDS_QUICK = 10.0, 3.0
SERVICES = ("gateway", "booking", "pricing", "tracking")


@dataclass(slots=True)
class Answers:
    """What a load has seen, and the CPU seconds that each process spent on it."""

    seconds: list[float] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)
    failed: int = 0
    empty: int = 0
    unpriced: int = 0
    rides: int = 0

    def p(self, percent: int) -> float:
        """Return a percentile in milliseconds."""
        return round(statistics.quantiles(self.seconds, n=100)[percent - 1] * 1000, 2)


def measure(options: argparse.Namespace) -> Report:
    """Search a week of departures with each load in turn."""
    if not FEED.exists():
        raise SystemExit(f"skipped: {FEED} is not there")
    seconds = SECONDS_QUICK if options.quick else SECONDS
    with headway_up() as ready:
        imported, import_seconds = import_feed(ready)
        questions = Questions(ready["gateway_url"], random.Random(7))
        until_priced(ready, questions, seconds)
        loads: dict[str, list[Answers]] = {"paced": [], "repeated": [], "distinct": []}
        for _ in range(PAIRS_QUICK if options.quick else PAIRS):
            loads["paced"].append(ask(ready, questions.distinct(), seconds, thinking=THINKING_SECONDS))
            loads["repeated"].append(ask(ready, questions.repeated(), seconds))
            loads["distinct"].append(ask(ready, questions.distinct(), seconds))
    report = told(loads, seconds)
    report.checks["the whole week was on sale"] = imported["counts"]["departures"] == DEPARTURES
    report.conditions |= {
        "callers": CALLERS,
        "import_seconds": import_seconds,
        "versions": packages(["grpcio", "fastapi", "pydantic", "uvicorn"]),
    }
    return report


def told(loads: dict[str, list[Answers]], seconds: float) -> Report:
    """Write down what the loads have seen; the goal is that of the paced one."""
    figures = {name: figures_of(answers, seconds) for name, answers in loads.items()}
    report = Report("S2", "ms at p99", figures["paced"]["p99_ms"])
    report.peers = {"limit": P99_MS_MAX}
    report.ratios = {"S2:limit": round(report.ours / P99_MS_MAX, 2)}
    report.spread = {
        name: (min(one.p(99) for one in answers), max(one.p(99) for one in answers)) for name, answers in loads.items()
    }
    every = [one for answers in loads.values() for one in answers]
    report.checks = {
        "every search was answered": not sum(one.failed for one in every),
        "every search found rides": not sum(one.empty for one in every),
        "every ride had its price": not sum(one.unpriced for one in every),
    }
    report.beside, report.conditions = dict(figures), machine()
    return report


def figures_of(answers: Sequence[Answers], seconds: float) -> dict[str, Any]:
    """Return what one load was like: the median of its runs, and what an answer cost."""
    count = sum(len(one.seconds) for one in answers)
    spent = {name: sum(one.spent[name] for one in answers) / count for name in SERVICES}
    return {
        "p50_ms": statistics.median(one.p(50) for one in answers),
        "p99_ms": statistics.median(one.p(99) for one in answers),
        "per_second": round(count / len(answers) / seconds),
        "rides_an_answer": round(sum(one.rides for one in answers) / count, 1),
        "cpu_ms_an_answer": {name: round(cost * 1000, 2) for name, cost in spent.items()},
    }


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
            yield json.loads((folder / "ready.json").read_text()) | {"data_dir": str(folder)}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)


def import_feed(ready: Any) -> tuple[Any, float]:
    """Put the feed on sale from the next Monday on; return what was told of it and how long it took."""
    with httpx2.Client(base_url=f"{ready['gateway_url']}/v1", timeout=70) as client:
        granted = client.post("/oauth/token", data={"grant_type": "client_credentials", **ready["admin"]}).json()
        client.headers["Authorization"] = f"Bearer {granted['access_token']}"
        began = time.monotonic()
        form = {"operator_id": OPERATOR, "from": str(FIRST_DAY), "days": str(DAYS), "lay_on": str(next_monday())}
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


def next_monday() -> date:
    """Return the first Monday after today."""
    today = datetime.now().astimezone().date()
    return today + timedelta(days=7 - today.weekday())


class Questions:
    """What riders ask: pairs of stops that a line connects, on weekdays, since not every line runs at weekends."""

    def __init__(self, url: str, chance: random.Random) -> None:
        self._chance = chance
        with httpx2.Client(base_url=f"{url}/v1", timeout=30) as client:
            page = {"operator_id": OPERATOR, "limit": 200}
            ids = [one for route in client.get("/routes", params=page).json()["items"] for one in route["pattern_ids"]]
            self._lines = [
                [call["stop"]["id"] for call in line["calls"]]
                for start in range(0, len(ids), 50)
                for line in client.get("/patterns", params={"ids": ids[start : start + 50]}).json()["items"]
            ]

    def one(self) -> str:
        """Write a search along a line."""
        line = self._chance.choice(self._lines)
        origin, destination = sorted(self._chance.sample(range(len(line)), 2))
        day = next_monday() + timedelta(days=self._chance.randrange(5))
        ends = f"origin_stop_id={line[origin]}&destination_stop_id={line[destination]}"
        return f"/v1/itineraries?{ends}&date={day}"

    def distinct(self) -> Iterator[str]:
        while True:
            yield self.one()

    def repeated(self) -> Iterator[str]:
        favourites = [self.one() for _ in range(FAVOURITES)]
        while True:
            yield self._chance.choice(favourites)


def until_priced(ready: Any, questions: Questions, seconds: float) -> None:
    """Search until all services have followed what booking has put on sale, and everything is warm."""
    until = time.monotonic() + LEARN_SECONDS_MAX
    while ask(ready, questions.distinct(), seconds).unpriced or events_waiting(ready):
        if time.monotonic() > until:
            raise SystemExit("pricing or tracking does not know the departures")


def events_waiting(ready: Any) -> int:
    """Count the events that some service has yet to send or to take in."""
    told = httpx2.get(f"{ready['gateway_url']}/readyz", params={"verbose": ""}, timeout=30).json()["waiting"]
    return sum(int(count) for service in told.values() for count in service.values())


def ask(ready: Any, questions: Iterator[str], seconds: float, *, thinking: float = 0.0) -> Answers:
    """Let all callers ask one question after the other for a while; return what they saw and what it cost."""
    answers, before = Answers(), {name: cpu_seconds(ready["pids"][name]) for name in SERVICES}
    asyncio.run(ask_all(ready["gateway_url"], questions, answers, seconds, thinking))
    answers.spent = {name: cpu_seconds(ready["pids"][name]) - spent for name, spent in before.items()}
    return answers


async def ask_all(url: str, questions: Iterator[str], answers: Answers, seconds: float, thinking: float) -> None:
    until = time.monotonic() + seconds

    async def caller(place: int) -> None:
        """Ask over one connection that stays open; those who think begin one after the other."""
        await asyncio.sleep(thinking * place / CALLERS)
        reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
        while time.monotonic() < until:
            request = f"GET {next(questions)} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            answers.seconds.append(time.perf_counter() - began)
            judge(answers, head, body)
            await asyncio.sleep(thinking)
        writer.close()

    await asyncio.gather(*map(caller, range(CALLERS)))


def judge(answers: Answers, head: bytes, body: bytes) -> None:
    """Count what an answer lacks; its text tells, since reading it all would take what is to be measured."""
    rides = body.count(b'"seats_available":')
    answers.rides += rides
    answers.failed += not head.startswith(b"HTTP/1.1 200")
    answers.empty += not rides
    answers.unpriced += body.count(b'"price_from":null')


def cpu_seconds(pid: int) -> float:
    """Return what a process has spent (Linux: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    run(measure)
