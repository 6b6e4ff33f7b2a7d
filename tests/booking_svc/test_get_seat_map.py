import pytest

from booking_svc.domain.departure import Departure
from booking_svc.domain.errors import NotServed
from booking_svc.domain.layout import LayoutSeat
from booking_svc.queries.get_seat_map import SeatMap, get_seat_map
from booking_svc.store.work import Work
from booking_svc.use_cases.cancel_departures import cancel_departures
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import HOLD_SECONDS, OPERATOR, STAFF, ask, commit, hold, passenger, publish, stop
from tests.clocks import FixedClock


def seat_map(store: Store[Work], departure: Departure, origin: int = 0, destination: int = 3) -> SeatMap:
    part = {"origin_stop_id": stop(origin).id, "destination_stop_id": stop(destination).id}
    found: SeatMap = ask(store, get_seat_map, departure_id=departure.id, **part)
    return found


def free_seats(store: Store[Work], departure: Departure, origin: int = 0, destination: int = 3) -> list[str]:
    return [seat.id for seat, is_free in seat_map(store, departure, origin, destination).seats if is_free]


def test_every_seat_is_shown_as_it_is_on_the_part(store: Store[Work]) -> None:
    departure = publish(store, seats=3)
    hold(store, (departure, 1, 2), passengers=[passenger("2")])
    assert free_seats(store, departure, 0, 1) == ["1", "2", "3"]
    assert free_seats(store, departure, 1, 2) == ["1", "3"]
    assert free_seats(store, departure, 0, 3) == ["1", "3"]
    assert free_seats(store, departure, 2, 3) == ["1", "2", "3"]


def test_seats_come_in_the_layout_s_order_with_place_and_features(store: Store[Work]) -> None:
    seats = [LayoutSeat("B", 1, 2), LayoutSeat("A", 1, 1, frozenset({"wheelchair"}))]
    found = seat_map(store, publish(store, seats=seats))
    assert [seat for seat, _ in found.seats] == seats
    assert found.version == 0


def test_a_hold_that_is_over_leaves_its_seats_free(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=2)
    hold(store, (departure, 0, 3), passengers=[passenger("1")])
    assert free_seats(store, departure) == ["2"]
    clock.advance(HOLD_SECONDS)
    assert free_seats(store, departure) == ["1", "2"]


def test_a_cancelled_departure_has_no_free_seat(store: Store[Work]) -> None:
    departure = publish(store, seats=2)
    window = {"route_id": "", "starts_from": None, "starts_before": None, "is_dry_run": False}
    named = {"operator_id": OPERATOR, "departure_ids": [departure.id]}
    commit(store, cancel_departures, caller=STAFF, **named, **window)
    assert free_seats(store, departure) == []
    assert len(seat_map(store, departure).seats) == 2


def test_what_cannot_be_ridden_is_refused(store: Store[Work]) -> None:
    departure = publish(store)
    with pytest.raises(NotServed):
        seat_map(store, departure, 3, 0)
    with pytest.raises(NotFound):
        ask(store, get_seat_map, departure_id="dep_none", origin_stop_id="", destination_stop_id="")
