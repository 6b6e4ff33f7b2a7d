"""Open a charge for a hold, before the provider is asked."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from booking_svc.domain.booking import UNDER_WAY, Booking, BookingState
from booking_svc.domain.errors import PaymentUnderWay
from booking_svc.domain.payment import Charge, ChargeState
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.replies import Once
from chassis.writer import reads_ahead

ACTION_GRACE = timedelta(minutes=5)
"""What a rider who is at the bank gets beyond the end of the hold."""


def read_ahead(work: Work, payments: Sequence[Mapping[str, Any]]) -> None:
    """Read in one go the bookings that a group of payments is for."""
    work.bookings.read_ahead({payment["booking_id"] for payment in payments})


@reads_ahead(read_ahead)
def begin_payment(
    work: Work, *, caller: Caller, booking_id: str, version: int, waiting: Once
) -> tuple[Booking, Charge]:
    """Write down that a charge is about to be made, and for which request; from now on the hold cannot expire."""
    booking = work.bookings.get(booking_id, caller=caller)
    booking.expect_version(version)
    if booking.state is BookingState.HELD and booking.payment_state in UNDER_WAY:
        raise PaymentUnderWay
    paying = booking.begin_payment(now=work.now)
    charge = Charge(
        work.new_id("chg"),
        booking.id,
        booking.total_minor,
        booking.currency,
        ChargeState.PROCESSING,
        "",
        waiting.digest,
        waiting.fingerprint,
        caller.subject,
        work.now,
        (booking.hold_expires_at or work.now) + ACTION_GRACE,
    )
    work.payments.add_charge(charge)
    work.bookings.save(paying)
    return paying, charge
