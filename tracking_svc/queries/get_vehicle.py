"""Tell where a vehicle is."""

from chassis.access import Caller
from tracking_svc.domain.errors import VehicleUnknown
from tracking_svc.domain.vehicles import Freshness, TrackedVehicle, Vehicle
from tracking_svc.store.work import Work


def get_vehicle(work: Work, *, caller: Caller, vehicle_id: str) -> TrackedVehicle:
    """Read one vehicle with its newest position."""
    vehicle = work.vehicles.get(vehicle_id)
    if not may_see(caller, vehicle):
        raise VehicleUnknown
    sighting = work.sightings.find(vehicle.id)
    freshness = sighting.freshness(work.now) if sighting else Freshness.UNKNOWN
    return TrackedVehicle(vehicle, sighting, freshness)


def may_see(caller: Caller, vehicle: Vehicle) -> bool:
    """Let a person see the vehicles of their operator, and a process that calls for itself every one."""
    return caller.works_for(vehicle.operator_id) if caller.subject else bool(caller.service)
