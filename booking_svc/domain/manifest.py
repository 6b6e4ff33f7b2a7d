"""Who travels on a departure."""

from dataclasses import dataclass

from booking_svc.domain.booking import Boarding, ItemState


@dataclass(frozen=True, slots=True)
class Passenger:
    """Somebody with a seat on a departure, between two of its calls."""

    item_id: str
    booking_id: str
    reference: str
    name: str
    category: str
    seat_id: str
    state: ItemState
    boarding: Boarding
    origin: int
    destination: int
