"""Departures as they run, in JSON."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from gateway.schemas.shapes import Output, TextOrNone
from gateway.schemas.timetable import DepartureState
from gateway.schemas.vehicles import TrackedVehicle

OccupancyStatus = Literal["unspecified", "empty", "many_seats_available", "few_seats_available", "full"]


class ExpectedArrival(Output):
    """When a vehicle is expected at a call."""

    expected_at: datetime
    earliest_at: datetime | None = Field(description="null while only the delay is known")
    latest_at: datetime | None


class LiveCall(Output):
    """One call with what happened there, or what is expected."""

    sequence: int
    stop_id: str
    feed_stop_id: TextOrNone = Field(description="The operator's own identifier")
    stop_name: str
    timezone: str = Field(examples=["Europe/Berlin"])
    latitude: float
    longitude: float
    scheduled_arrival_at: datetime | None
    scheduled_departure_at: datetime | None
    arrival: ExpectedArrival | None = Field(description="null where the vehicle has been, and while nobody knows")
    arrived_at: datetime | None
    departed_at: datetime | None


class Occupancy(Output):
    """How full a vehicle is by what is booked, where it is."""

    status: OccupancyStatus
    load_factor: float | None = Field(description="Seats taken of all seats, 0 to 1")


class SegmentAvailability(Output):
    """How many seats are free from each call to the next, as booking last told."""

    capacity: int
    seats_free: list[int] = Field(description="One number a segment, in the order of the calls")
    version: int = Field(description="Rises with every change of the departure's seats")


class LiveDeparture(Output):
    """A departure as it runs."""

    departure_id: str
    operator_id: str
    feed_trip_id: TextOrNone = Field(description="The operator's own identifier")
    feed_route_id: TextOrNone
    service_date: date
    state: DepartureState = Field(description="By the vehicle, and by the timetable while nothing is known of it")
    vehicle: TrackedVehicle | None
    delay_seconds: int | None = Field(description="Negative is early; null while nobody knows")
    off_route: bool = Field(validation_alias="is_off_route")
    calls: list[LiveCall]
    occupancy: Occupancy | None
    availability: SegmentAvailability | None = Field(description="null while nobody knows how many seats it has")
    observed_at: datetime


class RunningVehicle(Output):
    """A vehicle on its way, and what it runs."""

    vehicle: TrackedVehicle
    departure_id: str
    delay_seconds: int | None = Field(description="null once it is at its end")
