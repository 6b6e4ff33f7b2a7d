from headway.booking.v1 import operations_service_pb2 as pb

from booking_svc.domain.load import Load
from booking_svc.queries.get_loads import get_loads
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.store import Store
from tests.booking_svc.builders import (
    ADMIN,
    FOREIGN_STAFF,
    HOLD_SECONDS,
    OTHER_OPERATOR,
    STAFF,
    STAFF_SCOPES,
    ask,
    cancel,
    confirm,
    hold,
    passenger,
    publish,
)
from tests.booking_svc.service import Booking, refusal
from tests.clocks import FixedClock


def loads(store: Store[Work], *departure_ids: str, caller: Caller = STAFF) -> dict[str, Load]:
    found = ask(store, get_loads, caller=caller, departure_ids=departure_ids)
    return {load.departure_id: load for load in found}


def test_a_seat_that_is_sold_twice_along_the_way_counts_once(store: Store[Work]) -> None:
    departure, empty = publish(store, seats=4), publish(store, seats=3)
    confirm(store, hold(store, (departure, 0, 1)))
    confirm(store, hold(store, (departure, 1, 3)))
    assert loads(store, departure.id, empty.id) == {
        departure.id: Load(departure.id, seats_sold=1, seats_taken=1, capacity=4),
        empty.id: Load(empty.id, seats_sold=0, seats_taken=0, capacity=3),
    }
    confirm(store, hold(store, (departure, 0, 2), passengers=[passenger(), passenger()]))
    assert loads(store, departure.id)[departure.id].seats_sold == 3


def test_holds_are_taken_and_not_sold_and_over_when_their_time_is(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    sold = confirm(store, hold(store, (departure, 0, 3)))
    hold(store, (departure, 1, 2))
    assert loads(store, departure.id)[departure.id] == Load(departure.id, 1, 2, 50)
    clock.advance(HOLD_SECONDS + 1)
    assert loads(store, departure.id)[departure.id] == Load(departure.id, 1, 1, 50)
    cancel(store, sold)
    assert loads(store, departure.id)[departure.id] == Load(departure.id, 0, 0, 50)


def test_others_departures_are_as_absent_as_none(store: Store[Work]) -> None:
    mine, theirs = publish(store).id, publish(store, operator_id=OTHER_OPERATOR).id
    asked = (mine, theirs, "dep_none")
    assert set(loads(store, *asked)) == {mine}
    assert set(loads(store, *asked, caller=FOREIGN_STAFF)) == {theirs}
    assert set(loads(store, *asked, caller=ADMIN)) == {mine, theirs}
    assert loads(store, *asked, caller=Caller("usr_nobody_s", STAFF_SCOPES)) == {}


async def test_the_service_answers_for_a_hundred_departures_and_not_for_more(on_sqlite: Booking) -> None:
    departure = await on_sqlite.publish()
    await on_sqlite.hold((departure, 0, 1))
    staff = on_sqlite.metadata(STAFF)
    found = await on_sqlite.operations.GetLoads(pb.GetLoadsRequest(departure_ids=[departure.id]), metadata=staff)
    assert found.loads == [pb.Load(departure_id=departure.id, seats_taken=1, capacity=50)]
    for count in (0, 101):
        asked = pb.GetLoadsRequest(departure_ids=[departure.id] * count)
        assert (await refusal(on_sqlite.operations.GetLoads(asked, metadata=staff))).reason == "INVALID_VALUE"
