"""The timetable: departures, the seats in vehicles, and what is free."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Query, Response
from headway.booking.v1 import booking_service_pb2, timetable_service_pb2

from chassis.errors import MissingKey
from chassis.ids import new_id
from gateway.backends import Services
from gateway.bodies import Router
from gateway.caller import KEY, Anonymous, Call, Key, signed_in, with_key
from gateway.preconditions import RequiredIfMatch
from gateway.problems import problems
from gateway.schemas.shapes import PAGE_DEFAULT, Cursor, Id, Limit, Page, PathId
from gateway.schemas.timetable import (
    AssignVehicle,
    CancelDepartures,
    CancelledDepartures,
    Departure,
    PublishDeparture,
    PublishDepartures,
    PublishedDepartures,
    ServiceDate,
)
from gateway.schemas.vehicles import Availability, CreateLayout, Layout, RegisterVehicle, SeatMap, Vehicle

router = Router()

Staff = Annotated[Call, signed_in("timetable:write")]
StaffWithKey = Annotated[Call, with_key("timetable:write")]
Origin = Annotated[Id | None, Query(description="With `destination_stop_id`; the whole ride without both")]
Destination = Annotated[Id | None, Query(description="With `origin_stop_id`; the whole ride without both")]


async def staff_maybe_with_key(call: Staff, key: Key = "") -> Call:
    """Take an Idempotency-Key or make one, so that a call that we repeat ourselves has no second effect."""
    if not KEY.fullmatch(key or "none"):
        raise MissingKey
    return replace(call, metadata=(*call.metadata, ("idempotency-key", key or new_id("key"))))


StaffMaybeWithKey = Annotated[Call, Depends(staff_maybe_with_key)]


@router.post(
    "/departures",
    status_code=201,
    tags=["Operator"],
    summary="Put a departure on sale",
    responses=problems("unknown_stop", "illegal_state", "not_found"),
)
async def publish_departure(body: PublishDeparture, call: StaffWithKey, services: Services) -> Departure:
    """Put one departure on sale; its seats can be booked at once.

    Routes and stops are made as they are described, or brought up to date where the operator's own identifier is
    known already.
    """
    departure = await services.ask(services.timetable.PublishDeparture, body.to_proto(), call)
    return Departure.from_proto(services.tagged(departure))


@router.post(
    "/departures/batch",
    status_code=201,
    tags=["Operator"],
    summary="Put several departures on sale",
    responses=problems("unknown_stop", "illegal_state", "not_found"),
)
async def publish_departures(body: PublishDepartures, call: StaffWithKey, services: Services) -> PublishedDepartures:
    """Put departures on sale, all of them or none: at most 50, with 1,000 calls in all."""
    published = await services.ask(services.timetable.PublishDepartures, body.to_proto(), call)
    return PublishedDepartures(items=[Departure.from_proto(one) for one in published.departures])


@router.get("/departures", tags=["Rider"], summary="List departures")
async def list_departures(
    *,
    call: Anonymous,
    services: Services,
    operator_id: Id | None = None,
    route_id: Id | None = None,
    stop_id: Annotated[Id | None, Query(description="Only departures that call at this stop")] = None,
    date: Annotated[ServiceDate | None, Query(description="The service date")] = None,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = "",
) -> Page[Departure]:
    """List departures in order of their start."""
    request = timetable_service_pb2.ListDeparturesRequest(
        operator_id=operator_id or "",
        route_id=route_id or "",
        stop_id=stop_id or "",
        service_date=date.isoformat() if date else "",
        limit=limit + 1,  # one more tells whether there is a next page
        cursor=cursor,
    )
    found = await services.ask_for_many(services.timetable.ListDepartures, request, call)
    return Page(
        items=[Departure.from_proto(one.departure) for one in found[:limit]],
        next_cursor=found[limit - 1].cursor if len(found) > limit else None,
    )


@router.get("/departures/{departure_id}", tags=["Rider"], summary="Read a departure", responses=problems("not_found"))
async def get_departure(departure_id: PathId, call: Anonymous, services: Services) -> Departure:
    """Read one departure with its calls."""
    request = timetable_service_pb2.GetDepartureRequest(departure_id=departure_id)
    departure = await services.ask(services.timetable.GetDeparture, request, call)
    return Departure.from_proto(services.tagged(departure))


@router.post(
    "/departures/cancel",
    tags=["Operator"],
    summary="Cancel departures",
    responses=problems("illegal_state", "not_found"),
)
async def cancel_departures(body: CancelDepartures, call: StaffWithKey, services: Services) -> CancelledDepartures:
    """Take departures off the road: named ones, or those that start in a window.

    Bookings on them stay, and cancelling them refunds in full. With `dry_run`, only tell what would be hit.
    """
    hit = await services.ask(services.timetable.CancelDepartures, body.to_proto(), call)
    return CancelledDepartures(departure_ids=list(hit.departure_ids), booking_ids=list(hit.booking_ids))


@router.put(
    "/departures/{departure_id}/vehicle",
    tags=["Operator"],
    summary="Assign a vehicle",
    responses=problems("illegal_state", "not_found", "stale_version", "missing_precondition"),
)
async def assign_vehicle(
    *,
    departure_id: PathId,
    body: AssignVehicle,
    version: RequiredIfMatch,
    call: Staff,
    services: Services,
) -> Departure:
    """Say which vehicle runs a departure. Send the departure's ETag as If-Match."""
    request = timetable_service_pb2.AssignVehicleRequest(
        departure_id=departure_id, vehicle_id=body.vehicle_id, version=version
    )
    departure = await services.ask(services.timetable.AssignVehicle, request, call)
    return Departure.from_proto(services.tagged(departure))


