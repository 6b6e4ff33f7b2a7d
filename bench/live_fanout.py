"""T4: deliveries of server-sent events a second, by one process to 1,000 subscribers of whom 50 read nothing.

Ours is the gateway as it runs, on a departure that another process tells of over gRPC: it reads the message, finds out
what has changed and writes the event; events less than 20 ms apart share a write. The peer is sse-starlette on uvicorn
with a queue for each subscriber; it is handed the same events written already. The server has one core, the subscribers
have the other. Sixteen events are on their way at any time: the next is told when all who read have the one sixteen
before. A delivery counts when it was read. What one costs when every event goes alone is told beside.
"""

import argparse
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

import httpx2

from bench.peers.road import update
from bench.report import PAIRS, PAIRS_QUICK, Report, compare, is_installed, packages, pinned, run
from gateway.schemas.live import LiveDeparture

SUBSCRIBERS = 1_000
STALLED = 20
"""One of so many reads nothing."""
EVENTS, EVENTS_QUICK = 1_000, 200
IN_FLIGHT = 16
READ_BYTES = 16 * 1024
LATE_MS_MAX = 250.0
PATH = "/v1/departures/dep_01jd8k2m3n4p5q6r7s8t9v0w1x/live/stream"
NUMBER = re.compile(rb'"heading_degrees":(\d+)')
STARTS_WITHIN_SECONDS = 30


@dataclass(slots=True)
class Server:
    """A process that streams, and the pipe into which it is told what to stream."""

    pid: int
    port: int
    path: str
    feed: IO[bytes]
    write: Callable[[int], bytes]

    def tell(self, number: int) -> None:
        self.feed.write(self.write(number))
        self.feed.flush()


@dataclass(slots=True)
class Outcome:
    """What one run has seen."""

    rate: float = 0.0
    late_ms: float = 0.0
    cpu_us: float = 0.0
    is_complete: bool = False
    stalled_end_with_the_newest: bool = False


@dataclass(slots=True)
class Subscribers:
    """Clients of one stream; `heard` has the newest number by the file descriptor of who reads."""

    readers: dict[int, socket.socket] = field(default_factory=dict)
    stalled: list[socket.socket] = field(default_factory=list)
    heard: dict[int, int] = field(default_factory=dict)
    rests: dict[int, bytes] = field(default_factory=dict)
    delivered: int = 0
    late: float = 0.0


