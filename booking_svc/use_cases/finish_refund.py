"""Record that a refund is paid out."""

from booking_svc.domain import ledger
from booking_svc.store.work import Work


def finish_refund(work: Work, *, refund_id: str) -> None:
    """Enter a refund that the provider has made; once."""
    refund = work.payments.get_refund(refund_id)
    if refund.is_done:
        return
    work.payments.finish_refund(refund.id)
    work.ledger.add(
        ledger.refunded(refund.amount_minor),
        cause_id=refund.id,
        booking_id=refund.booking_id,
        currency=refund.currency,
        now=work.now,
    )
    booking = work.bookings.get_for_system(refund.booking_id).refunded()
    work.bookings.save(booking)
    work.history.add("refunded", booking, now=work.now, item_ids=[], amount_minor=refund.amount_minor)
