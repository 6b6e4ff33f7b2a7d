"""Read every seat of a departure and whether it is free on a part of it."""

from dataclasses import dataclass
from datetime import datetime

from booking_svc.domain.layout import LayoutSeat
from booking_svc.domain.occupancy import Masks, ride_mask, without
from booking_svc.store.work import Work


@dataclass(frozen=True, slots=True)
class SeatMap:
    """Seats with whether each is free."""

    layout_id: str
    seats: tuple[tuple[LayoutSeat, bool], ...]
    observed_at: datetime
    version: int


def get_seat_map(work: Work, *, departure_id: str, origin_stop_id: str, destination_stop_id: str) -> SeatMap:
    """Read the seats for the ride from one stop to the other."""
    departure = work.departures.get(departure_id)
    ride = ride_mask(*departure.part(origin_stop_id, destination_stop_id))
    layout = work.layouts.get(departure.layout_id)
    masks = live_masks(work, departure_id)
    seats = tuple(
        (seat, departure.is_running and not masks.get(place, 0) & ride) for place, seat in enumerate(layout.seats)
    )
    return SeatMap(layout.id, seats, work.now, work.occupancies.get(departure).version)


def live_masks(work: Work, departure_id: str) -> Masks:
    """Read what is taken, less what only holds that are over still cover."""
    return without(work.occupancies.masks(departure_id), work.occupancies.lapsed(departure_id, now=work.now))
