"""The timetable's routes: what is asked of the booking service, and what becomes of its answers."""

from collections.abc import AsyncIterator

import pytest
from google.protobuf import text_format
from headway.booking.v1 import timetable_service_pb2
from headway.types.v1 import timetable_pb2

from chassis.errors import FieldError, InvalidInput, LostRace, NotFound
from gateway.preconditions import etag
from tests.gateway.recording_services import Edge, at, gateway_and_services, pointers
from tests.gateway.running import problem

STAFF = "timetable:write"


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


def departure(departure_id: str = "dep_1", **fields: object) -> timetable_pb2.Departure:
    stops = [
        timetable_pb2.Stop(
            id="stp_1",
            feed_stop_id="HBF",
            name="Harbour",
            timezone="Europe/Berlin",
            latitude=53.5511,
            longitude=9.9937,
            zone_id="A",
        ),
        timetable_pb2.Stop(id="stp_2", name="Airport", timezone="Europe/Berlin", latitude=53.6333, longitude=10.0),
    ]
    calls = [
        timetable_pb2.Call(
            sequence=0,
            stop=stops[0],
            scheduled_departure_at=at(2030, 6, 1, 8),
            is_boarding_allowed=True,
        ),
        timetable_pb2.Call(
            sequence=1,
            stop=stops[1],
            scheduled_arrival_at=at(2030, 6, 1, 8, 30, 15),
            is_alighting_allowed=True,
            distance_meters=9200.5,
            is_interpolated=True,
        ),
    ]
    found = timetable_pb2.Departure(
        id=departure_id,
        operator_id="op",
        feed_trip_id="T1",
        route=timetable_pb2.Route(
            id="rte_1", feed_route_id="X7", short_name="X7", long_name="", mode=timetable_pb2.MODE_COACH
        ),
        headsign="Airport",
        service_date="2030-06-01",
        state=timetable_pb2.DEPARTURE_STATE_NOT_COMING,
        calls=calls,
        vehicle=timetable_pb2.AssignedVehicle(id="veh_1", label="HH-HW 142"),
        layout_id="lay_default",
        capacity=50,
        version=7,
        pattern_id="pat_1",
        starts_at=at(2030, 6, 1, 8),
    )
    for name, value in fields.items():
        found.ClearField(name) if value is None else setattr(found, name, value)
    return found


IN_JSON = {
    "id": "dep_1",
    "operator_id": "op",
    "feed_trip_id": "T1",
    "feed_start_time": None,
    "route": {"id": "rte_1", "feed_route_id": "X7", "short_name": "X7", "long_name": "", "mode": "coach"},
    "headsign": "Airport",
    "service_date": "2030-06-01",
    "state": "not_coming",
    "calls": [
        {
            "sequence": 0,
            "stop_id": "stp_1",
            "feed_stop_id": "HBF",
            "stop_name": "Harbour",
            "timezone": "Europe/Berlin",
            "latitude": 53.5511,
            "longitude": 9.9937,
            "scheduled_arrival_at": None,
            "scheduled_departure_at": "2030-06-01T08:00:00Z",
            "boarding": True,
            "alighting": False,
            "distance_meters": 0.0,
            "interpolated": False,
        },
        {
            "sequence": 1,
            "stop_id": "stp_2",
            "feed_stop_id": None,
            "stop_name": "Airport",
            "timezone": "Europe/Berlin",
            "latitude": 53.6333,
            "longitude": 10.0,
            "scheduled_arrival_at": "2030-06-01T08:30:15Z",
            "scheduled_departure_at": None,
            "boarding": False,
            "alighting": True,
            "distance_meters": 9200.5,
            "interpolated": True,
        },
    ],
    "vehicle": {"id": "veh_1", "label": "HH-HW 142"},
    "layout_id": "lay_default",
    "capacity": 50,
    "pattern_id": "pat_1",
    "starts_at": "2030-06-01T08:00:00Z",
    "cancellation_reason": None,
    "version": 7,
}

