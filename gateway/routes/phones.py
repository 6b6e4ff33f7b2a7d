"""Doors for phones: what apps of others speak becomes a report of positions.

What cannot be true is answered like what can: an app that is refused sends the same point for ever.
"""

import base64
import binascii
from typing import Annotated, Any

from fastapi import Query, Request
from headway.tracking.v1 import positions_pb2
from headway.tracking.v1.tracking_service_pb2 import PositionBatch

from chassis.access import caller_of, needs
from chassis.errors import Forbidden, NotAuthenticated
from chassis.keys import USER_TOKEN
from gateway.backends import Services
from gateway.bodies import Router, parse, validated
from gateway.caller import Call, metadata_of
from gateway.problems import problems
from gateway.schemas.phones import OsmAndPoint, OwnTracksMessage

router = Router()
FAILURES = problems("unauthenticated", "forbidden")


@router.get("/open/osmand", tags=["Driver"], summary="Report by Traccar Client", responses=FAILURES)
async def report_osmand(point: Annotated[OsmAndPoint, Query()], request: Request, services: Services) -> dict[str, int]:
    """Take a point from a phone: make a device token the app's device identifier, and this its server address."""
    return await report(services, device_call(request, point.id), point.to_proto())


@router.post("/open/osmand", include_in_schema=False)
async def report_osmand_posted(request: Request, services: Services) -> dict[str, int]:
    """Take a point that comes in the query or, from newer versions, as JSON."""
    point = validated(OsmAndPoint, dict(request.query_params) or parse(await request.body()))
    return await report(services, device_call(request, point.id), point.to_proto())


@router.post("/open/owntracks", tags=["Driver"], summary="Report by OwnTracks", responses=FAILURES)
async def report_owntracks(message: OwnTracksMessage, request: Request, services: Services) -> list[Any]:
    """Take a message from a phone: set the app to HTTP, any user name, and a device token as password."""
    call, position = device_call(request), message.to_proto()
    if position is not None:
        await report(services, call, position)
    return []


async def report(services: Services, call: Call, position: positions_pb2.Position) -> dict[str, int]:
    """Report one point of the vehicle that the token is bound to."""
    request = PositionBatch(vehicle_id=call.caller.vehicle_id, positions=[position])
    return {"accepted": (await services.ask(services.tracking.ReportPositions, request, call)).accepted}


def device_call(request: Request, token: str = "") -> Call:
    """Admit a device by the token that it sends as an identifier, as a password or as a bearer."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        token = password_of(credentials)
    elif scheme.lower() == "bearer":
        token = credentials
    state = request.app.state
    caller = caller_of(state.verifier.check(token, USER_TOKEN, now=state.clock.now()))
    needs("positions:write").admit(caller)
    if not caller.vehicle_id:
        raise Forbidden(scope="a device token")
    return Call(caller, metadata_of(request, f"Bearer {token}"))


def password_of(credentials: str) -> str:
    """Read the password of basic auth; the user's name says nothing here."""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        raise NotAuthenticated from None
