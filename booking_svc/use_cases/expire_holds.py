"""Give back the seats of holds whose time is up."""

from collections.abc import Iterable

from booking_svc.domain.booking import Booking
from booking_svc.domain.events import BookingExpired
from booking_svc.store.work import Work

HOLDS_A_STEP = 20


def expire_holds(work: Work) -> int:
    """Expire some holds, oldest first; return how many, so that the loop goes on while there are more."""
    over = work.bookings.expired(now=work.now, limit=HOLDS_A_STEP)
    for booking in over:
        expire(work, booking)
    return len(over)


def expire_holds_on(work: Work, departure_ids: Iterable[str]) -> None:
    """Expire the holds of some departures before anybody looks for seats there."""
    for booking in work.bookings.expired(now=work.now, departure_ids=departure_ids, limit=HOLDS_A_STEP):
        expire(work, booking)


def expire(work: Work, booking: Booking) -> None:
    """Expire one hold."""
    expired = booking.expire()
    work.bookings.save(expired)
    work.give_seats(booking.items)
    work.outbox.add(*BookingExpired.of(expired, now=work.now))
    work.history.add("expired", expired, now=work.now)
