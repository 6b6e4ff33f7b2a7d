"""A departure: one run of a vehicle along a route on one service date."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from booking_svc.domain.errors import (
    DepartureCancelled,
    DepartureGone,
    IllegalState,
    NotServed,
    StaleVersion,
    UnknownStop,
)
from booking_svc.domain.geography import great_circle_meters


class Mode(StrEnum):
    COACH = "coach"
    FERRY = "ferry"
    SHUTTLE = "shuttle"
    BUS = "bus"
    RAIL = "rail"
    TRAM = "tram"
    METRO = "metro"


class DepartureState(StrEnum):
    SCHEDULED = "scheduled"
    BOARDING = "boarding"
    DEPARTED = "departed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NOT_COMING = "not_coming"


NOT_RUNNING = frozenset({DepartureState.CANCELLED, DepartureState.NOT_COMING})
OVER_AFTER = timedelta(hours=1)
"""A departure counts as completed so long after its last arrival in the timetable, for it may be late."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A place where vehicles stop."""

    id: str
    feed_stop_id: str
    name: str
    timezone: str
    latitude: float
    longitude: float
    zone_id: str = ""
    # The station that this is a platform of.
    station_id: str = ""
    is_station: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A line that the public knows by name."""

    id: str
    feed_route_id: str
    short_name: str
    long_name: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class PatternCall:
    """A call by its seconds after the departure's start; None where the timetable gives no time."""

    stop: Stop
    arrival_seconds: int | None
    departure_seconds: int | None
    is_boarding_allowed: bool
    is_alighting_allowed: bool
    distance_meters: float
    is_interpolated: bool = False


ShapePoint = tuple[float, float, float]
"""Latitude, longitude and metres along the ride from the first call."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """The calls that many departures share, and the line that they follow on the map if that is known."""

    id: str
    calls: tuple[PatternCall, ...]
    shape: tuple[ShapePoint, ...] = ()

    @property
    def stop_ids(self) -> list[str]:
        return [call.stop.id for call in self.calls]


@dataclass(frozen=True, slots=True)
class Call:
    """One stop of a departure, with its times."""

    sequence: int
    stop: Stop
    arrival_at: datetime | None
    departure_at: datetime | None
    is_boarding_allowed: bool
    is_alighting_allowed: bool
    distance_meters: float
    is_interpolated: bool


@dataclass(frozen=True, slots=True)
class AssignedVehicle:
    """The vehicle that runs a departure."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class LegEnd:
    """One end of a leg; its time is when riders get on or off."""

    sequence: int
    stop: Stop
    scheduled_at: datetime


@dataclass(frozen=True, slots=True)
class Leg:
    """A ride on one departure from one call to a later one."""

    departure_id: str
    operator_id: str
    route: Route
    headsign: str
    service_date: date
    state: DepartureState
    origin: LegEnd
    destination: LegEnd
    cancellation_reason: str = ""

    @property
    def is_running(self) -> bool:
        return self.state not in NOT_RUNNING


