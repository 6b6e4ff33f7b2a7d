"""Rows of stops and stations."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from math import cos, degrees, radians
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.departure import Stop
from booking_svc.domain.geography import EARTH_RADIUS_METERS
from booking_svc.store.tables import StopRow
from chassis.database import table_of

STOPS = table_of(StopRow)
OWN = [field.name for field in fields(Stop)]
LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th"})
"""Letters that have no accent to take away."""
# Statements of searches are built once: building one costs more than running it.
BY_ID = sa.select(STOPS).where(STOPS.c.id.in_(sa.bindparam("ids", expanding=True)))
ASKED: sa.BindParameter[list[str]] = sa.bindparam("ids", expanding=True)
AT = (
    sa.select(STOPS.c.id, STOPS.c.station_id, STOPS.c.timezone)
    .where(sa.or_(STOPS.c.id.in_(ASKED), STOPS.c.station_id.in_(ASKED)))
    .order_by(STOPS.c.id)
)


class Circle(NamedTuple):
    """A place and how far around it to look."""

    latitude: float
    longitude: float
    radius_meters: float


class OwnedStop(NamedTuple):
    """A stop and whose it is."""

    stop: Stop
    operator_id: str


class Place(NamedTuple):
    """A stop's zone of time, and the stops that stand for it: itself and its platforms."""

    timezone: str
    stop_ids: list[str]


class Stops:
    """The stops of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, stops: Iterable[Stop], *, operator_id: str) -> None:
        """Insert stops or bring them up to date."""
        wanted = {stop.id: stop for stop in stops}
        known = self.get_many(list(wanted))
        rows = {
            stop.id: asdict(stop) | {"operator_id": operator_id, "search_name": searchable(stop.name)}
            for stop in wanted.values()
            if known.get(stop.id) != stop
        }
        if added := [row for stop_id, row in rows.items() if stop_id not in known]:
            self._connection.execute(sa.insert(STOPS), added)
        for stop_id in rows.keys() & known.keys():
            self._connection.execute(sa.update(STOPS).where(STOPS.c.id == stop_id).values(rows[stop_id]))

    def get_many(self, stop_ids: Sequence[str]) -> dict[str, Stop]:
        """Read those of some stops that exist."""
        rows = self._connection.execute(BY_ID, {"ids": list(stop_ids)})
        return {row.id: read_stop(row) for row in rows}

    def places(self, stop_ids: Sequence[str]) -> dict[str, Place]:
        """Read those of some stops that exist, each with its platforms where it is a station."""
        rows = self._connection.execute(AT, {"ids": list(stop_ids)}).all()
        zones = {row.id: row.timezone for row in rows}
        return {
            one: Place(zones[one], [row.id for row in rows if one in (row.id, row.station_id)])
            for one in stop_ids
            if one in zones
        }

    def named(self, words: str, *, operator_id: str, after: str, limit: int) -> list[OwnedStop]:
        """Find stops by the beginnings of words, in order of their ids; a platform is found by its station."""
        columns = STOPS.c
        found = sa.select(STOPS).where(columns.id > after, *named_by(words, operator_id))
        return [owned(row) for row in self._connection.execute(found.order_by(columns.id).limit(limit))]

    def around(self, circle: Circle, *, words: str, operator_id: str, limit: int) -> list[OwnedStop]:
        """Find stops in the square around a circle; at a pole or the date line in the whole belt."""
        columns = STOPS.c
        north = degrees(circle.radius_meters / EARTH_RADIUS_METERS)
        south_edge, north_edge = circle.latitude - north, circle.latitude + north
        found = sa.select(STOPS).where(columns.latitude.between(south_edge, north_edge), *named_by(words, operator_id))
        east = north / max(0.001, cos(radians(min(90.0, max(north_edge, -south_edge)))))
        if abs(circle.longitude) + east <= 180:
            found = found.where(columns.longitude.between(circle.longitude - east, circle.longitude + east))
        return [owned(row) for row in self._connection.execute(found.limit(limit))]


def named_by(words: str, operator_id: str) -> list[sa.ColumnElement[bool]]:
    """Ask for stops that stand alone and stations, named by themselves or by a platform."""
    columns, platform = STOPS.c, STOPS.alias("platform")
    found = [columns.station_id == "", *([columns.operator_id == operator_id] if operator_id else [])]
    if wanted := searchable(words).split():
        own, its = (
            sa.and_(*(table.search_name.contains(f" {word}", autoescape=True) for word in wanted))
            for table in (columns, platform.c)
        )
        found.append(sa.or_(own, sa.exists().where(platform.c.station_id == columns.id, its)))
    return found


def searchable(text: str) -> str:
    """Write text without case and accents, a space before each word."""
    letters = unicodedata.normalize("NFKD", text.casefold().translate(LETTERS))
    plain = "".join(letter if letter.isalnum() else " " for letter in letters if not unicodedata.combining(letter))
    return "".join(f" {word}" for word in plain.split())


def owned(row: Any) -> OwnedStop:
    return OwnedStop(read_stop(row), row.operator_id)


def read_stop(row: Any) -> Stop:
    return Stop(**{name: getattr(row, name) for name in OWN})
