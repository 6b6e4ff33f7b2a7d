"""Tells riders whose departure does not run for them what else goes there on that day."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from headway.booking.v1.timetable_service_pb2 import GetDepartureRequest, SearchItinerariesRequest
from headway.types.v1 import timetable_pb2

from chassis.rpc_errors import RemoteFailure
from gateway.backends import Exchange
from gateway.caller import Call

NOT_RUNNING = frozenset({"DEPARTURE_GONE", "DEPARTURE_CANCELLED"})
NOT_RIDDEN = NOT_RUNNING | {"NOT_SERVED"}
ALTERNATIVES_MAX = 3
RIDES_MAX = 200
PATIENCE_SECONDS = 1.0


@asynccontextmanager
async def naming_alternatives(
    legs: Callable[[], Iterable[timetable_pb2.LegRequest]], party: int, call: Call, services: Exchange
) -> AsyncIterator[None]:
    """Add `alternatives` to the facts of a refusal because a departure does not run, or not there."""
    try:
        yield
    except RemoteFailure as failure:
        leg = next((leg for leg in legs() if leg.departure_id == failure.facts.get("departure_id")), None)
        if failure.reason in NOT_RIDDEN and leg is not None:
            failure.facts["alternatives"] = await alternatives_to(leg, party, call, services)
        raise


async def alternatives_to(leg: timetable_pb2.LegRequest, party: int, call: Call, services: Exchange) -> list[str]:
    """Find the departures that go the same way next, with seats for the party; none when nobody can tell."""
    asked = GetDepartureRequest(departure_id=leg.departure_id)
    departure = await services.ask_in_passing(services.timetable.GetDeparture, asked, call, seconds=PATIENCE_SECONDS)
    origin = next((one for one in departure.calls if one.stop.id == leg.origin_stop_id), None) if departure else None
    if departure is None or origin is None:
        return []
    leaves_at = origin.scheduled_departure_at if origin.HasField("scheduled_departure_at") else departure.starts_at
    zone = ZoneInfo(origin.stop.timezone)
    day = max(leaves_at.ToDatetime(tzinfo=zone), services.now().astimezone(zone)).date()
    request = SearchItinerariesRequest(
        origin_stop_id=leg.origin_stop_id,
        destination_stop_id=leg.destination_stop_id,
        date=day.isoformat(),
        passengers=party,
        limit=RIDES_MAX,
    )
    found = await services.ask_in_passing(services.timetable.SearchItineraries, request, call, seconds=PATIENCE_SECONDS)
    rides = [one.legs[0] for one in found.itineraries] if found else []
    later = [ride for ride in rides if ride.origin.scheduled_at.seconds >= leaves_at.seconds]
    return [ride.departure_id for ride in later if ride.departure_id != leg.departure_id][:ALTERNATIVES_MAX]
