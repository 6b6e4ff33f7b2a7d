"""A departure as pricing sees it: where it calls, when, and how far along."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pricing_svc.domain.errors import DepartureCancelled, DepartureGone, NotServed, UnknownStop


class DepartureState(StrEnum):
    SCHEDULED = "scheduled"
    BOARDING = "boarding"
    DEPARTED = "departed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NOT_COMING = "not_coming"


@dataclass(frozen=True, slots=True)
class Route:
    """A line that the public knows by name."""

    id: str
    feed_route_id: str
    short_name: str
    long_name: str
    mode: str


@dataclass(frozen=True, slots=True)
class Call:
    """One stop of a departure; its times are when riders get off and on, its distance is from the first call."""

    sequence: int
    stop_id: str
    stop_name: str
    timezone: str
    zone_id: str
    arrives_at: datetime
    departs_at: datetime
    is_boarding_allowed: bool
    is_alighting_allowed: bool
    distance_meters: int


@dataclass(frozen=True, slots=True)
class Departure:
    """One run of a vehicle along a route on one service date."""

    id: str
    operator_id: str
    route: Route
    headsign: str
    service_date: str
    state: DepartureState
    calls: tuple[Call, ...]
    version: int

    @property
    def ends_at(self) -> datetime:
        return self.calls[-1].arrives_at

    def leg(self, origin_stop_id: str, destination_stop_id: str, *, now: datetime) -> "Leg":
        """Find the ride between two stops that can still be sold.

        Raises UnknownStop, NotServed, DepartureCancelled or DepartureGone.
        """
        origin, destination = self._part(origin_stop_id, destination_stop_id)
        if self.state in (DepartureState.CANCELLED, DepartureState.NOT_COMING):
            raise DepartureCancelled(departure_id=self.id)
        if origin.departs_at <= now:
            raise DepartureGone(departure_id=self.id)
        return Leg(self, origin, destination)

    def _part(self, origin_stop_id: str, destination_stop_id: str) -> tuple[Call, Call]:
        """Find the first call where riders may get on and the next after it where they may get off.

        Where a loop calls at a stop twice, this is the choice that booking makes as well.
        """
        for place, origin in enumerate(self.calls):
            if origin.stop_id == origin_stop_id and origin.is_boarding_allowed:
                for destination in self.calls[place + 1 :]:
                    if destination.stop_id == destination_stop_id and destination.is_alighting_allowed:
                        return origin, destination
        known = {call.stop_id for call in self.calls}
        for stop_id in (origin_stop_id, destination_stop_id):
            if stop_id not in known:
                raise UnknownStop(stop_id=stop_id, departure_id=self.id)
        raise NotServed(departure_id=self.id)


@dataclass(frozen=True, slots=True)
class Leg:
    """A ride on one departure from one call to a later one."""

    departure: Departure
    origin: Call
    destination: Call

    @property
    def meters(self) -> int:
        """Tell how long the ride is; a timetable whose distances fall counts as standing still."""
        return max(0, self.destination.distance_meters - self.origin.distance_meters)


@dataclass(frozen=True, slots=True)
class Availability:
    """Seats free on each segment of a departure, as of a version of its sales."""

    departure_id: str
    capacity: int
    seats_free: Sequence[int]
    version: int
    observed_at: datetime
