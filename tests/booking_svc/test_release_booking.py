import pytest

from booking_svc.domain.booking import Booking
from booking_svc.domain.errors import HoldExpired, IllegalState, StaleVersion
from booking_svc.domain.payment import ChargeState
from booking_svc.store.work import Work
from booking_svc.use_cases.release_booking import release_booking
from chassis.access import Caller
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    FOREIGN_STAFF,
    HOLD_SECONDS,
    OTHER_RIDER,
    RIDER,
    STAFF,
    begin,
    commit,
    confirm,
    events,
    finish,
    hold,
    passenger,
    publish,
    seats_free,
    see,
)
from tests.clocks import FixedClock


def release(store: Store[Work], booking: Booking, *, caller: Caller = RIDER, version: int = 0) -> Booking:
    found: Booking = commit(store, release_booking, caller=caller, booking_id=booking.id, version=version)
    return found


def test_released_seats_are_free_at_once_on_every_leg(store: Store[Work]) -> None:
    first, second = publish(store, seats=2), publish(store, seats=2)
    held = hold(store, (first, 0, 3), (second, 1, 2), passengers=[passenger(), passenger()])
    assert (seats_free(store, first), seats_free(store, second, 1, 2)) == (0, 0)
    released = release(store, held)
    assert (released.state, {item.state for item in released.items}) == ("released", {"released"})
    assert released == see(store, held)
    assert (seats_free(store, first), seats_free(store, second, 1, 2)) == (2, 2)
    assert hold(store, (first, 0, 3), passengers=[passenger("1"), passenger("2")]).state == "held"


def test_releasing_is_told_to_each_departure_with_its_seats(store: Store[Work]) -> None:
    first, second = publish(store), publish(store)
    held = hold(store, (first, 0, 1), (second, 0, 1))
    before = len(events(store))
    release(store, held)
    told = [[*event.subject.split(".")[2:4], event.subject.split(".")[-1]] for event in events(store)[before:]]
    for departure in (first, second):
        assert ["booking", "released", departure.id] in told
        assert ["availability", "changed", departure.id] in told
    assert len(told) == 4


def test_a_hold_whose_payment_was_declined_can_be_released(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 1))
    finish(store, begin(store, held), ChargeState.DECLINED)
    assert release(store, held).state == "released"


@pytest.mark.parametrize("state", [None, ChargeState.ACTION_REQUIRED, ChargeState.UNKNOWN])
def test_nothing_is_released_while_money_may_be_moving(store: Store[Work], state: ChargeState | None) -> None:
    departure = publish(store, seats=1)
    held = hold(store, (departure, 0, 3))
    charge = begin(store, held)
    if state is not None:
        finish(store, charge, state)
    with pytest.raises(IllegalState) as refused:
        release(store, held)
    assert refused.value.facts == {"state": "held", "available_actions": []}
    assert seats_free(store, departure) == 0


def test_a_confirmed_booking_is_not_released(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 1))
    confirm(store, held)
    with pytest.raises(IllegalState) as refused:
        release(store, held)
    assert refused.value.facts["available_actions"] == ["quote_cancellation", "cancel_booking"]


def test_a_booking_is_released_once(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 1))
    release(store, held)
    with pytest.raises(IllegalState):
        release(store, held)


def test_a_hold_that_is_over_is_not_released_whatever_version_was_seen(store: Store[Work], clock: FixedClock) -> None:
    held = hold(store, (publish(store), 0, 1))
    clock.advance(HOLD_SECONDS)
    seen = see(store, held)
    assert (seen.state, seen.version) == ("expired", 2)
    for version in (0, seen.version):
        with pytest.raises(HoldExpired):
            release(store, held, version=version)


def test_another_version_than_seen_is_refused(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 1))
    with pytest.raises(StaleVersion):
        release(store, held, version=2)
    assert release(store, held, version=1).version == 2


def test_only_its_rider_and_its_operator_s_staff_find_a_booking(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 1))
    for caller in (OTHER_RIDER, FOREIGN_STAFF, Caller()):
        with pytest.raises(NotFound):
            release(store, held, caller=caller)
    assert release(store, held, caller=STAFF).state == "released"
