import pytest

from booking_svc.queries.list_bookings import list_bookings
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import Forbidden
from chassis.store import Store
from tests.booking_svc.builders import (
    ADMIN,
    FOREIGN_STAFF,
    HOLD_SECONDS,
    OTHER_OPERATOR,
    OTHER_RIDER,
    RIDER,
    STAFF,
    ask,
    hold,
    publish,
)
from tests.clocks import FixedClock


def listed(
    store: Store[Work], *, caller: Caller = RIDER, departure_id: str = "", cursor: str = "", limit: int = 50
) -> list[str]:
    page = {"departure_id": departure_id, "cursor": cursor, "limit": limit}
    return [booking.id for booking in ask(store, list_bookings, caller=caller, **page)]


def test_riders_see_their_own_newest_first(store: Store[Work]) -> None:
    departure = publish(store)
    mine = [hold(store, (departure, 0, 1)).id for _ in range(3)]
    theirs = hold(store, (departure, 0, 1), caller=OTHER_RIDER).id
    assert listed(store) == sorted(mine, reverse=True)
    assert listed(store, caller=OTHER_RIDER) == [theirs]
    assert listed(store, caller=Caller()) == []


def test_pages_hold_every_booking_once(store: Store[Work]) -> None:
    departure = publish(store)
    mine = {hold(store, (departure, 0, 1)).id for _ in range(5)}
    seen: list[str] = []
    while page := listed(store, cursor=seen[-1] if seen else "", limit=2):
        seen += page
    assert (len(seen), set(seen)) == (5, mine)


def test_staff_see_everybody_on_a_departure_of_their_operator(store: Store[Work]) -> None:
    departure, other = publish(store), publish(store)
    foreign = publish(store, operator_id=OTHER_OPERATOR)
    on_board = {hold(store, (departure, 0, 1), caller=caller).id for caller in (RIDER, OTHER_RIDER)}
    hold(store, (other, 0, 1))
    elsewhere = hold(store, (foreign, 0, 1))
    assert set(listed(store, caller=STAFF, departure_id=departure.id)) == on_board
    assert set(listed(store, caller=ADMIN, departure_id=departure.id)) == on_board
    assert listed(store, caller=FOREIGN_STAFF, departure_id=departure.id) == []
    assert listed(store, caller=STAFF, departure_id=foreign.id) == []
    assert listed(store, caller=FOREIGN_STAFF, departure_id=foreign.id) == [elsewhere.id]
    assert listed(store, caller=STAFF, departure_id="dep_none") == []


def test_staff_without_a_departure_see_their_own(store: Store[Work]) -> None:
    departure = publish(store)
    hold(store, (departure, 0, 1))
    own = hold(store, (departure, 0, 1), caller=STAFF)
    assert listed(store, caller=STAFF) == [own.id]


def test_a_rider_may_not_ask_who_is_on_board(store: Store[Work]) -> None:
    with pytest.raises(Forbidden) as refused:
        listed(store, departure_id=publish(store).id)
    assert refused.value.facts == {"scope": "bookings:all"}


def test_holds_that_are_over_are_listed_as_expired(store: Store[Work], clock: FixedClock) -> None:
    hold(store, (publish(store), 0, 1))
    clock.advance(HOLD_SECONDS)
    (seen,) = ask(store, list_bookings, caller=RIDER, departure_id="", cursor="", limit=50)
    assert seen.state == "expired"
