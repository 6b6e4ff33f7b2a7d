"""Read the caller's bookings, newest first."""

from booking_svc.domain.booking import Booking
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import Forbidden


def list_bookings(work: Work, *, caller: Caller, departure_id: str, cursor: str, limit: int) -> list[Booking]:
    """Read some bookings from behind a cursor on; those on a departure are for its operator's staff."""
    if departure_id and not caller.has("bookings:all"):
        raise Forbidden(scope="bookings:all")
    return work.bookings.page(caller=caller, departure_id=departure_id, before=cursor, limit=limit)
