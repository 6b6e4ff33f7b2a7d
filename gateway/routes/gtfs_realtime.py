"""What runs, in GTFS-Realtime: for programs that know the timetable by the operators' own GTFS feeds."""

import asyncio
from typing import Any

from fastapi import Request, Response
from google.protobuf.json_format import MessageToJson
from headway.gtfs_realtime.v1.gtfs_realtime_pb2 import FeedMessage
from headway.tracking.v1 import tracking_service_pb2

from gateway.backends import Services
from gateway.bodies import Router
from gateway.caller import Anonymous
from gateway.public_cache import wants_json
from gateway.schemas.shapes import Id

PROTOBUF, JSON = "application/x-protobuf", "application/json"
FEED: Any = {
    200: {
        "description": "A `FeedMessage` of GTFS-Realtime 2.0. In JSON, whole numbers of 64 bits are text.",
        "content": {JSON: {"schema": {"type": "object"}}, PROTOBUF: {"schema": {"type": "string", "format": "binary"}}},
    }
}

router = Router(prefix="/gtfs-realtime", tags=["Integration"])


@router.get("/vehicle-positions", summary="Read where vehicles are", responses=FEED)
async def get_vehicle_positions(
    request: Request, call: Anonymous, services: Services, operator_id: Id | None = None
) -> Response:
    """Read where the vehicles under way are, what they go to next and how full they are by what is booked.

    Protobuf, or JSON for who accepts that, of the last five seconds. Vehicles not seen for 90 seconds are left out.
    Give `operator_id` where operators use the same identifiers.
    """
    asked = tracking_service_pb2.GetVehiclePositionsRequest(operator_id=operator_id or "")
    return await written(request, await services.ask(services.tracking.GetVehiclePositions, asked, call))


@router.get("/trip-updates", summary="Read how trips run", responses=FEED)
async def get_trip_updates(
    request: Request, call: Anonymous, services: Services, operator_id: Id | None = None
) -> Response:
    """Read when the trips under way came to their stops and will come, and what is cancelled in the next seven days.

    A trip that is not told runs as the timetable says, as far as we know. Departures of no GTFS feed are left out.
    """
    asked = tracking_service_pb2.GetTripUpdatesRequest(operator_id=operator_id or "")
    return await written(request, await services.ask(services.tracking.GetTripUpdates, asked, call))


@router.get("/alerts", summary="Read what riders should know", responses=FEED)
async def get_alerts(request: Request, call: Anonymous, services: Services, operator_id: Id | None = None) -> Response:
    """Read a notice for each trip of the next seven days that is cancelled, booked or not, in words for riders."""
    asked = tracking_service_pb2.GetAlertsRequest(operator_id=operator_id or "")
    return await written(request, await services.ask(services.tracking.GetAlerts, asked, call))


async def written(request: Request, feed: FeedMessage) -> Response:
    """Write a feed in the form that the caller accepts."""
    headers = {"Cache-Control": "public, max-age=5", "Vary": "Accept"}
    if not wants_json(request.scope["headers"]):
        return Response(feed.SerializeToString(), headers=headers, media_type=PROTOBUF)
    # In a thread, because a large feed takes a while.
    body = await asyncio.to_thread(MessageToJson, feed, preserving_proto_field_name=True, indent=None)
    return Response(body, headers=headers, media_type=JSON)
