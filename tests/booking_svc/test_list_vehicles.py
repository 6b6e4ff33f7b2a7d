import pytest
from headway.booking.v1 import operations_service_pb2 as pb

from booking_svc.queries.list_vehicles import list_vehicles
from booking_svc.store.work import Work
from booking_svc.use_cases.register_vehicle import register_vehicle
from chassis.access import Caller
from chassis.errors import Forbidden
from chassis.store import Store
from tests.booking_svc.builders import ADMIN, FOREIGN_STAFF, OPERATOR, OTHER_OPERATOR, STAFF, ask, commit
from tests.booking_svc.service import Booking, refusal


def register(store: Store[Work], label: str, *, operator_id: str = OPERATOR) -> str:
    made = {"operator_id": operator_id, "label": label, "layout_id": "lay_default"}
    return str(commit(store, register_vehicle, caller=ADMIN, **made).id)


def page(store: Store[Work], *, caller: Caller = STAFF, cursor: str = "", limit: int = 50) -> list[str]:
    found = ask(store, list_vehicles, caller=caller, operator_id=OPERATOR, cursor=cursor, limit=limit)
    return [vehicle.id for vehicle in found]


def test_staff_list_the_fleet_of_their_own_operator_alone(store: Store[Work]) -> None:
    own = {register(store, "Swift"), register(store, "Swallow")}
    register(store, "Truck", operator_id=OTHER_OPERATOR)
    assert set(page(store)) == own == set(page(store, caller=ADMIN))
    with pytest.raises(Forbidden):
        page(store, caller=FOREIGN_STAFF)


def test_pages_hold_every_vehicle_once(store: Store[Work]) -> None:
    own = {register(store, str(number)) for number in range(5)}
    seen: list[str] = []
    while found := page(store, cursor=seen[-1] if seen else "", limit=2):
        seen += found
    assert (len(seen), set(seen)) == (5, own)


async def test_the_service_tells_where_the_next_page_begins(on_sqlite: Booking) -> None:
    ids = [register(on_sqlite.store, str(number)) for number in range(3)]
    request, staff = pb.ListVehiclesRequest(operator_id=OPERATOR, limit=2), on_sqlite.metadata(STAFF)
    first = await on_sqlite.operations.ListVehicles(request, metadata=staff)
    request.cursor = first.next_cursor
    second = await on_sqlite.operations.ListVehicles(request, metadata=staff)
    assert [one.id for one in (*first.vehicles, *second.vehicles)] == sorted(ids)
    assert (first.next_cursor, second.next_cursor) == (sorted(ids)[1], "")
    bad = on_sqlite.operations.ListVehicles(pb.ListVehiclesRequest(operator_id=" "), metadata=staff)
    assert (await refusal(bad)).reason == "INVALID_VALUE"
