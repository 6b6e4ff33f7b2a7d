"""The connection to the broker: subjects that hold, streams as they should be, and an end that is quick."""

import asyncio
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.js.api import StreamConfig

from chassis import bus as buses
from chassis.bus import CONNECTION, ROOT, Bus, Message, RefusedError, Stream, subject_token
from chassis.errors import Unavailable
from tests.chassis.postal import client, connections_to, hanging, stream_of, texts, until

LETTERS = Stream("LETTERS", (f"{ROOT}.letters.>",))
STREAMS = [LETTERS, Stream("PLAIN", (f"{ROOT}.plain.*.now", "other")), Stream("LIVE", ("live.>",), is_durable=False)]
PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_~-]+")


@pytest.fixture
async def bus(nats):
    bus = Bus(nats.url, name="test", streams=STREAMS)
    yield bus
    await bus.close()


# Subjects


@given(st.text() | st.text(alphabet="aZ0_-.*> ~"))
def test_a_token_never_breaks_a_subject(text):
    """No dot, no space, no wildcard, never empty: one name and nothing else."""
    assert PLAIN_TOKEN.fullmatch(subject_token(text))


@given(st.text(), st.text())
def test_two_identifiers_never_share_a_token(one, other):
    assert (subject_token(one) == subject_token(other)) == (one == other)


@given(st.text(alphabet="~.*> ab0"), st.text(alphabet="~.*> ab0"))
def test_two_identifiers_that_look_like_tokens_never_share_one(one, other):
    assert (subject_token(subject_token(one)) == subject_token(other)) == (subject_token(one) == other)


@pytest.mark.parametrize("plain", ["dep_01jd3", "A-b_9"])
def test_our_own_identifiers_stay_readable(plain):
    assert subject_token(plain) == plain


@pytest.mark.parametrize(
    ("subject", "is_taken"),
    [
        ("headway.v1.letters.anna", True),
        ("headway.v1.letters.anna.bert", True),
        ("headway.v1.letters", False),
        ("headway.v1.letters.", False),
        ("headway.v1.letters.anna..bert", False),
        ("headway.v1.letters.an na", False),
        ("headway.v1.letters.anna\n", False),
        ("headwayxv1.letters.anna", False),
        ("headway.v1.plain.x.now", True),
        ("headway.v1.plain.x.y.now", False),
        ("headway.v1.plain..now", False),
        ("other", True),
        ("others", False),
        ("", False),
    ],
)
async def test_it_knows_which_subjects_its_streams_take(bus, subject, is_taken):
    """What it lets through the broker takes, and what it refuses the broker would not."""
    await bus.connect()
    for stream in STREAMS:
        await bus.ensure(stream)
    message = Message("evt-1", subject, b"", {})
    if is_taken:
        assert await bus.publish_one(message) == 1
    else:
        with pytest.raises(RefusedError):
            await bus.publish_one(message)
        with pytest.raises(RefusedError):
            await bus.publish_batch([message, message])


# Streams


async def test_making_a_stream_again_changes_nothing(bus):
    await bus.connect()
    made = await bus.ensure(LETTERS)
    await bus.publish_one(Message("evt-1", f"{ROOT}.letters.anna", b"", {}))
    again = await bus.ensure(LETTERS)
    assert (again.created_at, made.last_sequence, again.last_sequence) == (made.created_at, 0, 1)


async def test_a_stream_made_by_hand_is_brought_into_shape(bus, nats):
    by_hand = StreamConfig("LETTERS", subjects=["elsewhere"], max_msgs=1, max_age=5, duplicate_window=1)
    async with client(nats.url) as connection:
        await connection.jetstream().add_stream(by_hand)
        await bus.connect()
        await bus.ensure(LETTERS)
        found = (await connection.jetstream().stream_info("LETTERS")).config
        assert (found.subjects, found.max_msgs) == (list(LETTERS.subjects), -1)
        assert (found.max_age, found.duplicate_window) == (7 * 86_400, 600)
        assert found.allow_atomic
        assert found.allow_direct
        assert found.discard == "new"
        assert found.storage == "file"


async def test_what_cannot_be_brought_into_shape_is_refused_in_the_brokers_words(bus, nats):
    async with client(nats.url) as connection:
        await connection.jetstream().add_stream(StreamConfig("LIVE", subjects=["live.>"], storage="file"))
    await bus.connect()
    with pytest.raises(RefusedError, match="storage"):
        await bus.ensure(STREAMS[2])


async def test_asking_a_broker_that_is_away_is_unavailable(bus, nats, monkeypatch):
    monkeypatch.setattr(buses, "REQUEST_SECONDS", 0.2)
    await bus.connect()
    nats.kill()
    await until(lambda: not bus.is_connected)
    with pytest.raises(Unavailable) as failure:
        await bus.ensure(LETTERS)
    assert failure.value.facts["dependency"] == "nats"


# Publishing


def numbered(count: int, *, first: int = 0) -> list[Message]:
    return [Message(f"evt-{n}", f"{ROOT}.letters.anna", f"{n}".encode(), {}) for n in range(first, first + count)]


