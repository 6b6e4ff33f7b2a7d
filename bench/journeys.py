"""B3: whole journeys a second over REST: ask a price, hold a seat, pay for it.

The whole system (gateway, booking, pricing, tracking, broker, payment provider) and the load share the machine's two
cores, and so does the peer with the same payment provider: one FastAPI program with SQLModel and aiosqlite. Both are
durable and answer a repeated key once; the peer signs nothing, publishes nothing and keeps no history.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import uvloop

from bench.report import PAIRS, PAIRS_QUICK, Load, Report, compare, drive, is_installed, packages, run
from bench.search import headway_up

CALLERS = 32
SEATS = 2_000
Json = dict[str, Any]


class Door:
    """One connection that stays open, and whoever comes through it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, root: str, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._root = root
        self._token = token

    async def post(self, path: str, body: Json) -> Json:
        """Ask and return the answer; end everything when it is a refusal."""
        content = json.dumps(body).encode()
        head = (
            f"POST {self._root}{path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self._token}\r\nIdempotency-Key: {os.urandom(16).hex()}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)
        told = await self._reader.readuntil(b"\r\n\r\n")
        length = int(told.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        answer = await self._reader.readexactly(length)
        if told[9:12] not in (b"200", b"201"):
            raise SystemExit(f"{path}: {told[:15]!r} {answer[:300]!r}")
        found: Json = json.loads(answer)
        return found


def measure(options: argparse.Namespace) -> Report:
    """Travel with the system and with the peer in turn; both run all the time, idle while the other is measured."""
    total = 150 if options.quick else 600
    right: list[bool] = []
    waits: list[Load] = []
    with ExitStack() as stack:
        ready = stack.enter_context(headway_up())
        contenders: dict[str, Callable[[], float]] = {
            "ours": partial(
                travel, ready["gateway_url"], "/v1", partial(publish, ready), total=total, right=right, waits=waits
            ),
        }
        if is_installed("aiosqlite"):
            naive = stack.enter_context(naive_up(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
            contenders["fastapi_sqlmodel"] = partial(
                travel, naive, "", partial(publish_naive, naive), total=total, right=right, waits=[]
            )
        report = compare("B3", "journeys/s", contenders, pairs=PAIRS_QUICK if options.quick else PAIRS)
    report.goals = {"B3:fastapi_sqlmodel": 2.0}
    report.beside = {"a_journey_takes_ms": {"p50": waits[-1].p50_ms, "p99": waits[-1].p99_ms}}
    report.checks["every journey was paid for and each has a seat of its own, in each run"] = all(right)
    report.conditions |= {
        "callers": CALLERS,
        "versions": packages(["fastapi", "grpcio", "sqlmodel", "aiosqlite", "uvicorn"]),
    }
    return report


@contextmanager
def naive_up(folder: Path) -> Iterator[str]:
    """Run the peer and a payment provider of its own."""
    provider = start("cli.payments", "--port", "0", "--ledger", str(folder / "ledger.db"))
    naive = start("bench.peers.naive_api", str(folder / "naive.db"), first_line(provider).split()[-1])
    try:
        yield f"http://127.0.0.1:{first_line(naive)}"
    finally:
        for process in (naive, provider):
            process.terminate()
            process.communicate(timeout=20)


def start(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def publish(ready: Any) -> Json:
    """Put a ship of 2,000 seats on sale; return the leg that riders ask for."""
    with httpx2.Client(base_url=f"{ready['gateway_url']}/v1", timeout=30) as staff:
        granted = staff.post("/oauth/token", data={"grant_type": "client_credentials", **ready["admin"]}).json()
        staff.headers["Authorization"] = f"Bearer {granted['access_token']}"
        seats = [{"id": str(number), "row": number // 20, "column": number % 20} for number in range(SEATS)]
        layout = staff.post("/layouts", json={"operator_id": "ships", "name": "Ship", "seats": seats}).json()
        start_at = datetime.now(UTC) + timedelta(days=2)
        calls = [
            {
                "stop": {
                    "name": f"Pier {number}",
                    "timezone": "Europe/Berlin",
                    "latitude": 54.0 + number,
                    "longitude": 11,
                },
                "scheduled_departure_at": (start_at + timedelta(hours=number)).isoformat(),
            }
            for number in range(2)
        ]
        body = {"operator_id": "ships", "route": {"short_name": "S", "mode": "ferry"}, "calls": calls,
                "service_date": start_at.date().isoformat(), "layout_id": layout["id"]}  # fmt: skip
        departure = staff.post("/departures", json=body, headers={"Idempotency-Key": os.urandom(8).hex()}).json()
    ends = [call["stop_id"] for call in departure["calls"]]
    return {"departure_id": departure["id"], "origin_stop_id": ends[0], "destination_stop_id": ends[1]}


def publish_naive(url: str) -> Json:
    """Put as many seats on sale at the peer."""
    departure = httpx2.post(f"{url}/departures", json={"id": os.urandom(8).hex(), "capacity": SEATS}).json()
    return {"departure_id": departure["id"]}


def travel(
    url: str, root: str, put_on_sale: Callable[[], Json], *, total: int, right: list[bool], waits: list[Load]
) -> float:
    """Let riders travel on a new departure; return how many a second arrive at a paid booking."""
    leg = put_on_sale()
    states, seats = [], []

    async def act() -> Load:
        doors: asyncio.Queue[Door] = asyncio.Queue()
        for _ in range(CALLERS):
            reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
            token = (await Door(reader, writer, root, "").post("/guests", {}))["access_token"]
            doors.put_nowait(Door(reader, writer, root, token))

        async def journey(_number: int) -> None:
            door = doors.get_nowait()
            quote = await door.post("/quotes", {"legs": [leg], "passengers": [{"category": "adult"}]})
            wish = {"quote_token": quote["token"], "passengers": [{"name": "Ada", "category": "adult"}]}
            held = await door.post("/bookings", wish | {"contact": {"email": "ada@example.com"}})
            seats.append(held["items"][0]["seat_id"])
            payment = {"payment": {"method": "sandbox", "token": "tok_success"}}
            states.append((await door.post(f"/bookings/{held['id']}/confirm", payment))["state"])
            doors.put_nowait(door)

        return await drive(journey, total=total, callers=CALLERS)

    load = uvloop.run(act())
    right.append(states == ["confirmed"] * total and len(set(seats)) == total)
    waits.append(load)
    return load.rate


if __name__ == "__main__":
    run(measure)
