from datetime import timedelta

import pytest

from booking_svc.domain.payment import ChargeState
from booking_svc.store.bookings import BOOKINGS
from booking_svc.store.work import Work
from booking_svc.use_cases.expire_holds import HOLDS_A_STEP, ITEMS_A_STEP, expire_holds
from chassis.store import Store
from tests.booking_svc.builders import (
    HOLD_SECONDS,
    begin,
    commit,
    confirm,
    events,
    finish,
    hold,
    passenger,
    publish,
    rows,
    seats_free,
    see,
)
from tests.clocks import FixedClock


def states(store: Store[Work]) -> list[str]:
    return [row.state for row in rows(store, BOOKINGS)]


def test_a_hold_expires_at_its_moment_and_not_before(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=2)
    held = hold(store, (departure, 0, 3))
    clock.advance(HOLD_SECONDS - 0.000001)
    assert commit(store, expire_holds) == 0
    clock.advance(0.000001)
    assert commit(store, expire_holds) == 1
    assert commit(store, expire_holds) == 0
    assert states(store) == ["expired"]
    assert see(store, held).items[0].state == "expired"
    assert seats_free(store, departure) == 2


def test_what_riders_saw_before_is_what_is_stored_after(store: Store[Work], clock: FixedClock) -> None:
    held = hold(store, (publish(store), 0, 3))
    clock.advance(HOLD_SECONDS)
    seen = see(store, held)
    commit(store, expire_holds)
    assert see(store, held) == seen


def test_expiring_is_told_with_the_seats(store: Store[Work], clock: FixedClock) -> None:
    first, second = publish(store), publish(store)
    hold(store, (first, 0, 3), (second, 0, 3))
    clock.advance(HOLD_SECONDS)
    before = len(events(store))
    commit(store, expire_holds)
    facts = sorted(".".join(event.subject.split(".")[2:4]) for event in events(store)[before:])
    assert facts == ["availability.changed"] * 2 + ["booking.expired"] * 2


@pytest.mark.parametrize("state", [None, ChargeState.ACTION_REQUIRED, ChargeState.UNKNOWN])
def test_nothing_expires_while_money_may_be_moving(
    store: Store[Work], clock: FixedClock, state: ChargeState | None
) -> None:
    charge = begin(store, hold(store, (publish(store), 0, 3)))
    if state is not None:
        finish(store, charge, state)
    clock.advance(timedelta(days=7).total_seconds())
    assert commit(store, expire_holds) == 0
    finish(store, charge, ChargeState.DECLINED)
    assert commit(store, expire_holds) == 1


def test_what_is_paid_never_expires(store: Store[Work], clock: FixedClock) -> None:
    confirm(store, hold(store, (publish(store), 0, 3)))
    clock.advance(timedelta(days=7).total_seconds())
    assert commit(store, expire_holds) == 0


def test_a_step_takes_some_holds_those_first_that_are_over_the_longest(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    oldest = hold(store, (departure, 0, 1))
    clock.advance(1)
    for _ in range(HOLDS_A_STEP):
        hold(store, (departure, 0, 1))
    clock.advance(HOLD_SECONDS)
    assert commit(store, expire_holds) == HOLDS_A_STEP
    assert sorted(states(store)) == ["expired"] * HOLDS_A_STEP + ["held"]
    assert next(row.state for row in rows(store, BOOKINGS) if row.id == oldest.id) == "expired"
    assert commit(store, expire_holds) == 1


def test_a_step_takes_fewer_holds_when_they_are_large(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=ITEMS_A_STEP * 3)
    for _ in range(3):
        hold(store, (departure, 0, 1), passengers=[passenger() for _ in range(ITEMS_A_STEP)])
    clock.advance(HOLD_SECONDS)
    assert [commit(store, expire_holds) for _ in range(4)] == [1, 1, 1, 0]
