"""How far vehicles have come on their departures, point by point in the order of event time.

Progress along the line never falls, so that every call is reached once and left once: arrival and departure are the
times at which progress passes a level a little before and a little after the stop, worked out between the two points
around it. The distance between the levels is the hysteresis: a receiver that jitters at a stop neither comes twice nor
leaves early. All that is to be known for going on is where the vehicle is on which departure: a later point needs
nothing else, and a late one is taken in by going on from the last visit before it.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tracking_svc.domain.departures import Departure
from tracking_svc.domain.line import (
    DETOUR_METERS,
    END_METERS,
    LEFT_METERS,
    NOISE_METERS,
    START_METERS,
    Line,
    Place,
    end_of,
)
from tracking_svc.domain.points import SECOND, Points, microseconds

BACK_METERS = 150.0
"""How far behind its progress a receiver may put a vehicle that stands."""
SLACK_METERS = 100.0
SPEED_METERS_PER_SECOND_MAX = 100.0
NEARLY_METERS = 300.0
"""So near to the end of its ride a vehicle may leave it for the next."""
MOVED_METERS = 40.0
"""A ride that is met on its way is believed when the vehicle moves along it by so much."""
EARLY = 45 * 60 * SECOND
LATE = 90 * 60 * SECOND
"""How long before its start and after its end a departure may be what its vehicle runs."""
AHEAD_SECONDS = 300
"""No ride begins longer before its time, and no vehicle that is met on its way is earlier."""
PATIENCE_SECONDS = 600
"""A lateness that counts as much as a position aside of the line by its standard deviation."""
OFF_ROUTE = 60 * SECOND
GAP_MAX = 15 * 60 * SECOND
"""Over a longer silence nobody can say when a call was reached."""


@dataclass(frozen=True, slots=True)
class Ride:
    """A departure that a vehicle may be running, and its line; times in microseconds since 1970."""

    departure_id: str
    starts: int
    ends: int
    line: Line

    def misfit(self, at: int) -> int:
        """Return how far a time lies outside of the timetable."""
        return max(self.starts - at, at - self.ends, 0)

    def may_run(self, at: int) -> bool:
        """Tell whether a vehicle may be on this ride, waiting for it and lateness included."""
        return self.starts - EARLY <= at <= self.ends + LATE

    def is_begun(self, at: int) -> bool:
        """Tell whether it is time to begin the ride."""
        return at >= self.starts - AHEAD_SECONDS * SECOND

    def has_left(self, visit: "Visit", along: float) -> bool:
        """Tell whether a vehicle that is so far along has left a call."""
        return self.line.levels(visit.sequence)[1] <= along

    def late_by(self, along: float, at: int) -> float:
        """Return by how many seconds a vehicle is late at a place; negative is early. Waiting at a stop is neither."""
        after_start = (at - self.starts) / SECOND
        soonest, latest = self.line.due(along)
        return after_start - min(max(after_start, soonest), latest)


def ride_of(departure: Departure, line: Line) -> Ride:
    """Put a departure onto its line."""
    starts = microseconds(departure.starts_at)
    return Ride(departure.id, starts, starts + line.arrivals[-1] * SECOND, line)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a vehicle has come; times in microseconds since 1970."""

    departure_id: str = ""
    along: float = 0.0
    matched_at: int = 0
    """When it was last seen on the line; 0 before that."""
    seen_at: int = 0
    is_certain: bool = False
    """Until then its place may be another vehicle's way, met by chance."""
    is_off_route: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A vehicle's progress with what is told of it; `delay_seconds` is None unless it is on its way."""

    vehicle_id: str
    progress: Progress
    delay_seconds: int | None = None
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """A vehicle at a call of its departure, in microseconds since 1970."""

    departure_id: str
    sequence: int
    arrived_at: int
    departed_at: int | None
    known_at: int
    """The time of the point that showed the arrival, and how far along the vehicle was then."""
    along: float


