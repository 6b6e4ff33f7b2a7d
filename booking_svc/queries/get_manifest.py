"""Read who travels on a departure."""

from dataclasses import dataclass

from booking_svc.domain.departure import Departure
from booking_svc.domain.manifest import Passenger
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import NotFound


@dataclass(frozen=True, slots=True)
class Manifest:
    """Some passengers of a departure."""

    departure: Departure
    passengers: tuple[Passenger, ...]


def get_manifest(work: Work, *, caller: Caller, departure_id: str, cursor: str, limit: int) -> Manifest:
    """Read some passengers from behind a cursor on; their names are for the operator's staff alone."""
    departure = work.departures.get(departure_id)
    if not caller.works_for(departure.operator_id):
        raise NotFound(departure_id=departure_id)
    return Manifest(departure, tuple(work.passengers.page(departure_id, after=cursor, limit=limit)))
