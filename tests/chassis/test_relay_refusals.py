"""What the relay does with what the broker refuses."""

import pytest
from nats.js.api import StorageType, StreamConfig

from chassis import bus, lease, relay
from chassis.bus import ROOT, Stream
from tests.chassis.postal import (
    LETTERS,
    PARCELS,
    Letter,
    client,
    connections_to,
    has_count,
    letters,
    office,
    stream_of,
    texts,
    until,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Look more often than in earnest."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(relay, "RENEW_SECONDS", 0.3)
    monkeypatch.setattr(relay, "RECONCILE_SECONDS", 1.0)
    monkeypatch.setitem(bus.CONNECTION, "ping_interval", 0.2)


POISON = {
    "a payload of more than the broker takes": Letter("", to="bert", payload=b"x" * (1024 * 1024 + 1)),
    "a payload that is too long with its headers": Letter("", to="bert", payload=b"x" * (1024 * 1024 - 20)),
    "a subject that is none": Letter("", to="bert..", payload=b"x"),
    "a subject with a space": Letter("", to="bert and anna", payload=b"x"),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
async def test_a_row_that_the_broker_refuses_holds_up_its_own_subject_alone(sqlite_url, nats, poison, caplog):
    async with office(sqlite_url, nats.url) as running:
        await running.post(*letters(30), poison, *letters(2, to=poison.to), *letters(30, first=30))
        await running.post(*letters(3, stream="PARCELS"))
        await until(lambda: has_count(nats, 60))
        await until(lambda: has_count(nats, 3, "PARCELS"))
        await running.post(*letters(30, first=60))
        await until(lambda: has_count(nats, 90))
        assert texts(await stream_of(nats.url)) == [letter.text for letter in letters(90)]
        await running.wait_for(3)
        assert [row.subject for row in await running.waiting()] == [f"{ROOT}.letters.{poison.to}"] * 3
        assert running.metric("headway_outbox_refused") == 1
        [refused] = {record.fields["name"] for record in caplog.records if record.message == "events_refused"}
        assert refused == f"{ROOT}.letters.{poison.to}"
        assert connections_to(nats) == 1


async def test_refused_rows_follow_in_order_once_the_cause_is_mended(sqlite_url, nats):
    old = Stream("LETTERS", (f"{ROOT}.letters.anna",))
    async with office(sqlite_url, nats.url, streams=(old, PARCELS)) as running:
        await running.post(*letters(3, to="bert"), *letters(3))
        await running.wait_for(3)
    async with office(sqlite_url, nats.url) as running:
        await running.post(*letters(2, to="bert", first=3))
        await until(running.is_all_out)
        bert = [message for message in await stream_of(nats.url) if message.subject.endswith("bert")]
        assert texts(bert) == [letter.text for letter in letters(5)]


async def test_a_row_for_a_stream_that_nobody_knows_is_counted_and_holds_nobody_up(sqlite_url, nats):
    async with office(sqlite_url, nats.url) as running:
        await running.post(Letter("lost", stream="AIRMAIL"), Letter("hello"))
        await until(lambda: has_count(nats, 1))
        assert running.metric("headway_outbox_refused") == 1


async def test_a_stream_that_the_broker_refuses_holds_up_no_other(sqlite_url, nats, caplog):
    """What was made by hand in memory cannot become durable: its rows wait for whoever made it to take it away."""
    by_hand = StreamConfig("LETTERS", subjects=list(LETTERS.subjects), storage=StorageType.MEMORY)
    async with client(nats.url) as connection:
        await connection.jetstream().add_stream(by_hand)
        async with office(sqlite_url, nats.url) as running:
            await running.post(Letter("hello"), Letter("box", stream="PARCELS"))
            await until(lambda: has_count(nats, 1, "PARCELS"))
            await running.wait_for(1)
            assert "LETTERS" in {
                record.fields["name"] for record in caplog.records if record.message == "events_refused"
            }
            await connection.jetstream().delete_stream("LETTERS")
            await until(running.is_all_out)
