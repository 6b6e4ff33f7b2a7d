"""Positions over a WebSocket: batch after batch, each answered like a report of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest
from headway.tracking.v1.tracking_service_pb2 import PositionAck, RejectedPosition
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chassis.clock import SystemClock
from chassis.errors import NotFound
from chassis.keys import USER_TOKEN, open_signer
from tests.gateway.recording_services import RecordingServices, recording_server
from tests.gateway.test_http_server import Process
from tests.gateway.test_vehicles import POINT

ACK = PositionAck(accepted=1, acknowledged_sequence=7, rejected=[RejectedPosition(index=1, reason="duplicate")])


class Door:
    """A gateway, what plays tracking behind it, and tokens that are good there."""

    def __init__(self, process: Process, services: RecordingServices) -> None:
        self.process, self.services = process, services
        self._signer = open_signer("gateway", process.folder / "keys")

    def token(self, scope: str = "positions:write", seconds: float = 60) -> str:
        told = {"sub": "dev_1", "scope": scope, "vehicle_id": "veh_1", "operator_id": "op"}
        return self._signer.sign(told, typ=USER_TOKEN.typ, now=SystemClock().now(), ttl=timedelta(seconds=seconds))

    def open(self, token: str = "") -> AbstractAsyncContextManager[ClientConnection]:
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        url = f"ws://127.0.0.1:{self.process.port}/v1/vehicles/veh_1/positions/stream"
        return connect(url, additional_headers=headers, proxy=None)

    def batches(self) -> list[Any]:
        return [call.message for call in self.services.calls if call.rpc == "ReportPositions"]


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with recording_server(RecordingServices()) as server:
        process = Process(tmp_path_factory.mktemp("gateway"), GATEWAY_TRACKING_ADDRESS=server.address)
        try:
            await asyncio.to_thread(process.wait_until_up)
            yield Door(process, server.services)
        finally:
            await asyncio.to_thread(process.stop)


@pytest.fixture
def door(running: Door) -> Door:
    running.services.forget()
    running.services.answers("ReportPositions", ACK)
    return running


async def exchanged(socket: ClientConnection, message: str | bytes) -> Any:
    await socket.send(message)
    return json.loads(await asyncio.wait_for(socket.recv(), 10))


def batch(**others: Any) -> str:
    return json.dumps({"positions": [POINT]} | others)


async def test_each_batch_is_reported_and_answered_and_a_session_goes_on(door: Door):
    async with door.open() as socket:
        sent = [batch(session_id="run-1"), batch().encode(), batch(session_id="run-2")]
        answers = [await exchanged(socket, message) for message in sent]
    told = {"accepted": 1, "rejected": [{"index": 1, "reason": "duplicate"}], "acknowledged_sequence": 7, "late": 0}
    assert answers == [told] * 3
    assert [found.session_id for found in door.batches()] == ["run-1", "run-1", "run-2"]
    assert {(found.vehicle_id, len(found.positions)) for found in door.batches()} == {("veh_1", 1)}


@pytest.mark.parametrize(("token", "status", "code"), [("none", 401, "unauthenticated"), ("other", 403, "forbidden")])
async def test_whoever_may_not_report_is_told_so_and_let_in_no_further(door: Door, token: str, status: int, code: str):
    with pytest.raises(InvalidStatus) as refused:
        async with door.open(door.token("bookings") if token == "other" else "no.good.token"):
            pass
    response = refused.value.response
    assert (response.status_code, json.loads(response.body or b"")["code"]) == (status, code)


@pytest.mark.parametrize(
    ("message", "code", "pointers"),
    [
        ("{", "malformed_body", []),
        ("[]", "invalid_value", [""]),
        (json.dumps({"positions": [{**POINT, "latitude": "north"}]}), "invalid_value", ["/positions/0/latitude"]),
    ],
)
async def test_what_cannot_be_read_is_told_and_ends_it(door: Door, message: str, code: str, pointers: list[str]):
    async with door.open() as socket:
        found = await exchanged(socket, message)
        assert (found["code"], [error["pointer"] for error in found["errors"]]) == (code, pointers)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert door.batches() == []


async def test_what_tracking_refuses_is_told(door: Door):
    door.services.answers("ReportPositions", NotFound())
    async with door.open() as socket:
        assert (await exchanged(socket, batch()))["code"] == "not_found"


async def test_it_ends_with_its_token(door: Door):
    async with door.open(door.token(seconds=2)) as socket:
        assert (await exchanged(socket, batch()))["accepted"] == 1
        async with asyncio.timeout(20):
            while (found := await exchanged(socket, batch())).get("accepted"):
                pass
    assert found["code"] == "unauthenticated"
