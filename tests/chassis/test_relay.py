"""The relay: every row of the outbox comes into its stream once and in order, whatever breaks on the way."""

import asyncio
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from nats.js.api import StreamConfig

from chassis import bus, lease, relay, trace
from chassis.bus import CONNECTION, ROOT
from chassis.clock import SystemClock
from chassis.database import Database
from chassis.lease import LEASE_SECONDS, hold_lease
from chassis.outbox import Published
from chassis.relay import BATCH_MIN, READ_MAX, RECONCILE_SECONDS, RENEW_SECONDS, SWEEP_SECONDS, mark_if_leased
from chassis.transaction import Transaction
from tests.chassis.postal import (
    LETTERS,
    STREAMS,
    WITHIN_SECONDS,
    Letter,
    Work,
    client,
    connections_to,
    counted,
    hanging,
    has_count,
    ids_in,
    letters,
    lives,
    office,
    opened,
    post,
    rows,
    stream_of,
    texts,
    until,
)
from tests.chassis.postal_child import LETTERS_A_LIFE
from tests.servers import NatsServer


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Look more often than in earnest."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(relay, "RENEW_SECONDS", 0.3)
    monkeypatch.setattr(relay, "MEASURE_SECONDS", 0.1)
    monkeypatch.setattr(relay, "RECONCILE_SECONDS", 1.0)
    monkeypatch.setitem(bus.CONNECTION, "ping_interval", 0.2)


def test_in_earnest_everything_is_found_within_the_goal():
    assert RECONCILE_SECONDS + 2 * SWEEP_SECONDS < WITHIN_SECONDS
    assert LEASE_SECONDS + RENEW_SECONDS < WITHIN_SECONDS
    assert CONNECTION["ping_interval"] * (CONNECTION["max_outstanding_pings"] + 1) < WITHIN_SECONDS


# Order, batches, headers


async def test_order_is_kept_over_thousands_of_rows_of_several_streams(database_url, nats):
    async with office(database_url, nats.url) as running:
        sent = [
            Letter(f"{number:05}", to=f"person-{number % 7}", stream=STREAMS[number % 2].name)
            for number in range(2 * READ_MAX + 500)
        ]
        steps = [sent[start : start + 45] for start in range(0, len(sent), 45)]
        await asyncio.gather(*(running.post(*step) for step in steps))
        await until(running.is_all_out)
        for stream in STREAMS:
            wanted = [letter.text for letter in sent if letter.stream == stream.name]
            assert texts(await stream_of(nats.url, stream.name)) == wanted
            places = [row.stream_sequence for row in await running.store.read(rows, stream=stream.name)]
            assert places == list(range(1, len(wanted) + 1))


async def test_many_rows_go_as_one_atomic_batch_and_few_one_by_one(sqlite_url, nats):
    async with office(sqlite_url, nats.url) as running:
        await until(lambda: running.bus.is_connected)
        await running.post(*letters(BATCH_MIN + 4))
        await until(running.is_all_out)
        await running.post(*letters(BATCH_MIN - 1, first=100))
        await until(running.is_all_out)
        headers = [message.headers for message in await stream_of(nats.url)]
        batch, single = headers[: BATCH_MIN + 4], headers[BATCH_MIN + 4 :]
        assert len({found["Nats-Batch-Id"] for found in batch}) == 1
        assert [found["Nats-Batch-Sequence"] for found in batch] == [f"{n}" for n in range(1, BATCH_MIN + 5)]
        assert not [found for found in single if "Nats-Batch-Id" in found]
        async with client(nats.url) as connection:
            assert (await connection.jetstream().stream_info("LETTERS")).config.allow_atomic


async def test_a_message_says_what_it_is_and_where_it_comes_from(sqlite_url, nats):
    with opened(sqlite_url) as store:
        store.start()
        await store.write(post, letters=[Letter("hello", to="bert")])
    async with office(sqlite_url, nats.url, source="headway/post") as running:
        await until(running.is_all_out)
        [row] = await running.store.read(rows)
        [message] = await stream_of(nats.url)
        assert message.subject == f"{ROOT}.letters.bert"
        assert message.data == b"hello"
        assert message.headers["Nats-Msg-Id"] == message.headers["ce-id"] == row.id
        assert message.headers["ce-type"] == "LetterPosted"
        assert message.headers["ce-source"] == "headway/post"
        assert message.headers["ce-time"] == row.created_at.isoformat()
        assert message.headers["ce-specversion"] == "1.0"


async def test_a_message_goes_on_with_the_trace_of_the_call_that_caused_it(sqlite_url, nats):
    async with office(sqlite_url, nats.url) as running:
        traceparent = trace.follow(None)
        await running.post(Letter("hello"))
        await until(running.is_all_out)
        [message] = await stream_of(nats.url)
        assert message.headers["traceparent"] == traceparent


