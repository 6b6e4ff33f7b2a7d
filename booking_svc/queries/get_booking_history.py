"""Read what happened to a booking."""

from booking_svc.store.history import HistoryEntry
from booking_svc.store.work import Work
from chassis.access import Caller


def get_booking_history(work: Work, *, caller: Caller, booking_id: str) -> list[HistoryEntry]:
    """Read the history of a booking that the caller may see, oldest first."""
    return work.history.entries(work.bookings.get(booking_id, caller=caller).id)