@router.post("/layouts", status_code=201, tags=["Operator"], summary="Create a layout")
async def create_layout(body: CreateLayout, call: StaffMaybeWithKey, services: Services) -> Layout:
    """Describe the seats of a kind of vehicle. An Idempotency-Key is welcome, not asked for."""
    return Layout.from_proto(await services.ask(services.timetable.CreateLayout, body.to_proto(), call))


@router.get("/layouts", tags=["Operator"], summary="List layouts")
async def list_layouts(
    operator_id: Annotated[Id, Query()],
    call: Staff,
    services: Services,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = "",
) -> Page[Layout]:
    """List the layouts of an operator."""
    request = timetable_service_pb2.ListLayoutsRequest(operator_id=operator_id, limit=limit, cursor=cursor)
    found = await services.ask(services.timetable.ListLayouts, request, call)
    return Page(items=[Layout.from_proto(one) for one in found.layouts], next_cursor=found.next_cursor or None)


@router.post(
    "/vehicles",
    status_code=201,
    tags=["Operator"],
    summary="Register a vehicle",
    responses=problems("not_found"),
)
async def register_vehicle(body: RegisterVehicle, call: StaffMaybeWithKey, services: Services) -> Vehicle:
    """Make a vehicle known. An Idempotency-Key is welcome, not asked for."""
    return Vehicle.from_proto(await services.ask(services.timetable.RegisterVehicle, body.to_proto(), call))


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a departure that is asked about: between two stops, or the whole."""

    departure_id: PathId
    origin_stop_id: Origin = None
    destination_stop_id: Destination = None

    def fields(self) -> dict[str, str]:
        """Return what every request for a part says."""
        return {
            "departure_id": self.departure_id,
            "origin_stop_id": self.origin_stop_id or "",
            "destination_stop_id": self.destination_stop_id or "",
        }


@router.get(
    "/departures/{departure_id}/availability",
    tags=["Rider"],
    summary="Count the free seats",
    responses=problems("not_found", "unknown_stop", "not_served"),
)
async def get_availability(
    part: Annotated[Part, Depends()], call: Anonymous, services: Services, response: Response
) -> Availability:
    """Count the seats that are free on the whole of a part of a departure."""
    request = booking_service_pb2.GetAvailabilityRequest(**part.fields())
    response.headers["Cache-Control"] = "no-store"
    return Availability.from_proto(await services.ask(services.bookings.GetAvailability, request, call))


@router.get(
    "/departures/{departure_id}/seat-map",
    tags=["Rider"],
    summary="Read the seat map",
    responses=problems("not_found", "unknown_stop", "not_served"),
)
async def get_seat_map(
    part: Annotated[Part, Depends()], call: Anonymous, services: Services, response: Response
) -> SeatMap:
    """Read every seat of a departure and whether it is free on the whole of a part."""
    request = booking_service_pb2.GetSeatMapRequest(**part.fields())
    response.headers["Cache-Control"] = "no-store"
    return SeatMap.from_proto(await services.ask(services.bookings.GetSeatMap, request, call))
