"""Record what the provider says of a charge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from booking_svc.domain import ledger
from booking_svc.domain.booking import Booking, Item
from booking_svc.domain.events import BookingConfirmed
from booking_svc.domain.payment import OPEN, Charge, ChargeState, Outcome
from booking_svc.store.work import Work
from chassis.writer import reads_ahead

IssueTicket = Callable[[Booking, Item, str], str]
"""Signs the code of a ticket: booking, item, ticket id."""


def read_ahead(work: Work, outcomes: Sequence[Mapping[str, Any]]) -> None:
    """Read in one go the charges that a group of outcomes is about, and their bookings."""
    charges = work.payments.read_ahead({outcome["charge_id"] for outcome in outcomes})
    work.bookings.read_ahead({charge.booking_id for charge in charges})


@reads_ahead(read_ahead)
def finish_payment(work: Work, *, charge_id: str, outcome: Outcome, issue_ticket: IssueTicket) -> Booking:
    """Bring a charge and its booking to what is known now; an outcome that is known already changes nothing."""
    charge = work.payments.get_charge(charge_id)
    booking = work.bookings.get_for_system(charge.booking_id)
    if charge.state not in OPEN or charge.state is outcome.state:
        return booking
    work.payments.save_charge(replace(charge, state=outcome.state, provider_charge_id=outcome.provider_charge_id))
    if outcome.state is ChargeState.CAPTURED:
        return confirm(work, booking, charge, issue_ticket)
    changed = after(booking, outcome)
    work.bookings.save(changed)
    if outcome.state is ChargeState.DECLINED:
        work.history.add("payment_declined", changed, now=work.now, item_ids=[])
    return changed


def after(booking: Booking, outcome: Outcome) -> Booking:
    """Return the booking after an outcome that is no payment."""
    if outcome.state is ChargeState.DECLINED:
        return booking.decline()
    if outcome.state is ChargeState.ACTION_REQUIRED:
        return booking.await_action(outcome.action_url)
    return booking.lose_sight_of_payment()


def confirm(work: Work, booking: Booking, charge: Charge, issue_ticket: IssueTicket) -> Booking:
    """Confirm a paid booking, give it its tickets and enter the money."""
    confirmed = booking.confirm(tuple(with_ticket(work, booking, item, issue_ticket) for item in booking.items))
    work.bookings.save(confirmed)
    work.ledger.add(
        ledger.captured(charge.amount_minor),
        cause_id=charge.id,
        booking_id=booking.id,
        currency=charge.currency,
        now=work.now,
    )
    work.outbox.add(*BookingConfirmed.of(confirmed, now=work.now))
    work.history.add("confirmed", confirmed, now=work.now, actor=charge.actor)
    return confirmed


def with_ticket(work: Work, booking: Booking, item: Item, issue_ticket: IssueTicket) -> Item:
    """Give an item its signed ticket."""
    ticket_id = work.new_id("tkt")
    return replace(item, ticket_id=ticket_id, ticket_code=issue_ticket(booking, item, ticket_id))