TO_PUBLISH = {
    "operator_id": "op",
    "feed_trip_id": "T1",
    "route": {"feed_route_id": "X7", "short_name": "X7", "long_name": "Harbour - Airport", "mode": "ferry"},
    "headsign": "Airport",
    "service_date": "2030-06-01",
    "layout_id": "lay_1",
    "calls": [
        {
            "stop": {
                "feed_stop_id": "HBF",
                "name": "Harbour",
                "timezone": "Europe/Berlin",
                "latitude": 53.5511,
                "longitude": 9.9937,
                "zone_id": "A",
            },
            "scheduled_departure_at": "2030-06-01T10:00:00+02:00",
            "alighting": False,
        },
        {"stop_id": "stp_2", "scheduled_arrival_at": "2030-06-01T08:30:15.5Z"},
    ],
}


async def test_publish_departure_asks_for_what_the_body_says_and_answers_the_departure(edge: Edge):
    edge.services.answers("PublishDeparture", departure())
    reply = await edge.client.post("/v1/departures", json=TO_PUBLISH, headers=edge.signed_in(STAFF, key="k1"))
    assert (reply.status_code, reply.json(), reply.headers["etag"].split("-")[0]) == (201, IN_JSON, '"7')
    asked = edge.services.last("PublishDeparture")
    assert asked.message == text_format.Parse(
        """
        operator_id: "op" feed_trip_id: "T1" headsign: "Airport" service_date: "2030-06-01" layout_id: "lay_1"
        route { feed_route_id: "X7" short_name: "X7" long_name: "Harbour - Airport" mode: MODE_FERRY }
        calls {
          stop { feed_stop_id: "HBF" name: "Harbour" timezone: "Europe/Berlin" latitude: 53.5511 longitude: 9.9937
                 zone_id: "A" }
          scheduled_departure_at { seconds: 1906531200 } is_alighting_refused: true
        }
        calls { stop_id: "stp_2" scheduled_arrival_at { seconds: 1906533015 nanos: 500000000 } }
        """,
        timetable_service_pb2.PublishDepartureRequest(),
    )
    assert asked.metadata["idempotency-key"] == "k1"
    assert asked.metadata["authorization"].startswith("Bearer ")
    assert asked.metadata["x-request-id"] == reply.headers["x-request-id"]


async def test_publish_departure_twice_with_one_key_says_that_the_answer_is_a_repeat(edge: Edge):
    edge.services.answers("PublishDeparture", departure(), replayed=True)
    reply = await edge.client.post("/v1/departures", json=TO_PUBLISH, headers=edge.signed_in(STAFF, key="k1"))
    assert (reply.status_code, reply.json()["id"], reply.headers["idempotent-replayed"]) == (201, "dep_1", "true")


