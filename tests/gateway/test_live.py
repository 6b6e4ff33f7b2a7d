"""Streams of the gateway as a process: asked for once, told to all, and never kept up by one who does not read."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from headway.tracking.v1 import live_pb2, positions_pb2
from headway.types.v1 import timetable_pb2

from chassis.errors import NotFound, Unavailable
from chassis.keys import open_signer
from gateway.http_server import STOP_SECONDS, UNSENT_BYTES_MAX
from tests.gateway.listening import Client, Heard, listening
from tests.gateway.recording_services import RecordingServices, Server, at, recording_server
from tests.gateway.test_http_server import Process
from tests.tracking_svc.fleet import until

DEPARTED, COMPLETED = timetable_pb2.DEPARTURE_STATE_DEPARTED, timetable_pb2.DEPARTURE_STATE_COMPLETED

TOLD_AT_ONCE = 20
"""Events, before their reader is waited for."""


def vehicle(id_: str = "veh_1", *, north: float = 53.5, east: float = 10.0, operator_id: str = "op") -> Any:
    position = positions_pb2.Position(recorded_at=at(2030, 6, 1, 8), latitude=north, longitude=east)
    return positions_pb2.TrackedVehicle(
        id=id_, operator_id=operator_id, label="HW 1", position=position, freshness=positions_pb2.FRESHNESS_LIVE
    )


def moved(**place: Any) -> live_pb2.VehicleUpdate:
    return live_pb2.VehicleUpdate(vehicle=vehicle(**place), departure_id="dep_1", delay_seconds=30)


def runs(*, late: int = 0, free: int = 50, north: float = 53.5, state: Any = DEPARTED) -> live_pb2.DepartureUpdate:
    departure = live_pb2.LiveDeparture(
        departure_id="dep_1",
        service_date="2030-06-01",
        state=state,
        vehicle=vehicle(north=north),
        delay_seconds=late,
        calls=[live_pb2.LiveCall(sequence=number, stop_id=f"stp_{number}") for number in range(3)],
        occupancy=live_pb2.Occupancy(status=live_pb2.OCCUPANCY_STATUS_EMPTY, load_factor=1 - free / 50),
        availability=live_pb2.SegmentAvailability(capacity=50, seats_free=[free, 50], version=50 - free),
        observed_at=at(2030, 6, 1, 8),
    )
    return live_pb2.DepartureUpdate(departure=departure)


@pytest.fixture(scope="module")
async def tracking() -> AsyncIterator[Server]:
    async with recording_server(RecordingServices()) as server:
        yield server


@asynccontextmanager
async def running(folder: Path, tracking: Server, **settings: str) -> AsyncIterator[Process]:
    """Run a gateway until the end, if nobody stops it before."""
    process = Process(folder, GATEWAY_TRACKING_ADDRESS=tracking.address, **settings)
    try:
        await asyncio.to_thread(process.wait_until_up)
        yield process
    finally:
        await asyncio.to_thread(process.stop)


@pytest.fixture(scope="module")
async def gateway(tracking: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    async with running(tmp_path_factory.mktemp("gateway"), tracking, GATEWAY_RATE_LIMITS="off") as process:
        yield process


class Road:
    """What tracking tells of one departure that nobody else follows, and of the fleet, which one watch is for all."""

    numbers: Iterator[int] = iter(range(1_000_000))

    def __init__(self, services: RecordingServices, fleet: asyncio.Queue[Any]) -> None:
        self.services = services
        self.path = f"/v1/departures/dep_{next(self.numbers)}/live/stream"
        self.departure: asyncio.Queue[Any] = asyncio.Queue()
        self.fleet = fleet
        services.forget()
        services.answers("WatchDeparture", self.departure)
        services.answers("WatchVehicles", self.fleet)

    def calls(self, rpc: str = "WatchDeparture") -> int:
        return sum(call.rpc == rpc for call in self.services.calls)


@pytest.fixture(scope="module")
def fleet() -> asyncio.Queue[Any]:
    return asyncio.Queue()


@pytest.fixture
def road(tracking: Server, fleet: asyncio.Queue[Any]) -> Road:
    return Road(tracking.services, fleet)


async def listeners(gateway: Process) -> int:
    async with httpx2.AsyncClient() as client:
        measured = (await client.get(f"{gateway.url}/metrics")).text
    return int(float(measured.partition("\nheadway_live_listeners ")[2].split("\n")[0]))


async def nobody_listens(gateway: Process) -> bool:
    return await listeners(gateway) == 0


async def test_it_begins_with_all_and_goes_on_with_what_changes(gateway: Process, road: Road):
    road.departure.put_nowait(runs())
    async with listening(gateway.port, road.path) as client:
        assert client.head.startswith("HTTP/1.1 200 OK")
        for header in ("content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"):
            assert header in client.head
        first = await client.event()
        assert first.name == "state"
        assert first.data["availability"] == {"capacity": 50, "seats_free": [50, 50], "version": 0}
        assert (first.data["departure_id"], first.data["state"], len(first.data["calls"])) == ("dep_1", "departed", 3)
        told = {}
        for update in (runs(late=60), runs(late=60, north=53.6), runs(late=60, north=53.6, free=49)):
            road.departure.put_nowait(update)
            found = await client.event()
            told[found.name] = found.data
        assert told["arrival"].keys() == {"departure_id", "observed_at", "calls", "delay_seconds", "off_route"}
        assert told["arrival"]["delay_seconds"] == 60
        assert told["position"]["vehicle"]["position"]["latitude"] == 53.6
        assert told["availability"]["availability"]["seats_free"] == [49, 50]
        assert told["availability"]["occupancy"]["load_factor"] == pytest.approx(0.02)
        road.departure.put_nowait(live_pb2.DepartureUpdate())
        road.departure.put_nowait(runs(late=60, north=53.6, free=49))
        road.departure.put_nowait(runs(late=60, north=53.6, free=49, state=COMPLETED))
        last = await client.event()
        assert (last.name, last.data["state"], last.data["delay_seconds"]) == ("state", "completed", 60)


async def test_tracking_is_asked_once_in_our_own_name_however_many_listen(gateway: Process, road: Road):
    async with AsyncExitStack() as stack:
        opening = [stack.enter_async_context(listening(gateway.port, road.path)) for _ in range(20)]
        opened = asyncio.gather(*opening)
        await until(road.calls)
        road.departure.put_nowait(runs())
        clients = await opened
        firsts = [await client.event() for client in clients]
        road.departure.put_nowait(runs(late=60))
        seconds = [await client.event() for client in clients]
        assert {(first.id, first.name) for first in firsts} == {(firsts[0].id, "state")}
        assert {(second.id, second.name) for second in seconds} == {(seconds[0].id, "arrival")}
        assert await listeners(gateway) == 20
    await until(lambda: nobody_listens(gateway))
    assert road.calls() == 1
    asked = road.services.last("WatchDeparture")
    assert "x-headway-service" in asked.metadata
    assert "authorization" not in asked.metadata


async def test_one_who_does_not_read_gets_the_newest_only_and_delays_nobody(gateway: Process, road: Road):
    total = 1500
    road.departure.put_nowait(runs())
    async with listening(gateway.port, road.path, is_slow=True) as slow, listening(gateway.port, road.path) as client:
        await client.event("state")
        for told in range(0, total, TOLD_AT_ONCE):
            numbers = range(told + 1, told + TOLD_AT_ONCE + 1)
            for number in numbers:
                road.departure.put_nowait(runs(late=number))
            assert [(await client.event()).data["delay_seconds"] for _ in numbers] == list(numbers)
        heard = [await slow.event()]
        while heard[-1].data["delay_seconds"] != total:
            heard.append(await slow.event())
        numbers = [one.number for one in heard]
        assert numbers == sorted(set(numbers))
        # What the kernel of either side holds was told before; then all but the newest is missed.
        room = 6 * UNSENT_BYTES_MAX / 600
        assert len(heard) < room < total / 2
        road.departure.put_nowait(runs(late=-1))
        assert (await slow.event()).data["delay_seconds"] == -1


async def first_of(gateway: Process, path: str, **headers: str) -> Heard:
    async with listening(gateway.port, path, **headers) as client:
        return await client.event()


async def test_who_comes_back_is_told_what_has_changed_meanwhile(gateway: Process, road: Road):
    road.departure.put_nowait(runs())
    async with listening(gateway.port, road.path) as client:
        first = await client.event()
        await until(road.departure.empty)
    async with listening(gateway.port, road.path) as witness:
        await witness.event()
        for update in (runs(late=60), runs(late=90), runs(late=90, north=53.6)):
            road.departure.put_nowait(update)
            await witness.event()
        async with listening(gateway.port, road.path, **{"Last-Event-ID": first.id}) as back:
            found = [await back.event(), await back.event()]
            assert [one.name for one in found] == ["arrival", "position"]
            assert found[0].data["delay_seconds"] == 90
        async with listening(gateway.port, road.path, **{"Last-Event-ID": found[1].id}) as knowing:
            await until(lambda: is_listening(gateway, 2))
            road.departure.put_nowait(runs(late=120, north=53.6))
            assert (await knowing.event()).data["delay_seconds"] == 120
    for strange in ("00000000-1", "9", "x" * 64, first.id + "0" * 20):
        assert (await first_of(gateway, road.path, **{"Last-Event-ID": strange})).name == "state"
    assert road.calls() == 1


async def is_listening(gateway: Process, count: int) -> bool:
    return await listeners(gateway) == count


def token(gateway_folder: Path, *, seconds: int) -> dict[str, str]:
    signer = open_signer("gateway", gateway_folder / "keys")
    claims = {"sub": "usr_ada", "scope": "bookings"}
    signed = signer.sign(claims, typ="at+jwt", now=datetime.now(UTC), ttl=timedelta(seconds=seconds))
    return {"Authorization": f"Bearer {signed}"}


async def test_it_ends_with_the_token_that_was_sent(gateway: Process, road: Road):
    road.departure.put_nowait(runs())
    async with (
        listening(gateway.port, road.path, **token(gateway.folder, seconds=2)) as short,
        listening(gateway.port, road.path, **token(gateway.folder, seconds=60)) as long,
    ):
        began = time.monotonic()
        await long.event()
        await short.event()
        assert await short.heard() is None
        assert 0.5 < time.monotonic() - began < 3
        road.departure.put_nowait(runs(late=60))
        assert (await long.event()).name == "arrival"
    async with listening(gateway.port, road.path, Authorization="Bearer nonsense") as refused:
        assert refused.head.startswith("HTTP/1.1 401")


async def test_it_ends_after_as_long_as_one_may_last(tracking: Server, tmp_path: Path):
    road = Road(tracking.services, asyncio.Queue())
    async with running(tmp_path, tracking, GATEWAY_STREAM_SECONDS_MAX="0.5") as process:
        road.departure.put_nowait(runs())
        for sent in ({}, token(tmp_path, seconds=60)):
            async with listening(process.port, road.path, **sent) as client:
                began = time.monotonic()
                await client.event()
                assert await client.heard() is None
                assert 0.3 < time.monotonic() - began < 3


async def test_what_tracking_does_not_know_is_not_found(gateway: Process, road: Road):
    road.services.fails("WatchDeparture", NotFound())
    async with httpx2.AsyncClient() as client:
        refused = await client.get(f"{gateway.url}{road.path}")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_a_departure_that_is_forgotten_lets_its_listeners_go(gateway: Process, road: Road):
    road.departure.put_nowait(runs())
    async with listening(gateway.port, road.path) as client:
        await client.event()
        road.departure.put_nowait(NotFound())
        assert await client.heard() is None


async def test_it_goes_on_when_tracking_was_away(gateway: Process, road: Road):
    road.departure.put_nowait(runs())
    path = "/v1/live/stream?operator_id=away"
    road.fleet.put_nowait(moved(id_="veh_away", operator_id="away"))
    async with listening(gateway.port, road.path) as client, listening(gateway.port, path) as page:
        first, seen = await client.event(), await page.event()
        road.services.calls.clear()
        road.departure.put_nowait(None)
        road.fleet.put_nowait(None)
        await until(lambda: road.calls() == 1 and road.calls("WatchVehicles") == 1)
        for update in (runs(), runs(late=60)):
            road.departure.put_nowait(update)
        road.fleet.put_nowait(moved(id_="veh_away", operator_id="away", north=53.7))
        found, again = await client.event(), await page.event()
        assert (found.name, found.data["delay_seconds"]) == ("arrival", 60)
        assert again.data["vehicle"]["position"]["latitude"] == 53.7
        assert found.number > first.number
        assert again.number > seen.number


async def test_a_map_is_told_what_is_in_it_and_what_leaves_it(gateway: Process, road: Road):
    here, there = "/v1/live/stream?bbox=9,53,11,54&operator_id=op", "/v1/live/stream?bbox=170,-20,-170,20"
    async with (
        listening(gateway.port, "/v1/live/stream") as everywhere,
        listening(gateway.port, here) as harbour,
        listening(gateway.port, there) as date_line,
    ):
        await until(lambda: is_listening(gateway, 3))
        far = moved(id_="veh_2", north=1, east=-175)
        places = [moved(), far, moved(id_="veh_3", operator_id="other"), moved(north=55), moved(north=56)]
        for update in places:
            road.fleet.put_nowait(update)
        told = [await of_this_test(everywhere) for _ in places]
        assert [one.data["vehicle"]["id"] for one in told] == ["veh_1", "veh_2", "veh_3", "veh_1", "veh_1"]
        assert (told[0].name, told[0].data["departure_id"], told[0].data["delay_seconds"]) == ("position", "dep_1", 30)
        assert [(await harbour.event()).data["vehicle"]["position"]["latitude"] for _ in range(2)] == [53.5, 55]
        assert (await date_line.event()).data["vehicle"]["id"] == "veh_2"
        async with listening(gateway.port, "/v1/live/stream") as late:
            assert {(await of_this_test(late)).data["vehicle"]["id"] for _ in range(3)} == {"veh_1", "veh_2", "veh_3"}
        road.fleet.put_nowait(moved(north=53.5, id_="veh_9"))
        assert (await harbour.event()).data["vehicle"]["id"] == "veh_9"
    assert road.calls("WatchVehicles") <= 1


async def of_this_test(client: Client) -> Heard:
    while (found := await client.event()).data["vehicle"]["operator_id"] == "away":
        pass
    return found


@pytest.mark.parametrize("bbox", ["1,2,3", "0,91,1,92", "0,5,1,4", "a,b,c,d", "-181,0,1,1", "0,,1,1", "1..2,0,2,1", ""])
async def test_a_map_that_is_none_is_refused(gateway: Process, bbox: str):
    async with httpx2.AsyncClient() as client:
        refused = await client.get(f"{gateway.url}/v1/live/stream", params={"bbox": bbox})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/bbox")


async def test_the_head_alone_is_no_stream(gateway: Process, road: Road):
    road.departure.put_nowait(runs())
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=5) as client:
        for _ in range(2):
            head = await client.head(road.path)
            assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    await until(lambda: nobody_listens(gateway))


async def test_without_tracking_it_says_so(gateway: Process, road: Road):
    road.services.fails("WatchDeparture", Unavailable(dependency="tracking"))
    async with httpx2.AsyncClient() as client:
        refused = await client.get(f"{gateway.url}{road.path}")
    assert (refused.status_code, refused.json()["code"]) == (503, "dependency_down")
    assert refused.headers["retry-after"] == "1"


async def test_no_more_than_there_may_be_and_all_end_in_good_order_when_it_stops(tracking: Server, tmp_path: Path):
    road = Road(tracking.services, asyncio.Queue())
    async with running(tmp_path, tracking, GATEWAY_STREAMS_MAX="60") as process:
        road.departure.put_nowait(runs())
        ada, path, port = token(tmp_path, seconds=60), road.path, process.port
        async with AsyncExitStack() as stack, httpx2.AsyncClient(base_url=process.url) as client:
            await stack.enter_async_context(listening(port, path, is_slow=True))
            clients = [await stack.enter_async_context(listening(port, path)) for _ in range(49)]
            await refuses(client, path, 429, "rate_limited")
            clients += [await stack.enter_async_context(listening(port, path, **ada)) for _ in range(10)]
            await refuses(client, path, 503, "overloaded", **ada)
            clients.pop().close()
            await until(lambda: is_listening(process, 59))
            clients.append(await stack.enter_async_context(listening(port, path, **ada)))
            # So much that nothing more can be written to the one who does not read.
            for number in range(1, 401):
                road.departure.put_nowait(runs(late=number))
                if not number % TOLD_AT_ONCE:
                    await asyncio.gather(*(hear(one, TOLD_AT_ONCE) for one in clients))
            began = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(process.stop))
            for one in clients:
                while await one.heard() is not None:
                    pass
            await stopping
            assert time.monotonic() - began < STOP_SECONDS


async def hear(client: Client, count: int) -> None:
    for _ in range(count):
        await client.event("arrival")


async def refuses(client: httpx2.AsyncClient, path: str, status: int, code: str, **headers: str) -> None:
    refused = await client.get(path, headers=headers)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (status, code, "10")
