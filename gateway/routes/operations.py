"""What an operator's staff look at through the day: the fleet, how full and how late departures are, who travels."""

import asyncio
from typing import Annotated

from fastapi import Query, Response
from headway.booking.v1 import operations_service_pb2

from gateway.backends import Services
from gateway.bodies import Router
from gateway.caller import Call, signed_in
from gateway.problems import problems
from gateway.routes.search import ask_delays
from gateway.schemas.operations import DepartureIds, Load, Loads, ManifestEntry
from gateway.schemas.shapes import PAGE_DEFAULT, Cursor, Id, Limit, Page, PathId
from gateway.schemas.vehicles import Vehicle

router = Router()


@router.get("/vehicles", tags=["Operator"], summary="List vehicles")
async def list_vehicles(
    operator_id: Annotated[Id, Query()],
    call: Annotated[Call, signed_in("fleet:read")],
    services: Services,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = "",
) -> Page[Vehicle]:
    """List the fleet of an operator."""
    request = operations_service_pb2.ListVehiclesRequest(operator_id=operator_id, limit=limit, cursor=cursor)
    found = await services.ask(services.operations.ListVehicles, request, call)
    return Page(items=[Vehicle.from_proto(one) for one in found.vehicles], next_cursor=found.next_cursor or None)


@router.get("/departures/loads", tags=["Operator"], summary="See how full and how late departures are")
async def get_loads(
    ids: DepartureIds,
    call: Annotated[Call, signed_in("timetable:write")],
    services: Services,
    response: Response,
) -> Loads:
    """Count the seats taken on departures of one's operator, and tell how late they are, if somebody knows."""
    request = operations_service_pb2.GetLoadsRequest(departure_ids=ids)
    found, delays = await asyncio.gather(
        services.ask(services.operations.GetLoads, request, call), ask_delays(ids, call, services)
    )
    response.headers["Cache-Control"] = "private, no-cache"
    return Loads(items=[Load.of(one, delays.get(one.departure_id)) for one in found.loads])


@router.get(
    "/departures/{departure_id}/manifest", tags=["Driver"], summary="See who travels", responses=problems("not_found")
)
async def get_manifest(
    *,
    departure_id: PathId,
    call: Annotated[Call, signed_in("boarding")],
    services: Services,
    response: Response,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = "",
) -> Page[ManifestEntry]:
    """Read who has a seat on a departure, held or sold, in the order in which they booked. Nobody may keep it."""
    request = operations_service_pb2.GetManifestRequest(departure_id=departure_id, limit=limit, cursor=cursor)
    found = await services.ask(services.operations.GetManifest, request, call)
    response.headers["Cache-Control"] = "no-store"
    return Page(items=[ManifestEntry.from_proto(one) for one in found.entries], next_cursor=found.next_cursor or None)
