"""Where vehicles are in GTFS-Realtime."""

from dataclasses import replace

import pytest
from google.transit.gtfs_realtime_pb2 import TripDescriptor, VehiclePosition

from tests.clocks import FixedClock
from tests.tracking_svc.feeds import keep, send, told
from tests.tracking_svc.fleet import FERRY, Tracking
from tests.tracking_svc.test_follow_vehicle import at, ride
from tests.tracking_svc.timetable import START, departure
from tracking_svc.domain.departures import Availability
from tracking_svc.use_cases.keep_availability import keep_availability

FEED = "VehiclePositions"


@pytest.fixture
async def running(tracking: Tracking, clock: FixedClock) -> Tracking:
    await keep(tracking, departure(), departure("dep_2", vehicle=None))
    clock.advance(350)
    return tracking


async def test_a_vehicle_that_nobody_has_seen_is_not_told(running: Tracking):
    assert await told(running, FEED) == {}


async def test_a_vehicle_under_way_is_told_by_the_names_of_the_operators_own_feed(running: Tracking):
    point = replace(ride(late=200)[17], heading_degrees=1.5, speed_meters_per_second=8.5)
    await send(running, *ride(late=200)[:17], point)
    found = await told(running, FEED)
    assert list(found) == ["dep_1"]
    vehicle = found["dep_1"]
    day = START.date().strftime("%Y%m%d")
    scheduled = TripDescriptor.SCHEDULED
    assert vehicle.trip == TripDescriptor(
        trip_id="trip_1", route_id="F1", start_date=day, schedule_relationship=scheduled
    )
    assert (vehicle.vehicle.id, vehicle.vehicle.label) == (FERRY.id, FERRY.label)
    assert (vehicle.position.latitude, vehicle.position.longitude) == (pytest.approx(point.latitude), 20.0)
    assert (vehicle.position.bearing, vehicle.position.speed) == (1.5, 8.5)
    assert vehicle.timestamp == int(point.recorded_at.timestamp())
    assert (vehicle.current_status, vehicle.stop_id) == (VehiclePosition.IN_TRANSIT_TO, "2")
    assert not vehicle.HasField("occupancy_status")


async def test_what_a_device_does_not_tell_is_left_out(running: Tracking):
    await send(running, *ride(late=200)[:17])
    position = (await told(running, FEED))["dep_1"].position
    assert not position.HasField("bearing")
    assert not position.HasField("speed")


async def test_a_vehicle_that_is_met_on_its_way_goes_to_the_stop_before_it(running: Tracking):
    await send(running, *ride(late=200)[14:17])
    vehicle = (await told(running, FEED))["dep_1"]
    assert (vehicle.current_status, vehicle.stop_id) == (VehiclePosition.IN_TRANSIT_TO, "2")


async def test_a_vehicle_that_waits_is_at_its_stop(running: Tracking):
    await send(running, at(340, 0), at(350, 0))
    vehicle = (await told(running, FEED))["dep_1"]
    assert (vehicle.current_status, vehicle.stop_id) == (VehiclePosition.STOPPED_AT, "0")


@pytest.mark.parametrize(
    ("seats_free", "status", "percentage"),
    [
        ((0, 50, 0), VehiclePosition.EMPTY, 0),
        ((0, 40, 0), VehiclePosition.MANY_SEATS_AVAILABLE, 20),
        ((0, 5, 0), VehiclePosition.FEW_SEATS_AVAILABLE, 90),
        ((50, 0, 50), VehiclePosition.FULL, 100),
    ],
)
async def test_how_full_it_is_is_what_is_booked_where_it_is(running: Tracking, seats_free, status, percentage):
    await running.store.write(keep_availability, availability=Availability("dep_1", 50, seats_free, 1))
    await send(running, *ride(late=200)[:17])
    vehicle = (await told(running, FEED))["dep_1"]
    assert vehicle.HasField("occupancy_status")
    assert (vehicle.occupancy_status, vehicle.occupancy_percentage) == (status, percentage)


async def test_a_run_of_a_frequency_is_told_apart_by_its_start(running: Tracking):
    await keep(running, replace(departure(version=2), feed_start_time="25:10:00"))
    await send(running, *ride(late=200)[:17])
    assert (await told(running, FEED))["dep_1"].trip.start_time == "25:10:00"


async def test_a_departure_that_is_in_no_feed_has_a_vehicle_but_no_trip(running: Tracking):
    await keep(running, replace(departure(version=2), feed_trip_id=""))
    await send(running, *ride(late=200)[:17])
    vehicle = (await told(running, FEED))["dep_1"]
    assert (vehicle.HasField("trip"), vehicle.vehicle.id) == (False, FERRY.id)


async def test_where_a_vehicle_was_long_ago_is_no_position(running: Tracking, clock: FixedClock):
    await send(running, *ride(late=200)[:17])
    clock.advance(89)
    assert list(await told(running, FEED)) == ["dep_1"]
    clock.advance(2)
    assert await told(running, FEED) == {}


async def test_one_operator_is_told_by_itself(running: Tracking):
    await send(running, *ride(late=200)[:17])
    assert list(await told(running, FEED, "opr_sea")) == ["dep_1"]
    assert await told(running, FEED, "opr_land") == {}
    assert await told(running, FEED, "\0") == {}
