"""Vehicles in JSON: the fleet, the seats in it, and where it is."""

from datetime import datetime
from typing import Annotated, Any, Literal

from headway.booking.v1 import timetable_service_pb2
from headway.tracking.v1 import positions_pb2, tracking_service_pb2
from pydantic import Field, FiniteFloat, StrictInt, model_validator

from gateway.schemas.shapes import Id, Input, Instant, Output, text

SEATS_MAX = 2000
POSITIONS_MAX = 500
SEQUENCE_MAX = 2**53 - 1
"""What every JSON reader keeps exactly. https://www.rfc-editor.org/rfc/rfc8259#section-6"""

Freshness = Literal["live", "stale", "unknown"]


class LayoutSeatInput(Input):
    """One seat of a layout."""

    id: Annotated[str, text(8)] = Field(description="Its label", examples=["7C"])
    row: StrictInt = Field(ge=0, le=10_000)
    column: StrictInt = Field(ge=0, le=10_000)
    features: list[Annotated[str, text(32)]] = Field(default=[], max_length=10, examples=[["wheelchair"]])


class CreateLayout(Input):
    """The seats of a kind of vehicle, in the order in which they are given out."""

    operator_id: Id
    name: Annotated[str, text(200)]
    seats: list[LayoutSeatInput] = Field(min_length=1, max_length=SEATS_MAX)

    def to_proto(self) -> timetable_service_pb2.CreateLayoutRequest:
        return timetable_service_pb2.CreateLayoutRequest(**self.model_dump())


class LayoutSeat(Output):
    """One seat of a layout."""

    id: str = Field(description="Its label", examples=["7C"])
    row: int
    column: int
    features: list[str]


class Layout(Output):
    """The seats of a kind of vehicle."""

    id: str
    operator_id: str
    name: str
    seats: list[LayoutSeat]
    version: int


class Seat(LayoutSeat):
    """One seat on a part of a departure."""

    is_available: bool


class SeatMap(Output):
    """Every seat of a departure, and whether it is free on the whole of a part."""

    layout_id: str
    seats: list[Seat]
    observed_at: datetime
    version: int = Field(description="Rises with every change of the departure's seats")


class Availability(Output):
    """How many seats are free on the whole of a part of a departure."""

    seats_available: int
    capacity: int
    observed_at: datetime
    version: int = Field(description="Rises with every change of the departure's seats")


class RegisterVehicle(Input):
    """A vehicle to make known."""

    operator_id: Id
    label: Annotated[str, text(200)] = Field(description="What people call it", examples=["HH-HW 142"])
    layout_id: Id | None = Field(None, description="A layout of 50 seats when left out")

    def to_proto(self) -> timetable_service_pb2.RegisterVehicleRequest:
        return timetable_service_pb2.RegisterVehicleRequest(**self.model_dump())


class Vehicle(Output):
    """A vehicle of an operator's fleet."""

    id: str
    operator_id: str
    label: str
    layout_id: str
    version: int


class PositionInput(Input):
    """One point of a vehicle's way. One that cannot be true is rejected by itself, not the whole batch."""

    sequence: StrictInt = Field(0, ge=0, le=SEQUENCE_MAX, description="Rises within the session; 0 when there is none")
    recorded_at: Instant = Field(examples=["2030-06-01T08:12:30Z"])
    latitude: FiniteFloat = Field(examples=[53.5511])
    longitude: FiniteFloat = Field(examples=[9.9937])
    speed_meters_per_second: FiniteFloat | None = None
    heading_degrees: FiniteFloat | None = Field(None, description="Clockwise from true north, 0 to 360")
    accuracy_meters: FiniteFloat | None = None

    def to_proto(self) -> positions_pb2.Position:
        return positions_pb2.Position(**dict(self))


class ReportPositions(Input):
    """Points of one vehicle, oldest first."""

    session_id: Annotated[str, text(64)] | None = Field(None, description="Names one run of the device")
    positions: list[PositionInput] = Field(min_length=1, max_length=POSITIONS_MAX)

    def to_proto(self, vehicle_id: str) -> tracking_service_pb2.PositionBatch:
        return tracking_service_pb2.PositionBatch(
            vehicle_id=vehicle_id,
            session_id=self.session_id or "",
            positions=[position.to_proto() for position in self.positions],
        )


class RejectedPosition(Output):
    """A point that was not taken, and why."""

    index: int = Field(description="Its place in the batch, from 0")
    reason: str = Field(examples=["duplicate"])


class ReportedPositions(Output):
    """What became of a batch: what was accepted is stored."""

    accepted: int
    rejected: list[RejectedPosition]
    acknowledged_sequence: int = Field(description="Every point up to this one of the session is stored or rejected")
    late: int = Field(description="Of the accepted: those older than what was known, so that the vehicle did not move")


class Position(Output):
    """Where a vehicle was last."""

    latitude: float
    longitude: float
    heading_degrees: float | None
    speed_meters_per_second: float | None
    accuracy_meters: float | None
    recorded_at: datetime
    received_at: datetime | None


class TrackedVehicle(Output):
    """A vehicle and where it was last."""

    id: str
    operator_id: str
    label: str
    position: Position | None = Field(description="null until the first point")
    freshness: Freshness = Field(description="How far the position can be trusted to be where the vehicle is now")

    @model_validator(mode="before")
    @classmethod
    def _with_its_receipt(cls, found: dict[str, Any]) -> dict[str, Any]:
        """Move when its position came in to where the position is."""
        if found["position"]:
            found["position"]["received_at"] = found["received_at"]
        return found
