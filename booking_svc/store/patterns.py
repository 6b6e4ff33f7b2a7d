"""Rows of patterns: what many departures share, stored once."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.departure import Pattern, PatternCall, ShapePoint, Stop
from booking_svc.store.tables import PatternRow, PatternStopRow
from chassis.database import table_of
from chassis.ids import stable_id

PATTERNS, PATTERN_STOPS = table_of(PatternRow), table_of(PatternStopRow)
STOP_FIELDS = [field.name for field in fields(Stop)]
CALL_FIELDS = [field.name for field in fields(PatternCall) if field.name != "stop"]
REMEMBERED: dict[str, Pattern] = {}
"""Patterns by id, without their lines; they may be remembered because the id is the content's digest."""
REMEMBERED_MAX = 10_000
ON, OFF = PATTERN_STOPS.alias("boarding"), PATTERN_STOPS.alias("alighting")
CONNECTING = (
    sa.select(ON.c.pattern_id, ON.c.stop_id, ON.c.sequence, OFF.c.sequence, ON.c.leaves_after_seconds)
    .select_from(ON.join(OFF, sa.and_(ON.c.pattern_id == OFF.c.pattern_id, ON.c.sequence < OFF.c.sequence)))
    .where(ON.c.stop_id.in_(sa.bindparam("origins", expanding=True)), ON.c.is_boarding_allowed)
    .where(OFF.c.stop_id.in_(sa.bindparam("destinations", expanding=True)), OFF.c.is_alighting_allowed)
    .order_by(ON.c.pattern_id, ON.c.sequence, OFF.c.sequence)
)
CALLS = sa.select(PATTERNS.c.id, PATTERNS.c.calls).where(PATTERNS.c.id.in_(sa.bindparam("ids", expanding=True)))


class Connecting(NamedTuple):
    """Where a pattern takes up riders at one stop and sets them down at another."""

    pattern_id: str
    origin_stop_id: str
    origin: int
    destination: int
    leaves_after_seconds: int


class Patterns:
    """The patterns of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, patterns: Sequence[Pattern]) -> None:
        """Store patterns once, however many departures share them."""
        known = sa.select(PATTERNS.c.id).where(PATTERNS.c.id.in_([pattern.id for pattern in patterns]))
        there = set(self._connection.execute(known).scalars())
        if added := list({pattern.id: pattern for pattern in patterns if pattern.id not in there}.values()):
            rows = [{"id": one.id, "calls": write_calls(one.calls), "shape": write_line(one.shape)} for one in added]
            self._connection.execute(sa.insert(PATTERNS), rows)
            self._connection.execute(sa.insert(PATTERN_STOPS), [row for one in added for row in stop_rows(one)])

    def get_many(self, pattern_ids: Sequence[str]) -> dict[str, Pattern]:
        """Read those of some patterns that exist, with their lines."""
        rows = self._connection.execute(sa.select(PATTERNS).where(PATTERNS.c.id.in_(pattern_ids)))
        return {row.id: Pattern(row.id, read_calls(row.calls), read_line(row.shape)) for row in rows}

    def calls_of(self, pattern_ids: Iterable[str]) -> dict[str, Pattern]:
        """Read patterns that must all exist, without their lines."""
        wanted = set(pattern_ids)
        missing = [pattern_id for pattern_id in wanted if pattern_id not in REMEMBERED]
        if not missing:
            return {pattern_id: REMEMBERED[pattern_id] for pattern_id in wanted}
        rows = self._connection.execute(CALLS, {"ids": missing})
        read = {row.id: Pattern(row.id, read_calls(row.calls)) for row in rows}
        found = {pattern_id: REMEMBERED[pattern_id] for pattern_id in wanted if pattern_id in REMEMBERED} | read
        if len(REMEMBERED) + len(read) > REMEMBERED_MAX:
            REMEMBERED.clear()
        REMEMBERED.update(read)
        return found

    def connecting(self, origins: Sequence[str], destinations: Sequence[str]) -> list[Connecting]:
        """Find where patterns take up at one of some stops and later set down at one of others.

        Where a pattern offers several, the first of its calls to get on and the next to get off count.
        """
        found: dict[str, Connecting] = {}
        asked = {"origins": list(origins), "destinations": list(destinations)}
        for row in self._connection.execute(CONNECTING, asked):
            found.setdefault(row[0], Connecting(*row))
        return list(found.values())


def stop_rows(pattern: Pattern) -> Iterable[dict[str, object]]:
    """Tell where a pattern calls, and how long after its start riders get on there."""
    leaves = 0
    for sequence, call in enumerate(pattern.calls):
        given = [seconds for seconds in (call.departure_seconds, call.arrival_seconds) if seconds is not None]
        leaves = given[0] if given else leaves
        yield {
            "stop_id": call.stop.id,
            "pattern_id": pattern.id,
            "sequence": sequence,
            "is_boarding_allowed": call.is_boarding_allowed,
            "is_alighting_allowed": call.is_alighting_allowed,
            "leaves_after_seconds": leaves,
        }


def identified(calls: tuple[PatternCall, ...], shape: tuple[ShapePoint, ...] = ()) -> Pattern:
    """Make a pattern whose id is its content's digest."""
    return Pattern(stable_id("pat", write_calls(calls), write_line(shape)), calls, shape)


def write_calls(calls: tuple[PatternCall, ...]) -> str:
    """Write calls so that equal ones are equal text: values in the order of the fields."""
    values = [[getattr(call, name) for name in CALL_FIELDS] + [stop_values(call.stop)] for call in calls]
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def stop_values(stop: Stop) -> list[object]:
    return [getattr(stop, name) for name in STOP_FIELDS]


def read_calls(calls: str) -> tuple[PatternCall, ...]:
    return tuple(PatternCall(Stop(*stop), *values) for *values, stop in json.loads(calls))


def write_line(shape: tuple[ShapePoint, ...]) -> str:
    return json.dumps(shape, separators=(",", ":"), allow_nan=False)


def read_line(shape: str) -> tuple[ShapePoint, ...]:
    return tuple((latitude, longitude, meters) for latitude, longitude, meters in json.loads(shape))
