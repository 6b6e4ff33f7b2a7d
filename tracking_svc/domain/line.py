"""A pattern's way as a line on the ground, and where along it a position may be.

Positions are projected onto the line as in linear referencing; which of several places is the right one is judged as
in Newson and Krumm, "Hidden Markov Map Matching Through Noise and Sparseness", ACM SIGSPATIAL 2009: by a Gaussian of
the distance from the line and an exponential of the difference between the way along the line and the straight way.
The line is known here, so that one step of their chain, decided as it comes, is enough.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

DEGREE_METERS = 111_195.0
"""One degree of a great circle on a sphere of 6,371 km."""
NOISE_METERS = 20.0
"""The standard deviation of a position from the line, receivers between houses included."""
DETOUR_METERS = 80.0
"""How much the way along the line and the straight way commonly differ."""
ASIDE_METERS_MAX = 120.0
"""Farther from a drawn line a vehicle is not on it."""
PASSAGE_METERS = 100.0
"""Places that lie farther apart along the line are on different passages of it."""
UNDRAWN_ASIDE = 0.3
"""Where only stops are known: how far from the straight line between two the way may bulge, as a part of it."""
REACHED_METERS = 30.0
"""So near before a stop a vehicle has arrived."""
LEFT_METERS = 30.0
"""So far behind a stop a vehicle has left it."""
END_METERS = 80.0
"""Before the end of the line: there vehicles stop often short of the last stop itself."""
START_METERS = 150.0
"""So near to its first call a vehicle may begin a ride."""

ShapePoint = tuple[float, float, float]
"""Latitude, longitude, and metres along the ride from the first call."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the line: metres along it and aside of it."""

    along: float
    aside: float


class Segment(NamedTuple):
    """A straight part of a line, in metres."""

    x: float
    y: float
    dx: float
    dy: float
    square: float
    """Its length, squared."""
    along: float
    ahead: float
    """How far along the ride it begins, and how much farther it ends."""
    aside_max: float
    """Farther from it a vehicle is not on it."""
    reach: float
    """Nothing farther east, west, north or south of its beginning is near it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line in metres east and north of its first point, with the calls and the timetable along it."""

    origin: tuple[float, float]
    scale: float
    """Metres of a degree of longitude here."""
    segments: tuple[Segment, ...]
    meters: tuple[float, ...]
    """How far along the ride each point is, never falling."""
    calls: tuple[float, ...]
    """How far along each call is, never falling."""
    arrivals: tuple[int, ...]
    """Seconds after the start."""
    departures: tuple[int, ...]

    @property
    def length(self) -> float:
        return self.calls[-1]

    def xy(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Return metres east and north of the first point."""
        return (longitude - self.origin[1]) * self.scale, (latitude - self.origin[0]) * DEGREE_METERS

    def at(self, along: float) -> tuple[float, float]:
        """Return the point that lies so far along, in metres east and north."""
        segment = self.segments[min(max(bisect_right(self.meters, along), 1), len(self.segments)) - 1]
        part = min(max((along - segment.along) / segment.ahead, 0.0), 1.0) if segment.ahead else 0.0
        return segment.x + part * segment.dx, segment.y + part * segment.dy

    def places(self, x: float, y: float, *, first: float, last: float) -> list[Place]:
        """Return the nearest place of each passage of the line, between two distances along it, near a point."""
        start, end = max(bisect_left(self.meters, first) - 1, 0), bisect_right(self.meters, last)
        found: list[Place] = []
        for x0, y0, dx, dy, square, meters, ahead, aside_max, reach in self.segments[start:end]:
            east, north = x - x0, y - y0
            if not (-reach < east < reach and -reach < north < reach):
                continue
            part = min(max((east * dx + north * dy) / square, 0.0), 1.0) if square else 0.0
            aside = math.hypot(part * dx - east, part * dy - north)
            if aside > aside_max:
                continue
            place = Place(min(max(meters + part * ahead, first), last), aside)
            if not found or place.along - found[-1].along > PASSAGE_METERS:
                found.append(place)
            elif aside < found[-1].aside:
                found[-1] = place
        return found

    def is_near_start(self, latitude: float, longitude: float) -> bool:
        """Tell whether a place is where a ride begins."""
        (x, y), (x0, y0) = self.xy(latitude, longitude), self.at(self.calls[0])
        return math.hypot(x - x0, y - y0) <= START_METERS

    def levels(self, sequence: int) -> tuple[float, float]:
        """Return how far along a vehicle has reached a call, and how far it has left it."""
        call = self.calls[sequence]
        reached = end_of(self) if sequence == len(self.calls) - 1 else call - REACHED_METERS
        return reached, call + LEFT_METERS

    def due(self, along: float) -> tuple[float, float]:
        """Return the seconds after the start between which the timetable has the vehicle here."""
        if along <= self.calls[0]:
            return self.arrivals[0], self.departures[0]
        place = bisect_left(self.calls, along)
        if place == len(self.calls):
            return self.arrivals[-1], self.departures[-1]
        before, after = self.calls[place - 1], self.calls[place]
        if after - along < 1.0 or after <= before:
            return self.arrivals[place], self.departures[place]
        left, reached = self.departures[place - 1], self.arrivals[place]
        seconds = left + (reached - left) * (along - before) / (after - before)
        return seconds, seconds


def end_of(line: Line) -> float:
    """Return where a ride is over."""
    return max(line.length - END_METERS, line.calls[-2])


def draw(
    points: Sequence[ShapePoint],
    *,
    is_drawn: bool,
    calls: Sequence[float],
    arrivals: Sequence[int],
    departures: Sequence[int],
) -> Line:
    """Make a line through points; the calls lie along it."""
    origin = points[0][:2]
    scale = DEGREE_METERS * math.cos(math.radians(origin[0]))
    meters = rising([meters for _, _, meters in points])
    xs = [(longitude - origin[1]) * scale for _, longitude, _ in points]
    ys = [(latitude - origin[0]) * DEGREE_METERS for latitude, _, _ in points]
    segments = []
    for place in range(len(points) - 1):
        dx, dy = xs[place + 1] - xs[place], ys[place + 1] - ys[place]
        length = math.hypot(dx, dy)
        aside_max = ASIDE_METERS_MAX + (0.0 if is_drawn else UNDRAWN_ASIDE * length)
        ahead = meters[place + 1] - meters[place]
        start = (xs[place], ys[place], dx, dy, length * length, meters[place])
        segments.append(Segment(*start, ahead, aside_max, aside_max + length))
    return Line(
        origin=origin,
        scale=scale,
        segments=tuple(segments),
        meters=meters,
        calls=rising(calls),
        arrivals=tuple(arrivals),
        departures=tuple(departures),
    )


def rising(meters: Sequence[float]) -> tuple[float, ...]:
    """Return distances that never fall: one that does stands still."""
    found = list(meters)
    for place in range(1, len(found)):
        found[place] = max(found[place], found[place - 1])
    return tuple(found)
