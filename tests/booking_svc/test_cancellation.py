"""What cancelling costs, by the policy's own data."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_svc.domain import cancellation
from booking_svc.domain.cancellation import POLICY, FeeTier
from booking_svc.domain.departure import DepartureState
from booking_svc.domain.errors import DepartureGone, IllegalState
from chassis.errors import InvalidInput
from tests.booking_svc.bookings import NOW, confirmed, held, item, leg

INSTANT = timedelta(microseconds=1)


@pytest.mark.parametrize("tier", POLICY, ids=str)
def test_each_tier_begins_at_its_own_moment(tier: FeeTier) -> None:
    if tier.before:
        assert fee_percent(tier.before) == tier.fee_percent
    assert fee_percent(tier.before + INSTANT) == tier.fee_percent


@pytest.mark.parametrize(("earlier", "later"), list(pairwise(POLICY)), ids=str)
def test_each_tier_ends_where_the_next_begins(earlier: FeeTier, later: FeeTier) -> None:
    assert fee_percent(earlier.before - INSTANT) == later.fee_percent


def test_the_policy_covers_all_time_before_the_departure_and_only_gets_dearer() -> None:
    assert POLICY[-1].before == timedelta(0)
    assert sorted(POLICY, key=lambda tier: tier.before, reverse=True) == list(POLICY)
    assert sorted(tier.fee_percent for tier in POLICY) == [tier.fee_percent for tier in POLICY]
    assert all(0 <= tier.fee_percent <= 100 for tier in POLICY)


def fee_percent(left: timedelta) -> int:
    """Cancel a ride of 100 this long before it leaves."""
    booked = confirmed(legs=(leg(leaves_in=left),), items=(item(price_minor=100),))
    return cancellation.quote(booked, [], now=NOW).fee_minor


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5), st.timedeltas(INSTANT, timedelta(days=400)))
def test_fee_and_refund_are_always_the_whole_price(prices: list[int], left: timedelta) -> None:
    items = tuple(item(place, price_minor=price) for place, price in enumerate(prices))
    quoted = cancellation.quote(confirmed(legs=(leg(leaves_in=left),), items=items), [], now=NOW)
    assert quoted.refund_minor + quoted.fee_minor == sum(prices)
    assert min(quoted.refund_minor, quoted.fee_minor) >= 0


def test_a_fee_is_rounded_down_in_the_rider_s_favour() -> None:
    quoted = cancellation.quote(confirmed(items=(item(price_minor=19),)), [], now=NOW)
    assert (quoted.fee_minor, quoted.refund_minor) == (1, 18)


def test_each_item_costs_what_its_own_leg_says() -> None:
    legs = (leg(0, leaves_in=timedelta(hours=3)), leg(1, leaves_in=timedelta(days=3)))
    booked = confirmed(legs=legs, items=(item(0), item(1, leg_index=1)))
    assert cancellation.quote(booked, [], now=NOW).fee_minor == 500 + 100
    assert cancellation.quote(booked, ["itm_1"], now=NOW).fee_minor == 100


@pytest.mark.parametrize("state", [DepartureState.CANCELLED, DepartureState.NOT_COMING])
@pytest.mark.parametrize("left", [timedelta(minutes=1), timedelta(days=-1)])
def test_what_does_not_run_is_refunded_in_full_whenever(state: DepartureState, left: timedelta) -> None:
    quoted = cancellation.quote(confirmed(legs=(leg(leaves_in=left, state=state),)), [], now=NOW)
    assert (quoted.fee_minor, quoted.refund_minor) == (0, 2000)


@pytest.mark.parametrize("left", [timedelta(0), -INSTANT])
def test_what_has_left_cannot_be_cancelled(left: timedelta) -> None:
    booked = confirmed(legs=(leg(leaves_in=left),))
    with pytest.raises(DepartureGone):
        cancellation.quote(booked, [], now=NOW)


def test_naming_no_items_means_all_that_are_left() -> None:
    partly = confirmed().cancel(["itm_0"], is_refunded=False)
    assert cancellation.quote(partly, [], now=NOW).item_ids == ("itm_1",)


@pytest.mark.parametrize("item_ids", [["itm_9"], ["itm_0"], ["itm_1", "itm_0"]])
def test_items_that_are_not_there_or_cancelled_already_are_refused(item_ids: list[str]) -> None:
    partly = confirmed().cancel(["itm_0"], is_refunded=False)
    with pytest.raises(InvalidInput) as refused:
        cancellation.quote(partly, item_ids, now=NOW)
    assert [error.pointer for error in refused.value.errors] == ["/item_ids"]


@pytest.mark.parametrize("made", [held(), held().expire(), confirmed().cancel(["itm_0"], is_refunded=True)])
def test_only_what_is_paid_and_settled_is_cancelled(made: object) -> None:
    with pytest.raises(IllegalState):
        cancellation.quote(made, [], now=NOW)


def test_an_item_named_twice_is_cancelled_once() -> None:
    assert cancellation.quote(confirmed(), ["itm_0", "itm_0"], now=NOW).refund_minor == 900


def test_another_policy_is_only_other_data() -> None:
    kind = (FeeTier(timedelta(0), 0),)
    assert cancellation.quote(confirmed(), [], now=NOW, policy=kind).fee_minor == 0