def measure(options: argparse.Namespace) -> Report:
    """Let both tell the same events in turn, each in a fresh process."""
    total = EVENTS_QUICK if options.quick else EVENTS
    ours: list[Outcome] = []
    theirs: list[Outcome] = []
    contenders = {"ours": partial(fan_out, gateway_up, SUBSCRIBERS, total, ours)}
    if is_installed("sse-starlette"):
        contenders["sse_starlette"] = partial(fan_out, peer_up, SUBSCRIBERS, total, theirs)
    report = compare("T4", "deliveries/s", contenders, pairs=PAIRS_QUICK if options.quick else PAIRS)
    report.goals = {"T4:sse_starlette": 5.0}
    sizes = (100, 1_000) if options.quick else (100, 1_000, 10_000)
    report.growth = {"cpu_us_a_delivery_by_subscribers": {f"{size:,}": cost_at(size, total) for size in sizes}}
    report.beside = {
        "latest_ms": {"ours": [one.late_ms for one in ours], "the_peer": [one.late_ms for one in theirs]},
        "cpu_us_a_delivery": {"ours": ours[-1].cpu_us, "the_peer": theirs[-1].cpu_us if theirs else None},
        "cpu_us_a_delivery_when_events_go_alone": {
            "ours": cost_at(SUBSCRIBERS, total, in_flight=1),
            "the_peer": cost_at(SUBSCRIBERS, total, in_flight=1, up=peer_up) if theirs else None,
        },
    }
    report.checks = {
        "everybody who reads got every event in order, in each run": all(one.is_complete for one in ours + theirs),
        "nobody who reads was told over 250 ms late": all(one.late_ms <= LATE_MS_MAX for one in ours),
        "who had not read is told the newest in the end": all(one.stalled_end_with_the_newest for one in ours),
    }
    report.conditions |= {"subscribers": SUBSCRIBERS, "stalled": SUBSCRIBERS // STALLED, "events": total}
    report.conditions["versions"] = packages(["uvicorn", "uvloop", "grpcio", "sse-starlette"])
    return report


def cost_at(
    size: int, total: int, *, in_flight: int = IN_FLIGHT, up: Callable[[], Iterator[Server]] | None = None
) -> float:
    """Return what a delivery takes of a server's CPU, in microseconds, with so many subscribers."""
    found: list[Outcome] = []
    fan_out(up or gateway_up, size, max(100, total * SUBSCRIBERS // size // 2), found, in_flight=in_flight)
    return found[0].cpu_us


def fan_out(
    up: Callable[[], Iterator[Server]], size: int, total: int, outcomes: list[Outcome], *, in_flight: int = IN_FLIGHT
) -> float:
    """Tell so many events to so many; return the deliveries a second."""
    outcome = Outcome()
    outcomes.append(outcome)
    with contextmanager(up)() as server, pinned(1):
        found = subscribe(server, size)
        began, spent = time.perf_counter(), cpu_seconds(server.pid)
        tell_all(server, found, total, in_flight)
        seconds, spent = time.perf_counter() - began, cpu_seconds(server.pid) - spent
        outcome.rate = found.delivered / seconds
        outcome.cpu_us = round(1e6 * spent / found.delivered, 2)
        outcome.late_ms = round(1000 * found.late, 1)
        outcome.is_complete = found.delivered == total * len(found.readers)
        outcome.stalled_end_with_the_newest = all(ends_with(one, total) for one in found.stalled)
        for one in (*found.readers.values(), *found.stalled):
            one.close()
    return outcome.rate


def subscribe(server: Server, size: int) -> Subscribers:
    """Open all streams; who will not read has little room for what is sent to him."""
    found = Subscribers()
    for place in range(size):
        plug = socket.socket()
        if place % STALLED == 0:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.settimeout(STARTS_WITHIN_SECONDS)
        plug.connect(("127.0.0.1", server.port))
        plug.sendall(f"GET {server.path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        if not (answer := plug.recv(65536)).startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"a stream was refused: {answer[-400:]!r}")
        if place % STALLED == 0:
            found.stalled.append(plug)
        else:
            plug.setblocking(False)
            found.readers[plug.fileno()] = plug
            found.heard[plug.fileno()] = 0
    return found


def tell_all(server: Server, found: Subscribers, total: int, in_flight_max: int) -> None:
    """Tell one event after the other and read what comes."""
    readers = select.epoll()
    for number in found.readers:
        readers.register(number, select.EPOLLIN)
    told_at, missing, told = [0.0], [0] + [len(found.readers)] * total, 0
    in_flight: deque[int] = deque()
    while told < total or in_flight:
        while told < total and len(in_flight) < in_flight_max:
            told += 1
            in_flight.append(told)
            told_at.append(time.perf_counter())
            server.tell(told)
        ready = readers.poll(STARTS_WITHIN_SECONDS)
        if not ready:
            raise SystemExit(f"no event for {STARTS_WITHIN_SECONDS} seconds; {missing[in_flight[0]]} wait for one")
        for number, _ in ready:
            hear(found, number, told_at, missing)
        while in_flight and not missing[in_flight[0]]:
            in_flight.popleft()
    readers.close()


def hear(found: Subscribers, number: int, told_at: list[float], missing: list[int]) -> None:
    """Read what one subscriber has got."""
    data = found.rests.pop(number, b"") + found.readers[number].recv(READ_BYTES)
    now = time.perf_counter()
    whole = data.rfind(b"\n\n") + 2
    if len(data) > whole + 2:
        found.rests[number] = data[whole:]
        data = data[:whole]
    last = found.heard[number]
    for digits in NUMBER.findall(data):
        heard = int(digits)
        if not heard:
            continue
        found.delivered += heard == last + 1
        for told in range(last + 1, heard + 1):
            missing[told] -= 1
        last = heard
        found.late = max(found.late, now - told_at[heard])
    found.heard[number] = last


def ends_with(stalled: socket.socket, newest: int) -> bool:
    """Read on where nothing was read, until the newest comes or nothing more."""
    stalled.settimeout(2)
    data = b""
    try:
        while b'"heading_degrees":%d.' % newest not in data:
            data = data[-200:] + stalled.recv(65536)
    except TimeoutError:
        return False
    return True


def gateway_up() -> Iterator[Server]:
    """Run a gateway before a tracking service that tells what it is told."""
    with tempfile.TemporaryDirectory() as folder, process("bench.peers.road", core=1) as road:
        environment = {
            "GATEWAY_DATABASE_URL": f"sqlite:///{folder}/gateway.db",
            "HEADWAY_KEYS_DIR": f"{folder}/keys",
            "GATEWAY_TRACKING_ADDRESS": f"127.0.0.1:{first_line(road)}",
            "GATEWAY_BOOKING_ADDRESS": "127.0.0.1:1",
            "GATEWAY_PRICING_ADDRESS": "127.0.0.1:1",
            "GATEWAY_RATE_LIMITS": "off",
            "GATEWAY_STREAMS_MAX": "12000",
            "GATEWAY_PORT": str(port := free_port()),
        }
        with process("gateway", core=0, **environment) as gateway:
            until_up(f"http://127.0.0.1:{port}/livez")
            assert road.stdin is not None
            yield Server(gateway.pid, port, PATH, road.stdin, lambda number: b"%d\n" % number)


def peer_up() -> Iterator[Server]:
    """Run the peer."""
    with process("bench.peers.sse_app", core=0) as peer:
        port = int(first_line(peer))
        until_up(f"http://127.0.0.1:{port}/docs")
        assert peer.stdin is not None
        yield Server(peer.pid, port, "/stream", peer.stdin, written)


def written(number: int) -> bytes:
    """Write the event as our schema does."""
    live = LiveDeparture.from_proto(update(number).departure)
    return live.model_dump_json(include={"departure_id", "observed_at", "vehicle"}).encode() + b"\n"


@contextmanager
def process(module: str, *, core: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with pinned(core):
        started = subprocess.Popen([sys.executable, "-m", module], env=os.environ | environment, **pipes)
    try:
        yield started
    finally:
        started.terminate()
        started.communicate(timeout=20)


def first_line(started: subprocess.Popen[bytes]) -> str:
    assert started.stdout is not None
    return started.stdout.readline().decode().strip()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def until_up(url: str) -> None:
    until = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < until:
        try:
            if httpx2.get(url).is_success:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise SystemExit(f"nobody answers at {url}")


def cpu_seconds(pid: int) -> float:
    """Return what a process has spent (Linux: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    run(measure)
