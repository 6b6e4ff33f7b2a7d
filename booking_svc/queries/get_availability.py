"""Count the seats free on a part of a departure."""

from dataclasses import dataclass
from datetime import datetime

from booking_svc.domain.occupancy import ride_mask
from booking_svc.queries.get_seat_map import live_masks
from booking_svc.store.work import Work


@dataclass(frozen=True, slots=True)
class Availability:
    """Seats that one passenger could keep on the whole of a part."""

    seats_available: int
    capacity: int
    observed_at: datetime
    version: int


def get_availability(work: Work, *, departure_id: str, origin_stop_id: str, destination_stop_id: str) -> Availability:
    """Count seats that are free from one stop to the other without a change of seats."""
    departure = work.departures.get(departure_id)
    ride = ride_mask(*departure.part(origin_stop_id, destination_stop_id))
    occupancy = work.occupancies.get(departure)
    taken = sum(1 for mask in live_masks(work, departure_id).values() if mask & ride)
    free = departure.capacity - taken if departure.is_running else 0
    return Availability(free, departure.capacity, work.now, occupancy.version)