async def test_publish_departure_without_a_key_is_refused_at_the_edge(edge: Edge):
    reply = await edge.client.post("/v1/departures", json=TO_PUBLISH, headers=edge.signed_in(STAFF))
    problem(reply, 400, "missing_idempotency_key")
    assert edge.services.calls == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"operator_id": ""}, "/operator_id"),
        ({"service_date": "1906531200"}, "/service_date"),
        ({"service_date": "2030-02-30"}, "/service_date"),
        ({"route": {"short_name": "X7", "mode": "rocket"}}, "/route/mode"),
        ({"calls": TO_PUBLISH["calls"][:1]}, "/calls"),
        ({"calls": [{}, {"stop_id": "stp_2"}]}, "/calls/0"),
        ({"calls": [{**TO_PUBLISH["calls"][0], "stop_id": "stp_1"}, {"stop_id": "stp_2"}]}, "/calls/0"),
        ({"calls": [{"stop_id": "a", "scheduled_arrival_at": 5}, {"stop_id": "b"}]}, "/calls/0/scheduled_arrival_at"),
        ({"calls": [{"stop_id": "a", "boarding": "yes"}, {"stop_id": "b"}]}, "/calls/0/boarding"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_publish_departure_points_at_what_is_wrong_and_asks_nobody(edge: Edge, change: dict, pointer: str):
    reply = await edge.client.post("/v1/departures", json=TO_PUBLISH | change, headers=edge.signed_in(STAFF, key="k1"))
    assert pointers(problem(reply, 422, "invalid_value")) == {pointer}
    assert edge.services.calls == []


async def test_publish_departure_passes_on_where_the_service_points(edge: Edge):
    edge.services.fails("PublishDeparture", InvalidInput(errors=[FieldError("/calls/1", "Times run backwards.")]))
    reply = await edge.client.post("/v1/departures", json=TO_PUBLISH, headers=edge.signed_in(STAFF, key="k1"))
    assert problem(reply, 422, "invalid_value")["errors"] == [{"pointer": "/calls/1", "detail": "Times run backwards."}]


async def test_publish_departures_asks_for_all_at_once_and_answers_all(edge: Edge):
    found = timetable_service_pb2.PublishDeparturesResponse(departures=[departure(), departure()])
    edge.services.answers("PublishDepartures", found)
    body = {"departures": [TO_PUBLISH, TO_PUBLISH]}
    reply = await edge.client.post("/v1/departures/batch", json=body, headers=edge.signed_in(STAFF, key="k1"))
    assert (reply.status_code, reply.json()) == (201, {"items": [IN_JSON, IN_JSON]})
    asked = edge.services.last("PublishDepartures")
    assert [one.feed_trip_id for one in asked.message.departures] == ["T1", "T1"]
    assert asked.metadata["idempotency-key"] == "k1"


@pytest.mark.parametrize("count", [0, 51])
async def test_publish_departures_takes_a_bounded_number(edge: Edge, count: int):
    body = {"departures": [TO_PUBLISH] * count}
    reply = await edge.client.post("/v1/departures/batch", json=body, headers=edge.signed_in(STAFF, key="k1"))
    assert pointers(problem(reply, 422, "invalid_value")) == {"/departures"}
    assert edge.services.calls == []


async def test_list_departures_filters_and_ends(edge: Edge):
    edge.services.answers("ListDepartures", [listed("dep_1"), listed("dep_2")])
    query = {"operator_id": "op", "route_id": "rte_1", "stop_id": "stp_1", "date": "2030-06-01", "limit": "2"}
    reply = await edge.client.get("/v1/departures", params=query | {"cursor": "before dep_1"})
    assert reply.status_code == 200
    assert [item["id"] for item in reply.json()["items"]] == ["dep_1", "dep_2"]
    assert reply.json()["next_cursor"] is None
    assert edge.services.last("ListDepartures").message == timetable_service_pb2.ListDeparturesRequest(
        operator_id="op",
        route_id="rte_1",
        stop_id="stp_1",
        service_date="2030-06-01",
        limit=3,
        cursor="before dep_1",
    )


async def test_list_departures_goes_on_behind_the_last_one_shown(edge: Edge):
    edge.services.answers("ListDepartures", [listed("dep_1"), listed("dep_2"), listed("dep_3")])
    reply = await edge.client.get("/v1/departures", params={"limit": "2"})
    assert [item["id"] for item in reply.json()["items"]] == ["dep_1", "dep_2"]
    assert reply.json()["next_cursor"] == "behind dep_2"


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "201"}, {"date": "tomorrow"}, {"date": "9999-12-31"}])
async def test_list_departures_has_bounds(edge: Edge, query: dict):
    reply = await edge.client.get("/v1/departures", params=query)
    problem(reply, 422, "invalid_value")
    assert edge.services.calls == []


async def test_get_departure_needs_no_token(edge: Edge):
    edge.services.answers("GetDeparture", departure())
    reply = await edge.client.get("/v1/departures/dep_1")
    assert (reply.status_code, reply.json(), reply.headers["etag"].split("-")[0]) == (200, IN_JSON, '"7')
    asked = edge.services.last("GetDeparture")
    assert asked.message == timetable_service_pb2.GetDepartureRequest(departure_id="dep_1")
    assert "authorization" not in asked.metadata


async def test_get_departure_has_no_vehicle_until_one_is_assigned(edge: Edge):
    edge.services.answers("GetDeparture", departure(vehicle=None, feed_trip_id=""))
    reply = await edge.client.get("/v1/departures/dep_1")
    assert (reply.json()["vehicle"], reply.json()["feed_trip_id"]) == (None, None)


