"""Make a vehicle known."""

from booking_svc.domain.events import VehicleRegistered
from booking_svc.domain.layout import Vehicle
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import ForbiddenOperator


def register_vehicle(work: Work, *, caller: Caller, operator_id: str, label: str, layout_id: str) -> Vehicle:
    """Add a vehicle to an operator's fleet and tell who tracks it."""
    if not caller.works_for(operator_id):
        raise ForbiddenOperator(operator_id=operator_id)
    layout = work.layouts.get_for(operator_id, layout_id)
    vehicle = Vehicle(work.new_id("veh"), operator_id, label, layout.id)
    work.vehicles.add(vehicle)
    work.outbox.add(VehicleRegistered(vehicle))
    return vehicle
