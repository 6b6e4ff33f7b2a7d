"""Read one booking."""

from booking_svc.domain.booking import Booking
from booking_svc.store.work import Work
from chassis.access import Caller


def get_booking(work: Work, *, caller: Caller, booking_id: str) -> Booking:
    """Read a booking that the caller may see."""
    return work.bookings.get(booking_id, caller=caller)
