"""Find a booking by what is printed on the ticket."""

from booking_svc.domain.booking import Booking
from booking_svc.store.work import Work


def look_up_booking(work: Work, *, reference: str, email: str) -> Booking:
    """Find a booking by its reference and the e-mail address it was made with."""
    return work.bookings.look_up(reference=reference, email=email)
