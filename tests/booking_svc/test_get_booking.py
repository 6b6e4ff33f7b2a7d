from datetime import timedelta

import pytest

from booking_svc.domain.departure import OVER_AFTER
from booking_svc.domain.errors import IllegalState
from booking_svc.queries.get_booking import get_booking
from booking_svc.queries.list_bookings import list_bookings
from booking_svc.queries.quote_cancellation import quote_cancellation
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    ADMIN,
    FOREIGN_STAFF,
    HOLD_SECONDS,
    OPERATOR,
    OTHER_RIDER,
    RIDER,
    STAFF,
    STARTS_AT,
    ask,
    begin,
    confirm,
    hold,
    passenger,
    publish,
    see,
)
from tests.clocks import FixedClock


def test_a_booking_reads_back_as_it_was_answered(store: Store[Work]) -> None:
    first, second = publish(store), publish(store)
    held = hold(store, (first, 0, 2), (second, 1, 3), passengers=[passenger("5A", ""), passenger()])
    assert see(store, held) == held
    paid = confirm(store, held)
    assert see(store, paid) == paid


@pytest.mark.parametrize("caller", [RIDER, STAFF, ADMIN], ids=lambda caller: caller.subject)
def test_its_rider_and_its_operator_s_staff_see_it(store: Store[Work], caller: Caller) -> None:
    held = hold(store, (publish(store), 0, 1))
    assert see(store, held, caller=caller) == held


STAFF_WITHOUT_SCOPE = Caller("usr_staff", frozenset({"bookings"}), operator_id=OPERATOR)
STAFF_OF_NOBODY = Caller("usr_staff", frozenset({"bookings:all"}), operator_id="")


@pytest.mark.parametrize("caller", [OTHER_RIDER, FOREIGN_STAFF, Caller(), STAFF_WITHOUT_SCOPE, STAFF_OF_NOBODY])
def test_to_anybody_else_it_is_as_absent_as_none(store: Store[Work], caller: Caller) -> None:
    held = hold(store, (publish(store), 0, 1))
    refusals = []
    for booking_id in (held.id, "bkg_none"):
        with pytest.raises(NotFound) as refused:
            ask(store, get_booking, caller=caller, booking_id=booking_id)
        refusals.append((refused.value.reason, refused.value.detail, refused.value.facts))
    assert refusals[0] == refusals[1]


def test_a_booking_of_nobody_is_nobody_s(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 1), caller=Caller())
    with pytest.raises(NotFound):
        see(store, held, caller=Caller())


def test_a_hold_is_shown_as_expired_from_its_last_moment_on(store: Store[Work], clock: FixedClock) -> None:
    held = hold(store, (publish(store), 0, 1))
    clock.advance(HOLD_SECONDS - 0.000001)
    assert see(store, held) == held
    clock.advance(0.000001)
    seen = see(store, held)
    assert (seen.state, seen.items[0].state, seen.hold_expires_at) == ("expired", "expired", None)
    assert seen.version == held.version + 1


def test_a_hold_that_is_being_paid_is_shown_as_held(store: Store[Work], clock: FixedClock) -> None:
    held = hold(store, (publish(store), 0, 1))
    begin(store, held)
    clock.advance(HOLD_SECONDS)
    assert see(store, held).state == "held"


def test_a_booking_is_completed_with_the_last_departure_that_it_has_seats_on(
    store: Store[Work], clock: FixedClock
) -> None:
    first, second = publish(store), publish(store, starts_at=STARTS_AT + timedelta(days=1))
    paid = confirm(store, hold(store, (first, 0, 1), (second, 0, 1)))
    clock.set(first.ends_at + OVER_AFTER)
    seen = see(store, paid)
    assert (seen.state, [leg.state for leg in seen.legs]) == ("confirmed", ["completed", "scheduled"])
    clock.set(second.ends_at + OVER_AFTER)
    seen = see(store, paid)
    assert (seen.state, seen.version, seen.available_actions(clock.now())) == ("completed", paid.version, [])
    (listed,) = ask(store, list_bookings, caller=RIDER, departure_id="", cursor="", limit=1)
    assert listed == seen
    with pytest.raises(IllegalState) as refused:
        ask(store, quote_cancellation, caller=RIDER, booking_id=paid.id, item_ids=[])
    assert refused.value.facts["state"] == "completed"
