"""A service small enough to read at once that writes letters to streams: the real outbox, relay and broker."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nats
import psutil
import sqlalchemy as sa
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError
from prometheus_client import CollectorRegistry
from sqlalchemy.engine import Connection, Engine

from chassis.bus import ROOT, Bus, RefusedError, Stream
from chassis.clock import SystemClock
from chassis.database import Database, Table
from chassis.errors import Unavailable
from chassis.lifecycle import keep_running, stop_tasks
from chassis.outbox import Envelope, Outbox
from chassis.relay import Relay
from chassis.store import Store
from tests.servers import NatsServer

LETTERS, PARCELS = Stream("LETTERS", (f"{ROOT}.letters.>",)), Stream("PARCELS", (f"{ROOT}.parcels.>",))
STREAMS = (LETTERS, PARCELS)
ROOT_FOLDER = Path(__file__).parents[2]
WITHIN_SECONDS = 10.0
"""How long the goals give a broker's trouble to be over."""


@dataclass(frozen=True)
class Letter:
    text: str
    to: str = "anna"
    stream: str = "LETTERS"
    payload: bytes = b""


def encode(letter: object) -> Envelope:
    assert isinstance(letter, Letter)
    subject = f"{ROOT}.{letter.stream.lower()}.{letter.to}"
    return Envelope(letter.stream, subject, "LetterPosted", letter.payload or letter.text.encode())


class Work:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self.outbox = Outbox(connection, now=now, encode=encode)


def post(work: Work, *, letters: list[Letter]) -> None:
    work.outbox.add(*letters)


def rows(work: Work, *, stream: str = "LETTERS") -> list[Any]:
    """Read the outbox of one stream, oldest first."""
    columns = Outbox.table.c
    query = sa.select(Outbox.table).where(columns.stream == stream).order_by(columns.position)
    return list(work.connection.execute(query))


@contextmanager
def opened(url: str) -> Iterator[Store[Work]]:
    """Yield a store, not yet serving."""
    database = Database(url)
    with database.writer.begin() as connection:
        Table.metadata.create_all(connection)
    store = Store(database, Work, SystemClock())
    try:
        yield store
    finally:
        store.stop()


@dataclass
class Office:
    """A running service: what it has posted and what the broker has of it."""

    store: Store[Work]
    bus: Bus
    relay: Relay
    registry: CollectorRegistry
    task: asyncio.Task[None]

    async def post(self, *letters: Letter) -> None:
        await self.store.write(post, letters=list(letters))

    async def ids(self, stream: str = "LETTERS") -> list[str]:
        return [row.id for row in await self.store.read(rows, stream=stream)]

    async def waiting(self, stream: str = "LETTERS") -> list[Any]:
        return [row for row in await self.store.read(rows, stream=stream) if row.published_at is None]

    async def wait_for(self, count: int) -> None:
        """Wait until just so many letters are left waiting; an acknowledged row is marked a little later."""

        async def are_left() -> bool:
            return len(await self.waiting()) == count

        await until(are_left)

    async def is_all_out(self) -> bool:
        return not [row for stream in STREAMS for row in await self.waiting(stream.name)]

    def metric(self, name: str) -> float:
        return self.registry.get_sample_value(name) or 0.0


@asynccontextmanager
async def office(
    url: str, nats_url: str, *, streams: tuple[Stream, ...] = STREAMS, source: str = "test"
) -> AsyncIterator[Office]:
    """Run a service that posts."""
    with opened(url) as store:
        bus, registry = Bus(nats_url, name=source, streams=streams), CollectorRegistry()
        relay = Relay(store, bus, source=source, registry=registry)
        store.start(on_commit=relay.wake)
        task, measuring = (asyncio.ensure_future(keep_running(loop)) for loop in (relay.run, relay.measure))
        try:
            yield Office(store, bus, relay, registry, task)
        finally:
            await stop_tasks([task, measuring])
            await bus.close()


async def until(is_so: Callable[[], bool | Awaitable[bool]], *, within: float = WITHIN_SECONDS) -> None:
    """Wait for something to become so; fail when it does not in time."""
    deadline = time.monotonic() + within
    while True:
        answer = is_so()
        if answer if isinstance(answer, bool) else await answer:
            return
        assert time.monotonic() < deadline, "This did not come true in time."
        await asyncio.sleep(0.02)


@asynccontextmanager
async def client(nats_url: str) -> AsyncIterator[Client]:
    connection = await nats.connect(nats_url)
    try:
        yield connection
    finally:
        await connection.close()


async def stream_of(nats_url: str, stream: str = "LETTERS") -> list[Msg]:
    """Read everything that a stream holds, in its order."""
    async with client(nats_url) as connection:
        jetstream = connection.jetstream()
        last = (await jetstream.stream_info(stream)).state.messages
        subscription = await jetstream.subscribe(">", stream=stream, ordered_consumer=True)
        return [await subscription.next_msg(timeout=5) for _ in range(last)]


async def has_count(server: NatsServer, count: int, stream: str = "LETTERS") -> bool:
    """Tell whether a stream holds so many messages; one that is not there holds none."""
    async with client(server.url) as connection:
        try:
            return (await connection.jetstream().stream_info(stream)).state.messages >= count
        except NotFoundError:
            return count == 0


def connections_to(server: NatsServer) -> int:
    """Count this process's own connections to a broker."""
    port = int(server.url.rpartition(":")[2])
    found = psutil.Process().net_connections("tcp")
    return len([one for one in found if one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED])


@contextmanager
def counted(engine: Engine, event: str) -> Iterator[list[object]]:
    """Count how often something happens to a database."""
    seen: list[object] = []
    notice = seen.append
    sa.event.listen(engine, event, notice)
    yield seen
    sa.event.remove(engine, event, notice)


@contextmanager
def hanging(server: NatsServer) -> Iterator[None]:
    """Let a broker keep its connections and say nothing."""
    process = psutil.Process(server._process.pid)
    process.suspend()
    yield
    process.resume()


async def ids_in(nats_url: str, stream: str = "LETTERS") -> list[str]:
    return [message.headers["Nats-Msg-Id"] for message in await stream_of(nats_url, stream)]


def texts(messages: list[Msg]) -> list[str]:
    return [message.data.decode() for message in messages]


def letters(count: int, *, first: int = 0, **fields: Any) -> list[Letter]:
    return [Letter(f"{number:05}", **fields) for number in range(first, first + count)]


async def is_read(bus: Bus, durable: str, stream: str = "LETTERS") -> bool:
    """Tell whether a consumer has taken all that its stream holds."""
    if not bus.is_connected:
        return False
    try:
        info = await bus.ask(f"CONSUMER.INFO.{stream}.{durable}", {})
    except (RefusedError, Unavailable):
        return False
    return info["num_pending"] == info["num_ack_pending"] == 0


async def lives(role: str, url: str, nats_url: str, faults: list[str], folder: Path) -> list[int]:
    """Run a process again and again until it ends by itself; each fault happens once. Return how the lives ended."""
    environment = os.environ | {"HEADWAY_FAULTS": ",".join(faults), "HEADWAY_FAULTS_DIR": str(folder)}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    ended = []
    while len(ended) <= len(faults) and 0 not in ended:
        command = [sys.executable, "-m", "tests.chassis.postal_child", role, url, nats_url]
        child = await asyncio.create_subprocess_exec(*command, env=environment, cwd=ROOT_FOLDER)
        ended.append(await asyncio.wait_for(child.wait(), 60))
    return ended
