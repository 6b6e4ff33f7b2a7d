"""Vehicles on the road: what they report, and where they are."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from fastapi import Response, WebSocket, WebSocketDisconnect
from grpc import aio
from headway.tracking.v1 import tracking_service_pb2
from starlette.websockets import WebSocketState

from chassis.errors import Failure
from chassis.rpc_client import reading_failures
from gateway.backends import Services
from gateway.bodies import Malformed, Router, parse, validated
from gateway.caller import TIMEOUT_SECONDS, Anonymous, Call, call_of, signed_in
from gateway.problems import HttpRefusal, problem_response, problems
from gateway.schemas.live import LiveDeparture
from gateway.schemas.shapes import PathId
from gateway.schemas.vehicles import ReportedPositions, ReportPositions, TrackedVehicle

router = Router()

POLICY_VIOLATION = 1008
"""https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1"""


@router.post(
    "/vehicles/{vehicle_id}/positions", tags=["Driver"], summary="Report positions", responses=problems("not_found")
)
async def report_positions(
    vehicle_id: PathId,
    body: ReportPositions,
    call: Annotated[Call, signed_in("positions:write")],
    services: Services,
) -> ReportedPositions:
    """Report points of a vehicle's way, oldest first; what is accepted is stored when this answers.

    Repeating a batch is harmless: points that are known are rejected as `duplicate`. A device that keeps reporting
    can open a WebSocket at `/v1/vehicles/{vehicle_id}/positions/stream` instead, with its token as a bearer, and send
    such bodies as messages: each is answered by one like this answer. A problem document is the last message.
    """
    request = body.to_proto(vehicle_id)
    return ReportedPositions.from_proto(await services.ask(services.tracking.ReportPositions, request, call))


@router.websocket("/vehicles/{vehicle_id}/positions/stream")
async def stream_positions(socket: WebSocket, vehicle_id: PathId) -> None:
    """Take batch after batch as report_positions takes one, each answered once it is stored; a failure ends it.

    A session goes on until another is named.
    """
    session_id, tracking = "", socket.app.state.backends.tracking
    admit = partial(call_of, socket, scopes=("positions:write",), timeout=TIMEOUT_SECONDS)
    try:
        with socket.app.state.live.places.taken(admit().caller.subject), suppress(WebSocketDisconnect):
            await socket.accept()
            while (told := await socket.receive())["type"] != "websocket.disconnect":
                batch = batch_of(told, vehicle_id)
                batch.session_id = session_id = batch.session_id or session_id
                call = admit()  # anew: a token ends sooner than a stream
                with reading_failures():
                    asked = {"timeout": call.timeout, "metadata": aio.Metadata(*call.metadata)}
                    report = await tracking.ReportPositions(batch, **asked)
                await socket.send_text(ReportedPositions.from_proto(report).model_dump_json())
    except Failure as failure:
        refusal = problem_response(failure, path=socket.url.path)
        if socket.application_state is WebSocketState.CONNECTING:
            await socket.send_denial_response(refusal)
            return
        with suppress(WebSocketDisconnect):
            await socket.send_text(bytes(refusal.body).decode())
            await socket.close(POLICY_VIOLATION)


def batch_of(told: Mapping[str, Any], vehicle_id: str) -> tracking_service_pb2.PositionBatch:
    """Read a message like the body of report_positions."""
    try:
        body = parse(told.get("bytes") or (told.get("text") or "").encode())
    except Malformed:
        raise HttpRefusal("malformed_body") from None
    return validated(ReportPositions, body).to_proto(vehicle_id)


@router.get("/departures/{departure_id}/live", tags=["Rider"], summary="Follow a ride", responses=problems("not_found"))
async def get_live_departure(
    departure_id: PathId, call: Anonymous, services: Services, response: Response
) -> LiveDeparture:
    """Read a departure as it runs: its vehicle, its delay, what happened at its calls and what is expected there."""
    request = tracking_service_pb2.GetLiveDepartureRequest(departure_id=departure_id)
    live = await services.ask(services.tracking.GetLiveDeparture, request, call)
    response.headers["Cache-Control"] = "no-cache"
    return LiveDeparture.from_proto(live)


@router.get("/vehicles/{vehicle_id}", tags=["Operator"], summary="Find a vehicle", responses=problems("not_found"))
async def get_vehicle(
    vehicle_id: PathId, call: Annotated[Call, signed_in("fleet:read")], services: Services, response: Response
) -> TrackedVehicle:
    """Read one vehicle with its newest position and how far that can be trusted."""
    request = tracking_service_pb2.GetVehicleRequest(vehicle_id=vehicle_id)
    vehicle = await services.ask(services.tracking.GetVehicle, request, call)
    response.headers["Cache-Control"] = "private, no-cache"
    return TrackedVehicle.from_proto(vehicle)
