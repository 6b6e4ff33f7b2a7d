"""Say which vehicle runs a departure."""

from booking_svc.domain.departure import AssignedVehicle, Departure
from booking_svc.domain.errors import IllegalState
from booking_svc.domain.events import VehicleAssigned
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import NotFound


def assign_vehicle(work: Work, *, caller: Caller, departure_id: str, vehicle_id: str, version: int) -> Departure:
    """Let a vehicle of the operator run a departure; seats that are sold must exist in it under the same layout."""
    departure = work.departures.lock([departure_id])[departure_id]
    if not caller.works_for(departure.operator_id):
        raise NotFound(departure_id=departure_id)
    vehicle = work.vehicles.get(vehicle_id, operator_id=departure.operator_id)
    layout = work.layouts.get(vehicle.layout_id)
    assigned = departure.assign(
        AssignedVehicle(vehicle.id, vehicle.label),
        layout_id=layout.id,
        capacity=len(layout.seats),
        seen_version=version,
    )
    if layout.id != departure.layout_id and any(work.occupancies.get(departure).taken):
        raise IllegalState("Seats are sold in another layout. Choose a vehicle of the same layout.", state="sold")
    work.departures.save(assigned)
    if layout.id != departure.layout_id:
        work.take_seats(assigned, [])  # nobody sits down, but there are other seats now
    work.outbox.add(VehicleAssigned(assigned))
    return assigned.as_of(work.now)
