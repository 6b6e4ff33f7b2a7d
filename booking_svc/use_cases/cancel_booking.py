"""Cancel items as quoted and owe the refund."""

from booking_svc.domain import cancellation, ledger
from booking_svc.domain.booking import Booking, BookingState
from booking_svc.domain.errors import QuoteChanged, QuoteInvalid
from booking_svc.domain.events import BookingCancelled
from booking_svc.domain.payment import Refund
from booking_svc.domain.quote import CancellationQuote
from booking_svc.store.work import Work
from chassis.access import Caller


def cancel_booking(work: Work, *, caller: Caller, booking_id: str, version: int, quote: CancellationQuote) -> Booking:
    """Give the seats back and write the refund down; the refund loop pays it out, once."""
    booking = work.bookings.get(booking_id, caller=caller)
    booking.expect_version(version)
    if quote.booking_id != booking.id:
        raise QuoteInvalid
    if quote.booking_version != booking.version and booking.state is BookingState.CONFIRMED:
        raise QuoteChanged
    # Refuses what can no longer be cancelled at all; the quoted price stands until it expires.
    cancellation.quote(booking, quote.item_ids, now=work.now)
    cancelled = booking.cancel(quote.item_ids, is_refunded=quote.refund_minor > 0)
    work.give_seats([item for item in booking.items if item.id in quote.item_ids])
    work.bookings.save(cancelled)
    owe(work, cancelled, quote)
    work.outbox.add(*BookingCancelled.of(cancelled, now=work.now))
    work.history.add(
        "cancelled",
        cancelled,
        now=work.now,
        actor=caller.subject,
        item_ids=quote.item_ids,
        amount_minor=quote.refund_minor,
    )
    return cancelled


def owe(work: Work, booking: Booking, quote: CancellationQuote) -> None:
    """Enter what is owed to the rider and what stays as a fee."""
    charge = work.payments.captured_charge(booking.id)
    refund = Refund(
        work.new_id("ref"),
        booking.id,
        charge.id,
        charge.provider_charge_id,
        quote.refund_minor,
        charge.currency,
        is_done=quote.refund_minor == 0,
    )
    work.payments.add_refund(refund)
    entries = ledger.cancelled(refund_minor=quote.refund_minor, fee_minor=quote.fee_minor)
    work.ledger.add(
        entries, cause_id=f"cancel_{refund.id}", booking_id=booking.id, currency=charge.currency, now=work.now
    )
