import pytest

from booking_svc.domain.booking import Booking
from booking_svc.domain.payment import ChargeState
from booking_svc.queries.get_booking_history import get_booking_history
from booking_svc.store.history import HistoryEntry
from booking_svc.store.work import Work
from booking_svc.use_cases.expire_holds import expire_holds
from booking_svc.use_cases.release_booking import release_booking
from chassis.access import Caller
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    FOREIGN_STAFF,
    HOLD_SECONDS,
    OTHER_RIDER,
    PRICE_MINOR,
    RIDER,
    STAFF,
    ask,
    begin,
    cancel,
    commit,
    confirm,
    finish,
    hold,
    passenger,
    pay_back,
    publish,
)
from tests.clocks import FixedClock


def history(store: Store[Work], booking: Booking, *, caller: Caller = RIDER) -> list[HistoryEntry]:
    found: list[HistoryEntry] = ask(store, get_booking_history, caller=caller, booking_id=booking.id)
    return found


def test_everything_that_happened_is_told_oldest_first_with_who_did_it(store: Store[Work], clock: FixedClock) -> None:
    held = hold(store, (publish(store), 0, 1), passengers=[passenger(), passenger()])
    finish(store, begin(store, held), ChargeState.DECLINED)
    clock.advance(60)
    confirm(store, held)
    cancel(store, held, [held.items[0].id], caller=STAFF)
    pay_back(store, held)
    both, first = tuple(item.id for item in held.items), (held.items[0].id,)
    total, refund = 2 * PRICE_MINOR, PRICE_MINOR - PRICE_MINOR // 10
    told = [(entry.fact, entry.actor, entry.item_ids, entry.amount_minor) for entry in history(store, held)]
    assert told == [
        ("held", "usr_rider", both, total),
        ("payment_declined", "system", (), total),
        ("confirmed", "usr_rider", both, total),
        ("cancelled", "usr_staff", first, refund),
        ("refunded", "system", (), refund),
    ]
    times = [entry.occurred_at for entry in history(store, held)]
    assert times == sorted(times)
    assert (times[2] - times[1]).total_seconds() == 60


def test_release_and_expiry_are_told(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    released, expired = hold(store, (departure, 0, 1)), hold(store, (departure, 0, 1))
    commit(store, release_booking, caller=RIDER, booking_id=released.id, version=0)
    clock.advance(HOLD_SECONDS)
    commit(store, expire_holds)
    assert [(entry.fact, entry.actor) for entry in history(store, released)][1:] == [("released", "usr_rider")]
    assert [(entry.fact, entry.actor) for entry in history(store, expired)][1:] == [("expired", "system")]


def test_only_its_rider_and_its_operator_s_staff_find_it(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 1))
    for caller in (OTHER_RIDER, FOREIGN_STAFF, Caller()):
        with pytest.raises(NotFound):
            history(store, held, caller=caller)
    assert history(store, held, caller=STAFF) == history(store, held)
