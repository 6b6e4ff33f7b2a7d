"""The vehicles' routes: what is asked of the tracking service, and what becomes of its answers."""

from collections.abc import AsyncIterator

import pytest
from headway.tracking.v1 import live_pb2, positions_pb2, tracking_service_pb2
from headway.types.v1 import timetable_pb2

from chassis.errors import NotFound
from tests.gateway.recording_services import Edge, at, gateway_and_services, pointers
from tests.gateway.running import problem

POINT = {"recorded_at": "2030-06-01T08:12:30.250Z", "latitude": 53.5511, "longitude": 9.9937}


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


async def test_report_positions_needs_no_key_and_tells_what_became_of_each_point(edge: Edge):
    ack = tracking_service_pb2.PositionAck(
        accepted=1,
        rejected=[tracking_service_pb2.RejectedPosition(index=1, reason="duplicate")],
        acknowledged_sequence=42,
    )
    edge.services.answers("ReportPositions", ack)
    whole = POINT | {
        "sequence": 42,
        "speed_meters_per_second": 0.0,
        "heading_degrees": 359.5,
        "accuracy_meters": 4.5,
    }
    body = {"session_id": "run-1", "positions": [POINT, whole]}
    reply = await edge.client.post("/v1/vehicles/veh_1/positions", json=body, headers=edge.signed_in("positions:write"))
    assert (reply.status_code, reply.json()) == (
        200,
        {"accepted": 1, "rejected": [{"index": 1, "reason": "duplicate"}], "acknowledged_sequence": 42, "late": 0},
    )
    place = {"recorded_at": at(2030, 6, 1, 8, 12, 30, 250_000), "latitude": 53.5511, "longitude": 9.9937}
    assert edge.services.last("ReportPositions").message == tracking_service_pb2.PositionBatch(
        vehicle_id="veh_1",
        session_id="run-1",
        positions=[
            positions_pb2.Position(**place),
            positions_pb2.Position(
                **place, sequence=42, speed_meters_per_second=0.0, heading_degrees=359.5, accuracy_meters=4.5
            ),
        ],
    )


async def test_report_positions_leaves_it_to_tracking_to_reject_one_point_of_many(edge: Edge):
    edge.services.answers("ReportPositions", tracking_service_pb2.PositionAck(accepted=1))
    body = {"positions": [POINT, POINT | {"latitude": 91.0, "speed_meters_per_second": -1.0}]}
    reply = await edge.client.post("/v1/vehicles/veh_1/positions", json=body, headers=edge.signed_in("positions:write"))
    assert reply.status_code == 200
    impossible = edge.services.last("ReportPositions").message.positions[1]
    assert (impossible.latitude, impossible.speed_meters_per_second) == (91.0, -1.0)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"positions": []}, "/positions"),
        ({"positions": [POINT] * 501}, "/positions"),
        ({"positions": [POINT | {"recorded_at": 1906531200}]}, "/positions/0/recorded_at"),
        ({"positions": [POINT | {"recorded_at": "2030-06-01T08:12:30"}]}, "/positions/0/recorded_at"),
        ({"positions": [POINT | {"sequence": -1}]}, "/positions/0/sequence"),
        ({"positions": [POINT | {"sequence": 2**53}]}, "/positions/0/sequence"),
        ({"positions": [{"recorded_at": "2030-06-01T08:12:30Z", "latitude": 1.0}]}, "/positions/0/longitude"),
        ({"positions": [POINT], "session_id": ""}, "/session_id"),
    ],
)
async def test_report_positions_points_at_what_is_wrong_and_asks_nobody(edge: Edge, body: dict, pointer: str):
    reply = await edge.client.post("/v1/vehicles/veh_1/positions", json=body, headers=edge.signed_in("positions:write"))
    assert pointers(problem(reply, 422, "invalid_value")) == {pointer}
    assert edge.services.calls == []


async def test_report_positions_reads_no_number_that_is_none(edge: Edge):
    body = '{"positions": [{"recorded_at": "2030-06-01T08:12:30Z", "latitude": NaN, "longitude": 1e999}]}'
    headers = edge.signed_in("positions:write") | {"Content-Type": "application/json"}
    reply = await edge.client.post("/v1/vehicles/veh_1/positions", content=body, headers=headers)
    problem(reply, 422, "malformed_body")


