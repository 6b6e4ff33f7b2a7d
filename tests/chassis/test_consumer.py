"""A consumer: each event has its effect once, whatever fails, and one that never works holds up no other."""

import asyncio
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry

from chassis import consumer as consumers
from chassis import trace
from chassis.bus import CONNECTION, Bus, Message
from chassis.consumer import PULL_SECONDS, RETRY_SECONDS_MAX, WAIT_SECONDS, Consumer, retry_seconds
from chassis.errors import NotAllowedNow, Unavailable
from chassis.ids import new_id
from chassis.lifecycle import keep_running, stop_tasks
from chassis.store import Store
from tests.chassis.postal import (
    LETTERS,
    ROOT,
    WITHIN_SECONDS,
    Letter,
    Work,
    client,
    connections_to,
    counted,
    is_read,
    letters,
    lives,
    office,
    opened,
    post,
    rows,
    until,
)


@dataclass
class Reader:
    """A running consumer, what it has been given and what it shall fail on."""

    bus: Bus
    registry: CollectorRegistry
    read: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    tried_at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)

    async def apply(self, message_id: str, _type: str, payload: bytes) -> None:
        text = payload.decode()
        self.ids.append(message_id)
        self.tried_at[text].append(time.monotonic())
        if text in self.failures:
            await self.failures[text]()
        self.read.append(text)

    async def send(self, *texts: str, to: str = "anna", **headers: str) -> None:
        for text in texts:
            await self.bus.publish_one(Message(new_id("evt"), f"{ROOT}.letters.{to}", text.encode(), headers))

    def metric(self, name: str) -> float:
        return self.registry.get_sample_value(f"headway_consumer_letters_{name}") or 0.0

    async def is_done(self) -> bool:
        return await is_read(self.bus, "reader")


@asynccontextmanager
async def reading(nats_url: str, *, has_stream: bool = True) -> AsyncIterator[Reader]:
    bus, registry = Bus(nats_url, name="reader", streams=[LETTERS]), CollectorRegistry()
    reader = Reader(bus, registry)
    consumer = Consumer(bus, stream="LETTERS", durable="reader", apply=reader.apply, registry=registry)
    if has_stream:
        await bus.connect()
        await bus.ensure(LETTERS)
    task = asyncio.ensure_future(keep_running(consumer.run))
    try:
        yield reader
    finally:
        await stop_tasks([task])
        await bus.close()


