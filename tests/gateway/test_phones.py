"""Phones with apps of others become trackers: their forms and their ways to say who they are."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from headway.tracking.v1 import positions_pb2, tracking_service_pb2

from gateway.accounts.tokens import AccessTokens
from tests.gateway.recording_services import Edge, at, gateway_and_services, pointers
from tests.gateway.running import problem

SECONDS = 1906531950
QUERY = {"timestamp": str(SECONDS), "lat": "53.5511", "lon": "9.9937", "speed": "10", "bearing": "90", "accuracy": "5"}
NEWER = {
    "location": {
        "timestamp": "2030-06-01T08:12:30.000Z",
        "coords": {"latitude": 53.5511, "longitude": 9.9937, "speed": 5.5, "heading": -1, "accuracy": 5, "altitude": 3},
        "is_moving": True,
        "battery": {"level": 0.9},
    }
}
OWNTRACKS = {
    "_type": "location",
    "tst": SECONDS,
    "lat": 53.5511,
    "lon": 9.9937,
    "vel": 36,
    "cog": 90,
    "acc": 5,
    "tid": "x",
}
OSMAND, TRACKS = "/v1/open/osmand", "/v1/open/owntracks"
ACK = tracking_service_pb2.PositionAck(accepted=1)


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    running.services.answers("ReportPositions", ACK)
    return running


def device(edge: Edge, *scopes: str, vehicle_id: str = "veh_1") -> str:
    tokens = AccessTokens(edge.app.state.signer, edge.app.state.clock)
    scope = " ".join(scopes or ("positions:write",))
    return tokens.issue(subject="dev_1", scope=scope, operator_id="op", vehicle_id=vehicle_id).token


def basic(token: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()}


def reported(edge: Edge) -> positions_pb2.Position:
    batch = edge.services.last("ReportPositions").message
    assert (batch.vehicle_id, batch.session_id) == ("veh_1", "")
    (found,) = batch.positions
    assert found.recorded_at == at(2030, 6, 1, 8, 12, 30)
    assert (found.latitude, found.longitude, found.accuracy_meters) == (53.5511, 9.9937, 5.0)
    return found


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_report_osmand_takes_a_point_from_the_query(edge: Edge, method: str):
    reply = await edge.client.request(method, OSMAND, params=QUERY | {"id": device(edge), "batt": "90"})
    assert (reply.status_code, reply.json()) == (200, {"accepted": 1})
    found = reported(edge)
    assert (found.speed_meters_per_second, found.heading_degrees) == (pytest.approx(5.1444, abs=1e-4), 90.0)


async def test_report_osmand_takes_the_json_of_newer_versions(edge: Edge):
    reply = await edge.client.post(OSMAND, json=NEWER | {"device_id": device(edge)})
    assert (reply.status_code, reply.json()) == (200, {"accepted": 1})
    found = reported(edge)
    assert (found.speed_meters_per_second, found.heading_degrees) == (pytest.approx(5.5), -1.0)


async def test_report_owntracks_takes_a_location_and_answers_as_the_app_expects(edge: Edge):
    reply = await edge.client.post(TRACKS, json=OWNTRACKS, headers=basic(device(edge)))
    assert (reply.status_code, reply.json()) == (200, [])
    found = reported(edge)
    assert (found.speed_meters_per_second, found.heading_degrees) == (pytest.approx(10), 90.0)


@pytest.mark.parametrize("message", [{"_type": "lwt", "tst": SECONDS}, {"_type": "transition", "lat": 1}])
async def test_report_owntracks_takes_note_of_no_other_message(edge: Edge, message: dict[str, Any]):
    reply = await edge.client.post(TRACKS, json=message, headers=basic(device(edge)))
    assert (reply.status_code, reply.json()) == (200, [])
    assert edge.services.calls == []


@pytest.mark.parametrize(
    "told", [str(SECONDS), str(SECONDS * 1000), "2030-06-01T08:12:30Z", "2030-06-01T10:12:30+02:00"]
)
async def test_a_time_may_be_in_seconds_milliseconds_or_text(edge: Edge, told: str):
    reply = await edge.client.get(OSMAND, params=QUERY | {"id": device(edge), "timestamp": told})
    assert reply.status_code == 200, reply.text
    reported(edge)


async def test_a_token_may_come_in_three_ways(edge: Edge):
    token = device(edge)
    for headers in (basic(token), {"authorization": f"Bearer {token}"}):
        for call in (edge.client.get(OSMAND, params=QUERY, headers=headers),
                     edge.client.post(TRACKS, json=OWNTRACKS, headers=headers)):  # fmt: skip
            assert (await call).status_code == 200
            assert edge.services.last("ReportPositions").metadata["authorization"] == f"Bearer {token}"


@pytest.mark.parametrize("headers", [{}, basic("x"), {"authorization": "Basic %%%"}, {"authorization": "Bearer x"}])
async def test_nobody_reports_without_a_good_token(edge: Edge, headers: dict[str, str]):
    problem(await edge.client.get(OSMAND, params=QUERY, headers=headers), 401, "unauthenticated")
    problem(await edge.client.post(TRACKS, json=OWNTRACKS, headers=headers), 401, "unauthenticated")
    assert edge.services.calls == []


async def test_only_the_token_of_a_vehicle_may_report(edge: Edge):
    for token in (device(edge, vehicle_id=""), device(edge, "bookings")):
        problem(await edge.client.get(OSMAND, params=QUERY | {"id": token}), 403, "forbidden")
        problem(await edge.client.post(TRACKS, json=OWNTRACKS, headers=basic(token)), 403, "forbidden")


@pytest.mark.parametrize(
    ("name", "value"), [("lat", "north"), ("lat", "nan"), ("timestamp", "noon"), ("timestamp", "1e99"), ("lon", "inf")]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_is_no_point_is_refused_by_name(edge: Edge, method: str, name: str, value: str):
    reply = await edge.client.request(method, OSMAND, params=QUERY | {"id": device(edge), name: value})
    document = problem(reply, 422, "invalid_value")
    assert [pointer.rpartition("/")[2] for pointer in pointers(document)] == [name]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 5000, b'{"location": {"coords": 7}}', b'{"location": NaN}'])
async def test_a_body_that_is_no_point_is_refused(edge: Edge, body: bytes):
    reply = await edge.client.post(OSMAND, content=body, headers=basic(device(edge)))
    assert reply.status_code == 422, reply.text
    assert json.loads(reply.content)["code"] in ("invalid_value", "malformed_body")


async def test_a_point_that_tracking_rejects_is_not_sent_again(edge: Edge):
    edge.services.answers("ReportPositions", tracking_service_pb2.PositionAck(accepted=0))
    reply = await edge.client.get(OSMAND, params=QUERY | {"id": device(edge)})
    assert (reply.status_code, reply.json()) == (200, {"accepted": 0})
