from typing import Any

import pytest
from headway.booking.v1 import availability_events_pb2

from booking_svc.domain.departure import AssignedVehicle, Departure
from booking_svc.domain.errors import IllegalState, StaleVersion
from booking_svc.domain.layout import Vehicle
from booking_svc.queries.get_availability import get_availability
from booking_svc.store.work import Work
from booking_svc.use_cases.assign_vehicle import assign_vehicle
from booking_svc.use_cases.cancel_departures import cancel_departures
from booking_svc.use_cases.register_vehicle import register_vehicle
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    ADMIN,
    FOREIGN_STAFF,
    OPERATOR,
    OTHER_OPERATOR,
    STAFF,
    ask,
    commit,
    events,
    hold,
    layout,
    publish,
)


def vehicle(store: Store[Work], *, seats: int | None = None, operator_id: str = OPERATOR) -> Vehicle:
    layout_id = "lay_default" if seats is None else layout(store, seats, operator_id=operator_id).id
    found: Vehicle = commit(
        store, register_vehicle, caller=ADMIN, operator_id=operator_id, label="Swift", layout_id=layout_id
    )
    return found


def assign(store: Store[Work], departure: Departure, ship: Vehicle, **changes: Any) -> Departure:
    usual = {"caller": STAFF, "departure_id": departure.id, "vehicle_id": ship.id, "version": departure.version}
    found: Departure = commit(store, assign_vehicle, **(usual | changes))
    return found


def test_a_vehicle_is_assigned_and_told(store: Store[Work]) -> None:
    departure, ship = publish(store), vehicle(store)
    assigned = assign(store, departure, ship)
    assert assigned.vehicle == AssignedVehicle(ship.id, "Swift")
    assert assigned.version == 2
    assert ask(store, lambda work: work.departures.get(departure.id)) == assigned
    assert events(store)[-1].subject == f"headway.v1.departure.vehicle_assigned.{OPERATOR}.{departure.id}"


def test_a_vehicle_of_another_layout_brings_its_own_seats_and_tells_how_many(store: Store[Work]) -> None:
    departure, ship = publish(store), vehicle(store, seats=7)
    assert assign(store, departure, ship).capacity == 7
    part = {"departure_id": departure.id, "origin_stop_id": "", "destination_stop_id": ""}
    assert ask(store, get_availability, **part).seats_available == 7
    (told,) = [event for event in events(store) if event.stream == "AVAILABILITY"]
    changed = availability_events_pb2.AvailabilityChanged.FromString(told.payload)
    assert (changed.capacity, list(changed.seats_free), changed.version) == (7, [7, 7, 7], 1)
    assert hold(store, (ask(store, lambda work: work.departures.get(departure.id)), 0, 3)).items[0].seat_id == "1"


def test_a_vehicle_of_the_same_layout_may_come_after_seats_are_sold(store: Store[Work]) -> None:
    departure, ship = publish(store), vehicle(store)
    hold(store, (departure, 0, 1))
    assert assign(store, departure, ship).capacity == 50


def test_a_vehicle_of_another_layout_may_not(store: Store[Work]) -> None:
    departure, ship = publish(store), vehicle(store, seats=7)
    hold(store, (departure, 0, 1))
    with pytest.raises(IllegalState):
        assign(store, departure, ship)


def test_an_older_version_than_the_present_is_refused(store: Store[Work]) -> None:
    departure, ship = publish(store), vehicle(store)
    assign(store, departure, ship)
    for version in (0, 1, 3):
        with pytest.raises(StaleVersion) as refused:
            assign(store, departure, ship, version=version)
        assert refused.value.facts == {"version": 2}


def test_a_cancelled_departure_gets_no_vehicle(store: Store[Work]) -> None:
    departure, ship = publish(store), vehicle(store)
    window = {"route_id": "", "starts_from": None, "starts_before": None, "is_dry_run": False}
    named = {"operator_id": OPERATOR, "departure_ids": [departure.id]}
    commit(store, cancel_departures, caller=STAFF, **named, **window)
    with pytest.raises(IllegalState):
        assign(store, departure, ship, version=2)


def test_other_operators_staff_find_no_such_departure(store: Store[Work]) -> None:
    departure, ship = publish(store), vehicle(store, operator_id=OTHER_OPERATOR)
    with pytest.raises(NotFound):
        assign(store, departure, ship, caller=FOREIGN_STAFF)
    with pytest.raises(NotFound):
        assign(store, departure, ship, departure_id="dep_none")


def test_another_operator_s_vehicle_is_as_absent_as_none(store: Store[Work]) -> None:
    departure, foreign = publish(store), vehicle(store, operator_id=OTHER_OPERATOR)
    for vehicle_id in (foreign.id, "veh_none"):
        with pytest.raises(NotFound):
            assign(store, departure, foreign, caller=ADMIN, vehicle_id=vehicle_id)
