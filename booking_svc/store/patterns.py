"""Rows of patterns: what many departures share, stored once."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.departure import Pattern, PatternCall, ShapePoint, Stop
from booking_svc.store.tables import PatternRow, PatternStopRow
from chassis.database import table_of
from chassis.ids import stable_id

PATTERNS, PATTERN_STOPS = table_of(PatternRow), table_of(PatternStopRow)
PATTERNS_REMEMBERED = 5000


class Connecting(NamedTuple):
    """Where a pattern takes up riders at one stop and sets them down at another."""

    pattern_id: str
    origin: int
    destination: int
    leaves_after_seconds: int


class Patterns:
    """The patterns of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, calls: tuple[PatternCall, ...], shape: tuple[ShapePoint, ...] = ()) -> Pattern:
        """Store calls and their line once, however many departures share them."""
        content, line = write_calls(calls), json.dumps(shape, separators=(",", ":"), allow_nan=False)
        pattern = Pattern(stable_id("pat", content, line), calls, shape)
        known = sa.select(PATTERNS.c.id).where(PATTERNS.c.id == pattern.id)
        if self._connection.execute(known).first() is None:
            self._connection.execute(sa.insert(PATTERNS), {"id": pattern.id, "calls": content, "shape": line})
            self._connection.execute(sa.insert(PATTERN_STOPS), list(stop_rows(pattern)))
        return pattern

    def get_many(self, pattern_ids: Sequence[str]) -> dict[str, Pattern]:
        """Read those of some patterns that exist, with their lines."""
        rows = self._connection.execute(sa.select(PATTERNS).where(PATTERNS.c.id.in_(pattern_ids)))
        return {row.id: Pattern(row.id, read_calls(row.id, row.calls), read_line(row.shape)) for row in rows}

    def connecting(self, origins: Sequence[str], destinations: Sequence[str]) -> list[Connecting]:
        """Find where patterns take up at one of some stops and later set down at one of others.

        Where a pattern offers several, the first of its calls to get on and the next to get off count.
        """
        on, off = PATTERN_STOPS.alias("boarding"), PATTERN_STOPS.alias("alighting")
        later = sa.and_(on.c.pattern_id == off.c.pattern_id, on.c.sequence < off.c.sequence)
        query = (
            sa.select(on.c.pattern_id, on.c.sequence, off.c.sequence, on.c.leaves_after_seconds)
            .select_from(on.join(off, later))
            .where(on.c.stop_id.in_(origins), on.c.is_boarding_allowed)
            .where(off.c.stop_id.in_(destinations), off.c.is_alighting_allowed)
            .order_by(on.c.pattern_id, on.c.sequence, off.c.sequence)
        )
        found: dict[str, Connecting] = {}
        for row in self._connection.execute(query):
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


def write_calls(calls: tuple[PatternCall, ...]) -> str:
    """Write calls so that equal ones are equal text."""
    return json.dumps([asdict(call) for call in calls], sort_keys=True, separators=(",", ":"), allow_nan=False)


@lru_cache(maxsize=PATTERNS_REMEMBERED)
def read_calls(_pattern_id: str, calls: str) -> tuple[PatternCall, ...]:
    """Read calls; they may be remembered because a pattern's id is its content's digest."""
    return tuple(PatternCall(**{**call, "stop": Stop(**call["stop"])}) for call in json.loads(calls))


def read_line(shape: str) -> tuple[ShapePoint, ...]:
    return tuple((latitude, longitude, meters) for latitude, longitude, meters in json.loads(shape))
