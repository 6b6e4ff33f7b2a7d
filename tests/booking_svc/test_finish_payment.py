"""What is known of a charge for good is not changed by whatever is said later."""

import pytest

from booking_svc.domain.payment import Charge, ChargeState
from booking_svc.store.payments import CHARGES
from booking_svc.store.work import Work
from chassis.store import Store
from tests.booking_svc.builders import account_balances, ask, begin, cancel, events, finish, hold, publish, rows, see

FINAL = (ChargeState.CAPTURED, ChargeState.DECLINED)
OPEN = (ChargeState.ACTION_REQUIRED, ChargeState.UNKNOWN)


def begun(store: Store[Work]) -> Charge:
    return begin(store, hold(store, (publish(store), 0, 3)))


@pytest.mark.parametrize("first", FINAL)
@pytest.mark.parametrize("later", [*FINAL, *OPEN])
def test_the_end_is_the_end(store: Store[Work], first: ChargeState, later: ChargeState) -> None:
    charge = begun(store)
    finish(store, charge, first)
    before = see(store, charge.booking_id), len(events(store)), rows(store, CHARGES)
    finish(store, charge, later)
    assert (see(store, charge.booking_id), len(events(store)), rows(store, CHARGES)) == before


@pytest.mark.parametrize("first", OPEN)
@pytest.mark.parametrize("later", FINAL)
def test_what_was_open_may_end_either_way(store: Store[Work], first: ChargeState, later: ChargeState) -> None:
    charge = begun(store)
    finish(store, charge, first)
    assert finish(store, charge, later).payment_state == later.value


@pytest.mark.parametrize("state", OPEN)
def test_hearing_the_same_again_is_no_new_version(store: Store[Work], state: ChargeState) -> None:
    charge = begun(store)
    assert finish(store, charge, state) == finish(store, charge, state)


def test_money_is_entered_once(store: Store[Work]) -> None:
    charge = begun(store)
    for _ in range(2):
        finish(store, charge, ChargeState.CAPTURED)
    assert ask(store, account_balances) == {("provider", "EUR"): 1250, ("sales", "EUR"): -1250}


def test_a_late_word_does_not_revive_what_was_cancelled(store: Store[Work]) -> None:
    charge = begun(store)
    finish(store, charge, ChargeState.CAPTURED)
    cancelled = cancel(store, charge.booking_id)
    assert finish(store, charge, ChargeState.CAPTURED) == cancelled
