"""What may become of a booking, and what may not, state by state."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from booking_svc.domain.booking import Booking, BookingState, ItemState, PaymentState
from booking_svc.domain.departure import DepartureState
from booking_svc.domain.errors import DepartureCancelled, HoldExpired, IllegalState, StaleVersion
from tests.booking_svc.bookings import HOLD_UNTIL, NOW, confirmed, held, item, leg

LATER = HOLD_UNTIL


def paying() -> Booking:
    return held().begin_payment(now=NOW)


MADE: dict[str, Callable[[], Booking]] = {
    "held": held,
    "processing": paying,
    "action_required": lambda: paying().await_action("https://bank.example"),
    "unknown": lambda: paying().lose_sight_of_payment(),
    "declined": lambda: paying().decline(),
    "confirmed": confirmed,
    "refunding": lambda: confirmed().cancel(["itm_0"], is_refunded=True),
    "cancelled": lambda: confirmed().cancel(["itm_0", "itm_1"], is_refunded=True).refunded(),
    "released": lambda: held().release(now=NOW),
    "expired": lambda: held().expire(),
    "over": lambda: held(hold_expires_at=NOW),
    "declined_over": lambda: held(hold_expires_at=NOW, payment_state=PaymentState.DECLINED),
    "unknown_over": lambda: held(hold_expires_at=NOW, payment_state=PaymentState.UNKNOWN),
}
PAYABLE = {"held", "declined"}
OVER = {"expired", "over", "declined_over"}
MONEY_MOVING = {"processing", "action_required", "unknown", "unknown_over", "refunding"}
CANCELLABLE = {"confirmed", "refunding"}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("act", [lambda made: made.begin_payment(now=NOW), lambda made: made.release(now=NOW)])
def test_only_a_live_hold_without_money_moving_is_paid_for_or_released(
    name: str, act: Callable[[Booking], Booking]
) -> None:
    before = MADE[name]()
    if name in PAYABLE:
        assert act(before).version == before.version + 1
    else:
        with pytest.raises(HoldExpired if name in OVER else IllegalState) as refused:
            act(before)
        assert refused.value.facts["state"] == before.as_of(NOW).state


@pytest.mark.parametrize("name", MADE)
def test_only_a_confirmed_booking_is_cancelled(name: str) -> None:
    before = MADE[name]()
    if name in CANCELLABLE:
        assert before.cancel(["itm_1"], is_refunded=False).items[1].state is ItemState.CANCELLED
    else:
        with pytest.raises(IllegalState):
            before.cancel(["itm_1"], is_refunded=False)


@pytest.mark.parametrize("name", MADE)
def test_actions_are_named_exactly_when_they_would_be_accepted(name: str) -> None:
    actions = MADE[name]().as_of(NOW).available_actions(NOW)
    if name in PAYABLE:
        assert actions == ["confirm_booking", "release_booking"]
    elif name == "confirmed":
        assert actions == ["quote_cancellation", "cancel_booking"]
    else:
        assert actions == []


@pytest.mark.parametrize("name", MADE)
def test_a_hold_is_over_at_its_time_unless_money_may_be_moving(name: str) -> None:
    stored = MADE[name]()
    seen = stored.as_of(NOW)
    if name in ("over", "declined_over"):
        assert (seen.state, {one.state for one in seen.items}) == (BookingState.EXPIRED, {ItemState.EXPIRED})
        assert seen == stored.expire()
    else:
        assert seen is stored


def test_a_hold_lasts_up_to_but_not_at_its_last_moment() -> None:
    assert held().as_of(LATER - timedelta(microseconds=1)).state is BookingState.HELD
    assert held().as_of(LATER).state is BookingState.EXPIRED


@pytest.mark.parametrize("name", MADE)
def test_seats_come_free_by_themselves_only_while_nobody_pays(name: str) -> None:
    made = MADE[name]()
    is_waiting = name in {"held", "declined", "over", "declined_over"}
    assert made.seats_expire_at == (made.hold_expires_at if is_waiting else None)


def test_confirming_keeps_the_seats_for_good_and_gives_every_item_its_ticket() -> None:
    made = confirmed()
    assert (made.state, made.payment_state) == (BookingState.CONFIRMED, PaymentState.CAPTURED)
    assert made.hold_expires_at is None
    assert {one.state for one in made.items} == {ItemState.CONFIRMED}


def test_a_declined_payment_leaves_the_hold_as_it_was() -> None:
    declined = paying().decline()
    assert (declined.state, declined.hold_expires_at) == (BookingState.HELD, HOLD_UNTIL)
    assert declined.payment_state is PaymentState.DECLINED


def test_the_bank_s_address_is_gone_when_the_rider_has_been_there() -> None:
    waiting = MADE["action_required"]()
    assert waiting.action_url == "https://bank.example"
    assert waiting.decline().action_url == ""
    assert waiting.confirm(waiting.items).action_url == ""


def test_a_booking_with_items_left_stays_confirmed_and_captured() -> None:
    partly = confirmed().cancel(["itm_0"], is_refunded=True)
    assert (partly.state, partly.payment_state) == (BookingState.CONFIRMED, PaymentState.PROCESSING)
    assert partly.refunded().payment_state is PaymentState.CAPTURED
    assert [one.id for one in partly.live_items] == ["itm_1"]


def test_a_booking_without_items_left_is_cancelled_and_refunded() -> None:
    whole = confirmed().cancel(["itm_0", "itm_1"], is_refunded=True)
    assert whole.state is BookingState.CANCELLED
    assert whole.refunded().payment_state is PaymentState.REFUNDED


def test_cancelling_without_a_refund_moves_no_money() -> None:
    assert confirmed().cancel(["itm_0"], is_refunded=False).payment_state is PaymentState.CAPTURED


def test_every_change_is_a_new_version() -> None:
    versions = [held().version, paying().version, paying().decline().version, confirmed().version]
    assert versions == [1, 2, 3, 3]


def test_acting_on_another_version_than_seen_is_refused_unless_none_was_seen() -> None:
    confirmed().expect_version(0)
    confirmed().expect_version(3)
    with pytest.raises(StaleVersion) as refused:
        confirmed().expect_version(2)
    assert refused.value.facts == {"version": 3}


def test_nobody_pays_for_a_departure_that_does_not_run() -> None:
    stopped = held(legs=(leg(), leg(1, state=DepartureState.CANCELLED)))
    with pytest.raises(DepartureCancelled) as refused:
        stopped.begin_payment(now=NOW)
    assert refused.value.facts == {"departure_id": "dep_1"}
    assert stopped.available_actions(NOW) == ["release_booking"]
    assert stopped.release(now=NOW).state is BookingState.RELEASED


@pytest.mark.parametrize(
    ("legs", "is_cancellable"),
    [
        ((leg(leaves_in=timedelta(0)),), False),
        ((leg(leaves_in=timedelta(0), state=DepartureState.CANCELLED),), True),
        ((leg(leaves_in=timedelta(seconds=1)),), True),
    ],
)
def test_what_has_left_is_not_cancelled_but_what_never_ran_is(legs: tuple, is_cancellable: bool) -> None:
    assert bool(confirmed(legs=legs).available_actions(NOW)) == is_cancellable


def test_a_leg_whose_items_are_cancelled_makes_nothing_cancellable() -> None:
    legs = (leg(0, leaves_in=timedelta(0)), leg(1))
    both = confirmed(legs=legs, items=(item(0), item(1, leg_index=1, departure_id="dep_1")))
    assert both.available_actions(NOW)
    assert both.cancel(["itm_1"], is_refunded=False).available_actions(NOW) == []


def test_the_total_is_the_sum_of_the_items() -> None:
    assert held(items=(item(0, price_minor=1), item(1, price_minor=20), item(2, price_minor=300))).total_minor == 321