async def test_get_departure_answers_304_while_it_is_what_the_caller_has(edge: Edge):
    edge.services.answers("GetDeparture", departure(), departure(version=8))
    same = await edge.client.get("/v1/departures/dep_1", headers={"If-None-Match": etag(departure())})
    assert (same.status_code, same.content, same.headers["etag"].split("-")[0]) == (304, b"", '"7')
    changed = await edge.client.get("/v1/departures/dep_1", headers={"If-None-Match": etag(departure())})
    assert (changed.status_code, changed.headers["etag"].split("-")[0]) == (200, '"8')


async def test_get_departure_that_is_not_there_is_a_404(edge: Edge):
    edge.services.fails("GetDeparture", NotFound())
    reply = await edge.client.get("/v1/departures/dep_9")
    problem(reply, 404, "not_found")


async def test_cancel_departures_tells_what_it_hits(edge: Edge):
    hit = timetable_service_pb2.CancelDeparturesResponse(departure_ids=["dep_1"], booking_ids=["bkg_1", "bkg_2"])
    edge.services.answers("CancelDepartures", hit)
    body = {
        "operator_id": "op",
        "route_id": "rte_1",
        "starts_from": "2030-06-01T00:00:00Z",
        "starts_before": "2030-06-02T00:00:00Z",
        "reason": "Storm",
        "dry_run": True,
    }
    reply = await edge.client.post("/v1/departures/cancel", json=body, headers=edge.signed_in(STAFF, key="k1"))
    assert (reply.status_code, reply.json()) == (200, {"departure_ids": ["dep_1"], "booking_ids": ["bkg_1", "bkg_2"]})
    assert edge.services.last("CancelDepartures").message == timetable_service_pb2.CancelDeparturesRequest(
        operator_id="op",
        route_id="rte_1",
        starts_from=at(2030, 6, 1),
        starts_before=at(2030, 6, 2),
        reason="Storm",
        is_dry_run=True,
    )


async def test_cancel_departures_by_name_leaves_the_window_out(edge: Edge):
    edge.services.answers("CancelDepartures", timetable_service_pb2.CancelDeparturesResponse())
    body = {"operator_id": "op", "departure_ids": ["dep_1", "dep_2"]}
    await edge.client.post("/v1/departures/cancel", json=body, headers=edge.signed_in(STAFF, key="k1"))
    asked = edge.services.last("CancelDepartures").message
    assert asked == timetable_service_pb2.CancelDeparturesRequest(**body)
    assert not asked.HasField("starts_from")


async def test_assign_vehicle_hands_on_the_version_that_was_read(edge: Edge):
    edge.services.answers("AssignVehicle", departure(version=8))
    headers = edge.signed_in(STAFF, if_match='"7"')
    reply = await edge.client.put("/v1/departures/dep_1/vehicle", json={"vehicle_id": "veh_1"}, headers=headers)
    assert (reply.status_code, reply.json()["version"], reply.headers["etag"].split("-")[0]) == (200, 8, '"8')
    assert edge.services.last("AssignVehicle").message == timetable_service_pb2.AssignVehicleRequest(
        departure_id="dep_1", vehicle_id="veh_1", version=7
    )


async def test_assign_vehicle_needs_to_know_which_version_was_read(edge: Edge):
    reply = await edge.client.put(
        "/v1/departures/dep_1/vehicle", json={"vehicle_id": "veh_1"}, headers=edge.signed_in(STAFF)
    )
    problem(reply, 428, "missing_precondition")
    assert edge.services.calls == []


async def test_assign_vehicle_to_a_departure_that_has_changed_is_a_412(edge: Edge):
    edge.services.fails("AssignVehicle", LostRace(version=9))
    headers = edge.signed_in(STAFF, if_match='"7"')
    reply = await edge.client.put("/v1/departures/dep_1/vehicle", json={"vehicle_id": "veh_1"}, headers=headers)
    assert problem(reply, 412, "stale_version")["facts"] == {"version": 9}


def listed(departure_id: str) -> timetable_service_pb2.ListDeparturesResponse:
    return timetable_service_pb2.ListDeparturesResponse(
        departure=departure(departure_id), cursor=f"behind {departure_id}"
    )
