"""A departure as it runs: what its vehicle has done, and what may be expected of it."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tracking_svc.domain.departures import NOT_RUNNING, Availability, Departure, DepartureState, Pattern, PatternCall
from tracking_svc.domain.line import LEFT_METERS
from tracking_svc.domain.points import instant
from tracking_svc.domain.progress import Visit
from tracking_svc.domain.vehicles import TrackedVehicle

DELAY_KEPT = timedelta(minutes=15)
"""A delay is told for so long after the vehicle was last seen on its line."""
OVER_AFTER = timedelta(hours=1)
"""A departure counts as completed so long after its last arrival in the timetable, as to booking, if nobody knows."""
MANY_SEATS = 0.5


class OccupancyStatus(StrEnum):
    """How full a vehicle is in the words of GTFS-Realtime."""

    EMPTY = "empty"
    MANY_SEATS_AVAILABLE = "many_seats_available"
    FEW_SEATS_AVAILABLE = "few_seats_available"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How full a vehicle is by what is booked, 0 to 1."""

    status: OccupancyStatus
    load_factor: float


@dataclass(frozen=True, slots=True)
class LiveCall:
    """One call; `expected_at` is None where the vehicle has been, and while nobody knows."""

    call: PatternCall
    scheduled_arrival_at: datetime
    scheduled_departure_at: datetime
    expected_at: datetime | None
    arrived_at: datetime | None
    departed_at: datetime | None

    def leaves_at(self, now: datetime) -> datetime | None:
        """Return when a vehicle left or is expected to; it stays for as long as the timetable says, and until then."""
        if self.departed_at or self.arrived_at:
            return self.departed_at or max(self.scheduled_departure_at, now)
        if self.expected_at is None:
            return None
        return self.expected_at + (self.scheduled_departure_at - self.scheduled_arrival_at)


@dataclass(frozen=True, slots=True)
class LiveDeparture:
    """A departure as it runs; `occupancy` and `availability` are None while it is not known how many seats it has."""

    departure: Departure
    state: DepartureState
    vehicle: TrackedVehicle | None
    delay_seconds: int | None
    is_off_route: bool
    calls: tuple[LiveCall, ...]
    occupancy: Occupancy | None
    availability: Availability | None
    observed_at: datetime


def live_calls(
    departure: Departure,
    pattern: Pattern,
    visits: Iterable[Visit],
    *,
    delay_seconds: int | None,
    now: datetime,
    along: float = 0.0,
) -> tuple[LiveCall, ...]:
    """Put what has happened beside the timetable; what is to come is late by the present delay, and not in the past.

    A vehicle that is met on its way, so far along, was at calls of which nothing is known.
    """
    at_call: dict[int, Visit] = {}
    for visit in visits:
        at_call.setdefault(visit.sequence, visit)
    last = max([*at_call, bisect_right(pattern.line.calls, along - LEFT_METERS) - 1])
    calls: list[LiveCall] = []
    for sequence, call in enumerate(pattern.calls):
        arrival = departure.starts_at + timedelta(seconds=call.arrival_seconds)
        leaving = departure.starts_at + timedelta(seconds=call.departure_seconds)
        expected = None
        if sequence > last and delay_seconds is not None:
            expected = max(arrival + timedelta(seconds=delay_seconds), now)
        found = at_call.get(sequence)
        arrived_at = instant(found.arrived_at) if found else None
        departed_at = instant(found.departed_at) if found and found.departed_at else None
        calls.append(LiveCall(call, arrival, leaving, expected, arrived_at, departed_at))
    return tuple(calls)


def live_state(
    departure: Departure, calls: tuple[LiveCall, ...], *, now: datetime, along: float = 0.0
) -> DepartureState:
    """Tell where a departure is in its life: by its vehicle, or by the timetable while nothing is expected of one.

    A vehicle that is so far along, in metres, has left although nobody saw it leave.
    """
    if departure.state in NOT_RUNNING:
        return departure.state
    is_known = any(call.expected_at for call in calls)
    if calls[-1].arrived_at or not (is_known or now < calls[-1].scheduled_arrival_at + OVER_AFTER):
        return DepartureState.COMPLETED
    has_left = along > calls[0].call.distance_meters + LEFT_METERS
    if has_left or calls[0].departed_at or any(call.arrived_at for call in calls[1:]):
        return DepartureState.DEPARTED
    if calls[0].arrived_at:
        return DepartureState.BOARDING
    is_waited_for = is_known or now < calls[0].scheduled_departure_at
    return DepartureState.SCHEDULED if is_waited_for else DepartureState.DEPARTED


def next_call(calls: tuple[LiveCall, ...]) -> int:
    """Return the place of the call where the vehicle stands or that it goes to."""
    last = max((place for place, call in enumerate(calls) if call.arrived_at), default=-1)
    if last >= 0 and calls[last].departed_at is None:
        return last
    ahead = (place for place, call in enumerate(calls) if call.expected_at)
    return next(ahead, min(last + 1, len(calls) - 1))


def unsold(departure: Departure, pattern: Pattern) -> Availability | None:
    """Return that every seat is free, as it is until booking tells of one that is not."""
    seats = departure.capacity
    return Availability(departure.id, seats, (seats,) * (len(pattern.calls) - 1), 0) if seats else None


def occupancy_of(availability: Availability | None, calls: tuple[LiveCall, ...]) -> Occupancy | None:
    """Tell how full a vehicle is on the segment that it is on, or on the first before it leaves."""
    if availability is None or availability.capacity < 1 or not availability.seats_free:
        return None
    segment = max(next_call(calls) - 1, 0)
    free = availability.seats_free[min(segment, len(availability.seats_free) - 1)]
    load = 1 - free / availability.capacity
    if free == availability.capacity:
        return Occupancy(OccupancyStatus.EMPTY, load)
    if load < MANY_SEATS:
        return Occupancy(OccupancyStatus.MANY_SEATS_AVAILABLE, load)
    return Occupancy(OccupancyStatus.FEW_SEATS_AVAILABLE if free else OccupancyStatus.FULL, load)
