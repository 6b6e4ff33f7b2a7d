"""A departure as it runs, as everybody may read it."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from grpc import StatusCode, aio
from headway.tracking.v1 import live_pb2, positions_pb2, tracking_service_pb2
from headway.types.v1 import timetable_pb2

from chassis.read_models import finish_rebuild
from chassis.rpc_errors import failure_of
from tests.clocks import FixedClock
from tests.tracking_svc.fleet import FERRY, SEA_STAFF, Tracking, wire
from tests.tracking_svc.test_follow_vehicle import at, ride
from tests.tracking_svc.timetable import START, STOP_SECONDS, departure, departure_message, pattern
from tests.tracking_svc.wires import refusal_of
from tracking_svc import translate
from tracking_svc.domain.departures import READ_MODEL, Availability
from tracking_svc.domain.live import OVER_AFTER
from tracking_svc.use_cases.keep_availability import keep_availability
from tracking_svc.use_cases.keep_departures import keep_departures
from tracking_svc.use_cases.keep_patterns import keep_patterns

GetLiveDeparture = tracking_service_pb2.GetLiveDepartureRequest
States = timetable_pb2.DepartureState


@pytest.fixture
async def running(tracking: Tracking, clock: FixedClock) -> Tracking:
    await tracking.store.write(keep_patterns, patterns=[pattern()])
    await tracking.store.write(keep_departures, departures=[departure()])
    await tracking.store.write(finish_rebuild, name=READ_MODEL)
    clock.advance(600)
    return tracking


async def live(tracking: Tracking, id_: str = "dep_1") -> live_pb2.LiveDeparture:
    return await tracking.stub.GetLiveDeparture(GetLiveDeparture(departure_id=id_), timeout=20)


async def send(tracking: Tracking, *points: Any) -> None:
    await tracking.stub.ReportPositions(wire(points, session=""), metadata=tracking.metadata(), timeout=20)


def after_start(stamp: Any) -> float:
    return (stamp.ToDatetime(UTC) - START).total_seconds()


async def test_before_any_position_it_is_the_timetable_and_nothing_more(running: Tracking):
    found = await live(running)
    assert (found.departure_id, found.operator_id, found.state) == (
        "dep_1",
        "opr_sea",
        States.DEPARTURE_STATE_DEPARTED,
    )
    assert (found.feed_trip_id, found.feed_route_id) == ("trip_1", "F1")
    assert (found.vehicle.id, found.vehicle.label) == (FERRY.id, FERRY.label)
    assert (found.vehicle.freshness, found.vehicle.HasField("position")) == (positions_pb2.FRESHNESS_UNKNOWN, False)
    assert not found.HasField("delay_seconds")
    assert not found.HasField("occupancy")
    assert not found.HasField("availability")
    assert [after_start(call.scheduled_arrival_at) for call in found.calls] == [n * STOP_SECONDS for n in range(4)]
    for call in found.calls:
        assert not any(call.HasField(name) for name in ("arrival", "arrived_at", "departed_at"))
    assert (found.calls[1].stop_id, found.calls[1].feed_stop_id, found.calls[1].stop_name) == ("stp_1", "1", "Stop 1")


async def test_while_nothing_is_known_of_a_vehicle_its_states_follow_the_timetable(
    running: Tracking, clock: FixedClock
):
    end = START + timedelta(seconds=3 * STOP_SECONDS)
    seen = []
    for at_ in (START - timedelta(seconds=1), START, end + OVER_AFTER - timedelta(seconds=1), end + OVER_AFTER):
        clock.set(at_)
        seen.append((await live(running)).state)
    assert seen == [
        States.DEPARTURE_STATE_SCHEDULED,
        States.DEPARTURE_STATE_DEPARTED,
        States.DEPARTURE_STATE_DEPARTED,
        States.DEPARTURE_STATE_COMPLETED,
    ]


async def test_a_vehicle_that_is_late_is_not_over_before_it_is_there(running: Tracking, clock: FixedClock):
    late = OVER_AFTER.total_seconds() + 600
    clock.set(START + timedelta(seconds=late + 200))
    await send(running, *ride(late=late)[:17])
    assert (await live(running)).state == States.DEPARTURE_STATE_DEPARTED
    clock.advance(3600)  # it is silent for so long that nothing is expected of it any more
    assert (await live(running)).state == States.DEPARTURE_STATE_COMPLETED


async def test_on_its_way_it_tells_what_was_and_what_is_to_come(running: Tracking, clock: FixedClock):
    way = ride(late=430)
    await send(running, *way[:17])
    found = await live(running)
    assert found.state == States.DEPARTURE_STATE_DEPARTED
    assert found.delay_seconds == 430
    assert [call.HasField("arrived_at") for call in found.calls] == [True, True, False, False]
    assert [call.HasField("departed_at") for call in found.calls] == [True, True, False, False]
    assert after_start(found.calls[1].arrived_at) == pytest.approx(430 + STOP_SECONDS - 3.6, abs=1)
    assert [call.HasField("arrival") for call in found.calls] == [False, False, True, True]
    assert [after_start(call.arrival.expected_at) for call in found.calls[2:]] == [670, 790]
    assert not found.calls[2].arrival.HasField("earliest_at")
    assert found.vehicle.position.latitude == pytest.approx(way[16].latitude)
    assert found.vehicle.freshness == positions_pb2.FRESHNESS_STALE
    assert found.observed_at.ToDatetime(UTC) == clock.now()


async def test_where_a_vehicle_that_is_met_on_its_way_has_been_it_is_not_expected(running: Tracking):
    await running.store.write(keep_availability, availability=Availability("dep_1", 50, (50, 25, 0), 1))
    await send(running, *ride()[14:17])
    found = await live(running)
    assert found.state == States.DEPARTURE_STATE_DEPARTED
    assert [call.HasField("arrived_at") for call in found.calls] == [False] * 4
    assert [call.HasField("arrival") for call in found.calls] == [False, False, True, True]
    assert found.occupancy.load_factor == pytest.approx(0.5)


async def test_what_is_expected_is_never_in_the_past(running: Tracking, clock: FixedClock):
    await send(running, *ride(late=300)[:17])
    clock.advance(120)
    found = await live(running)
    assert found.calls[2].arrival.expected_at.ToDatetime(UTC) == clock.now()


async def test_its_states_follow_the_vehicle(running: Tracking):
    way = ride()
    await send(running, way[0])
    assert (await live(running)).state == States.DEPARTURE_STATE_BOARDING
    await send(running, *way[1:])
    found = await live(running)
    assert (found.state, found.HasField("delay_seconds")) == (States.DEPARTURE_STATE_COMPLETED, False)
    await running.store.write(keep_departures, departures=[departure(version=2, state="CANCELLED")])
    assert (await live(running)).state == States.DEPARTURE_STATE_CANCELLED


@pytest.mark.parametrize(
    ("seats_free", "status", "load"),
    [
        ((50, 0, 0), live_pb2.OCCUPANCY_STATUS_EMPTY, 0),
        ((40, 0, 0), live_pb2.OCCUPANCY_STATUS_MANY_SEATS_AVAILABLE, 0.2),
        ((5, 0, 0), live_pb2.OCCUPANCY_STATUS_FEW_SEATS_AVAILABLE, 0.9),
        ((0, 50, 50), live_pb2.OCCUPANCY_STATUS_FULL, 1),
    ],
)
async def test_how_full_it_is_is_what_is_booked(running: Tracking, seats_free, status: int, load: float):
    await running.store.write(keep_availability, availability=Availability("dep_1", 50, seats_free, 1))
    found = await live(running)
    assert (found.occupancy.status, found.occupancy.load_factor) == (status, pytest.approx(load))
    assert (found.availability.capacity, tuple(found.availability.seats_free)) == (50, seats_free)


async def test_before_its_first_booking_it_is_empty(running: Tracking):
    told = departure_message(version=2)
    told.capacity = 50
    await running.store.write(keep_departures, departures=[translate.departure_in(told)])
    found = await live(running)
    assert (found.occupancy.status, found.occupancy.load_factor) == (live_pb2.OCCUPANCY_STATUS_EMPTY, 0)
    assert (found.availability.capacity, found.availability.seats_free, found.availability.version) == (50, [50] * 3, 0)
    await running.store.write(keep_availability, availability=Availability("dep_1", 50, (40, 50, 50), 1))
    assert (await live(running)).occupancy.load_factor == pytest.approx(0.2)


async def test_how_full_it_is_is_told_of_the_segment_that_it_is_on(running: Tracking):
    await running.store.write(keep_availability, availability=Availability("dep_1", 50, (50, 25, 0), 1))
    await send(running, *ride()[:17])
    assert (await live(running)).occupancy.load_factor == pytest.approx(0.5)


async def test_where_a_vehicle_is_before_its_ride_concerns_nobody(running: Tracking, clock: FixedClock):
    await running.store.write(keep_departures, departures=[departure("dep_2", start=START + timedelta(hours=9))])
    await send(running, at(500, 5))
    found = await live(running, "dep_2")
    assert (found.vehicle.id, found.vehicle.HasField("position")) == (FERRY.id, False)


@pytest.mark.parametrize("id_", ["", "dep_9", "\0", "x" * 5000])
async def test_what_does_not_exist_is_not_found(running: Tracking, id_: str):
    refusal = await refusal_of(running.stub.GetLiveDeparture(GetLiveDeparture(departure_id=id_), timeout=20))
    assert refusal == (StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_while_departures_are_still_read_from_booking_one_that_is_missing_may_be_there(tracking: Tracking):
    with pytest.raises(aio.AioRpcError) as caught:
        await live(tracking)
    failure = failure_of(caught.value)
    assert (caught.value.code(), failure.reason) == (StatusCode.UNAVAILABLE, "DEPENDENCY_DOWN")
    assert (failure.retry_after_seconds, failure.facts) == (2, {"dependency": "tracking"})
    watching = tracking.stub.WatchDeparture(
        tracking_service_pb2.WatchDepartureRequest(departure_id="dep_1"),
        metadata=tracking.metadata(SEA_STAFF),
        timeout=9,
    )
    assert await refusal_of(watching.read()) == (StatusCode.UNAVAILABLE, "DEPENDENCY_DOWN")
    await tracking.store.write(keep_patterns, patterns=[pattern()])
    await tracking.store.write(keep_departures, departures=[departure()])
    assert (await live(tracking)).departure_id == "dep_1"
    await tracking.store.write(finish_rebuild, name=READ_MODEL)
    refusal = await refusal_of(tracking.stub.GetLiveDeparture(GetLiveDeparture(departure_id="dep_9"), timeout=20))
    assert refusal == (StatusCode.NOT_FOUND, "NOT_FOUND")
