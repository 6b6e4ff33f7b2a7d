"""Follow what the fleet's owner tells of its vehicles."""

from chassis.errors import InvalidInput
from tracking_svc.domain.vehicles import Vehicle
from tracking_svc.store.work import Work


def record_vehicle(work: Work, *, vehicle: Vehicle) -> None:
    """Remember a vehicle as it is now; an event that comes late changes nothing."""
    if not vehicle.id or not vehicle.operator_id:
        raise InvalidInput("A vehicle has an identifier and an operator.")
    work.vehicles.save_if_newer(vehicle)
