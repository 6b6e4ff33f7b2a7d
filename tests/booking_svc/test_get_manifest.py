import pytest
from grpc import StatusCode
from headway.booking.v1 import bookings_pb2
from headway.booking.v1 import operations_service_pb2 as pb

from booking_svc.domain.booking import ItemState
from booking_svc.domain.manifest import Passenger
from booking_svc.queries.get_manifest import get_manifest
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    ADMIN,
    FOREIGN_STAFF,
    HOLD_SECONDS,
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


def travelling(
    store: Store[Work], departure_id: str, *, caller: Caller = STAFF, cursor: str = "", limit: int = 50
) -> tuple[Passenger, ...]:
    asked = {"caller": caller, "departure_id": departure_id, "cursor": cursor, "limit": limit}
    found: tuple[Passenger, ...] = ask(store, get_manifest, **asked).passengers
    return found


def test_everybody_with_a_seat_is_on_it_with_where_they_get_on_and_off(store: Store[Work]) -> None:
    departure, other = publish(store), publish(store)
    sold = confirm(store, hold(store, (departure, 0, 2), passengers=[passenger("7C"), passenger("7D")]))
    held = hold(store, (departure, 1, 3))
    hold(store, (other, 0, 1))
    found = travelling(store, departure.id)
    assert {one.item_id for one in found} == {item.id for booking in (sold, held) for item in booking.items}
    assert {(one.reference, one.seat_id, one.state, one.origin, one.destination) for one in found} == {
        (sold.reference, "7C", ItemState.CONFIRMED, 0, 2),
        (sold.reference, "7D", ItemState.CONFIRMED, 0, 2),
        (held.reference, held.items[0].seat_id, ItemState.HELD, 1, 3),
    }


def test_who_has_no_seat_any_more_is_not(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    sold = confirm(store, hold(store, (departure, 0, 3), passengers=[passenger(), passenger()]))
    hold(store, (departure, 0, 3))
    clock.advance(HOLD_SECONDS + 1)
    cancel(store, sold, [sold.items[0].id])
    assert [one.item_id for one in travelling(store, departure.id)] == [sold.items[1].id]


def test_names_are_for_the_operator_s_own_staff(store: Store[Work]) -> None:
    departure = publish(store)
    hold(store, (departure, 0, 1))
    assert len(travelling(store, departure.id, caller=ADMIN)) == 1
    for caller in (FOREIGN_STAFF, Caller("usr_nobody_s", STAFF_SCOPES)):
        with pytest.raises(NotFound):
            travelling(store, departure.id, caller=caller)


def test_pages_hold_every_passenger_once(store: Store[Work]) -> None:
    departure = publish(store)
    items = {hold(store, (departure, 0, 1)).items[0].id for _ in range(5)}
    seen: list[str] = []
    while page := travelling(store, departure.id, cursor=seen[-1] if seen else "", limit=2):
        seen += [one.item_id for one in page]
    assert (len(seen), set(seen)) == (5, items)


async def test_the_service_tells_names_seats_and_stops_page_by_page(on_sqlite: Booking) -> None:
    departure = await on_sqlite.publish()
    bookings = [await on_sqlite.hold((departure, 0, 2)) for _ in range(2)]
    staff = on_sqlite.metadata(STAFF)
    request = pb.GetManifestRequest(departure_id=departure.id, limit=1)
    first = await on_sqlite.operations.GetManifest(request, metadata=staff)
    request.cursor = first.next_cursor
    (entry,) = (await on_sqlite.operations.GetManifest(request, metadata=staff)).entries
    assert {first.entries[0].booking_id, entry.booking_id} == {booking.id for booking in bookings}
    assert (entry.passenger.name, entry.passenger.category) == ("Ada Lovelace", "adult")
    assert (entry.origin, entry.destination) == (bookings[0].legs[0].origin, bookings[0].legs[0].destination)
    assert (entry.state, entry.boarding) == (bookings_pb2.ITEM_STATE_HELD, bookings_pb2.BOARDING_EXPECTED)


async def test_a_foreign_departure_and_none_are_refused_alike(on_sqlite: Booking) -> None:
    departure = await on_sqlite.publish()
    refusals = []
    for departure_id in (departure.id, "dep_none", "\0"):
        request = pb.GetManifestRequest(departure_id=departure_id)
        refused = await refusal(on_sqlite.operations.GetManifest(request, metadata=on_sqlite.metadata(FOREIGN_STAFF)))
        refusals.append((refused.code, refused.reason, str(refused)))
    assert refusals[0][:2] == (StatusCode.NOT_FOUND, "NOT_FOUND")
    assert len(set(refusals)) == 1