async def test_a_batch_is_all_there_or_nothing_of_it(bus, nats):
    await bus.connect()
    await bus.ensure(LETTERS)
    assert await bus.publish_batch(numbered(5), after=0) == 5
    with pytest.raises(RefusedError, match="duplicate"):
        await bus.publish_batch(numbered(5, first=4), after=5)
    assert texts(await stream_of(nats.url)) == ["0", "1", "2", "3", "4"]


async def test_a_message_of_a_batch_arrives_as_one_published_alone(bus, nats):
    """Batches are written by us, single messages by the client."""
    await bus.connect()
    await bus.ensure(LETTERS)
    payload, headers = bytes(range(256)), {"ce-type": "headway.letters.v1.Größe", "ce-time": "2026-01-02T03:04:05Z"}
    one, *two = (Message(f"evt-{n}", f"{ROOT}.letters.anna", payload, headers) for n in range(3))
    await bus.publish_one(one)
    await bus.publish_batch(two)
    arrived = await stream_of(nats.url)
    told = [{name: value for name, value in found.headers.items() if name in headers} for found in arrived]
    assert [(found.data, found.subject, found.headers["Nats-Msg-Id"]) for found in arrived] == [
        (payload, one.subject, f"evt-{n}") for n in range(3)
    ]
    assert told == [headers] * 3


async def test_a_line_break_in_a_header_of_a_batch_is_refused(bus, nats):
    await bus.connect()
    await bus.ensure(LETTERS)
    forged = Message("evt-0", f"{ROOT}.letters.anna", b"", {"ce-type": "letter\r\nNats-Expected-Stream: OTHER"})
    with pytest.raises(RefusedError, match="line break"):
        await bus.publish_batch([forged, *numbered(1)])


async def test_a_repeat_gets_its_old_place(bus, nats):
    await bus.connect()
    await bus.ensure(LETTERS)
    assert [await bus.publish_one(message) for message in numbered(3)] == [1, 2, 3]
    assert await bus.publish_one(numbered(1)[0]) == 1
    assert len(await stream_of(nats.url)) == 3


async def test_a_stream_that_does_not_end_where_it_should_takes_nothing(bus, nats):
    """It may have lost its tail: neither one message nor a batch may fill the places of others."""
    await bus.connect()
    await bus.ensure(LETTERS)
    await bus.publish_batch(numbered(5), after=0)
    for after in (4, 6):
        with pytest.raises(Unavailable, match="part of the system"):
            await bus.publish_one(numbered(1, first=9)[0], after=after)
        with pytest.raises(Unavailable):
            await bus.publish_batch(numbered(2, first=10), after=after)
    assert len(await stream_of(nats.url)) == 5


async def test_what_is_published_without_waiting_while_the_broker_is_away_is_not_kept_for_it(bus, nats):
    await bus.connect()
    await bus.ensure(LETTERS)
    nats.kill()
    await until(lambda: not bus.is_connected)
    await bus.publish(f"{ROOT}.letters.anna", b"lost")
    nats.start_again()
    await bus.connect()
    await bus.publish(f"{ROOT}.letters.anna", b"kept")
    await bus.client.flush()
    assert texts(await stream_of(nats.url)) == ["kept"]


# The connection


async def test_many_who_wait_for_the_broker_share_one_connection(bus, nats):
    nats.kill()
    waiting = asyncio.gather(*(bus.connect() for _ in range(5)))
    await asyncio.sleep(0.3)
    nats.start_again()
    await asyncio.wait_for(waiting, 5)
    nats.kill()
    await until(lambda: not bus.is_connected)
    waiting = asyncio.gather(*(bus.connect() for _ in range(5)))
    nats.start_again()
    await asyncio.wait_for(waiting, 5)
    await asyncio.sleep(0.6)  # one that was left would have come back by now
    assert connections_to(nats) == 1


async def test_a_connection_that_the_broker_closed_for_good_is_made_anew(bus, nats):
    await bus.connect()
    await bus.client.close()
    await asyncio.wait_for(bus.connect(), 5)
    assert bus.is_connected


async def test_closing_flushes_what_was_published(bus, nats):
    await bus.connect()
    await bus.ensure(LETTERS)
    for number in range(500):
        await bus.publish(f"{ROOT}.letters.anna", f"{number}".encode())
    await bus.close()
    await until(lambda: count_is(nats, 500))


async def count_is(server, count: int) -> bool:
    return len(await stream_of(server.url)) == count


@pytest.mark.parametrize("state", ["never connected", "connecting", "up", "down", "hanging"])
async def test_closing_is_quick_and_leaves_nothing_running(nats, monkeypatch, state):
    monkeypatch.setitem(CONNECTION, "ping_interval", 60)
    before = asyncio.all_tasks()
    bus = Bus(nats.url, name="test", streams=[])
    if state == "connecting":
        nats.kill()
        connecting = asyncio.ensure_future(bus.connect())
        await asyncio.sleep(0.1)
        connecting.cancel()
    elif state != "never connected":
        await bus.connect()
    if state == "down":
        nats.kill()
        await until(lambda: not bus.is_connected)
    began = time.monotonic()
    if state == "hanging":
        with hanging(nats):
            await bus.close()
    else:
        await bus.close()
    assert time.monotonic() - began < 2.2
    await until(lambda: asyncio.all_tasks() <= before, within=2)
    assert not bus.is_connected
    assert connections_to(nats) == 0
