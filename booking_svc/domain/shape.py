"""The line that a ride follows on the map, and where along it the stops lie."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

from booking_svc.domain.geography import Place, great_circle_meters, on_plane, turned

POINTS_MAX = 1000
PASSES_MAX = 30
STRETCH_POINTS = 500
TOLERANCE_METERS = 3.0
LOOP_METERS = 20.0
"""A ride that ends about where it began has gone the whole way round."""
BESIDE_METERS = 1000.0
"""A stop farther away is not on the line: it does not matter how far, and it must not pull others along."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Two or more points of a line, and how far along it each lies: in metres, and in the feed's own unit if known."""

    places: tuple[Place, ...]
    along_meters: tuple[float, ...]
    along_units: tuple[float, ...] = ()


def shape_of(places: Sequence[Place], units: Sequence[float] = ()) -> Shape:
    """Measure a line along great circles; one of more than 1,000 points keeps those that it strays from by over 3 m.

    Distances are those along the whole line. When that leaves more than 1,000, so many metres are doubled until not.
    """
    along = list(accumulate((great_circle_meters(*pair) for pair in pairwise(places)), initial=0.0))
    kept, tolerance = list(range(len(places))), TOLERANCE_METERS
    while len(kept) > POINTS_MAX:
        chosen = simplified(on_plane([places[point] for point in kept], origin=places[0]), tolerance)
        kept, tolerance = [kept[point] for point in chosen], tolerance * 2
    return Shape(
        tuple(places[point] for point in kept),
        tuple(along[point] for point in kept),
        tuple(units[point] for point in kept) if units else (),
    )


def simplified(points: Sequence[complex], tolerance_meters: float) -> list[int]:
    """Choose the points that matter (D. Douglas and T. Peucker, 1973), in stretches, which bounds the time it takes."""
    kept = {*range(0, len(points), STRETCH_POINTS), len(points) - 1}
    stretches = list(pairwise(sorted(kept)))
    while stretches:
        first, last = stretches.pop()
        chord = Segment.between(points[first], points[last])
        offsets = [chord.offset(point) for point in points[first + 1 : last]]
        if offsets and (farthest := max(offsets)) > tolerance_meters:
            middle = first + 1 + offsets.index(farthest)
            kept.add(middle)
            stretches += [(first, middle), (middle, last)]
    return sorted(kept)


class Segment(NamedTuple):
    """A straight piece of a line on the plane: where it starts, what turns it eastward, and its length in metres."""

    start: complex
    turn: complex
    length: float

    @classmethod
    def between(cls, start: complex, end: complex) -> "Segment":
        length = abs(end - start)
        return cls(start, (end - start).conjugate() / length if length else 1 + 0j, length)

    def nearest(self, point: complex) -> float:
        """Return how far from the start the point of the segment lies that is nearest to a point."""
        return min(max(((point - self.start) * self.turn).real, 0.0), self.length)

    def offset(self, point: complex) -> float:
        """Return the distance of a point from the segment."""
        return abs((point - self.start) * self.turn - self.nearest(point))


class Pass(NamedTuple):
    """Where a line comes near a stop: how far along it, and the square of the distance there."""

    meters: float
    square: float


class Reached(NamedTuple):
    """The best way to have come to a place with the stops so far: the sum of its squares, and the place before."""

    total: float
    meters: float
    before: "Reached | None" = None


def project(shape: Shape, stops: Sequence[Place]) -> list[float]:
    """Find how many metres along a shape each stop lies, never going back.

    Of all the passes that a line makes at its stops this takes those, in order, with the least sum of squared offsets
    (dynamic programming), so that a stop beside a loop is found on the right pass. Where it hardly matters, the first
    stop is early on the line and the last one late. A stop that is nowhere beside it stays at the place before.
    """
    segments = [Segment.between(*ends) for ends in pairwise(on_plane(shape.places, origin=shape.places[0]))]
    reached = [Reached(0.0, 0.0)]
    for number, point in enumerate(on_plane(stops, origin=shape.places[0])):
        passes = passes_of(shape, segments, point)
        if number == 0:
            passes = [Pass(one.meters, max(one.square, LOOP_METERS**2)) for one in passes]
        reached = [go_on(reached, one) for one in passes] or [Reached(one.total, one.meters, one) for one in reached]
    enough = min(one.total for one in reached) + LOOP_METERS**2
    last: Reached | None = max((one for one in reached if one.total <= enough), key=lambda one: one.meters)
    meters: list[float] = []
    while last and len(meters) < len(stops):
        meters.append(last.meters)
        last = last.before
    return meters[::-1]