class Follower:
    """Takes points of one vehicle in order of time and tells where it calls."""

    def __init__(self, progress: Progress, rides: Iterable[Ride], visits: Iterable[Visit] = ()) -> None:
        """Go on from some progress; `visits` are those that are known and may still be left."""
        self.progress = progress
        self.visits = {(visit.departure_id, visit.sequence): visit for visit in visits}
        self._rides = sorted(rides, key=lambda ride: ride.starts)

    def follow(self, points: Points) -> None:
        """Go on along some points, oldest first."""
        for at, latitude, longitude in zip(points.recorded, points.latitudes, points.longitudes, strict=True):
            ride = self._choose(at, latitude, longitude)
            if ride is None:
                self.progress = Progress(seen_at=at)
                continue
            if ride.departure_id != self.progress.departure_id:
                self.progress = Progress(ride.departure_id)
            self._step(ride, at, *ride.line.xy(latitude, longitude))

    def _choose(self, at: int, latitude: float, longitude: float) -> Ride | None:
        """Tell which departure a vehicle runs: the one that it is on, or else the one that fits the time best."""
        progress = self.progress
        possible = [ride for ride in self._rides if ride.may_run(at)]
        current = next((ride for ride in possible if ride.departure_id == progress.departure_id), None)
        if current is None or not progress.is_certain:
            return min(possible, key=lambda ride: (ride.misfit(at), ride.starts), default=None)
        following = next((ride for ride in possible if ride.starts > current.starts), current)
        if following is current or progress.along >= end_of(current.line):
            return following
        is_over = progress.is_off_route or current.line.length - progress.along <= NEARLY_METERS
        has_begun = following.starts <= at
        is_there = following.line.is_near_start(latitude, longitude)
        is_left = (is_there and (is_over or has_begun)) or (progress.is_off_route and has_begun)
        return following if is_left else current

    def _step(self, ride: Ride, at: int, x: float, y: float) -> None:
        """Move to where a point is; a ride is believed when it is time to begin it, or the vehicle moves along it."""
        progress, start = self.progress, ride.line.calls[0]
        place = self._locate(ride, at, x, y)
        if place is None:
            is_on_its_way = progress.is_certain and progress.along < end_of(ride.line)
            is_off = is_on_its_way and (progress.is_off_route or at - progress.matched_at >= OFF_ROUTE)
            self.progress = replace(progress, seen_at=at, is_off_route=is_off)
            return
        moved = Progress(progress.departure_id, place.along, at, at, is_certain=True)
        is_met = progress.matched_at > 0 and progress.along > start + START_METERS
        if progress.is_certain:
            self.progress = replace(moved, along=max(progress.along, place.along))
            self._call(ride, progress.along, progress.matched_at)
        elif place.along <= start + START_METERS:
            self.progress = replace(moved, is_certain=ride.is_begun(at))
            self._call(ride, place.along, at)
        elif is_met and place.along - progress.along >= MOVED_METERS:
            self.progress = moved
            self._call(ride, progress.along, progress.matched_at)
        elif not is_met or place.along < progress.along:
            self.progress = replace(moved, is_certain=False)
        else:
            self.progress = replace(progress, seen_at=at)

    def _locate(self, ride: Ride, at: int, x: float, y: float) -> Place | None:
        """Find where on the line a vehicle is, None where it cannot be."""
        progress, line = self.progress, ride.line
        if not progress.is_certain:
            return self._meet(ride, at, x, y)
        reach = SPEED_METERS_PER_SECOND_MAX * (at - progress.matched_at) / SECOND + SLACK_METERS
        x0, y0 = line.at(progress.along)
        straight = math.hypot(x - x0, y - y0)

        def cost(place: Place) -> float:
            return off_line(place) + abs(place.along - progress.along - straight) / DETOUR_METERS

        places = line.places(x, y, first=max(progress.along - BACK_METERS, 0.0), last=progress.along + reach)
        return min(places, key=cost, default=None)

    def _meet(self, ride: Ride, at: int, x: float, y: float) -> Place | None:
        """Find where on the line a vehicle is of which nothing is known: at its start, or not long before its time."""
        line, start = ride.line, ride.line.calls[0] + START_METERS
        places = [
            place
            for place in line.places(x, y, first=0.0, last=line.length if ride.is_begun(at) else start)
            if place.along <= start or ride.late_by(place.along, at) >= -AHEAD_SECONDS
        ]
        lateness = {place: abs(ride.late_by(place.along, at)) / PATIENCE_SECONDS for place in places}
        return min(places, key=lambda place: off_line(place) + lateness[place], default=None)

    def _call(self, ride: Ride, before: float, since: int) -> None:
        """Note the calls whose levels progress has passed since it was `before`, and when."""
        progress, line = self.progress, ride.line
        gap, moved = progress.matched_at - since, progress.along - before
        if gap > GAP_MAX or (gap and not moved):
            return

        def when(level: float) -> int:
            return since + round(gap * max(level - before, 0.0) / moved) if moved else since

        first = bisect_left(line.calls, before - LEFT_METERS)
        for sequence in range(first, bisect_right(line.calls, progress.along + END_METERS)):
            key, reached, left = (ride.departure_id, sequence), *line.levels(sequence)
            is_reached = before < reached <= progress.along or (not gap and reached <= before <= left)
            if is_reached and key not in self.visits:
                self.visits[key] = Visit(*key, when(reached), None, progress.matched_at, progress.along)
            visit = self.visits.get(key)
            if visit is not None and visit.departed_at is None and before < left <= progress.along:
                self.visits[key] = replace(visit, departed_at=when(left))


def go_back(rides: Sequence[Ride], visits: Iterable[Visit], *, before: int) -> Follower:
    """Return a follower as it was at the last visit that was known before a time, or before all rides."""
    known = [visit for visit in visits if visit.known_at < before]
    if not known:
        return Follower(Progress(seen_at=min(ride.starts for ride in rides) - EARLY), rides)
    last = max(known, key=lambda visit: (visit.known_at, visit.along))
    ride = next(ride for ride in rides if ride.departure_id == last.departure_id)
    progress = Progress(ride.departure_id, last.along, last.known_at, last.known_at, ride.is_begun(last.known_at))
    left = [visit for visit in known if visit.departure_id != ride.departure_id or ride.has_left(visit, last.along)]
    opened = [replace(visit, departed_at=None) for visit in known if visit not in left]
    return Follower(progress, rides, [*left, *opened])


def off_line(place: Place) -> float:
    """Return how little a place aside of the line is to be believed."""
    return (place.aside / NOISE_METERS) ** 2 / 2