def failing(error: Exception, *, times: int = 1_000) -> Callable[[], Awaitable[None]]:
    """Fail so many times and then no more."""
    left = iter(range(times))

    async def fail() -> None:
        if next(left, None) is not None:
            raise error

    return fail


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Wait for less long than in earnest."""
    monkeypatch.setattr(consumers, "ACK_WAIT_SECONDS", 1)
    monkeypatch.setattr(consumers, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(consumers, "PULL_SECONDS", 0.5)
    monkeypatch.setitem(CONNECTION, "ping_interval", 0.2)


def test_in_earnest_it_goes_on_within_the_goal():
    assert PULL_SECONDS + 2 * WAIT_SECONDS < WITHIN_SECONDS


async def is_written(store: Store[Work], count: int) -> bool:
    return len(await store.read(rows)) == count


# Once


async def test_events_come_in_order_and_soon(nats):
    async with reading(nats.url) as reader:
        delays = []
        for number in range(9):
            await asyncio.sleep(0.11 * (number % 4))
            await reader.send(f"{number}")
            sent_at = time.monotonic()
            await until(lambda number=number: len(reader.read) > number)
            delays.append(time.monotonic() - sent_at)
        assert reader.read == [f"{number}" for number in range(9)]
        assert max(delays) < 0.5


async def test_events_without_an_id_are_told_apart_by_their_places(nats):
    async with reading(nats.url) as reader:
        for text in ("one", "two"):
            await reader.bus.client.jetstream().publish(f"{ROOT}.letters.anna", text.encode())
        await until(lambda: reader.read == ["one", "two"])
        assert reader.ids == ["LETTERS:1", "LETTERS:2"]


async def test_a_backlog_is_taken_in_order_and_measured(nats):
    async with reading(nats.url) as reader:
        await until(reader.is_done)
        wanted = [f"{number:04}" for number in range(900)]
        messages = [Message(new_id("evt"), f"{ROOT}.letters.anna", text.encode(), {}) for text in wanted]
        await reader.bus.publish_batch(messages[:450])
        await reader.bus.publish_batch(messages[450:])
        await until(lambda: len(reader.read) == 900)
        assert reader.read == wanted
        await until(lambda: reader.metric("pending_messages") == 0)


async def test_the_effects_of_a_backlog_are_committed_in_order_and_in_groups(database_url, nats):
    async def apply(message_id: str, _type: str, payload: bytes) -> None:
        await store.write(post, message_id=message_id, letters=[Letter(payload.decode())])

    async with reading(nats.url) as reader:
        wanted = [f"{number:04}" for number in range(400)]
        messages = [Message(new_id("evt"), f"{ROOT}.letters.anna", text.encode(), {}) for text in wanted]
        await reader.bus.publish_batch(messages)
        with opened(database_url) as store, counted(store.database.writer, "commit") as commits:
            store.start()
            consumer = Consumer(reader.bus, stream="LETTERS", durable="writer", apply=apply)
            task = asyncio.ensure_future(consumer.run())
            await until(lambda: is_written(store, 400))
            await stop_tasks([task])
            assert [row.payload.decode() for row in await store.read(rows)] == wanted
            assert len(commits) < 100


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_an_event_whose_acknowledgement_was_lost_has_its_effect_once(request, kind, nats, tmp_path):
    url = request.getfixturevalue(f"{kind}_url")
    async with office(url, nats.url) as running:
        await running.post(*letters(50))
        await until(running.is_all_out)
    faults = ["consumer.applied:kill:1", "consumer.fetched:kill:9", "consumer.applied:kill:5"]
    faults = faults if kind == "sqlite" else faults[:1]
    ended = await lives("read", url, nats.url, faults, tmp_path)
    assert ended == [-signal.SIGKILL] * len(faults) + [0]
    with opened(url) as store:
        notes = [row.payload.decode() for row in await store.read(rows, stream="NOTES")]
        assert sorted(notes) == [letter.text for letter in letters(50)]


async def test_the_effect_and_the_memory_of_it_are_one_transaction(sqlite_url, nats):
    """A use case that fails after it has written leaves neither, so that the event is new when it comes again."""
    left = iter([True, True])

    async def apply(message_id: str, _type: str, _payload: bytes) -> None:
        await store.write(post_or_fail, message_id=message_id)

    def post_or_fail(work):
        post(work, letters=letters(1))
        if next(left, False):
            raise NotAllowedNow

    with opened(sqlite_url) as store:
        store.start()
        async with reading(nats.url) as reader:
            consumer = Consumer(reader.bus, stream="LETTERS", durable="writer", apply=apply)
            task = asyncio.ensure_future(consumer.run())
            await reader.send("hello")
            await until(lambda: is_written(store, 1))
            await stop_tasks([task])
        assert not list(left)


# Failures


async def test_a_failing_event_comes_again_later_and_later_while_others_flow(nats):
    async with reading(nats.url) as reader:
        reader.failures["bad"] = failing(NotAllowedNow(), times=3)
        await reader.send("bad", "good", "better")
        await until(lambda: reader.read == ["good", "better"], within=1)
        await until(lambda: "bad" in reader.read)
        tried = reader.tried_at["bad"]
        waits = [later - earlier for earlier, later in pairwise(tried)]
        assert waits == pytest.approx([0.2, 0.4, 0.8], abs=0.19)
        assert len(reader.tried_at["good"]) == 1


@pytest.mark.parametrize("error", [NotAllowedNow(), ValueError("a bug")], ids=["refusal", "bug"])
async def test_a_poisonous_event_is_set_aside_once_while_others_flow(nats, monkeypatch, caplog, error):
    monkeypatch.setattr(consumers, "DELIVERIES_MAX", 3)
    async with reading(nats.url) as reader:
        reader.failures["poison"] = failing(error)
        await reader.send("poison", "good")
        await until(lambda: reader.metric("set_aside_messages_total") == 1)
        await reader.send("better")
        await until(lambda: reader.read == ["good", "better"])
        assert len(reader.tried_at["poison"]) == 3
        assert [record.message for record in caplog.records].count("event_set_aside") == 1


def test_the_delay_grows_to_a_limit_and_no_further():
    delays = [retry_seconds(deliveries) for deliveries in range(1, 5_000)]
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (0.2, RETRY_SECONDS_MAX)


async def test_an_event_is_never_set_aside_because_a_database_was_away(nats, monkeypatch):
    monkeypatch.setattr(consumers, "DELIVERIES_MAX", 1)
    monkeypatch.setattr(consumers, "RETRY_SECONDS_MAX", 0.02)
    async with reading(nats.url) as reader:
        reader.failures["patient"] = failing(Unavailable(dependency="database"), times=20)
        await reader.send("patient")
        await until(lambda: reader.read == ["patient"])
        assert reader.metric("set_aside_messages_total") == 0


# The broker goes away, forgets


async def test_a_broker_that_is_down_at_the_start_is_only_waited_for(nats, caplog):
    nats.kill()
    async with reading(nats.url, has_stream=False) as reader:
        await asyncio.sleep(0.6)
        nats.start_again()
        await reader.bus.connect()
        await reader.bus.ensure(LETTERS)
        await reader.send("hello")
        await until(lambda: reader.read == ["hello"])
        assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_stream_that_its_owner_has_not_made_yet_is_waited_for(nats):
    async with reading(nats.url, has_stream=False) as reader:
        await reader.bus.connect()
        await asyncio.sleep(0.3)
        await reader.bus.ensure(LETTERS)
        await reader.send("hello")
        await until(lambda: reader.read == ["hello"])


async def test_it_goes_on_after_the_broker_was_killed(nats):
    async with reading(nats.url) as reader:
        for text in ("one", "two"):
            await reader.send(text)
            await until(lambda text=text: text in reader.read)
            nats.kill()
            await until(lambda: not reader.bus.is_connected)
            nats.start_again()
            await reader.bus.connect()
        await until(reader.is_done)
        assert Counter(reader.read).keys() == {"one", "two"}
        await until(lambda: connections_to(nats) == 1)


async def test_it_goes_on_after_its_consumer_was_deleted(nats):
    async with reading(nats.url) as reader:
        await reader.send("before")
        await until(lambda: reader.read == ["before"])
        await reader.bus.ask("CONSUMER.DELETE.LETTERS.reader", {})
        await reader.send("after")
        await until(lambda: "after" in reader.read)


async def test_it_goes_on_after_its_stream_was_deleted_and_made_again(nats):
    async with reading(nats.url) as reader:
        await reader.send("before")
        await until(lambda: reader.read == ["before"])
        async with client(nats.url) as connection:
            await connection.jetstream().delete_stream("LETTERS")
        await asyncio.sleep(0.2)
        await reader.bus.ensure(LETTERS)
        await reader.send("after")
        await until(lambda: reader.read == ["before", "after"])


async def test_no_subscription_is_left_behind(nats):
    async with reading(nats.url) as reader:
        await until(reader.is_done)
        for _ in range(3):
            await reader.bus.ask("CONSUMER.DELETE.LETTERS.reader", {})
            await until(reader.is_done)
        assert len(reader.bus.client._subs) == 2  # the one for answers and the one for messages


async def test_work_goes_on_with_the_trace_of_the_event(nats):
    traces = []

    async def note() -> None:
        traces.append(trace.current_traceparent())

    async with reading(nats.url) as reader:
        reader.failures["hello"] = note
        traceparent = trace.follow(None)
        await reader.send("hello", traceparent=traceparent)
        await until(lambda: reader.read == ["hello"])
        assert traces == [traceparent]
