"""The history: one row for the points that came together, their columns packed one after the other."""

import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from tracking_svc.domain.points import FRAME_SPAN, MICROSECOND, Points, instant, stretches
from tracking_svc.store.tables import FrameRow

TABLE = table_of(FrameRow)
POINT_BYTES = 56
SPAN: timedelta = FRAME_SPAN * MICROSECOND
# Frames that may hold a point of a stretch of time: none is longer than the span.
OVERLAPPING = sa.select(TABLE.c.points).where(
    TABLE.c.vehicle_id == sa.bindparam("of_vehicle"),
    TABLE.c.last_recorded_at.between(sa.bindparam("first"), sa.bindparam("last_plus_span")),
    TABLE.c.first_recorded_at <= sa.bindparam("last"),
)
LATER = (
    sa.select(TABLE.c.points)
    .where(TABLE.c.vehicle_id == sa.bindparam("of_vehicle"), TABLE.c.last_recorded_at > sa.bindparam("after"))
    .order_by(TABLE.c.last_recorded_at)
    .limit(sa.bindparam("at_most"))
)


class Frames:
    """The history of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, vehicle_id: str, points: Points) -> None:
        """Store points that are in order, commonly as one row."""
        rows = [row_of(vehicle_id, frame) for frame in points.frames()]
        if rows:
            self._connection.execute(sa.insert(TABLE), rows)

    def stored(self, vehicle_id: str, times: Sequence[int]) -> set[int]:
        """Return which times near some rising ones, in microseconds since 1970, have a point already."""
        found: set[int] = set()
        for start, end in stretches(times):
            first, last = instant(times[start]), instant(times[end - 1])
            asked = {"of_vehicle": vehicle_id, "first": first, "last": last, "last_plus_span": last + SPAN}
            for (packed,) in self._connection.execute(OVERLAPPING, asked):
                found.update(unpack(packed).recorded)
        return found

    def after(self, vehicle_id: str, time: int, *, limit: int) -> Points | None:
        """Return the points after a time, in microseconds since 1970, oldest first; None if there are very many."""
        asked = {"of_vehicle": vehicle_id, "after": instant(time), "at_most": limit + 1}
        frames = [unpack(packed) for (packed,) in self._connection.execute(LATER, asked)]
        if sum(map(len, frames)) > limit:
            return None
        columns: list[Any] = [[value for frame in frames for value in frame.columns[place]] for place in range(7)]
        points = Points(*columns)
        return points.take([place for place, at in enumerate(points.recorded) if at > time]).in_order()

    def prune(self, *, before: datetime, limit: int) -> int:
        """Delete some frames that end before a time; return how many."""
        key = sa.tuple_(TABLE.c.vehicle_id, TABLE.c.last_recorded_at)
        old = sa.select(TABLE.c.vehicle_id, TABLE.c.last_recorded_at).where(TABLE.c.last_recorded_at < before)
        return self._connection.execute(sa.delete(TABLE).where(key.in_(old.limit(limit)))).rowcount


def row_of(vehicle_id: str, frame: Points) -> dict[str, object]:
    """Write a frame as a row."""
    return {
        "vehicle_id": vehicle_id,
        "last_recorded_at": instant(frame.recorded[-1]),
        "first_recorded_at": instant(frame.recorded[0]),
        "points": pack(frame),
    }


def pack(points: Points) -> bytes:
    """Write columns one after the other, little-endian: two of 64-bit integers, five of doubles."""
    count = len(points)
    return struct.pack(f"<{2 * count}q{5 * count}d", *chain.from_iterable(points.columns))


def unpack(packed: bytes) -> Points:
    """Read what pack wrote."""
    count = len(packed) // POINT_BYTES
    values = struct.unpack(f"<{2 * count}q{5 * count}d", packed)
    return Points(*(values[column * count : (column + 1) * count] for column in range(7)))
