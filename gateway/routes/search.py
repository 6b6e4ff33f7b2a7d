"""What riders look for: stops, routes, and rides with their seats, prices and delays."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query, Response
from headway.booking.v1 import timetable_service_pb2
from headway.pricing.v1 import pricing_service_pb2
from headway.tracking.v1 import tracking_service_pb2
from headway.types.v1 import timetable_pb2
from pydantic_core import to_json

from chassis.errors import NotFound
from gateway.backends import Exchange, Services
from gateway.bodies import Router
from gateway.caller import Anonymous, Call
from gateway.problems import problems
from gateway.schemas.messages import plain
from gateway.schemas.search import (
    RADIUS_METERS,
    EndOfRide,
    FoundStop,
    Itinerary,
    ListedRoute,
    Party,
    Pattern,
    PatternIds,
    Patterns,
    Place,
    Radius,
    Words,
)
from gateway.schemas.shapes import PAGE_DEFAULT, Cursor, Id, Limit, Page
from gateway.schemas.timetable import ServiceDate

RIDES_DEFAULT = 10
MOMENTARY = "public, max-age=1"
"""What changes is right within two seconds, of which public_cache.py has the other one."""
PATIENCE_SECONDS = 1.0
"""How long a list of rides waits for prices and delays."""

router = Router(tags=["Rider"])


@router.get("/stops", summary="Find stops")
async def list_stops(
    *,
    call: Anonymous,
    services: Services,
    response: Response,
    q: Words = "",
    near: Place = None,
    radius_meters: Radius = RADIUS_METERS,
    operator_id: Id | None = None,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = "",
) -> Page[FoundStop]:
    """Find stops and stations by name, in any case and without accents, or around a place."""
    request = timetable_service_pb2.ListStopsRequest(query=q, operator_id=operator_id or "", limit=limit, cursor=cursor)
    if near is not None:
        latitude, longitude = map(float, near.split(","))
        request.near.CopyFrom(
            timetable_service_pb2.Around(latitude=latitude, longitude=longitude, radius_meters=radius_meters)
        )
    found = await services.ask(services.timetable.ListStops, request, call)
    response.headers["Cache-Control"] = MOMENTARY
    return Page(items=[FoundStop.from_proto(one) for one in found.stops], next_cursor=found.next_cursor or None)


@router.get("/routes", summary="List routes")
async def list_routes(
    *,
    call: Anonymous,
    services: Services,
    response: Response,
    operator_id: Id | None = None,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = "",
) -> Page[ListedRoute]:
    """List the routes of an operator, or of all."""
    request = timetable_service_pb2.ListRoutesRequest(operator_id=operator_id or "", limit=limit, cursor=cursor)
    found = await services.ask(services.timetable.ListRoutes, request, call)
    response.headers["Cache-Control"] = MOMENTARY
    return Page(items=[ListedRoute.from_proto(one) for one in found.routes], next_cursor=found.next_cursor or None)


@router.get("/patterns", summary="Read patterns", responses=problems("not_found"))
async def get_patterns(ids: PatternIds, call: Anonymous, services: Services, response: Response) -> Patterns:
    """Read where departures call and the line that they follow, for drawing a route. Keep it: it never changes."""
    request = timetable_service_pb2.GetPatternsRequest(pattern_ids=ids)
    found = await services.ask_for_many(services.timetable.GetPatterns, request, call)
    if absent := set(ids) - {pattern.id for pattern in found}:
        raise NotFound(pattern_ids=sorted(absent))
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return Patterns(items=[Pattern.from_proto(one) for one in found])


@router.get("/itineraries", summary="Search rides", response_model=Page[Itinerary], responses=problems("unknown_stop"))
async def search_itineraries(
    *,
    origin_stop_id: EndOfRide,
    destination_stop_id: EndOfRide,
    date: Annotated[ServiceDate, Query(description="The local date at the origin")],
    passengers: Party = 1,
    call: Anonymous,
    services: Services,
    limit: Limit = RIDES_DEFAULT,
    cursor: Cursor = "",
) -> Response:
    """Find rides that can still be caught, in order of their start, with seats, fares and delays as they are now."""
    request = timetable_service_pb2.SearchItinerariesRequest(
        origin_stop_id=origin_stop_id,
        destination_stop_id=destination_stop_id,
        date=date.isoformat(),
        passengers=passengers,
        limit=limit,
        cursor=cursor,
    )
    found = await services.ask(services.timetable.SearchItineraries, request, call)
    items = await shown(found.itineraries, call, services)
    # What is asked most is written as it is, without a model between.
    body = to_json({"items": items, "next_cursor": found.next_cursor or None})
    return Response(body, headers={"Cache-Control": MOMENTARY}, media_type="application/json")


async def shown(found: Sequence[timetable_service_pb2.Itinerary], call: Call, services: Exchange) -> list[Any]:
    """Put prices and delays to rides, where there are any."""
    if not found:
        return []
    prices, delays = await asyncio.gather(prices_of(found, call, services), delays_of(found, call, services))
    return [
        {
            "legs": [leg_in_json(leg, delays.get(leg.departure_id)) for leg in one.legs],
            "seats_available": one.seats_available,
            "price_from": price,
        }
        for one, price in zip(found, prices, strict=True)
    ]


async def prices_of(found: Sequence[timetable_service_pb2.Itinerary], call: Call, services: Exchange) -> list[Any]:
    """Ask what an adult pays for each ride; None where nobody can tell."""
    quotes = [
        pricing_service_pb2.QuoteFareRequest(legs=map(ride_of, one.legs), passenger_categories=["adult"])
        for one in found
    ]
    request = pricing_service_pb2.QuoteFaresRequest(quotes=quotes, is_without_tokens=True)
    priced = await services.ask_in_passing(services.pricing.QuoteFares, request, call, seconds=PATIENCE_SECONDS)
    if priced is None:
        return [None] * len(found)
    return [plain(one.quote.total) if one.HasField("quote") else None for one in priced.outcomes]


def ride_of(leg: timetable_pb2.Leg) -> timetable_pb2.LegRequest:
    return timetable_pb2.LegRequest(
        departure_id=leg.departure_id,
        origin_stop_id=leg.origin.stop_id,
        destination_stop_id=leg.destination.stop_id,
    )


async def delays_of(found: Sequence[timetable_service_pb2.Itinerary], call: Call, services: Exchange) -> dict[str, int]:
    """Ask how late departures are, by their ids; nobody knows of those that are more than a day away."""
    tomorrow = (services.now() + timedelta(days=1)).timestamp()
    ids = [leg.departure_id for one in found for leg in one.legs if leg.origin.scheduled_at.seconds < tomorrow]
    return await ask_delays(ids, call, services) if ids else {}


async def ask_delays(ids: Sequence[str], call: Call, services: Exchange) -> dict[str, int]:
    """Ask how late departures are; those of which nobody can tell are left out."""
    request = tracking_service_pb2.GetDelaysRequest(departure_ids=ids)
    told = await services.ask_in_passing(services.tracking.GetDelays, request, call, seconds=PATIENCE_SECONDS)
    return {delay.departure_id: delay.delay_seconds for delay in told.delays} if told else {}


def leg_in_json(leg: timetable_pb2.Leg, delay_seconds: int | None) -> dict[str, Any]:
    """Write a leg like the model of that name, with when it is expected, if somebody knows."""
    told = plain(leg)
    del told["operator_id"]
    told["route"]["feed_route_id"] = told["route"]["feed_route_id"] or None
    told["delay_seconds"], told["cancellation_reason"] = delay_seconds, told["cancellation_reason"] or None
    delay = None if delay_seconds is None else timedelta(seconds=delay_seconds)
    for end in (told["origin"], told["destination"]):
        del end["sequence"]
        end["expected_at"] = None if delay is None else end["scheduled_at"] + delay
    return told
