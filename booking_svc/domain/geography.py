"""Distances on the Earth."""

from collections.abc import Iterable
from math import asin, cos, radians, sin, sqrt

EARTH_RADIUS_METERS = 6_371_008.8
"""Mean radius of the Earth, IUGG."""

Place = tuple[float, float]
"""Latitude and longitude in degrees."""


def great_circle_meters(one: Place, other: Place) -> float:
    """Measure the great-circle distance by the haversine formula (R. W. Sinnott, 1984)."""
    lat1, lat2 = radians(one[0]), radians(other[0])
    half_lat, half_lon = (lat2 - lat1) / 2, radians(other[1] - one[1]) / 2
    chord = sin(half_lat) ** 2 + cos(lat1) * cos(lat2) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_METERS * asin(min(1.0, sqrt(chord)))


def on_plane(places: Iterable[Place], *, origin: Place) -> list[complex]:
    """Lay places on a plane that touches the Earth at an origin: metres east plus i times metres north."""
    meters_a_degree = radians(EARTH_RADIUS_METERS)
    east = cos(radians(origin[0])) * meters_a_degree
    return [
        complex(turned(longitude - origin[1]) * east, (latitude - origin[0]) * meters_a_degree)
        for latitude, longitude in places
    ]


def turned(longitude: float) -> float:
    """Return the same longitude from -180 up to 180: the shorter way where a ride crosses the 180th meridian."""
    return (longitude + 180) % 360 - 180
