"""The patterns of departures, each parsed once: it never changes."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from tracking_svc.domain.departures import Pattern, PatternCall
from tracking_svc.store.tables import DepartureRow, PatternRow

TABLE = table_of(PatternRow)
PATTERNS_REMEMBERED = 1000

Memory = dict[str, Pattern]
"""What the process keeps parsed and drawn from one transaction to the next."""


class Patterns:
    """The patterns of one open transaction."""

    def __init__(self, connection: Connection, remembered: Memory) -> None:
        self._connection = connection
        self._remembered = remembered

    def get(self, pattern_id: str) -> Pattern:
        """Return a pattern that a departure has; it is kept for as long."""
        if (found := self._remembered.get(pattern_id)) is not None:
            return found
        body = self._connection.execute(sa.select(TABLE.c.body).where(TABLE.c.id == pattern_id)).scalar_one()
        found = unpacked(pattern_id, body)
        while len(self._remembered) >= PATTERNS_REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)), None)
        self._remembered[pattern_id] = found
        return found

    def lasting(self, pattern_ids: Iterable[str]) -> dict[str, timedelta]:
        """Tell how long those that are known last, by id."""
        query = sa.select(TABLE.c.id, TABLE.c.lasts_seconds).where(TABLE.c.id.in_(set(pattern_ids)))
        return {row.id: timedelta(seconds=row.lasts_seconds) for row in self._connection.execute(query)}

    def keep(self, patterns: Sequence[Pattern], *, now: datetime) -> None:
        """Store those that are not known yet."""
        new = {pattern.id: pattern for pattern in patterns}
        for known in self.lasting(new):
            del new[known]
        rows = [
            {"id": pattern.id, "lasts_seconds": pattern.lasts_seconds, "kept_at": now, "body": packed(pattern)}
            for pattern in new.values()
        ]
        if rows:
            self._connection.execute(sa.insert(TABLE), rows)

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget some from before a time that no departure has; return how many."""
        departures = table_of(DepartureRow)
        is_used = sa.exists().where(departures.c.pattern_id == TABLE.c.id)
        old = sa.select(TABLE.c.id).where(TABLE.c.kept_at < before, ~is_used).limit(limit)
        return self._connection.execute(sa.delete(TABLE).where(TABLE.c.id.in_(old))).rowcount


def packed(pattern: Pattern) -> str:
    """Write calls and shape as JSON, values in the order of the fields."""
    body = {"calls": [astuple(call) for call in pattern.calls], "shape": pattern.shape}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def unpacked(pattern_id: str, body: str) -> Pattern:
    """Read a pattern back."""
    found = json.loads(body)
    calls = tuple(PatternCall(*call) for call in found["calls"])
    return Pattern(pattern_id, calls, tuple(tuple(point) for point in found["shape"]))
