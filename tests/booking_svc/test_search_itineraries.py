from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from booking_svc.domain.departure import Departure
from booking_svc.domain.errors import UnknownStop
from booking_svc.queries.search_itineraries import Itinerary, search_itineraries
from booking_svc.store.work import Work
from booking_svc.use_cases.cancel_departures import cancel_departures
from chassis.errors import InvalidInput
from chassis.store import Store
from tests.booking_svc.builders import (
    ADMIN,
    HOLD_SECONDS,
    OPERATOR,
    SERVICE_DATE,
    STARTS_AT,
    ask,
    call_at,
    calls_at,
    commit,
    hold,
    passenger,
    publish,
    seats_free,
    stop,
)
from tests.clocks import FixedClock

STATION = replace(stop(90), name="Harbour", is_station=True)
PLATFORMS = [replace(stop(number), station_id=STATION.id) for number in (91, 92)]


def search(store: Store[Work], origin: int | str, destination: int | str, **changes: object) -> list[Itinerary]:
    return page(store, origin, destination, **changes)[0]


def page(
    store: Store[Work], origin: int | str, destination: int | str, **changes: object
) -> tuple[list[Itinerary], str]:
    ids = [stop(one).id if isinstance(one, int) else one for one in (origin, destination)]
    asked = {"day": SERVICE_DATE, "passengers": 1, "cursor": "", "limit": 50} | changes
    found: tuple[list[Itinerary], str] = ask(
        store, search_itineraries, origin_stop_id=ids[0], destination_stop_id=ids[1], **asked
    )
    return found


def departures(found: list[Itinerary]) -> list[str]:
    return [one.legs[0].departure_id for one in found]


def test_rides_come_in_the_order_in_which_they_leave_the_origin(store: Store[Work]) -> None:
    slow = publish(store, stops=range(4))  # leaves stop 2 at 08:21
    fast = publish(store, stops=[2, 3], starts_at=STARTS_AT + timedelta(minutes=5))
    later = publish(store, starts_at=STARTS_AT + timedelta(hours=1))
    found = search(store, 2, 3)
    assert departures(found) == [fast.id, slow.id, later.id]
    leg = found[1].legs[0]
    assert (leg.origin.stop, leg.destination.stop) == (stop(2), stop(3))
    assert (leg.origin.scheduled_at, leg.destination.scheduled_at) == (
        STARTS_AT + timedelta(minutes=21), STARTS_AT + timedelta(minutes=30)
    )  # fmt: skip


def test_only_the_right_direction_and_calls_that_take_and_leave_riders_count(store: Store[Work]) -> None:
    publish(store)
    calls = calls_at(range(4), starts_at=STARTS_AT)
    publish(store, calls=[replace(calls[0], is_boarding_allowed=False), *calls[1:]])
    publish(store, calls=[*calls[:3], replace(calls[3], is_alighting_allowed=False)])
    assert len(search(store, 0, 3)) == 1
    assert search(store, 3, 0) == []
    assert len(search(store, 1, 2)) == 3


def test_a_loop_is_ridden_the_short_way(store: Store[Work]) -> None:
    loop = publish(store, stops=[0, 1, 2, 0, 1])
    leg = search(store, 0, 1)[0].legs[0]
    assert (leg.departure_id, leg.origin.sequence, leg.destination.sequence) == (loop.id, 0, 1)
    leg = search(store, 2, 1)[0].legs[0]
    assert (leg.origin.sequence, leg.destination.sequence) == (2, 4)


def test_a_station_stands_for_its_platforms(store: Store[Work]) -> None:
    commit(store, lambda work: work.stops.save([STATION], operator_id=OPERATOR))
    ways = []
    for minutes, platform in enumerate(PLATFORMS):
        calls = calls_at([0, 1], starts_at=STARTS_AT + timedelta(minutes=minutes))
        ways.append(publish(store, calls=[calls[0], replace(calls[1], stop=platform)]).id)
    assert departures(search(store, 0, STATION.id)) == ways
    assert departures(search(store, 0, PLATFORMS[1].id)) == ways[1:]


def test_the_day_is_the_origin_s_own(store: Store[Work]) -> None:
    # In Auckland, thirteen hours ahead in January, the 10th begins at 11:00 UTC of the 9th.
    there = [replace(stop(number), timezone="Pacific/Auckland") for number in (50, 51)]
    runs = []
    for hour in (10, 11, 34, 35):
        starts_at = datetime(2030, 1, 9, tzinfo=UTC) + timedelta(hours=hour)
        calls = [call_at(0, place, stop=one, starts_at=starts_at) for place, one in enumerate(there)]
        runs.append(publish(store, calls=calls, service_date=date(2030, 1, 9 + (hour > 11)), starts_at=starts_at).id)
    assert departures(search(store, there[0].id, there[1].id)) == runs[1:3]