async def test_report_positions_for_another_vehicle_is_a_404(edge: Edge):
    edge.services.fails("ReportPositions", NotFound())
    reply = await edge.client.post(
        "/v1/vehicles/veh_9/positions", json={"positions": [POINT]}, headers=edge.signed_in("positions:write")
    )
    problem(reply, 404, "not_found")


def tracked(**fields: object) -> positions_pb2.TrackedVehicle:
    return positions_pb2.TrackedVehicle(
        id="veh_1", operator_id="op", label="HH-HW 142", freshness=positions_pb2.FRESHNESS_UNKNOWN, **fields
    )


async def test_get_vehicle_tells_where_it_was_last_and_is_kept_under_its_tag_only(edge: Edge):
    position = positions_pb2.Position(
        sequence=7, recorded_at=at(2030, 6, 1, 8), latitude=53.5511, longitude=9.9937, speed_meters_per_second=0.0
    )
    edge.services.answers("GetVehicle", tracked(position=position, received_at=at(2030, 6, 1, 8, 0, 1)))
    reply = await edge.client.get("/v1/vehicles/veh_1", headers=edge.signed_in("fleet:read"))
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "private, no-cache")
    headers = edge.signed_in("fleet:read", if_none_match=reply.headers["etag"])
    assert (await edge.client.get("/v1/vehicles/veh_1", headers=headers)).status_code == 304
    assert reply.json() == {
        "id": "veh_1",
        "operator_id": "op",
        "label": "HH-HW 142",
        "position": {
            "latitude": 53.5511,
            "longitude": 9.9937,
            "heading_degrees": None,
            "speed_meters_per_second": 0.0,
            "accuracy_meters": None,
            "recorded_at": "2030-06-01T08:00:00Z",
            "received_at": "2030-06-01T08:00:01Z",
        },
        "freshness": "unknown",
    }
    assert edge.services.last("GetVehicle").message == tracking_service_pb2.GetVehicleRequest(vehicle_id="veh_1")


async def test_get_vehicle_has_no_position_before_the_first_point(edge: Edge):
    edge.services.answers("GetVehicle", tracked())
    reply = await edge.client.get("/v1/vehicles/veh_1", headers=edge.signed_in("fleet:read"))
    assert (reply.status_code, reply.json()["position"]) == (200, None)


async def test_get_vehicle_is_for_those_who_see_the_fleet(edge: Edge):
    problem(await edge.client.get("/v1/vehicles/veh_1"), 401, "unauthenticated")
    reply = await edge.client.get("/v1/vehicles/veh_1", headers=edge.signed_in("bookings"))
    problem(reply, 403, "forbidden")
    assert edge.services.calls == []


async def test_get_live_departure_is_for_everybody_and_never_served_stale(edge: Edge):
    position = positions_pb2.Position(recorded_at=at(2030, 6, 1, 8), latitude=53.5511, longitude=9.9937)
    call = live_pb2.LiveCall(sequence=1, stop_id="stp_1", arrived_at=at(2030, 6, 1, 8))
    live = live_pb2.LiveDeparture(
        departure_id="dep_1",
        service_date="2030-06-01",
        state=timetable_pb2.DEPARTURE_STATE_DEPARTED,
        vehicle=tracked(position=position, received_at=at(2030, 6, 1, 8, 0, 1)),
        delay_seconds=-30,
        calls=[call],
        observed_at=at(2030, 6, 1, 8, 0, 5),
    )
    edge.services.answers("GetLiveDeparture", live)
    reply = await edge.client.get("/v1/departures/dep_1/live")
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-cache")
    found = reply.json()
    assert (found["departure_id"], found["state"], found["delay_seconds"]) == ("dep_1", "departed", -30)
    assert found["vehicle"]["position"]["received_at"] == "2030-06-01T08:00:01Z"
    assert (found["calls"][0]["arrived_at"], found["calls"][0]["arrival"]) == ("2030-06-01T08:00:00Z", None)
    assert (found["occupancy"], found["off_route"]) == (None, False)
    message = edge.services.last("GetLiveDeparture").message
    assert message == tracking_service_pb2.GetLiveDepartureRequest(departure_id="dep_1")


async def test_get_live_departure_tells_when_there_is_none(edge: Edge):
    edge.services.answers("GetLiveDeparture", NotFound())
    problem(await edge.client.get("/v1/departures/dep_9/live"), 404, "not_found")
