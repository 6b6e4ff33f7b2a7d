"""The patterns of departures; each is parsed once, for it never changes."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from operator import attrgetter

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from pricing_svc.domain.departure import Pattern, PatternCall
from pricing_svc.store.parsed import Parsed
from pricing_svc.store.tables import DepartureRow, PatternRow

TABLE = table_of(PatternRow)
UNCHANGING = 1
values_of = attrgetter(*(field.name for field in fields(PatternCall)))


class Patterns:
    """The patterns of one open transaction."""

    def __init__(self, connection: Connection, parsed: Parsed[Pattern]) -> None:
        self._connection = connection
        self._parsed = parsed

    def find(self, pattern_ids: Iterable[str]) -> dict[str, Pattern]:
        """Return those of some patterns that are known, by id."""
        return self._parsed.of(dict.fromkeys(pattern_ids, UNCHANGING), self._load)

    def _load(self, pattern_ids: list[str]) -> Iterator[tuple[str, int, Pattern]]:
        query = sa.select(TABLE.c.id, TABLE.c.body).where(TABLE.c.id.in_(pattern_ids))
        for row in self._connection.execute(query):
            calls = tuple(PatternCall(*call) for call in json.loads(row.body))
            yield row.id, UNCHANGING, Pattern(row.id, calls)

    def lasting(self, pattern_ids: Iterable[str]) -> dict[str, timedelta]:
        """Tell how long those that are known last, by id."""
        query = sa.select(TABLE.c.id, TABLE.c.lasts_seconds).where(TABLE.c.id.in_(set(pattern_ids)))
        return {row.id: timedelta(seconds=row.lasts_seconds) for row in self._connection.execute(query)}

    def keep(self, patterns: Sequence[Pattern], *, now: datetime) -> None:
        """Store those that are not known yet."""
        known = self.lasting(pattern.id for pattern in patterns)
        rows = [
            {"id": pattern.id, "lasts_seconds": pattern.lasts_seconds, "kept_at": now, "body": packed(pattern)}
            for pattern in {pattern.id: pattern for pattern in patterns}.values()
            if pattern.id not in known
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
    """Write calls as JSON, values in the order of the fields."""
    return json.dumps([values_of(call) for call in pattern.calls], separators=(",", ":"), ensure_ascii=False)
