"""Read one departure."""

from booking_svc.domain.departure import Departure
from booking_svc.store.work import Work


def get_departure(work: Work, *, departure_id: str) -> Departure:
    """Read a departure with its calls."""
    return work.departures.get(departure_id)