async def test_rows_that_commit_out_of_order_are_all_published(postgresql_url, nats):
    async with office(postgresql_url, nats.url) as running:
        slow, quick = Database(postgresql_url), Database(postgresql_url)
        with slow.writer.connect() as late, quick.writer.connect() as early:
            now = SystemClock().now()
            post(Work(late, now), letters=[Letter("first begun, last committed")])
            Transaction.of(late).flush(late)
            post(Work(early, now), letters=[Letter("last begun, first committed")])
            early.commit()
            await until(lambda: has_count(nats, 1))
            late.commit()
            await until(running.is_all_out)
        slow.close()
        quick.close()
        assert [row.stream_sequence for row in await running.store.read(rows)] == [2, 1]


async def test_a_relay_with_nothing_to_do_leaves_the_database_alone(sqlite_url, nats):
    """It is woken by every commit, its own too: it must not keep itself awake."""
    async with office(sqlite_url, nats.url) as running:
        await running.post(Letter("hello"))
        await until(running.is_all_out)
        with counted(running.store.database.writer, "commit") as commits:
            await asyncio.sleep(1.5)
        assert len(commits) <= 2


# Repeats


async def test_a_batch_with_a_known_message_goes_one_by_one_and_nothing_is_there_twice(sqlite_url, nats, caplog):
    with opened(sqlite_url) as store:
        store.start()
        await store.write(post, letters=letters(40))
        ids = [row.id for row in await store.read(rows)]
    async with client(nats.url) as connection:
        await connection.jetstream().add_stream(StreamConfig("LETTERS", subjects=list(LETTERS.subjects)))
        early = {"Nats-Msg-Id": ids[17]}
        await connection.jetstream().publish(f"{ROOT}.letters.anna", b"00017", headers=early)
    async with office(sqlite_url, nats.url) as running:
        await until(running.is_all_out)
        assert [record.message for record in caplog.records].count("batch_refused") == 1
        assert await ids_in(nats.url) == [ids[17], *ids[:17], *ids[18:]]
        assert (await running.store.read(rows))[17].stream_sequence == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_relay_killed_at_every_point_loses_nothing_and_repeats_nothing(request, kind, nats, tmp_path):
    url = request.getfixturevalue(f"{kind}_url")
    faults = ["relay.acknowledged:kill:1", "relay.read:kill:2", "relay.marked:kill:1"]
    faults = faults if kind == "sqlite" else faults[:1]
    ended = await lives("post", url, nats.url, faults, tmp_path)
    assert ended == [-signal.SIGKILL] * len(faults) + [0]
    with opened(url) as store:
        for stream in ("LETTERS", "PARCELS"):
            ids = [row.id for row in await store.read(rows, stream=stream)]
            assert len(ids) >= LETTERS_A_LIFE // 2
            assert await ids_in(nats.url, stream) == ids


# The broker goes away, forgets, is robbed


async def test_rows_written_while_the_broker_is_down_follow_when_it_is_up(database_url, nats):
    nats.kill()
    async with office(database_url, nats.url) as running:
        for first in range(0, 1000, 50):
            await running.post(*letters(50, first=first))
        assert len(await running.waiting()) == 1000
        await until(lambda: running.metric("headway_outbox_waiting_rows") == 1000)
        nats.start_again()
        await until(running.is_all_out)
        await until(lambda: running.metric("headway_outbox_waiting_rows") == 0)
        assert await ids_in(nats.url) == await running.ids()


async def test_a_broker_that_comes_and_goes_costs_nothing_and_leaves_one_connection(sqlite_url, nats):
    async with office(sqlite_url, nats.url) as running:
        for first in range(3):
            await running.post(Letter(f"{first}"))
            await until(running.is_all_out)
            nats.kill()
            await until(lambda: not running.bus.is_connected)
            nats.start_again()
        await running.post(Letter("last"))
        await until(running.is_all_out)
        assert texts(await stream_of(nats.url)) == ["0", "1", "2", "last"]
        assert connections_to(nats) == 1


async def test_a_broker_that_hangs_is_left_and_found_again(sqlite_url, nats):
    async with office(sqlite_url, nats.url) as running:
        await running.post(Letter("before"))
        await until(running.is_all_out)
        with hanging(nats):
            await running.post(Letter("meanwhile"))
            await until(lambda: not running.bus.is_connected)
        await until(running.is_all_out)
        assert texts(await stream_of(nats.url)) == ["before", "meanwhile"]


async def test_a_stream_deleted_under_load_comes_back_whole(database_url, nats):
    async with office(database_url, nats.url) as running:
        for first in range(0, 900, 30):
            await running.post(*letters(30, first=first))
            if first == 450:
                await until(lambda: has_count(nats, 1))
                async with client(nats.url) as connection:
                    await connection.jetstream().delete_stream("LETTERS")
        await until(running.is_all_out)
        assert await ids_in(nats.url) == await running.ids()


async def test_a_broker_that_lost_its_disk_gets_everything_again(database_url, nats):
    async with office(database_url, nats.url) as running:
        await running.post(*letters(300))
        await running.post(*letters(20, stream="PARCELS"))
        await until(running.is_all_out)
        nats.kill()
        nats.delete_data()
        nats.start_again()
        for stream, count in (("LETTERS", 300), ("PARCELS", 20)):
            await until(partial(has_count, nats, count, stream))
            assert await ids_in(nats.url, stream) == await running.ids(stream)


