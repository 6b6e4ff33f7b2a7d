"""Vehicles as the fleet's owner tells of them, and where they were seen."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tracking_svc.domain.points import Position

LIVE_MAX = timedelta(seconds=15)
STALE_MAX = timedelta(seconds=90)
"""https://gtfs.org/documentation/realtime/realtime-best-practices/ asks for positions not older than 90 seconds."""


class Freshness(StrEnum):
    """How far a position can be trusted to be where the vehicle is now."""

    LIVE = "live"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle of an operator's fleet."""

    id: str
    operator_id: str
    label: str
    version: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """A position and when we were told."""

    position: Position
    received_at: datetime

    def freshness(self, now: datetime) -> Freshness:
        """Count the age from when the vehicle was there, but from no later than when we were told.

        So a point that waited in a device is as old as it is, and a device whose clock is fast does not look fresh for
        longer than others.
        """
        age = now - min(self.position.recorded_at, self.received_at)
        if age <= LIVE_MAX:
            return Freshness.LIVE
        return Freshness.STALE if age <= STALE_MAX else Freshness.UNKNOWN


@dataclass(frozen=True, slots=True)
class TrackedVehicle:
    """A vehicle and where it was last; without a sighting until its first point."""

    vehicle: Vehicle
    sighting: Sighting | None
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class Area:
    """What of the fleet is watched: an operator's, or everybody's, and a box in degrees, or everywhere."""

    operator_id: str = ""
    box: tuple[float, float, float, float] | None = None
    """South, west, north, east; a west beyond the east goes over the date line."""

    def has(self, operator_id: str, latitude: float, longitude: float) -> bool:
        """Tell whether a vehicle is within."""
        if self.operator_id not in ("", operator_id):
            return False
        if self.box is None:
            return True
        south, west, north, east = self.box
        is_between = west <= longitude <= east if west <= east else not east < longitude < west
        return south <= latitude <= north and is_between
