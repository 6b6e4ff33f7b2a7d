"""What staff look at, in JSON."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from headway.booking.v1 import operations_service_pb2
from pydantic import Field

from gateway.schemas.bookings import Boarding, ItemState, Passenger
from gateway.schemas.messages import plain
from gateway.schemas.shapes import Id, Output

LOADS_MAX = 100

DepartureIds = Annotated[list[Id], Query(min_length=1, max_length=LOADS_MAX)]


class Load(Output):
    """How full a departure is on the part of its way where the most ride, and how late it is."""

    departure_id: str
    seats_sold: int
    seats_taken: int = Field(description="Those that are held count, too")
    capacity: int
    delay_seconds: int | None = Field(description="Null while it is not known to be on its way; negative is early")

    @classmethod
    def of(cls, load: operations_service_pb2.Load, delay_seconds: int | None) -> Self:
        return cls.model_validate(plain(load) | {"delay_seconds": delay_seconds})


class Loads(Output):
    """Departures of one's operator; others are left out."""

    items: list[Load]


class EndOfSeat(Output):
    """Where and when a passenger gets on or off."""

    stop_id: str
    stop_name: str
    timezone: str
    scheduled_at: datetime


class ManifestEntry(Output):
    """Somebody with a seat on a departure."""

    id: str = Field(description="The item of the booking", examples=["itm_01jd8k2m3n4p5q6r7s8t9v0w1x"])
    booking_id: str
    reference: str = Field(examples=["K7M2QX"])
    passenger: Passenger
    seat_id: str = Field(description="The seat's label in the layout", examples=["7C"])
    state: ItemState
    boarding: Boarding
    origin: EndOfSeat
    destination: EndOfSeat
