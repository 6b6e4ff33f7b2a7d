"""A departure as pricing sees it: where it calls, when, and how far along."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
class PatternCall:
    """One stop of a pattern: seconds after the departure's start, metres from the first call."""

    stop_id: str
    stop_name: str
    timezone: str
    zone_id: str
    arrives_seconds: int
    departs_seconds: int
    is_boarding_allowed: bool
    is_alighting_allowed: bool
    distance_meters: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """The calls that many departures share; it never changes."""

    id: str
    calls: tuple[PatternCall, ...]

    @property
    def lasts_seconds(self) -> int:
        """Return the time from the start to the arrival at the last call."""
        return self.calls[-1].arrives_seconds


@dataclass(frozen=True, slots=True)
class Call:
    """One end of a ride; its times are when riders get off and on."""

    sequence: int
    stop_id: str
    stop_name: str
    timezone: str
    zone_id: str
    arrives_at: datetime
    departs_at: datetime
    distance_meters: int


@dataclass(frozen=True, slots=True)
class Departure:
    """One run of a pattern on one service date."""

    id: str
    operator_id: str
    route: Route
    headsign: str
    service_date: str
    state: DepartureState
    starts_at: datetime
    pattern_id: str
    version: int

    def leg(self, pattern: Pattern, origin_stop_id: str, destination_stop_id: str, *, now: datetime) -> "Leg":
        """Find the ride between two stops that can still be sold.

        Raises UnknownStop, NotServed, DepartureCancelled or DepartureGone.
        """
        part = self._part(pattern, origin_stop_id, destination_stop_id)
        origin, destination = (self._call(pattern, place) for place in part)
        if self.state in (DepartureState.CANCELLED, DepartureState.NOT_COMING):
            raise DepartureCancelled(departure_id=self.id)
        if origin.departs_at <= now:
            raise DepartureGone(departure_id=self.id)
        return Leg(self, origin, destination)

    def _part(self, pattern: Pattern, origin_stop_id: str, destination_stop_id: str) -> tuple[int, int]:
        """Find the first call where riders may get on and the next after it where they may get off.

        Where a loop calls at a stop twice, this is the choice that booking makes as well.
        """
        for place, origin in enumerate(pattern.calls):
            if origin.stop_id == origin_stop_id and origin.is_boarding_allowed:
                for later, destination in enumerate(pattern.calls[place + 1 :], place + 1):
                    if destination.stop_id == destination_stop_id and destination.is_alighting_allowed:
                        return place, later
        known = {call.stop_id for call in pattern.calls}
        for stop_id in (origin_stop_id, destination_stop_id):
            if stop_id not in known:
                raise UnknownStop(stop_id=stop_id, departure_id=self.id)
        raise NotServed(departure_id=self.id)

    def _call(self, pattern: Pattern, sequence: int) -> Call:
        call = pattern.calls[sequence]
        arrives_at = self.starts_at + timedelta(seconds=call.arrives_seconds)
        departs_at = self.starts_at + timedelta(seconds=call.departs_seconds)
        named = (call.stop_id, call.stop_name, call.timezone, call.zone_id)
        return Call(sequence, *named, arrives_at, departs_at, call.distance_meters)


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
