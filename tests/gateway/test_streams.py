"""The slot of a slow client, signs of life, and watches that end when nobody follows any more."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis.errors import OverLimit, Overloaded
from chassis.keys import open_signer
from chassis.rpc_client import ServiceIdentity
from gateway.backends import Backends
from gateway.live import IDLE_BEATS_MAX, FollowedFleet, Live
from gateway.streams import BEATS_MISSED_MAX, GATHER_SECONDS, SIGN_OF_LIFE, Listener, Places, Told, Topic
from tests.gateway.recording_services import RecordingServices, recording_server
from tests.gateway.test_live import moved, runs
from tests.tracking_svc.fleet import until

SEEN_AT = datetime(2030, 6, 1, 8, tzinfo=UTC)


class Line:
    """A connection that takes what it is given until it is full."""

    def __init__(self) -> None:
        self.is_full = False
        self.written: list[bytes] = []
        self.is_up = True

    def write(self, chunk: bytes) -> None:
        if chunk:
            self.written.append(chunk)

    def hang_up(self) -> None:
        self.is_up = False


def tell(to: Any, key: str, frame: bytes) -> None:
    to.tell([Told(key, frame, None)], frame)


def listener(line: Line) -> Any:
    return Listener(line, asyncio.Timeout(None))  # type: ignore[arg-type]


def test_a_client_that_reads_is_told_at_once():
    line = Line()
    found = listener(line)
    for number in range(3):
        tell(found, "position", b"%d" % number)
    found.resume()
    assert line.written == [b"0", b"1", b"2"]


def test_a_client_that_does_not_read_keeps_the_newest_of_each_thing_in_the_order_of_their_news():
    line = Line()
    found = listener(line)
    line.is_full = True
    for number in range(1000):
        tell(found, "position", b"position %d," % number)
        if number == 5:
            tell(found, "state", b"state 5,")
    assert line.written == []
    line.is_full = False
    found.resume()
    assert line.written == [b"state 5,position 999,"]
    tell(found, "state", b"state 6,")
    assert line.written[1:] == [b"state 6,"]


def test_signs_of_life_come_with_every_beat_and_end_for_who_never_reads():
    line = Line()
    found = listener(line)
    found.beat()
    assert line.written == [SIGN_OF_LIFE]
    line.is_full = True
    found.beat()
    line.is_full = False
    found.beat()
    assert line.written == [SIGN_OF_LIFE] * 2
    line.is_full = True
    for _ in range(BEATS_MISSED_MAX):
        found.beat()
        assert line.is_up
    found.beat()
    assert (line.is_up, len(line.written)) == (False, 2)


async def test_who_does_not_want_it_is_not_told():
    topic, lines = Topic(), [Line(), Line()]
    topic.listeners = {listener(lines[0]), listener(lines[1])}
    for one in topic.listeners:
        one.wants = (lambda about: about == "even") if one._line is lines[0] else None
    for number in range(4):
        topic.tell(f"veh_{number}", topic.write("position", str(number)), "odd" if number % 2 else "even")
    topic.flush()
    assert [b"".join(line.written).count(b"event: ") for line in lines] == [2, 4]
    assert topic.since("", lambda about: about == "odd").count(b"event: ") == 2


async def test_what_is_told_at_once_shares_a_write_and_the_first_does_not_wait():
    topic, line, loop = Topic(), Line(), asyncio.get_running_loop()
    topic.listeners = {listener(line)}
    for name in ("position", "arrival"):
        topic.tell(name, topic.write(name, "{}"))
    began = loop.time()
    await until(lambda: line.written)
    assert loop.time() - began < GATHER_SECONDS
    for name in ("position", "arrival", "state"):
        topic.tell(name, topic.write(name, "{}"))
        await asyncio.sleep(0)
    await until(lambda: len(line.written) == 2)
    assert loop.time() - began >= GATHER_SECONDS
    assert [written.count(b"event: ") for written in line.written] == [2, 3]
    topic.tell("state", topic.write("state", "{}"))
    topic.end()
    assert len(line.written) == 3


def test_a_place_is_given_back_however_a_stream_ends():
    places = Places(most=2, most_of_one=1)
    with pytest.raises(OverLimit), places.taken("ada"), places.taken("ada"):
        pass
    with pytest.raises(Overloaded), places.taken("ada"), places.taken("eve"), places.taken("bob"):
        pass
    assert (len(places), dict(places._taken)) == (0, {})


async def test_a_vehicle_that_falls_silent_is_told_of_twice_and_then_forgotten():
    fleet, line = FollowedFleet(), Line()
    fleet.topic.listeners = {listener(line)}
    fleet.take(moved())
    fleet.take(moved(id_="veh_2", operator_id="other"))
    told = []
    for seconds in (1, 15, 16, 80, 90, 91, 500):
        fleet.age(SEEN_AT + timedelta(seconds=seconds))
        fleet.topic.flush()
        text = b"".join(line.written)
        told.append((seconds, *(text.count(b'"freshness":"%b"' % word) for word in (b"live", b"stale", b"unknown"))))
    assert told == [
        (1, 2, 0, 0),
        (15, 2, 0, 0),
        (16, 2, 2, 0),
        (80, 2, 2, 0),
        (90, 2, 2, 0),
        (91, 2, 2, 2),
        (500, 2, 2, 2),
    ]
    assert (fleet.topic.newest, fleet._running) == ({}, {})


async def test_a_watch_ends_when_nobody_has_listened_for_some_beats(tmp_path: Path):
    services = RecordingServices()
    told: asyncio.Queue[Any] = asyncio.Queue()
    services.answers("WatchDeparture", told)
    told.put_nowait(runs())
    async with recording_server(services) as server:
        backends = Backends.open(server.address, server.address, server.address)
        identity = ServiceIdentity(open_signer("gateway", tmp_path))
        live = Live(backends.tracking, identity, Places(most=9, most_of_one=9), lambda: SEEN_AT)
        topic = await live.departure("dep_1", seconds=10)
        one = listener(Line())
        topic.listeners.add(one)
        for _ in range(2 * IDLE_BEATS_MAX):
            await live.beat()
        topic.listeners.discard(one)
        for _ in range(IDLE_BEATS_MAX):
            await live.beat()
        assert await live.departure("dep_1", seconds=10) is topic
        for _ in range(IDLE_BEATS_MAX + 1):
            await live.beat()
        await until(lambda: not live._watches)
        told.put_nowait(runs())
        assert await live.departure("dep_1", seconds=10) is not topic
        assert len(services.calls) == 2
        await live.close()
        await backends.close()
