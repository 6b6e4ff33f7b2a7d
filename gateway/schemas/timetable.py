"""The timetable in JSON: departures and legs."""

import re
from datetime import date, datetime
from typing import Annotated, Literal, Self

from headway.booking.v1 import timetable_service_pb2
from headway.types.v1 import timetable_pb2
from pydantic import AfterValidator, AliasPath, BeforeValidator, Field, StrictBool, model_validator

from gateway.schemas.messages import number_of, timestamp_of
from gateway.schemas.shapes import Id, Input, Instant, Latitude, Longitude, Output, TextOrNone, text

CALLS_MAX = 300
CANCELLED_MAX = 100
PUBLISHED_MAX = 50
FIRST_YEAR, LAST_YEAR = 1970, 2199
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

Mode = Literal["coach", "ferry", "shuttle", "bus", "rail", "tram", "metro"]
DepartureState = Literal["scheduled", "boarding", "departed", "completed", "cancelled", "not_coming"]


def only_iso_date(value: object) -> object:
    """Let nothing but 2030-06-01 pass for a date."""
    if isinstance(value, date) or (isinstance(value, str) and ISO_DATE.fullmatch(value)):
        return value
    raise ValueError("Give a date as in 2030-06-01")


def only_near_dates(value: date) -> date:
    """Let no date pass that is far from any timetable."""
    if FIRST_YEAR <= value.year <= LAST_YEAR:
        return value
    raise ValueError(f"Give a date from {FIRST_YEAR} to {LAST_YEAR}")


Day = Annotated[date, BeforeValidator(only_iso_date), AfterValidator(only_near_dates)]
ServiceDate = Annotated[Day, Field(examples=["2030-06-01"])]


class Route(Output):
    """A line that the public knows by name."""

    id: str
    feed_route_id: TextOrNone = Field(description="The operator's own identifier")
    short_name: str = Field(examples=["X7"])
    long_name: str = Field(examples=["Harbour - Airport"])
    mode: Mode


class Call(Output):
    """One stop of a departure, with its times."""

    sequence: int
    stop_id: str = Field(validation_alias=AliasPath("stop", "id"))
    feed_stop_id: TextOrNone = Field(
        validation_alias=AliasPath("stop", "feed_stop_id"), description="The operator's own identifier"
    )
    stop_name: str = Field(validation_alias=AliasPath("stop", "name"))
    timezone: str = Field(validation_alias=AliasPath("stop", "timezone"), examples=["Europe/Berlin"])
    latitude: float = Field(validation_alias=AliasPath("stop", "latitude"))
    longitude: float = Field(validation_alias=AliasPath("stop", "longitude"))
    scheduled_arrival_at: datetime | None
    scheduled_departure_at: datetime | None
    boarding: bool = Field(validation_alias="is_boarding_allowed", description="Riders may get on here")
    alighting: bool = Field(validation_alias="is_alighting_allowed", description="Riders may get off here")
    distance_meters: float = Field(description="Along the ride from the first call")
    interpolated: bool = Field(
        validation_alias="is_interpolated", description="The times were worked out between those of the timetable"
    )


class AssignedVehicle(Output):
    """The vehicle that runs a departure."""

    id: str
    label: str


class Departure(Output):
    """One run of a vehicle along a route on one service date."""

    id: str = Field(examples=["dep_01jd8k2m3n4p5q6r7s8t9v0w1x"])
    operator_id: str
    feed_trip_id: TextOrNone = Field(description="The operator's own identifier")
    feed_start_time: TextOrNone = Field(description="When a run of a frequency starts, as in GTFS; null for others")
    route: Route
    headsign: str
    service_date: date = Field(description="A run after midnight belongs to the day before")
    state: DepartureState = Field(description="departed at its first time, completed an hour after its last one")
    calls: list[Call]
    vehicle: AssignedVehicle | None
    layout_id: str
    capacity: int
    pattern_id: str = Field(description="The way it takes; thousands of departures share one")
    starts_at: datetime
    cancellation_reason: TextOrNone = Field(description="What the operator says of why it is cancelled")
    version: int = Field(description="Also the ETag; rises with every change of the departure, not with its sales")


class LegEnd(Output):
    """Where and when a rider gets on or off."""

    stop_id: str
    stop_name: str
    timezone: str
    scheduled_at: datetime
    expected_at: datetime | None = None


class Leg(Output):
    """A ride on one departure from one stop to a later one."""

    departure_id: str
    route: Route
    headsign: str
    service_date: date
    state: DepartureState
    delay_seconds: int | None = None
    origin: LegEnd
    destination: LegEnd
    cancellation_reason: TextOrNone = Field(description="What the operator says of why it is cancelled")


