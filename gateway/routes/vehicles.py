"""Vehicles on the road: what they report, and where they are."""

from typing import Annotated

from fastapi import Response
from headway.tracking.v1 import tracking_service_pb2

from gateway.backends import Services
from gateway.bodies import Router
from gateway.caller import Anonymous, Call, signed_in
from gateway.problems import problems
from gateway.schemas.live import LiveDeparture
from gateway.schemas.shapes import PathId
from gateway.schemas.vehicles import ReportedPositions, ReportPositions, TrackedVehicle

router = Router()


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

    Repeating a batch is harmless: points that are known are rejected as `duplicate`.
    """
    request = body.to_proto(vehicle_id)
    return ReportedPositions.from_proto(await services.ask(services.tracking.ReportPositions, request, call))


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
