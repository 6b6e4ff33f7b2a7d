"""Read one ticket of a booking."""

from booking_svc.domain.booking import Item, ItemState
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import NotFound


def get_ticket(work: Work, *, caller: Caller, booking_id: str, ticket_id: str) -> Item:
    """Read the item whose ticket this is; a cancelled item has none."""
    booking = work.bookings.get(booking_id, caller=caller)
    for item in booking.items:
        if item.ticket_id == ticket_id and item.state is ItemState.CONFIRMED:
            return item
    raise NotFound(ticket_id=ticket_id)
