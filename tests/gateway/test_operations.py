"""What staff look at: what is asked of the services, and what becomes of their answers."""

from collections.abc import AsyncIterator

import pytest
from headway.booking.v1 import bookings_pb2, operations_service_pb2, vehicles_pb2
from headway.tracking.v1 import tracking_service_pb2

from chassis.errors import NotFound, Unavailable
from tests.gateway.recording_services import LEG, LEG_IN_JSON, Edge, gateway_and_services
from tests.gateway.running import problem

ENTRY = operations_service_pb2.ManifestEntry(
    id="itm_1",
    booking_id="bkg_1",
    reference="K7M2QX",
    passenger=bookings_pb2.Passenger(name="Ada Lovelace", category="adult"),
    seat_id="7C",
    state=bookings_pb2.ITEM_STATE_CONFIRMED,
    boarding=bookings_pb2.BOARDING_EXPECTED,
    origin=LEG.origin,
    destination=LEG.destination,
)
LOADS = operations_service_pb2.GetLoadsResponse(
    loads=[
        operations_service_pb2.Load(departure_id="dep_1", seats_sold=12, seats_taken=14, capacity=50),
        operations_service_pb2.Load(departure_id="dep_2", capacity=50),
    ]
)
LATE = tracking_service_pb2.GetDelaysResponse(
    delays=[tracking_service_pb2.Delay(departure_id="dep_1", delay_seconds=-60)]
)


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


async def test_list_vehicles_asks_for_one_operator_s_page(edge: Edge):
    vehicle = {"id": "veh_1", "operator_id": "op", "label": "HH-HW 142", "layout_id": "lay_1", "version": 1}
    answer = operations_service_pb2.ListVehiclesResponse(
        vehicles=[vehicles_pb2.Vehicle(**vehicle)], next_cursor="veh_1"
    )
    edge.services.answers("ListVehicles", answer)
    query = "operator_id=op&limit=1&cursor=veh_0"
    reply = await edge.client.get(f"/v1/vehicles?{query}", headers=edge.signed_in("fleet:read"))
    assert (reply.status_code, reply.json()) == (200, {"items": [vehicle], "next_cursor": "veh_1"})
    asked = operations_service_pb2.ListVehiclesRequest(operator_id="op", limit=1, cursor="veh_0")
    assert edge.services.last("ListVehicles").message == asked


async def test_get_loads_puts_delays_to_seats_in_one_question_each(edge: Edge):
    edge.services.answers("GetLoads", LOADS)
    edge.services.answers("GetDelays", LATE)
    reply = await edge.client.get("/v1/departures/loads?ids=dep_1&ids=dep_2", headers=edge.signed_in("timetable:write"))
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "private, no-cache")
    assert reply.json()["items"] == [
        {"departure_id": "dep_1", "seats_sold": 12, "seats_taken": 14, "capacity": 50, "delay_seconds": -60},
        {"departure_id": "dep_2", "seats_sold": 0, "seats_taken": 0, "capacity": 50, "delay_seconds": None},
    ]
    assert [list(call.message.departure_ids) for call in edge.services.calls] == [["dep_1", "dep_2"]] * 2


async def test_get_loads_does_without_delays_while_tracking_is_down(edge: Edge):
    edge.services.answers("GetLoads", LOADS)
    edge.services.fails("GetDelays", Unavailable(dependency="tracking"))
    reply = await edge.client.get("/v1/departures/loads?ids=dep_1", headers=edge.signed_in("timetable:write"))
    assert [one["delay_seconds"] for one in reply.json()["items"]] == [None, None]


@pytest.mark.parametrize("query", ["", "ids=", "ids=a%20b", "&".join(["ids=dep_1"] * 101)])
async def test_get_loads_is_for_one_to_a_hundred_departures(edge: Edge, query: str):
    reply = await edge.client.get(f"/v1/departures/loads?{query}", headers=edge.signed_in("timetable:write"))
    problem(reply, 422, "invalid_value")
    assert edge.services.calls == []


async def test_get_manifest_tells_names_and_lets_nobody_keep_them(edge: Edge):
    edge.services.answers("GetManifest", operations_service_pb2.Manifest(entries=[ENTRY], next_cursor="itm_1"))
    path = "/v1/departures/dep_1/manifest?limit=1&cursor=itm_0"
    reply = await edge.client.get(path, headers=edge.signed_in("boarding"))
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")
    ends = {
        end: {name: value for name, value in LEG_IN_JSON[end].items() if name != "expected_at"}
        for end in ("origin", "destination")
    }
    entry = {
        "id": "itm_1",
        "booking_id": "bkg_1",
        "reference": "K7M2QX",
        "passenger": {"name": "Ada Lovelace", "category": "adult"},
        "seat_id": "7C",
        "state": "confirmed",
        "boarding": "expected",
        **ends,
    }
    assert reply.json() == {"items": [entry], "next_cursor": "itm_1"}
    asked = operations_service_pb2.GetManifestRequest(departure_id="dep_1", limit=1, cursor="itm_0")
    assert edge.services.last("GetManifest").message == asked


async def test_get_manifest_of_another_operator_is_not_there(edge: Edge):
    edge.services.fails("GetManifest", NotFound(departure_id="dep_1"))
    reply = await edge.client.get("/v1/departures/dep_1/manifest", headers=edge.signed_in("boarding"))
    problem(reply, 404, "not_found")


@pytest.mark.parametrize(
    "path", ["/vehicles?operator_id=op", "/departures/loads?ids=dep_1", "/departures/dep_1/manifest"]
)
async def test_nobody_else_gets_to_see_it(edge: Edge, path: str):
    problem(await edge.client.get(f"/v1{path}"), 401, "unauthenticated")
    problem(await edge.client.get(f"/v1{path}", headers=edge.signed_in("bookings", "fares:write")), 403, "forbidden")
    assert edge.services.calls == []