def go_on(reached: Sequence[Reached], found: Pass) -> Reached:
    """Go on to a pass from where that costs least; what lies before it holds the stop back, at a price."""

    def total(one: Reached) -> float:
        back = max(one.meters - found.meters, 0.0)
        return one.total + min(found.square + back * back, BESIDE_METERS**2)

    before = min(reached, key=total)
    return Reached(total(before), max(before.meters, found.meters), before)


def passes_of(shape: Shape, segments: Sequence[Segment], point: complex) -> list[Pass]:
    """Return where a line comes near a point, in order: the nearest of the lows of the distance to it."""
    passes, is_nearing = [], True
    for at, square in enumerate(squared_offsets(segments, point)):
        if square > BESIDE_METERS**2:
            is_nearing = False
            continue
        length, nearest = segments[at].length, segments[at].nearest(point)
        # A low lies inside a segment, or at the end of one after which the line goes away again.
        is_nearing = is_nearing or nearest > 0.0
        if is_nearing and (nearest < length or at == len(segments) - 1):
            start, end = shape.along_meters[at : at + 2]
            passes.append(Pass(start + nearest / (length or 1.0) * (end - start), square))
        is_nearing = is_nearing and nearest == length
    return sorted(sorted(passes, key=lambda one: one.square)[:PASSES_MAX])


def squared_offsets(segments: Sequence[Segment], point: complex) -> list[float]:
    """Return the square of the distance of a point from each segment; the time of reading goes here: no calls."""
    return [
        beside.imag * beside.imag + over * over
        for start, turn, length in segments
        for beside in [(point - start) * turn]
        for over in [beside.real if beside.real < 0.0 else beside.real - length if beside.real > length else 0.0]
    ]


def locate(shape: Shape, units: Sequence[float]) -> list[float]:
    """Turn distances in the feed's own unit into metres along a shape that knows them."""
    along, found = shape.along_meters, []
    for one in units:
        left, share = mark(shape.along_units, one)
        found.append(along[left] + share * (along[left + 1] - along[left]))
    return found


def place_at(shape: Shape, meters: float) -> Place:
    """Return the place that lies so many metres along a shape."""
    left, share = mark(shape.along_meters, meters)
    (start_lat, start_lon), (end_lat, end_lon) = shape.places[left : left + 2]
    return start_lat + share * (end_lat - start_lat), turned(start_lon + share * turned(end_lon - start_lon))


def mark(scale: Sequence[float], at: float) -> tuple[int, float]:
    """Find a value on a rising scale: the mark before it and the share of the way to the next, from 0 to 1."""
    left = min(max(bisect_right(scale, at), 1), len(scale) - 1) - 1
    reach = scale[left + 1] - scale[left]
    return left, min(max((at - scale[left]) / reach, 0.0), 1.0) if reach else 0.0


def is_beside(shape: Shape, meters: Sequence[float], stops: Sequence[Place]) -> list[bool]:
    """Tell for each stop whether its place on a shape is near it."""
    places = (place_at(shape, one) for one in meters)
    return [great_circle_meters(*pair) <= BESIDE_METERS for pair in zip(places, stops, strict=True)]


def extended(shape: Shape, meters: Sequence[float], stops: Sequence[Place]) -> Shape | None:
    """Lead a shape straight to the stops before and after it that it does not reach; None if it passes no stop."""
    beside = is_beside(shape, meters, stops)
    if not any(beside):
        return None
    first, last = beside.index(True), len(beside) - 1 - beside[::-1].index(True)
    passed = [(latitude, longitude) for latitude, longitude, _ in cut(shape, meters[first], meters[last])]
    return shape_of([*stops[:first], *passed, *stops[last + 1 :]])


def cut(shape: Shape, start_meters: float, end_meters: float) -> list[tuple[float, float, float]]:
    """Return the part of a shape that a ride takes: latitude, longitude and metres from the ride's start."""
    along = shape.along_meters
    inner = range(bisect_right(along, start_meters), bisect_left(along, end_meters))
    points = [
        (*place_at(shape, start_meters), start_meters),
        *((*shape.places[point], along[point]) for point in inner),
        (*place_at(shape, end_meters), end_meters),
    ]
    return [(round(lat, 6), round(lon, 6), round(meters - start_meters, 1)) for lat, lon, meters in points]