class RouteInput(Input):
    """A route to create, or one to refer to by the operator's own identifier."""

    feed_route_id: Annotated[str, text(128)] | None = None
    short_name: Annotated[str, text(200)]
    long_name: Annotated[str, text(200, min_length=0)] = ""
    mode: Mode

    def to_proto(self) -> timetable_service_pb2.RouteInput:
        sent = self.model_dump() | {"mode": number_of(timetable_pb2.Mode.DESCRIPTOR, self.mode)}
        return timetable_service_pb2.RouteInput(**sent)


class StopInput(Input):
    """A stop to create, or one to bring up to date by the operator's own identifier."""

    feed_stop_id: Annotated[str, text(64)] | None = None
    name: Annotated[str, text(200)]
    timezone: Annotated[str, text(64)] = Field(description="IANA zone", examples=["Europe/Berlin"])
    latitude: Latitude
    longitude: Longitude
    zone_id: Annotated[str, text(64)] | None = Field(None, description="Fare zone")

    def to_proto(self) -> timetable_service_pb2.StopInput:
        return timetable_service_pb2.StopInput(**self.model_dump())


class CallInput(Input):
    """One call: at a stop that is known, by `stop_id`, or at one that is described, by `stop`."""

    stop_id: Id | None = None
    stop: StopInput | None = None
    scheduled_arrival_at: Instant | None = None
    scheduled_departure_at: Instant | None = None
    boarding: StrictBool = Field(True, description="Riders may get on here")
    alighting: StrictBool = Field(True, description="Riders may get off here")

    @model_validator(mode="after")
    def must_name_one_stop(self) -> Self:
        if (self.stop_id is None) is (self.stop is None):
            raise ValueError("Give either stop_id or stop")
        return self

    def to_proto(self) -> timetable_service_pb2.CallInput:
        message = timetable_service_pb2.CallInput(
            scheduled_arrival_at=timestamp_of(self.scheduled_arrival_at),
            scheduled_departure_at=timestamp_of(self.scheduled_departure_at),
            is_boarding_refused=not self.boarding,
            is_alighting_refused=not self.alighting,
        )
        if self.stop is None:
            message.stop_id = self.stop_id or ""
        else:
            message.stop.CopyFrom(self.stop.to_proto())
        return message


class PublishDeparture(Input):
    """A departure to put on sale."""

    operator_id: Id
    feed_trip_id: Annotated[str, text(200)] | None = None
    route: RouteInput
    headsign: Annotated[str, text(200, min_length=0)] = Field("", description="The last stop's name when left out")
    service_date: ServiceDate
    layout_id: Id | None = Field(None, description="A layout of 50 seats when left out")
    calls: list[CallInput] = Field(min_length=2, max_length=CALLS_MAX)

    def to_proto(self) -> timetable_service_pb2.PublishDepartureRequest:
        return timetable_service_pb2.PublishDepartureRequest(
            operator_id=self.operator_id,
            feed_trip_id=self.feed_trip_id or "",
            route=self.route.to_proto(),
            headsign=self.headsign,
            service_date=self.service_date.isoformat(),
            calls=[call.to_proto() for call in self.calls],
            layout_id=self.layout_id or "",
        )


class PublishDepartures(Input):
    """Departures to put on sale together."""

    departures: list[PublishDeparture] = Field(min_length=1, max_length=PUBLISHED_MAX)

    def to_proto(self) -> timetable_service_pb2.PublishDeparturesRequest:
        return timetable_service_pb2.PublishDeparturesRequest(departures=[one.to_proto() for one in self.departures])


class PublishedDepartures(Output):
    """Departures that are on sale now, in the order given."""

    items: list[Departure]


class CancelDepartures(Input):
    """Departures by name, or those of a route (or of the operator) that start in a window."""

    operator_id: Id
    departure_ids: list[Id] = Field(default=[], max_length=CANCELLED_MAX)
    route_id: Id | None = None
    starts_from: Instant | None = None
    starts_before: Instant | None = None
    reason: Annotated[str, text(500, min_length=0)] = Field("", description="Told to riders as it is")
    dry_run: StrictBool = Field(False, description="Only tell what would be hit")

    def to_proto(self) -> timetable_service_pb2.CancelDeparturesRequest:
        sent = self.model_dump(exclude={"dry_run"})
        return timetable_service_pb2.CancelDeparturesRequest(is_dry_run=self.dry_run, **sent)


class CancelledDepartures(Output):
    """What was hit, or would be."""

    departure_ids: list[str]
    booking_ids: list[str] = Field(description="Bookings with seats on them; they stay and are refunded in full")


class AssignVehicle(Input):
    """The vehicle that shall run a departure."""

    vehicle_id: Id
