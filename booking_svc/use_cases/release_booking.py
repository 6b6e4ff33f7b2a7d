"""Give the seats of a hold back before it expires."""

from booking_svc.domain.booking import Booking
from booking_svc.domain.events import BookingReleased
from booking_svc.store.work import Work
from chassis.access import Caller


def release_booking(work: Work, *, caller: Caller, booking_id: str, version: int) -> Booking:
    """Release a hold; its seats are free at once."""
    booking = work.bookings.get(booking_id, caller=caller)
    booking.expect_version(version)
    released = booking.release(now=work.now)
    work.give_seats(booking.items)
    work.bookings.save(released)
    work.outbox.add(*BookingReleased.of(released, now=work.now))
    work.history.add("released", released, now=work.now, actor=caller.subject)
    return released