async def test_a_stream_that_lost_its_tail_is_completed(database_url, nats, tmp_path):
    async with office(database_url, nats.url) as running:
        await running.post(*letters(100))
        await until(running.is_all_out)
        with restored_afterwards(nats, tmp_path):
            await running.post(*letters(150, first=100))
            await until(running.is_all_out)
        await until(lambda: has_count(nats, 250))
        assert await ids_in(nats.url) == await running.ids()


async def test_nothing_new_is_put_where_a_lost_tail_was(sqlite_url, nats, tmp_path, monkeypatch):
    """A relay that has not noticed is refused by the broker, and looks; else it would take a part for still there."""
    monkeypatch.setattr(relay, "RECONCILE_SECONDS", 3600.0)
    async with office(sqlite_url, nats.url) as running:
        await running.post(*letters(100))
        await until(running.is_all_out)
        with restored_afterwards(nats, tmp_path):
            await running.post(*letters(30, first=100))
            await until(running.is_all_out)
        await running.post(*letters(60, first=130))
        await until(running.is_all_out)
        assert await ids_in(nats.url) == await running.ids()


async def test_a_restart_finds_what_was_lost_while_nobody_looked(sqlite_url, nats):
    async with office(sqlite_url, nats.url) as running:
        await running.post(*letters(50))
        await until(running.is_all_out)
    nats.kill()
    nats.delete_data()
    nats.start_again()
    async with office(sqlite_url, nats.url) as running:
        await until(lambda: has_count(nats, 50))
        assert await ids_in(nats.url) == await running.ids()


async def test_a_stream_made_anew_is_filled_again_though_others_have_filled_it_too(sqlite_url, nats):
    """It is not the stream that it was, however long it is."""
    async with office(sqlite_url, nats.url) as running:
        await running.post(*letters(20))
        await until(running.is_all_out)
    async with client(nats.url) as connection:
        await connection.jetstream().delete_stream("LETTERS")
        await connection.jetstream().add_stream(StreamConfig("LETTERS", subjects=list(LETTERS.subjects)))
        for number in range(30):
            await connection.jetstream().publish(f"{ROOT}.letters.stranger", f"{number}".encode())
    async with office(sqlite_url, nats.url):
        await until(lambda: has_count(nats, 50))


# Several relays


async def test_one_of_two_relays_publishes_and_the_other_takes_over_when_it_is_gone(postgresql_url, nats):
    async with (
        office(postgresql_url, nats.url, source="one") as one,
        office(postgresql_url, nats.url, source="two") as two,
    ):
        for first in range(0, 400, 40):
            await (one if first % 80 else two).post(*letters(40, first=first))
        await until(one.is_all_out)
        assert one.relay._is_holder != two.relay._is_holder
        [holder] = {message.headers["ce-source"] for message in await stream_of(nats.url)}
        dead, heir = (one, two) if holder == "one" else (two, one)
        dead.task.cancel()
        await heir.post(*letters(40, first=400))
        await asyncio.sleep(0.3)
        assert len(await stream_of(nats.url)) == 400  # the lease is not over yet
        await until(heir.is_all_out, within=1.0 + 0.3 + 2)
        messages = await stream_of(nats.url)
        assert [message.headers["Nats-Msg-Id"] for message in messages] == await heir.ids()
        assert messages[-1].headers["ce-source"] == heir.bus._name


def test_who_lost_the_lease_marks_nothing(database_url, clock):
    with opened(database_url) as store, store.database.writer.begin() as connection:
        post(Work(connection, clock.now()), letters=[Letter("hello")])
        assert hold_lease(Work(connection, clock.now()), name="relay", holder="one")
        clock.advance(lease.LEASE_SECONDS)
        work = Work(connection, clock.now())
        assert hold_lease(work, name="relay", holder="two")
        assert not mark_if_leased(work, holder="one", published=[Published(1, 1)])
        assert rows(work)[0].published_at is None
        assert mark_if_leased(work, holder="two", published=[Published(1, 1)])
        assert rows(work)[0].published_at == clock.now()


def test_without_the_guard_a_stranger_marks(sqlite_url, clock, monkeypatch):
    monkeypatch.setenv("HEADWAY_FAULTS_OFF", "fencing")
    with opened(sqlite_url) as store, store.database.writer.begin() as connection:
        assert mark_if_leased(Work(connection, clock.now()), holder="nobody", published=[])


@contextmanager
def restored_afterwards(server: NatsServer, folder: Path) -> Iterator[None]:
    """Lose what the broker writes meanwhile, as when its disk is put back from a copy."""
    data, copy = server._folder / "data", folder / "copy"
    server.stop()
    shutil.copytree(data, copy)
    server.start_again()
    yield
    server.kill()
    server.delete_data()
    shutil.copytree(copy, data)
    server.start_again()
