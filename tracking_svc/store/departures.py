"""Departures as booking last told them, and how full they are."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from chassis.read_models import put_newer
from tracking_svc.domain.departures import Availability, Departure, DepartureState
from tracking_svc.store.tables import AvailabilityRow, DepartureRow

TABLE, AVAILABILITIES = table_of(DepartureRow), table_of(AvailabilityRow)
COLUMNS = [TABLE.c[field.name] for field in fields(Departure)]


class Departures:
    """The departures of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, departure_ids: Iterable[str]) -> dict[str, Departure]:
        """Return those that are known, by id."""
        query = sa.select(*COLUMNS).where(TABLE.c.id.in_(set(departure_ids)))
        return {row.id: departure_of(row) for row in self._connection.execute(query)}

    def keep(self, departures: Sequence[Departure], lasting: Mapping[str, timedelta]) -> None:
        """Store those that are newer than what is known; `lasting` is the duration of each pattern."""
        rows: list[dict[str, object]] = [
            asdict(found) | {"ends_at": found.starts_at + lasting[found.pattern_id]}
            for found in sorted(departures, key=lambda departure: departure.id)
        ]
        put_newer(self._connection, TABLE, rows)

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget some that ended before a time, with what hangs on them; return how many."""
        old = sa.select(TABLE.c.id).where(TABLE.c.ends_at < before).limit(limit)
        ids = list(self._connection.execute(old).scalars())
        if ids:
            self._connection.execute(sa.delete(AVAILABILITIES).where(AVAILABILITIES.c.departure_id.in_(ids)))
            self._connection.execute(sa.delete(TABLE).where(TABLE.c.id.in_(ids)))
        return len(ids)

    def find_availability(self, departure_id: str) -> Availability | None:
        """Return how full a departure is, None where nothing was told."""
        query = sa.select(AVAILABILITIES).where(AVAILABILITIES.c.departure_id == departure_id)
        row = self._connection.execute(query).first()
        if row is None:
            return None
        return Availability(row.departure_id, row.capacity, tuple(json.loads(row.seats_free)), row.version)

    def keep_availability(self, found: Availability) -> None:
        """Store how full a departure is, if it is newer than what is known."""
        put_newer(self._connection, AVAILABILITIES, [asdict(found) | {"seats_free": json.dumps(found.seats_free)}])


def departure_of(row: sa.Row[tuple[object, ...]]) -> Departure:
    """Read a row."""
    values = {**row._mapping, "state": DepartureState(row.state)}
    return Departure(**values)
