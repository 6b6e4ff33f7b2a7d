"""Bytes that are no message, or one that nobody means, at every RPC: refused, with nothing broken and nothing told."""

import asyncio
import base64
import json
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import grpc
import psutil
import pytest
from grpc import aio

from tests.faults.broken_frames import WAYS, connection
from tests.faults.doors import PATIENCE_SECONDS, RULES, Rpc, call, channels, metadata_of, rpcs
from tests.faults.nonsense import request
from tests.faults.people import PROGRAM, Person
from tests.faults.riders import seeded
from tests.system.deadlines import until
from tests.system.running_stack import Stack

RPCS = rpcs()
REQUESTS, RELEASE_REQUESTS = 50_000, 1_000_000
PARTS = 4
AT_ONCE = 64
MOMENT_SECONDS = 0.05
SECONDS, ENDLESS_SECONDS = 20.0, 0.2
GROWTH_BYTES_MAX = 96 * 1024 * 1024
BROKEN = {
    grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS,
}  # fmt: skip
AS_EVER = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED)
"""How bytes that are no message are refused, and whoever is none of our own services."""
CORPUS = Path(__file__).parent / "corpus" / "rpcs.jsonl"


class Doors:
    """Sends bytes to services and remembers how that ended."""

    def __init__(self, stack: Stack, person: Person) -> None:
        self._channels = {name: aio.insecure_channel(address) for name, address in stack.ready["grpc"].items()}
        self._metadata = [(name.lower(), value) for name, value in person.headers.items()]
        self.codes: Counter[str] = Counter()
        self.broken: list[str] = []

    async def send(self, rpc: Rpc, raw: bytes, key: str) -> None:
        metadata = [*self._metadata, ("idempotency-key", key)]
        seconds = ENDLESS_SECONDS if rpc.is_endless else SECONDS
        answers = self._channels[rpc.service].stream_stream(rpc.name)(iter([raw]), metadata=metadata, timeout=seconds)
        try:
            async for _ in answers:
                pass
            code, why = grpc.StatusCode.OK, ""
        except aio.AioRpcError as error:
            code, why = error.code(), f"{error.code().name}: {error.details()}"
        self.codes[code.name] += 1
        # What our own library says of a call that is over before all is sent, or just as its deadline comes.
        if why.endswith("Internal error from Core"):
            return
        if code in BROKEN or (code is grpc.StatusCode.DEADLINE_EXCEEDED and not rpc.is_endless):
            told = {"rpc": rpc.name, "base64": base64.b64encode(raw).decode(), "why": why}
            self.broken.append(json.dumps(told))

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


@pytest.fixture
async def doors(stack: Stack, people: dict[str, Person]):
    opened = Doors(stack, people[PROGRAM])
    yield opened
    await opened.close()


async def test_what_broke_something_once_breaks_nothing(doors: Doors) -> None:
    lines = [json.loads(line) for line in CORPUS.read_text().splitlines()]
    assert {line["rpc"] for line in lines} <= {"*", *RULES}
    for line in lines:
        for rpc in RPCS:
            if line["rpc"] in ("*", rpc.name):
                await doors.send(rpc, base64.b64decode(line["base64"]), "corpus")
    assert not doors.broken, "\n".join(doors.broken)


@pytest.mark.parametrize("way", WAYS)
def test_a_broken_connection_breaks_nobody_else_s(
    way: str, stack: Stack, people: dict[str, Person], seed: int, keep_figures: Callable[..., None]
) -> None:
    chance = seeded(seed, "frames", way)
    for rpc in RPCS:
        host, _, port = stack.ready["grpc"][rpc.service].partition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as plug, suppress(OSError):
            plug.sendall(connection(chance, way, rpc.name))
            plug.settimeout(MOMENT_SECONDS)
            plug.recv(65536)
    with channels(stack) as opened:
        for rpc in RPCS:

            def is_as_ever(rpc: Rpc = rpc) -> bool:
                return call(opened[rpc.service], rpc, b"\xff", metadata=metadata_of(people[PROGRAM])).code in AS_EVER

            # Hundreds of calls that are opened and reset at once cost others an answer or two.
            until(is_as_ever, seconds=PATIENCE_SECONDS, what=f"{rpc.name} is served as ever after {way}")
    keep_figures(f"frames-{list(WAYS).index(way):02}", connections=len(RPCS))


@pytest.mark.slow
@pytest.mark.parametrize(
    "count", [REQUESTS, pytest.param(RELEASE_REQUESTS, marks=pytest.mark.release)], ids=["quick", "release"]
)
@pytest.mark.parametrize("part", range(PARTS))
async def test_nonsense_is_refused_and_nobody_dies(
    *, part: int, count: int, doors: Doors, stack: Stack, seed: int, keep_figures: Callable[..., None]
) -> None:
    processes = [psutil.Process(stack.pid(name)) for name in stack.ready["grpc"]]
    before = sum(process.memory_info().rss for process in processes)
    chance = seeded(seed, "nonsense", part)
    left = iter(range(count // PARTS))

    async def send_some() -> None:
        for number in left:
            rpc = RPCS[number % len(RPCS)]
            await doors.send(rpc, request(chance, rpc.request), f"{part}-{number}")

    await asyncio.gather(*(send_some() for _ in range(AT_ONCE)))
    grown = sum(process.memory_info().rss for process in processes) - before
    keep_figures(f"grpc-{count}-{part}", requests=doors.codes.total(), codes=doors.codes, grown_bytes=grown, seed=seed)
    assert not doors.broken, "\n".join(doors.broken[:20])
    assert doors.codes.total() == count // PARTS
    assert grown < GROWTH_BYTES_MAX
