"""Read the vehicles of an operator."""

from booking_svc.domain.layout import Vehicle
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import ForbiddenOperator


def list_vehicles(work: Work, *, caller: Caller, operator_id: str, cursor: str, limit: int) -> list[Vehicle]:
    """Read some vehicles from behind a cursor on, in order of their registration."""
    if not caller.works_for(operator_id):
        raise ForbiddenOperator(operator_id=operator_id)
    return work.vehicles.page(operator_id, after=cursor, limit=limit)
