"""How trips run in GTFS-Realtime."""

from dataclasses import replace
from typing import Any

import pytest
from google.transit.gtfs_realtime_pb2 import TripDescriptor

from tests.clocks import FixedClock
from tests.tracking_svc.feeds import keep, send, told
from tests.tracking_svc.fleet import FERRY, Tracking
from tests.tracking_svc.test_follow_vehicle import at, ride
from tests.tracking_svc.timetable import START, STOP_SECONDS, days, departure

FEED = "TripUpdates"


@pytest.fixture
async def running(tracking: Tracking, clock: FixedClock) -> Tracking:
    await keep(tracking, departure())
    clock.advance(350)
    return tracking


def after_start(event: Any) -> int:
    return int(event.time - START.timestamp())


async def test_a_trip_that_nobody_follows_runs_as_the_timetable_says(running: Tracking):
    assert await told(running, FEED) == {}


async def test_a_late_trip_tells_what_was_and_what_is_expected(running: Tracking, clock: FixedClock):
    await send(running, *ride(late=200)[:18])
    update = (await told(running, FEED))["dep_1"]
    assert (update.trip.trip_id, update.trip.schedule_relationship) == ("trip_1", TripDescriptor.SCHEDULED)
    assert (update.vehicle.id, update.vehicle.label) == (FERRY.id, FERRY.label)
    assert (update.delay, update.timestamp) == (200, int(clock.now().timestamp()))
    stops = update.stop_time_update
    assert [stop.stop_id for stop in stops] == ["0", "1", "2", "3"]
    assert after_start(stops[1].arrival) == pytest.approx(200 + STOP_SECONDS - 3.6, abs=1)
    assert after_start(stops[1].departure) >= after_start(stops[1].arrival)
    assert [after_start(stop.arrival) for stop in stops[2:]] == [440, 560]
    assert [stop.arrival.delay for stop in stops[2:]] == [200, 200]
    assert [after_start(stop.departure) for stop in stops[2:]] == [440, 560]
    for sequence, stop in enumerate(stops):
        assert after_start(stop.arrival) - stop.arrival.delay == sequence * STOP_SECONDS


async def test_times_never_fall_from_stop_to_stop(running: Tracking, clock: FixedClock):
    for point in ride(late=200):
        clock.advance(max(0.0, (point.recorded_at - clock.now()).total_seconds()))
        await send(running, point)
        for update in (await told(running, FEED)).values():
            times = [event.time for stop in update.stop_time_update for event in (stop.arrival, stop.departure)]
            assert times == sorted(times)


async def test_a_vehicle_that_waits_leaves_when_the_timetable_says_or_later(running: Tracking, clock: FixedClock):
    await send(running, at(340, 0), at(350, 0))
    first = (await told(running, FEED))["dep_1"].stop_time_update[0]
    assert first.departure.time == int(clock.now().timestamp())


async def test_a_trip_that_is_over_is_told_no_more(running: Tracking, clock: FixedClock):
    await send(running, *ride())
    assert await told(running, FEED) == {}


@pytest.mark.parametrize("state", ["CANCELLED", "NOT_COMING"])
async def test_what_will_not_run_is_cancelled_and_nothing_more(running: Tracking, state: str):
    await send(running, *ride(late=200)[:18])
    await keep(running, replace(departure(version=2, state=state), feed_start_time="08:00:00"))
    update = (await told(running, FEED))["dep_1"]
    assert update.trip == TripDescriptor(
        trip_id="trip_1",
        route_id="F1",
        start_date=START.date().strftime("%Y%m%d"),
        start_time="08:00:00",
        schedule_relationship=TripDescriptor.CANCELED,
    )
    assert not update.stop_time_update
    assert not update.HasField("delay")


async def test_what_is_cancelled_is_told_a_week_before_and_until_it_would_be_over(running: Tracking, clock: FixedClock):
    soon, late = (
        departure(id_, start=START + days(number), state="CANCELLED") for id_, number in (("dep_2", 6.9), ("dep_3", 8))
    )
    await keep(running, soon, late, departure("dep_4", start=START + days(1)))
    assert list(await told(running, FEED)) == ["dep_2"]
    clock.advance(6.9 * 86400 + 20)
    assert list(await told(running, FEED)) == ["dep_3"]


async def test_what_is_in_no_feed_is_not_told(running: Tracking):
    unknown = [replace(departure(version=2), feed_trip_id="")]
    await send(running, *ride(late=200)[:18])
    await keep(running, *unknown, replace(departure("dep_2", state="CANCELLED"), feed_trip_id=""))
    assert await told(running, FEED) == {}


async def test_one_operator_is_told_by_itself(running: Tracking):
    await send(running, *ride(late=200)[:18])
    await keep(running, departure("dep_2", state="CANCELLED"))
    assert sorted(await told(running, FEED, "opr_sea")) == ["dep_1", "dep_2"]
    assert await told(running, FEED, "opr_land") == {}
