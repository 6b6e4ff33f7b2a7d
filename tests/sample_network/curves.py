"""Curves through hand-set points, and how long they are."""

import math
from collections.abc import Sequence
from itertools import pairwise

Place = tuple[float, float]
EARTH_METERS = 6_371_008.8


def meters_between(start: Place, end: Place) -> float:
    """Return the great-circle distance (haversine)."""
    north, east = math.radians(end[0] - start[0]), math.radians(end[1] - start[1])
    widths = math.cos(math.radians(start[0])) * math.cos(math.radians(end[0]))
    return 2 * EARTH_METERS * math.asin(math.sqrt(math.sin(north / 2) ** 2 + widths * math.sin(east / 2) ** 2))


def moved(place: Place, north_meters: float, east_meters: float) -> Place:
    degree = math.radians(1) * EARTH_METERS
    return place[0] + north_meters / degree, place[1] + east_meters / degree / math.cos(math.radians(place[0]))


def smooth(points: Sequence[Place]) -> list[Place]:
    """Lead a centripetal Catmull-Rom curve through the points, one more point between any two that lie far apart."""
    ends = [mirrored(points[1], points[0]), *points, mirrored(points[-2], points[-1])]
    curve: list[Place] = [points[0]]
    for before, start, end, after in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        if meters_between(start, end) > 400:
            curve.append(between(before, start, end, after))
        curve.append(end)
    return curve


def mirrored(point: Place, centre: Place) -> Place:
    return 2 * centre[0] - point[0], 2 * centre[1] - point[1]


def between(*points: Place) -> Place:
    """Return the middle of the second part of a curve (P. Barry and R. Goldman, 1988)."""
    wide = math.cos(math.radians(points[1][0]))
    level = [complex(longitude * wide, latitude) for latitude, longitude in points]
    knots = [0.0]
    for start, end in pairwise(level):
        knots.append(knots[-1] + max(abs(end - start), 1e-9) ** 0.5)
    middle = (knots[1] + knots[2]) / 2
    for span in (1, 2):
        level = [
            mix(start, end, knots[number], knots[number + span], middle)
            for number, (start, end) in enumerate(pairwise(level))
        ]
    curve = mix(*level, knots[1], knots[2], middle)
    return curve.imag, curve.real / wide


def mix(start: complex, end: complex, since: float, until: float, now: float) -> complex:
    return start + (end - start) * ((now - since) / (until - since))
