"""Give back the seats of holds whose time is up."""

from collections.abc import Collection, Iterable

from booking_svc.domain.booking import Booking
from booking_svc.domain.events import BookingExpired
from booking_svc.domain.occupancy import Lapsed
from booking_svc.store.work import Work

HOLDS_A_STEP = 20
ITEMS_A_STEP = 50


def expire_holds(work: Work) -> int:
    """Expire some holds, those first that have been over the longest; return how many, 0 when none is left."""
    holds = items = 0
    for booking_id in work.bookings.lapsed(limit=HOLDS_A_STEP):
        if items >= ITEMS_A_STEP:
            break
        booking = work.bookings.get_for_system(booking_id)
        expire(work, booking)
        holds, items = holds + 1, items + len(booking.items)
    return holds


def expire_in_the_way(work: Work, lapsed: Iterable[Lapsed], *, seats: Collection[int], ride: int) -> None:
    """Expire the holds that still cover seats which somebody takes now."""
    for booking_id in sorted({one.booking_id for one in lapsed if one.seat_index in seats and one.ride & ride}):
        expire(work, work.bookings.get_for_system(booking_id))


def expire(work: Work, booking: Booking) -> None:
    """Expire one hold."""
    expired = booking.expire()
    work.bookings.save(expired)
    work.give_seats(booking.items)
    work.outbox.add(*BookingExpired.of(expired, now=work.now))
    work.history.add("expired", expired, now=work.now)
