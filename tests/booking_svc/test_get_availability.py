from datetime import timedelta

import pytest

from booking_svc.domain.errors import NotServed, UnknownStop
from booking_svc.queries.get_availability import Availability, get_availability
from booking_svc.store.work import Work
from booking_svc.use_cases.cancel_departures import cancel_departures
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    HOLD_SECONDS,
    OPERATOR,
    STAFF,
    ask,
    begin,
    commit,
    hold,
    passenger,
    publish,
    seats_free,
    stop,
)
from tests.clocks import FixedClock


def test_a_seat_counts_when_it_is_free_on_the_whole_part(store: Store[Work]) -> None:
    departure = publish(store, seats=3)
    hold(store, (departure, 0, 1), passengers=[passenger("1")])
    hold(store, (departure, 1, 3), passengers=[passenger("1")])
    hold(store, (departure, 2, 3), passengers=[passenger("2")])
    assert [seats_free(store, departure, *part) for part in ((0, 1), (1, 2), (2, 3), (0, 2), (0, 3))] == [2, 2, 1, 2, 1]


def test_seats_that_are_free_on_every_segment_but_never_the_same_do_not_count(store: Store[Work]) -> None:
    departure = publish(store, seats=2, stops=range(3))
    hold(store, (departure, 0, 1), passengers=[passenger("1")])
    hold(store, (departure, 1, 2), passengers=[passenger("2")])
    assert seats_free(store, departure, 0, 1) == 1
    assert seats_free(store, departure, 0, 2) == 0


def test_no_stops_mean_the_whole_ride(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=3)
    hold(store, (departure, 0, 3))
    found = ask(store, get_availability, departure_id=departure.id, origin_stop_id="", destination_stop_id="")
    assert found == Availability(2, 3, clock.now(), 1)


def test_the_version_rises_with_every_change_of_seats(store: Store[Work]) -> None:
    departure = publish(store)
    part = {"departure_id": departure.id, "origin_stop_id": "", "destination_stop_id": ""}
    versions = [ask(store, get_availability, **part).version]
    for _ in range(3):
        hold(store, (departure, 0, 1))
        versions.append(ask(store, get_availability, **part).version)
    assert versions == [0, 1, 2, 3]


def test_a_hold_that_is_over_counts_as_free_before_anybody_tidies(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=2)
    hold(store, (departure, 0, 3))
    clock.advance(HOLD_SECONDS - 0.000001)
    assert seats_free(store, departure) == 1
    clock.advance(0.000001)
    assert seats_free(store, departure) == 2


def test_a_hold_that_is_being_paid_never_counts_as_free(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=2)
    begin(store, hold(store, (departure, 0, 3)))
    clock.advance(timedelta(days=1).total_seconds())
    assert seats_free(store, departure) == 1


def test_a_cancelled_departure_has_no_seats(store: Store[Work]) -> None:
    departure = publish(store)
    window = {"route_id": "", "starts_from": None, "starts_before": None, "is_dry_run": False}
    named = {"operator_id": OPERATOR, "departure_ids": [departure.id]}
    commit(store, cancel_departures, caller=STAFF, **named, **window)
    assert seats_free(store, departure) == 0


def test_what_cannot_be_ridden_is_refused(store: Store[Work]) -> None:
    departure = publish(store)
    with pytest.raises(NotServed):
        seats_free(store, departure, 2, 1)
    with pytest.raises(UnknownStop):
        ask(
            store,
            get_availability,
            departure_id=departure.id,
            origin_stop_id="stp_none",
            destination_stop_id=stop(1).id,
        )
    with pytest.raises(NotFound):
        ask(store, get_availability, departure_id="dep_none", origin_stop_id="", destination_stop_id="")
