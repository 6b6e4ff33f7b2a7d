"""Give back the seats of holds whose time is up."""

from collections.abc import Collection, Iterable

from booking_svc.domain.events import BookingExpired
from booking_svc.domain.occupancy import Lapsed
from booking_svc.store.work import Work

HOLDS_A_STEP = 20
ITEMS_A_STEP = 50


def expire_holds(work: Work) -> int:
    """Expire some holds, those first that have been over the longest; return how many, 0 when none is left."""
    chosen: list[str] = []
    items = 0
    for booking_id, size in work.bookings.lapsed(limit=HOLDS_A_STEP):
        if items < ITEMS_A_STEP:
            chosen.append(booking_id)
        items += size
    expire(work, chosen)
    return len(chosen)


def expire_in_the_way(work: Work, lapsed: Iterable[Lapsed], *, seats: Collection[int], ride: int) -> None:
    """Expire the holds that still cover seats which somebody takes now."""
    expire(work, {one.booking_id for one in lapsed if one.seat_index in seats and one.ride & ride})


def expire(work: Work, booking_ids: Collection[str]) -> None:
    """Expire holds and give their seats back, all in one go."""
    over = work.bookings.get_many_for_system(booking_ids)
    if not over:
        return
    expired = [booking.expire() for booking in over]
    work.give_seats([item for booking in over for item in booking.items])
    work.bookings.save(*expired)
    work.outbox.add(*(event for booking in expired for event in BookingExpired.of(booking, now=work.now)))
    for booking in expired:
        work.history.add("expired", booking, now=work.now)
