"""Say what cancelling would refund."""

from collections.abc import Sequence

from booking_svc.domain import cancellation
from booking_svc.domain.quote import CancellationQuote
from booking_svc.store.work import Work
from chassis.access import Caller


def quote_cancellation(work: Work, *, caller: Caller, booking_id: str, item_ids: Sequence[str]) -> CancellationQuote:
    """Work out the refund and the fee of cancelling items now."""
    return cancellation.quote(work.bookings.get(booking_id, caller=caller), item_ids, now=work.now)
