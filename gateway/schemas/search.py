"""What riders look for, in JSON: stops, routes, the ways that they take, and rides."""

from typing import Annotated, Self

from fastapi import Query
from pydantic import Field

from gateway.schemas.messages import plain
from gateway.schemas.shapes import PLACE_PATTERN, PRINTABLE, Id, Money, Output, TextOrNone, Told
from gateway.schemas.timetable import Leg, Route

RADIUS_METERS, RADIUS_METERS_MAX = 1000, 50_000
PATTERNS_MAX = 50
PARTY_MAX = 50

Words = Annotated[str, Query(max_length=100, pattern=PRINTABLE, description="Beginnings of words of the name")]
Place = Annotated[str | None, Query(pattern=PLACE_PATTERN, description="`latitude,longitude`: nearest first")]
Radius = Annotated[float, Query(ge=1, le=RADIUS_METERS_MAX, description="Around `near`")]
PatternIds = Annotated[list[Id], Query(min_length=1, max_length=PATTERNS_MAX)]
Party = Annotated[int, Query(ge=0, le=PARTY_MAX, description="Only rides with so many seats left; 0 shows all")]
EndOfRide = Annotated[Id, Query(description="A stop, or a station for any of its platforms")]


class Stop(Output):
    """A place where vehicles stop, or a station that has some."""

    id: str
    feed_stop_id: TextOrNone = Field(description="The operator's own identifier")
    name: str
    timezone: str = Field(examples=["Europe/Lisbon"])
    latitude: float
    longitude: float
    zone_id: TextOrNone = Field(description="Fare zone")
    station_id: TextOrNone = Field(description="The station that this is a platform of")
    is_station: bool


class FoundStop(Stop):
    """A stop, whose it is, and how far away."""

    operator_id: str
    distance_meters: float | None = Field(description="From `near`")

    @classmethod
    def from_proto(cls, message: Told) -> Self:
        told = plain(message)
        return cls.model_validate(told["stop"] | told)


class ListedRoute(Route):
    """A route, and whose it is."""

    operator_id: str
    pattern_ids: list[str] = Field(description="The ways that its departures take; `get_patterns` draws them")

    @classmethod
    def from_proto(cls, message: Told) -> Self:
        told = plain(message)
        return cls.model_validate(told["route"] | told)


class PatternCall(Output):
    """One stop of a pattern; the times count from the start of a departure."""

    stop: Stop
    arrival_seconds: int | None
    departure_seconds: int | None
    boarding: bool = Field(validation_alias="is_boarding_allowed", description="Riders may get on here")
    alighting: bool = Field(validation_alias="is_alighting_allowed", description="Riders may get off here")
    distance_meters: float = Field(description="Along the ride from the first call")
    interpolated: bool = Field(validation_alias="is_interpolated")


class ShapePoint(Output):
    """One point of a line on the map."""

    latitude: float
    longitude: float
    distance_meters: float = Field(description="Along the ride from the first call")


class Pattern(Output):
    """A way that departures take. It never changes: another way has another id."""

    id: str
    calls: list[PatternCall]
    shape: list[ShapePoint] = Field(description="Empty when only the stops are known")


class Patterns(Output):
    """Patterns in no order of their own."""

    items: list[Pattern]


class Itinerary(Output):
    """One way to get there."""

    legs: list[Leg]
    seats_available: int = Field(description="On the whole of every leg, without a change of seats")
    price_from: Money | None = Field(description="What an adult pays; null while nobody can tell")
