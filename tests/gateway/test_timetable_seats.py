"""Layouts, vehicles and free seats: what is asked of the booking service, and what becomes of its answers."""

from collections.abc import AsyncIterator

import pytest
from headway.booking.v1 import booking_service_pb2, timetable_service_pb2, vehicles_pb2

from chassis.errors import NotAllowedNow
from tests.gateway.recording_services import Edge, at, gateway_and_services
from tests.gateway.running import problem

STAFF = "timetable:write"
LAYOUT = vehicles_pb2.Layout(
    id="lay_1",
    operator_id="op",
    name="Minibus",
    seats=[vehicles_pb2.LayoutSeat(id="1A", row=1, column=1, features=["wheelchair"])],
    version=1,
)
LAYOUT_IN_JSON = {
    "id": "lay_1",
    "operator_id": "op",
    "name": "Minibus",
    "seats": [{"id": "1A", "row": 1, "column": 1, "features": ["wheelchair"]}],
    "version": 1,
}
TO_CREATE = {name: LAYOUT_IN_JSON[name] for name in ("operator_id", "name", "seats")}


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


async def test_create_layout_hands_on_the_key_that_was_sent(edge: Edge):
    edge.services.answers("CreateLayout", LAYOUT)
    reply = await edge.client.post("/v1/layouts", json=TO_CREATE, headers=edge.signed_in(STAFF, key="k1"))
    assert (reply.status_code, reply.json()) == (201, LAYOUT_IN_JSON)
    asked = edge.services.last("CreateLayout")
    assert asked.message == timetable_service_pb2.CreateLayoutRequest(
        operator_id="op", name="Minibus", seats=LAYOUT.seats
    )
    assert asked.metadata["idempotency-key"] == "k1"


async def test_create_layout_makes_a_key_of_its_own_for_each_request_without_one(edge: Edge):
    edge.services.answers("CreateLayout", LAYOUT)
    for _ in range(2):
        reply = await edge.client.post("/v1/layouts", json=TO_CREATE, headers=edge.signed_in(STAFF))
        assert reply.status_code == 201
    first, second = [call.metadata["idempotency-key"] for call in edge.services.calls]
    assert first != second


async def test_create_layout_refuses_a_key_that_is_none(edge: Edge):
    reply = await edge.client.post("/v1/layouts", json=TO_CREATE, headers=edge.signed_in(STAFF, key="a key"))
    problem(reply, 400, "missing_idempotency_key")


async def test_list_layouts_pages(edge: Edge):
    edge.services.answers("ListLayouts", timetable_service_pb2.ListLayoutsResponse(layouts=[LAYOUT], next_cursor="c2"))
    query = {"operator_id": "op", "limit": "1", "cursor": "c1"}
    reply = await edge.client.get("/v1/layouts", params=query, headers=edge.signed_in(STAFF))
    assert (reply.status_code, reply.json()) == (200, {"items": [LAYOUT_IN_JSON], "next_cursor": "c2"})
    assert edge.services.last("ListLayouts").message == timetable_service_pb2.ListLayoutsRequest(
        operator_id="op", limit=1, cursor="c1"
    )


async def test_register_vehicle_answers_the_vehicle(edge: Edge):
    vehicle = vehicles_pb2.Vehicle(id="veh_1", operator_id="op", label="HH-HW 142", layout_id="lay_1", version=1)
    edge.services.answers("RegisterVehicle", vehicle)
    body = {"operator_id": "op", "label": "HH-HW 142"}
    reply = await edge.client.post("/v1/vehicles", json=body, headers=edge.signed_in(STAFF))
    assert (reply.status_code, reply.json()) == (201, body | {"id": "veh_1", "layout_id": "lay_1", "version": 1})
    assert edge.services.last("RegisterVehicle").message == timetable_service_pb2.RegisterVehicleRequest(**body)


async def test_get_availability_is_never_cached(edge: Edge):
    found = booking_service_pb2.Availability(
        seats_available=12, capacity=50, observed_at=at(2030, 6, 1, 7, 0, 0, 250_000), version=31
    )
    edge.services.answers("GetAvailability", found)
    reply = await edge.client.get("/v1/departures/dep_1/availability?origin_stop_id=stp_1&destination_stop_id=stp_2")
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")
    assert "etag" not in reply.headers
    assert reply.json() == {
        "seats_available": 12,
        "capacity": 50,
        "observed_at": "2030-06-01T07:00:00.250000Z",
        "version": 31,
    }
    assert edge.services.last("GetAvailability").message == booking_service_pb2.GetAvailabilityRequest(
        departure_id="dep_1", origin_stop_id="stp_1", destination_stop_id="stp_2"
    )


async def test_get_availability_of_a_part_that_is_not_served_is_a_409(edge: Edge):
    class NotServed(NotAllowedNow):
        reason = "NOT_SERVED"

    edge.services.fails("GetAvailability", NotServed(departure_id="dep_1"))
    reply = await edge.client.get("/v1/departures/dep_1/availability")
    assert problem(reply, 409, "not_served")["facts"] == {"departure_id": "dep_1"}


async def test_get_seat_map_shows_every_seat(edge: Edge):
    seats = [
        booking_service_pb2.Seat(id="1A", row=1, column=1, features=["wheelchair"], is_available=True),
        booking_service_pb2.Seat(id="1B", row=1, column=2),
    ]
    found = booking_service_pb2.SeatMap(layout_id="lay_1", seats=seats, observed_at=at(2030, 6, 1), version=3)
    edge.services.answers("GetSeatMap", found)
    reply = await edge.client.get("/v1/departures/dep_1/seat-map")
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")
    assert "etag" not in reply.headers
    assert reply.json() == {
        "layout_id": "lay_1",
        "seats": [
            {"id": "1A", "row": 1, "column": 1, "features": ["wheelchair"], "is_available": True},
            {"id": "1B", "row": 1, "column": 2, "features": [], "is_available": False},
        ],
        "observed_at": "2030-06-01T00:00:00Z",
        "version": 3,
    }
    assert edge.services.last("GetSeatMap").message == booking_service_pb2.GetSeatMapRequest(departure_id="dep_1")