@dataclass(frozen=True, slots=True)
class Departure:
    """One run; segment n lies between call n and call n + 1."""

    id: str
    operator_id: str
    feed_trip_id: str
    route: Route
    headsign: str
    service_date: date
    starts_at: datetime
    pattern: Pattern
    state: DepartureState
    vehicle: AssignedVehicle | None
    layout_id: str
    capacity: int
    version: int
    # The feed that put it on sale; empty when that was done by hand.
    feed_id: str = ""
    # Whether it is cancelled because its feed has it no more, and not by the operator.
    is_withdrawn: bool = False
    # When this run of a frequency starts, as GTFS writes it; empty for other departures.
    feed_start_time: str = ""
    # What the operator says of why it is cancelled.
    cancellation_reason: str = ""

    @property
    def is_running(self) -> bool:
        return self.state not in NOT_RUNNING

    @property
    def segments(self) -> int:
        return len(self.pattern.calls) - 1

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(self.call(sequence) for sequence in range(len(self.pattern.calls)))

    @property
    def ends_at(self) -> datetime:
        return self._time(len(self.pattern.calls) - 1, is_departure=False)

    def call(self, sequence: int) -> Call:
        """Return a call with its times on this service date."""
        found = self.pattern.calls[sequence]
        return Call(
            sequence,
            found.stop,
            self._at(found.arrival_seconds),
            self._at(found.departure_seconds),
            found.is_boarding_allowed,
            found.is_alighting_allowed,
            found.distance_meters,
            found.is_interpolated,
        )

    def part(self, origin_stop_id: str, destination_stop_id: str) -> tuple[int, int]:
        """Find the first call at one stop where riders may get on and the next at the other where they may get off.

        Two empty stops are the whole ride. Raises UnknownStop for a stop that is not on this departure's way and
        NotServed for a wrong direction or a call that does not take or leave riders.
        """
        if not origin_stop_id and not destination_stop_id:
            return 0, self.segments
        calls = self.pattern.calls
        known = {call.stop.id for call in calls}
        for stop_id in (origin_stop_id, destination_stop_id):
            if stop_id not in known:
                raise UnknownStop(stop_id=stop_id, departure_id=self.id)
        for origin, call in enumerate(calls):
            if call.stop.id == origin_stop_id and call.is_boarding_allowed:
                for destination in range(origin + 1, len(calls)):
                    if calls[destination].stop.id == destination_stop_id and calls[destination].is_alighting_allowed:
                        return origin, destination
        raise NotServed(departure_id=self.id)

    def leg(self, origin: int, destination: int) -> Leg:
        """Return the ride between two calls."""
        return Leg(
            self.id,
            self.operator_id,
            self.route,
            self.headsign,
            self.service_date,
            self.state,
            LegEnd(origin, self.pattern.calls[origin].stop, self._time(origin, is_departure=True)),
            LegEnd(destination, self.pattern.calls[destination].stop, self._time(destination, is_departure=False)),
            self.cancellation_reason,
        )

    def as_of(self, now: datetime) -> "Departure":
        """Return it as all see it: once it runs, the clock and the timetable tell how far it is."""
        if not self.is_running or now < self._time(0, is_departure=True):
            return self
        is_over = now >= self.ends_at + OVER_AFTER
        return replace(self, state=DepartureState.COMPLETED if is_over else DepartureState.DEPARTED)

    def must_be_bookable(self, origin: int, *, now: datetime) -> None:
        """Refuse a ride that does not run or has left its origin."""
        if not self.is_running:
            raise DepartureCancelled(departure_id=self.id)
        if self._time(origin, is_departure=True) <= now:
            raise DepartureGone(departure_id=self.id)

    def cancel(self, reason: str = "") -> "Departure":
        """Take it off the road, be it on its way: it may break down there."""
        if self.state is DepartureState.COMPLETED:
            raise IllegalState(departure_id=self.id, state=self.state)
        state = DepartureState.CANCELLED
        return replace(self, state=state, cancellation_reason=reason, version=self.version + 1)

    def assign(self, vehicle: AssignedVehicle, *, layout_id: str, capacity: int, seen_version: int) -> "Departure":
        """Let a vehicle with some layout run it."""
        if seen_version != self.version:
            raise StaleVersion(version=self.version)
        if self.state is not DepartureState.SCHEDULED:
            raise IllegalState(departure_id=self.id, state=self.state)
        return replace(self, vehicle=vehicle, layout_id=layout_id, capacity=capacity, version=self.version + 1)

    def _at(self, seconds: int | None) -> datetime | None:
        return None if seconds is None else self.starts_at + timedelta(seconds=seconds)

    def _time(self, sequence: int, *, is_departure: bool) -> datetime:
        """Return when riders get on or off; a call without a time of its own takes the last one given before it."""
        call = self.pattern.calls[sequence]
        wanted = (call.departure_seconds, call.arrival_seconds)
        own = [seconds for seconds in (wanted if is_departure else reversed(wanted)) if seconds is not None]
        if own:
            return self.starts_at + timedelta(seconds=own[0])
        return self._time(sequence - 1, is_departure=True)


def day_start(service_date: date, timezone: str) -> datetime:
    """Return noon minus twelve hours: the zero of a service day. https://gtfs.org/documentation/schedule/reference/."""
    noon = datetime.combine(service_date, time(12), ZoneInfo(timezone))
    return noon.astimezone(ZoneInfo("UTC")) - timedelta(hours=12)


def distance_meters(one: Stop, other: Stop) -> float:
    """Measure the great-circle distance between two stops."""
    return great_circle_meters((one.latitude, one.longitude), (other.latitude, other.longitude))
