"""How a departure runs is told for as long as somebody listens, written once for all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc import StatusCode, aio
from headway.tracking.v1 import live_pb2, tracking_service_pb2
from headway.types.v1 import timetable_pb2

from chassis.errors import NotAuthenticated, NotFound
from chassis.keys import open_signer
from chassis.read_models import finish_rebuild
from chassis.rpc_client import ServiceIdentity
from tests.clocks import FixedClock
from tests.tracking_svc.fleet import SEA_STAFF, Tracking, until, wire
from tests.tracking_svc.test_follow_vehicle import ride
from tests.tracking_svc.timetable import departure, pattern
from tests.tracking_svc.wires import refusal_of
from tracking_svc import translate
from tracking_svc.domain.departures import READ_MODEL, Availability
from tracking_svc.flows.watch_departure import told, watch_departure
from tracking_svc.flows.watchers import Slot, Watchers
from tracking_svc.use_cases.keep_availability import keep_availability
from tracking_svc.use_cases.keep_departures import keep_departures
from tracking_svc.use_cases.keep_patterns import keep_patterns

WatchDeparture = tracking_service_pb2.WatchDepartureRequest
DepartureUpdate = live_pb2.DepartureUpdate


@pytest.fixture
async def running(tracking: Tracking, clock: FixedClock) -> Tracking:
    await tracking.store.write(keep_patterns, patterns=[pattern()])
    await tracking.store.write(keep_departures, departures=[departure()])
    await tracking.store.write(finish_rebuild, name=READ_MODEL)
    clock.advance(600)
    return tracking


def listen(tracking: Tracking, id_: str = "dep_1", *, seconds: float = 900) -> Any:
    metadata = tracking.metadata(SEA_STAFF, seconds=seconds)
    return tracking.stub.WatchDeparture(WatchDeparture(departure_id=id_), metadata=metadata, timeout=30)


async def next_of(call: Any) -> live_pb2.LiveDeparture:
    return (await asyncio.wait_for(call.read(), 20)).departure


async def send(tracking: Tracking, *points: Any) -> None:
    await tracking.stub.ReportPositions(wire(points, session=""), metadata=tracking.metadata(), timeout=20)


async def test_it_begins_with_how_it_is_and_goes_on_with_what_changes(running: Tracking):
    call, way = listen(running), ride(late=60)
    assert not (await next_of(call)).HasField("delay_seconds")
    await send(running, *way[:20])
    found = await next_of(call)
    assert (found.delay_seconds, found.calls[1].HasField("arrived_at")) == (60, True)
    await send(running, *way[20:])
    assert (await next_of(call)).calls[3].HasField("arrived_at")
    call.cancel()
    await until(lambda: not running.service.server._edge.in_flight)


async def test_it_is_for_our_own_processes_and_those_who_see_the_fleet(running: Tracking, clock: FixedClock, keys_dir):
    gateway = ServiceIdentity(open_signer("gateway", keys_dir), now=clock.now)
    call = running.stub.WatchDeparture(WatchDeparture(departure_id="dep_1"), metadata=gateway.metadata(), timeout=30)
    assert (await next_of(call)).departure_id == "dep_1"
    call.cancel()
    nobody = running.stub.WatchDeparture(WatchDeparture(departure_id="dep_1"), timeout=30)
    assert await refusal_of(nobody.read()) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


async def test_what_does_not_exist_is_not_found(running: Tracking):
    assert await refusal_of(listen(running, "dep_9").read()) == (StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_it_ends_when_the_token_does(running: Tracking, clock: FixedClock):
    call = listen(running, seconds=60)
    await next_of(call)
    clock.advance(61)
    await send(running, *ride()[:5])
    assert await refusal_of(call.read()) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    await until(lambda: not running.service.server._edge.in_flight)


async def test_it_ends_at_once_when_the_server_stops(running: Tracking):
    calls = [listen(running) for _ in range(5)]
    for call in calls:
        await next_of(call)
    stopping = asyncio.ensure_future(running.service.server.stop(20))
    for call in calls:
        assert await asyncio.wait_for(call.read(), 5) is aio.EOF
    await asyncio.wait_for(stopping, 10)


@pytest.fixture
async def watchers(running: Tracking) -> AsyncIterator[Watchers]:
    found = Watchers(running.store)
    task = asyncio.ensure_future(found.run())
    yield found
    task.cancel()
    await asyncio.wait([task])


async def taken(updates: AsyncIterator[bytes]) -> bytes:
    return await asyncio.wait_for(anext(updates), 10)


async def test_each_change_is_read_and_written_once_for_all(
    watchers: Watchers, running: Tracking, monkeypatch: pytest.MonkeyPatch
):
    listeners = [watch_departure(watchers, departure_id="dep_1", check=lambda: None) for _ in range(50)]
    for listener in listeners:
        await taken(listener)
    written = []
    write = translate.departure_update_out
    monkeypatch.setattr(translate, "departure_update_out", lambda live: written.append(1) or write(live))
    await running.store.write(keep_availability, availability=Availability("dep_1", 50, (1, 2, 3), 1))
    watchers.change("dep_1")
    found = [await taken(listener) for listener in listeners]
    assert len({id(update) for update in found}) == 1
    assert written == [1]
    assert DepartureUpdate.FromString(found[0]).departure.occupancy.load_factor == pytest.approx(0.98)
    for listener in listeners:
        await listener.aclose()
    assert (dict(watchers.departures), watchers._told) == ({}, {})


async def test_what_changes_while_one_comes_to_listen_is_told(
    watchers: Watchers, running: Tracking, monkeypatch: pytest.MonkeyPatch
):
    first = watch_departure(watchers, departure_id="dep_1", check=lambda: None)
    await taken(first)
    read, has_read, may_go_on = watchers.store.read, asyncio.Event(), asyncio.Event()

    async def read_slowly(*asked: Any, **more: Any) -> Any:
        found = await read(*asked, **more)
        has_read.set()
        await may_go_on.wait()
        return found

    monkeypatch.setattr(watchers.store, "read", read_slowly)
    second = asyncio.ensure_future(taken(watch_departure(watchers, departure_id="dep_1", check=lambda: None)))
    await has_read.wait()
    monkeypatch.setattr(watchers.store, "read", read)
    await running.store.write(keep_availability, availability=Availability("dep_1", 50, (1, 2, 3), 1))
    watchers.change("dep_1")
    told_to_all = await taken(first)
    may_go_on.set()
    assert await second == told_to_all


async def test_who_listens_is_told_what_time_changes_while_others_are_told_much(
    watchers: Watchers, running: Tracking, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tracking_svc.flows.watchers.REFRESH_SECONDS", 0.2)
    listener = watch_departure(watchers, departure_id="dep_1", check=lambda: None)
    assert state_in(await taken(listener)) == timetable_pb2.DEPARTURE_STATE_DEPARTED
    watchers.departures["dep_2"].add(Slot())
    clock.advance(86_400)
    later = asyncio.ensure_future(taken(listener))
    async with asyncio.timeout(10):
        while not later.done():
            watchers.change("dep_2")
            await asyncio.sleep(0.05)
    assert state_in(await later) == timetable_pb2.DEPARTURE_STATE_COMPLETED


def state_in(update: bytes) -> int:
    return DepartureUpdate.FromString(update).departure.state


async def test_a_change_that_changes_nothing_is_not_told(watchers: Watchers):
    listener = watch_departure(watchers, departure_id="dep_1", check=lambda: None, heartbeat_seconds=0.2)
    await taken(listener)
    watchers.change("dep_1")
    assert DepartureUpdate.FromString(await taken(listener)).departure.departure_id == "dep_1"
    watchers.change("dep_1")
    assert await taken(listener) == b""
    await listener.aclose()


async def test_a_departure_that_is_forgotten_lets_its_listeners_go(watchers: Watchers, running: Tracking):
    listener = watch_departure(watchers, departure_id="dep_1", check=lambda: None)
    await taken(listener)
    await running.store.write(lambda work: work.departures.prune(before=work.now.replace(year=2031), limit=9))
    watchers.change("dep_1")
    with pytest.raises(StopAsyncIteration):
        await taken(listener)
    with pytest.raises(NotFound):
        await taken(watch_departure(watchers, departure_id="dep_1", check=lambda: None))


async def test_a_slow_listener_is_told_the_newest_only():
    slot = Slot()
    for number in range(1000):
        slot.put("dep_1", b"%d" % number)
    assert await slot.take(seconds=1) == [b"999"]
    assert await slot.take(seconds=0.01) == []


async def test_silence_is_broken_by_a_sign_of_life_and_ended_by_the_check():
    def check() -> None:
        raise NotAuthenticated

    assert await taken(told(Slot(), lambda: None, 0.01)) == b""
    with pytest.raises(NotAuthenticated):
        await taken(told(Slot(), check, 0.01))
