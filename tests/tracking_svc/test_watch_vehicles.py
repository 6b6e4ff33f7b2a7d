"""Where vehicles on their way are is told to those who watch the place."""

import asyncio
from typing import Any

import pytest
from grpc import StatusCode
from headway.tracking.v1 import live_pb2, tracking_service_pb2

from tests.clocks import FixedClock
from tests.tracking_svc.fleet import ADMIN, COACH, FERRY, SEA_STAFF, Tracking, until, wire
from tests.tracking_svc.test_follow_vehicle import at, ride
from tests.tracking_svc.timetable import LATITUDE, departure, pattern
from tests.tracking_svc.wires import refusal_of
from tracking_svc.domain.vehicles import Area
from tracking_svc.use_cases.keep_departures import keep_departures
from tracking_svc.use_cases.keep_patterns import keep_patterns

WatchVehicles = tracking_service_pb2.WatchVehiclesRequest
HERE = live_pb2.BoundingBox(south=LATITUDE - 1, west=19, north=LATITUDE + 1, east=21)
ELSEWHERE = live_pb2.BoundingBox(south=-10, west=19, north=10, east=21)


@pytest.fixture
async def running(tracking: Tracking, clock: FixedClock) -> Tracking:
    await tracking.store.write(keep_patterns, patterns=[pattern()])
    await tracking.store.write(keep_departures, departures=[departure()])
    clock.advance(300)
    return tracking


def listen(tracking: Tracking, **asked: Any) -> Any:
    metadata = tracking.metadata(SEA_STAFF)
    return tracking.stub.WatchVehicles(WatchVehicles(**asked), metadata=metadata, timeout=30)


async def next_of(call: Any) -> live_pb2.VehicleUpdate:
    found: live_pb2.VehicleUpdate = await asyncio.wait_for(call.read(), 20)
    return found


async def send(tracking: Tracking, *points: Any, vehicle: str = FERRY.id) -> None:
    batch = wire(points, session="", vehicle=vehicle)
    await tracking.stub.ReportPositions(batch, metadata=tracking.metadata(ADMIN), timeout=20)


async def test_first_come_those_that_run_then_those_that_move(running: Tracking):
    way = ride(late=60)
    await send(running, *way[:10])
    call = listen(running)
    found = await next_of(call)
    assert (found.vehicle.id, found.departure_id, found.delay_seconds) == (FERRY.id, "dep_1", 60)
    assert found.vehicle.position.latitude == pytest.approx(way[9].latitude)
    await send(running, *way[10:12])
    assert (await next_of(call)).vehicle.position.latitude == pytest.approx(way[11].latitude)
    call.cancel()
    await until(lambda: not running.service.server._edge.in_flight)


async def test_only_the_place_and_the_operator_that_are_watched_are_told(running: Tracking):
    calls = [
        listen(running, box=ELSEWHERE), listen(running, operator_id="opr_land"),
        listen(running, box=HERE), listen(running, operator_id="opr_sea"),
    ]  # fmt: skip
    await until(lambda: len(running.service.server._edge.on_stopping[0].__self__.fleet) == 4)
    await send(running, *ride()[:10])
    for call in calls[2:]:
        assert (await next_of(call)).vehicle.id == FERRY.id
    for call in calls[:2]:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call.read(), 0.3)
        call.cancel()


async def test_a_vehicle_that_runs_nothing_concerns_nobody(running: Tracking):
    call = listen(running)
    await until(lambda: len(running.service.server._edge.on_stopping[0].__self__.fleet) == 1)
    await send(running, at(0, 0), vehicle=COACH.id)
    await send(running, at(0, 0))
    assert (await next_of(call)).vehicle.id == FERRY.id


async def test_it_needs_a_token(running: Tracking):
    call = running.stub.WatchVehicles(WatchVehicles(), timeout=30)
    assert await refusal_of(call.read()) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("box", "longitude", "is_in"),
    [((0, 10, 50, 30), 20, True), ((0, 30, 50, 10), 20, False), ((0, 170, 50, -170), 179, True),
     ((0, 170, 50, -170), -179, True), ((0, 170, 50, -170), 0, False), ((0, 20, 50, 20), 20, True)],
)  # fmt: skip
def test_a_box_may_go_over_the_date_line(box: tuple[float, float, float, float], longitude: float, is_in: bool):
    assert Area(box=box).has("opr", 40, longitude) is is_in
    assert not Area(box=box).has("opr", 51, longitude)
