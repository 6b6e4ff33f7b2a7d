from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from booking_svc.domain.booking import Booking
from booking_svc.domain.errors import DepartureGone, IllegalState, QuoteChanged, QuoteInvalid, StaleVersion
from booking_svc.domain.quote import CancellationQuote
from booking_svc.queries.quote_cancellation import quote_cancellation
from booking_svc.store.payments import REFUNDS
from booking_svc.store.work import Work
from booking_svc.use_cases.cancel_booking import cancel_booking
from chassis.access import Caller
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    FOREIGN_STAFF,
    OTHER_RIDER,
    PRICE_MINOR,
    RIDER,
    STARTS_AT,
    account_balances,
    ask,
    cancel,
    commit,
    confirm,
    events,
    hold,
    passenger,
    pay_back,
    publish,
    rows,
    seats_free,
    see,
)
from tests.clocks import FixedClock


def quote(store: Store[Work], booking: Booking, *item_ids: str) -> CancellationQuote:
    found: CancellationQuote = ask(
        store, quote_cancellation, caller=RIDER, booking_id=booking.id, item_ids=list(item_ids)
    )
    return found


def cancel_as(store: Store[Work], booking: Booking, quoted: CancellationQuote, **changes: Any) -> Booking:
    usual = {"caller": RIDER, "booking_id": booking.id, "version": 0, "quote": quoted}
    found: Booking = commit(store, cancel_booking, **(usual | changes))
    return found


def balances(store: Store[Work]) -> dict[str, int]:
    found = ask(store, account_balances)
    assert sum(found.values()) == 0
    return {account: amount for (account, _), amount in found.items()}


def test_cancelling_gives_the_seats_back_and_owes_the_refund(store: Store[Work]) -> None:
    departure = publish(store, seats=2)
    paid = confirm(store, hold(store, (departure, 0, 3), passengers=[passenger(), passenger()]))
    cancelled = cancel(store, paid)
    assert (cancelled.state, cancelled.payment_state) == ("cancelled", "processing")
    assert {item.state for item in cancelled.items} == {"cancelled"}
    assert seats_free(store, departure) == 2
    (refund,) = rows(store, REFUNDS)
    fee = 2 * PRICE_MINOR // 10
    assert (refund.amount_minor, refund.is_done) == (2 * PRICE_MINOR - fee, False)
    assert balances(store) == {
        "provider": 2 * PRICE_MINOR,
        "sales": 0,
        "fees": -fee,
        "refunds_due": fee - 2 * PRICE_MINOR,
    }


def test_a_refund_that_is_paid_leaves_the_fee(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 3)))
    cancel(store, paid)
    pay_back(store, paid)
    assert see(store, paid).payment_state == "refunded"
    assert balances(store) == {"provider": 125, "sales": 0, "fees": -125, "refunds_due": 0}


def test_some_items_first_and_the_rest_later_give_back_everything_but_the_fees(store: Store[Work]) -> None:
    departure = publish(store, seats=3)
    paid = confirm(store, hold(store, (departure, 0, 3), passengers=[passenger(), passenger(), passenger()]))
    partly = cancel(store, paid, [paid.items[1].id])
    assert [item.state for item in partly.items] == ["confirmed", "cancelled", "confirmed"]
    assert (partly.state, seats_free(store, departure)) == ("confirmed", 1)
    pay_back(store, paid)
    assert see(store, paid).payment_state == "captured"
    whole = cancel(store, paid)
    assert (whole.state, seats_free(store, departure)) == ("cancelled", 3)
    pay_back(store, paid)
    assert see(store, paid).payment_state == "refunded"
    assert sum(refund.amount_minor for refund in rows(store, REFUNDS)) == 3 * (PRICE_MINOR - PRICE_MINOR // 10)
    assert balances(store) == {"provider": 375, "sales": 0, "fees": -375, "refunds_due": 0}


def test_a_second_cancellation_waits_for_the_first_refund(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 3), passengers=[passenger(), passenger()]))
    cancel(store, paid, [paid.items[0].id])
    with pytest.raises(IllegalState) as refused:
        cancel(store, paid)
    assert refused.value.facts == {"state": "confirmed", "available_actions": []}


def test_a_fee_of_the_whole_price_leaves_nothing_to_refund(store: Store[Work], clock: FixedClock) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 3)))
    clock.advance((STARTS_AT - timedelta(hours=1) - clock.now()).total_seconds())
    cancelled = cancel(store, paid)
    assert (cancelled.state, cancelled.payment_state) == ("cancelled", "captured")
    (refund,) = rows(store, REFUNDS)
    assert (refund.amount_minor, refund.is_done) == (0, True)
    assert balances(store) == {"provider": 1250, "sales": 0, "fees": -1250, "refunds_due": 0}


def test_a_quoted_refund_stands_while_the_quote_does(store: Store[Work], clock: FixedClock) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 3)))
    clock.advance((STARTS_AT - timedelta(hours=24) - clock.now()).total_seconds())
    quoted = quote(store, paid)
    clock.advance(300)
    assert quote(store, paid).refund_minor < quoted.refund_minor
    cancel_as(store, paid, quoted)
    (refund,) = rows(store, REFUNDS)
    assert refund.amount_minor == quoted.refund_minor


def test_cancelling_is_told_with_the_seats(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 3)))
    before = len(events(store))
    cancel(store, paid)
    assert sorted(event.subject.split(".")[2] for event in events(store)[before:]) == ["availability", "booking"]


def test_a_quote_of_an_older_version_is_changed(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 3), passengers=[passenger(), passenger()]))
    old = quote(store, paid, paid.items[0].id)
    cancel(store, paid, [paid.items[1].id])
    pay_back(store, paid)
    with pytest.raises(QuoteChanged):
        cancel_as(store, paid, old)


def test_a_quote_of_another_booking_is_invalid(store: Store[Work]) -> None:
    departure = publish(store)
    one, other = (confirm(store, hold(store, (departure, 0, 3))) for _ in range(2))
    with pytest.raises(QuoteInvalid):
        cancel_as(store, one, quote(store, other))


def test_a_quote_is_used_once(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 3)))
    quoted = quote(store, paid)
    cancel_as(store, paid, quoted)
    pay_back(store, paid)
    with pytest.raises(IllegalState):
        cancel_as(store, paid, quoted)
    assert len(rows(store, REFUNDS)) == 1


def test_what_has_left_since_the_quote_is_not_cancelled(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    paid = confirm(store, hold(store, (departure, 0, 3)))
    quoted = quote(store, paid)
    clock.advance((departure.starts_at - clock.now()).total_seconds())
    with pytest.raises(DepartureGone):
        cancel_as(store, paid, quoted)


def test_another_version_than_seen_is_refused(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 3)))
    with pytest.raises(StaleVersion):
        cancel_as(store, paid, quote(store, paid), version=paid.version - 1)


@pytest.mark.parametrize("caller", [OTHER_RIDER, FOREIGN_STAFF, Caller()])
def test_foreign_and_absent_bookings_are_alike(store: Store[Work], caller: Caller) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 3)))
    quoted = quote(store, paid)
    with pytest.raises(NotFound):
        cancel_as(store, paid, quoted, caller=caller)
    with pytest.raises(NotFound):
        cancel_as(store, replace(paid, id="bkg_none"), quoted, caller=caller)
