from datetime import timedelta

import pytest

from booking_svc.domain.booking import Booking
from booking_svc.domain.errors import DepartureGone, IllegalState
from booking_svc.domain.quote import CancellationQuote
from booking_svc.queries.quote_cancellation import quote_cancellation
from booking_svc.store.work import Work
from booking_svc.use_cases.cancel_departures import cancel_departures
from chassis.access import Caller
from chassis.errors import InvalidInput, NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    FOREIGN_STAFF,
    OPERATOR,
    OTHER_RIDER,
    PRICE_MINOR,
    RIDER,
    STAFF,
    STARTS_AT,
    ask,
    commit,
    confirm,
    hold,
    passenger,
    publish,
)
from tests.clocks import FixedClock


def quote(store: Store[Work], booking: Booking, *item_ids: str, caller: Caller = RIDER) -> CancellationQuote:
    found: CancellationQuote = ask(
        store, quote_cancellation, caller=caller, booking_id=booking.id, item_ids=list(item_ids)
    )
    return found


@pytest.mark.parametrize(
    ("before", "fee_percent"), [(timedelta(days=2), 10), (timedelta(hours=3), 50), (timedelta(minutes=5), 100)]
)
def test_a_quote_is_what_the_policy_says_at_this_moment(
    store: Store[Work], clock: FixedClock, before: timedelta, fee_percent: int
) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 1), passengers=[passenger(), passenger()]))
    clock.advance((STARTS_AT - before - clock.now()).total_seconds())
    quoted = quote(store, paid)
    fee = 2 * PRICE_MINOR * fee_percent // 100
    assert (quoted.fee_minor, quoted.refund_minor, quoted.currency) == (fee, 2 * PRICE_MINOR - fee, "EUR")
    assert (quoted.booking_id, quoted.booking_version) == (paid.id, paid.version)
    assert quoted.item_ids == tuple(item.id for item in paid.items)


def test_a_quote_of_some_items_is_for_those_only(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 1), passengers=[passenger(), passenger()]))
    quoted = quote(store, paid, paid.items[1].id)
    assert quoted.item_ids == (paid.items[1].id,)
    assert quoted.refund_minor + quoted.fee_minor == PRICE_MINOR


def test_a_cancelled_departure_is_refunded_in_full(store: Store[Work]) -> None:
    departure = publish(store)
    paid = confirm(store, hold(store, (departure, 0, 1)))
    window = {"route_id": "", "starts_from": None, "starts_before": None, "is_dry_run": False}
    named = {"operator_id": OPERATOR, "departure_ids": [departure.id]}
    commit(store, cancel_departures, caller=STAFF, **named, **window)
    assert quote(store, paid).fee_minor == 0


def test_quoting_changes_nothing(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 1)))
    assert quote(store, paid) == quote(store, paid)


def test_what_cannot_be_cancelled_is_not_quoted(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    held = hold(store, (departure, 0, 1))
    with pytest.raises(IllegalState):
        quote(store, held)
    paid = confirm(store, held)
    with pytest.raises(InvalidInput):
        quote(store, paid, "itm_none")
    clock.advance((departure.starts_at - clock.now()).total_seconds())
    with pytest.raises(DepartureGone):
        quote(store, paid)


def test_only_its_rider_and_its_operator_s_staff_find_a_booking(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 1)))
    for caller in (OTHER_RIDER, FOREIGN_STAFF, Caller()):
        with pytest.raises(NotFound):
            quote(store, paid, caller=caller)
    assert quote(store, paid, caller=STAFF) == quote(store, paid)
