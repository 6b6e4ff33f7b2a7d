from typing import Any

import pytest
from headway.booking.v1 import fleet_events_pb2

from booking_svc.domain.layout import Vehicle
from booking_svc.store.work import Work
from booking_svc.use_cases.register_vehicle import register_vehicle
from chassis.errors import Forbidden, NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    FOREIGN_STAFF,
    OPERATOR,
    OTHER_OPERATOR,
    STAFF,
    ask,
    commit,
    events,
    layout,
)


def register(store: Store[Work], **changes: Any) -> Vehicle:
    usual = {"caller": STAFF, "operator_id": OPERATOR, "label": "Swift", "layout_id": "lay_default"}
    found: Vehicle = commit(store, register_vehicle, **(usual | changes))
    return found


def test_a_vehicle_is_kept_and_told_to_who_tracks_it(store: Store[Work]) -> None:
    vehicle = register(store)
    assert ask(store, lambda work: work.vehicles.get(vehicle.id, operator_id=OPERATOR)) == vehicle
    (told,) = events(store)
    assert (told.stream, told.subject) == ("FLEET", f"headway.v1.fleet.registered.{OPERATOR}.{vehicle.id}")
    event = fleet_events_pb2.VehicleRegistered.FromString(told.payload)
    assert (event.vehicle.id, event.vehicle.operator_id, event.vehicle.label) == (vehicle.id, OPERATOR, "Swift")


def test_a_vehicle_has_the_operator_s_own_layout(store: Store[Work]) -> None:
    own = layout(store, 3)
    assert register(store, layout_id=own.id).layout_id == own.id


def test_another_operator_s_layout_is_as_absent_as_none(store: Store[Work]) -> None:
    foreign = layout(store, 3, operator_id=OTHER_OPERATOR)
    for layout_id in (foreign.id, "lay_none"):
        with pytest.raises(NotFound):
            register(store, layout_id=layout_id)


def test_staff_register_for_their_own_operator_only(store: Store[Work]) -> None:
    with pytest.raises(Forbidden):
        register(store, caller=FOREIGN_STAFF)
