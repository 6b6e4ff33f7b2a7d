"""What happens on the road, as it happens: server-sent events for who follows a ride or looks at a map."""

from typing import Annotated, Any

from fastapi import Header, Query, Request
from pydantic import StringConstraints

from chassis.errors import FieldError, InvalidInput
from gateway.bodies import Router
from gateway.caller import Anonymous, Call, token_ends_in
from gateway.guidance import FORMS
from gateway.limits import address_block
from gateway.live import Area
from gateway.problems import problems
from gateway.schemas.shapes import BOX_PATTERN, Id, PathId
from gateway.streams import EVENT, EventStream, Topic, Wants

router = Router(tags=["Rider"])

Box = Annotated[
    Annotated[str, StringConstraints(pattern=BOX_PATTERN)] | None,
    Query(description="West, south, east, north in degrees; a west beyond the east goes over the date line"),
]
EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {EventStream.media_type: {"schema": EVENT}}}}
LastEventId = Annotated[
    str, Header(alias="Last-Event-ID", max_length=64, description="The newest event heard; browsers send it themselves")
]


@router.get(
    "/departures/{departure_id}/live/stream",
    summary="Follow a ride as it happens",
    response_class=EventStream,
    status_code=200,  # which FastAPI would look for in the class
    responses=problems("not_found") | EVENTS,
)
async def watch_departure(
    departure_id: PathId, request: Request, call: Anonymous, last_event_id: LastEventId = ""
) -> EventStream:
    """Tell how a departure runs: `state` with all that get_live_departure tells, then the parts that change.

    `position` tells `vehicle`, `arrival` tells `calls`, `delay_seconds` and `off_route`, `availability` tells
    `availability` and `occupancy`, and `state` again all of it. Who reads slowly is told the newest only; who comes
    back, what has changed meanwhile. The stream ends with the token, if one was sent, and after an hour.
    """
    topic = await request.app.state.live.departure(departure_id, seconds=call.timeout)
    return stream(request, call, topic, last_event_id)


@router.get(
    "/live/stream",
    summary="Follow the vehicles of a map",
    response_class=EventStream,
    status_code=200,
    responses=EVENTS,
)
async def watch_vehicles(
    request: Request, call: Anonymous, bbox: Box = None, operator_id: Id | None = None, last_event_id: LastEventId = ""
) -> EventStream:
    """Tell where vehicles are that run departures: first all of them, then each as it moves, as `position`.

    A vehicle that leaves the box is told of once more. Who reads slowly is told the newest of each only.
    """
    area = Area(operator_id or "", box_of(bbox) if bbox else None)
    return stream(request, call, request.app.state.live.fleet(), last_event_id, area.has_any)


def box_of(text: str) -> tuple[float, float, float, float]:
    """Read a part of the map."""
    west, south, east, north = map(float, text.split(","))
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise InvalidInput(errors=[FieldError("/bbox", FORMS[BOX_PATTERN])])
    return west, south, east, north


def stream(request: Request, call: Call, topic: Topic, last_event_id: str, wants: Wants | None = None) -> EventStream:
    """Answer with the events of a topic."""
    place: Any = request.app.state.live.places.taken(call.caller.subject or address_block(request.scope))
    most = request.app.state.settings.stream_seconds_max
    seconds = min(most, ends) if (ends := token_ends_in(request)) is not None else most
    return EventStream(topic, place=place, last_event_id=last_event_id, seconds=seconds, wants=wants)