def test_a_night_run_is_found_on_the_day_that_riders_get_on(store: Store[Work]) -> None:
    night = publish(
        store,
        service_date=SERVICE_DATE,
        calls=calls_at(range(3), starts_at=STARTS_AT + timedelta(hours=15, minutes=50)),
    )
    assert departures(search(store, 0, 2)) == [night.id]  # leaves at 23:51
    assert departures(search(store, 1, 2)) == []  # leaves at 00:01
    assert departures(search(store, 1, 2, day=SERVICE_DATE + timedelta(days=1))) == [night.id]


def test_what_has_left_or_does_not_run_is_not_found(store: Store[Work], clock: FixedClock) -> None:
    first, second = publish(store), publish(store, starts_at=STARTS_AT + timedelta(hours=1))
    cancelled = publish(store, starts_at=STARTS_AT + timedelta(hours=2))
    window = {"route_id": "", "starts_from": None, "starts_before": None, "is_dry_run": False}
    commit(store, cancel_departures, caller=ADMIN, operator_id=OPERATOR, departure_ids=[cancelled.id], **window)
    clock.advance((STARTS_AT + timedelta(minutes=15) - clock.now()).total_seconds())
    assert departures(search(store, 0, 3)) == [second.id]
    assert departures(search(store, 2, 3)) == [first.id, second.id]


def test_seats_left_are_those_free_on_the_whole_ride(store: Store[Work]) -> None:
    boat = publish(store, seats=3)
    hold(store, (boat, 0, 1))
    hold(store, (boat, 1, 2), passengers=[passenger("2")])
    for origin, destination in ((0, 1), (1, 2), (0, 3), (2, 3)):
        found = search(store, origin, destination)
        assert [one.seats_available for one in found] == [seats_free(store, boat, origin, destination)]


def test_seats_of_a_hold_that_is_over_are_free_before_anybody_has_tidied_up(
    store: Store[Work], clock: FixedClock
) -> None:
    boat = publish(store, seats=1)
    hold(store, (boat, 0, 3))
    assert search(store, 0, 3) == []
    assert [one.seats_available for one in search(store, 0, 3, passengers=0)] == [0]
    clock.advance(HOLD_SECONDS)
    assert [one.seats_available for one in search(store, 0, 3)] == [1]


def test_a_party_finds_only_rides_with_room_for_all(store: Store[Work]) -> None:
    publish(store, seats=1)
    large = publish(store, seats=3, starts_at=STARTS_AT + timedelta(minutes=1))
    assert departures(search(store, 0, 3, passengers=2)) == [large.id]
    assert search(store, 0, 3, passengers=4) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pages_hold_every_ride_once(store: Store[Work], size: int) -> None:
    runs = [publish(store, seats=2, starts_at=STARTS_AT + timedelta(hours=number // 2)) for number in range(7)]
    hold(store, (runs[3], 0, 3), passengers=[passenger(), passenger()])
    seen, cursor = [], ""
    while True:
        found, cursor = page(store, 0, 3, limit=size, cursor=cursor)
        seen += departures(found)
        if not cursor:
            break
    assert len(seen) == 6
    assert set(seen) == {run.id for run in runs} - {runs[3].id}


@pytest.mark.parametrize(("origin", "destination"), [("stp_none", stop(1).id), (stop(0).id, "stp_none")])
def test_a_stop_that_does_not_exist_is_named(store: Store[Work], origin: str, destination: str) -> None:
    publish(store)
    with pytest.raises(UnknownStop) as refused:
        search(store, origin, destination)
    assert refused.value.facts == {"stop_id": "stp_none"}


def test_a_cursor_that_is_not_ours_is_refused(store: Store[Work]) -> None:
    publish(store)
    with pytest.raises(InvalidInput):
        search(store, 0, 3, cursor="nonsense")


def test_a_ride_found_can_be_held_as_it_is(store: Store[Work]) -> None:
    boat = publish(store)
    leg = search(store, 1, 3)[0].legs[0]
    found: Departure = boat
    held = hold(store, (found, leg.origin.sequence, leg.destination.sequence))
    assert held.legs == (leg,)


def test_a_page_that_ends_before_rides_without_a_seat_is_the_last(store: Store[Work]) -> None:
    boats = [publish(store, seats=1, starts_at=STARTS_AT + timedelta(hours=number)) for number in range(6)]
    for boat in (boats[0], *boats[3:]):
        hold(store, (boat, 0, 3))
    found, cursor = page(store, 0, 3, limit=1)
    assert departures(found) == [boats[1].id]
    found, cursor = page(store, 0, 3, limit=1, cursor=cursor)
    assert (departures(found), cursor) == ([boats[2].id], "")
