"""Departures as booking last told them, one row each."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from chassis.read_models import put_newer
from pricing_svc.domain.departure import Departure, DepartureState, Route
from pricing_svc.store.parsed import Parsed
from pricing_svc.store.tables import DepartureRow

TABLE = table_of(DepartureRow)
# Built once: building it costs more than running it.
VERSIONS = sa.select(TABLE.c.id, TABLE.c.version).where(TABLE.c.id.in_(sa.bindparam("ids", expanding=True)))


class Departures:
    """The departures of one open transaction."""

    def __init__(self, connection: Connection, parsed: Parsed[Departure]) -> None:
        self._connection = connection
        self._parsed = parsed

    def find(self, departure_ids: Iterable[str]) -> dict[str, Departure]:
        """Return those that are known, by id."""
        known = self._connection.execute(VERSIONS, {"ids": list(set(departure_ids))})
        return self._parsed.of(dict(known.all()), self._load)

    def _load(self, departure_ids: list[str]) -> Iterator[tuple[str, int, Departure]]:
        query = sa.select(TABLE).where(TABLE.c.id.in_(departure_ids))
        for row in self._connection.execute(query):
            yield row.id, row.version, departure_of(row)

    def keep(self, departures: Sequence[Departure], lasting: Mapping[str, timedelta]) -> None:
        """Store those that are newer than what is known; `lasting` is the duration of each pattern."""
        rows: list[dict[str, object]] = [
            {
                "id": found.id,
                "version": found.version,
                "pattern_id": found.pattern_id,
                "starts_at": found.starts_at,
                "ends_at": found.starts_at + lasting[found.pattern_id],
                "body": packed(found),
            }
            for found in sorted(departures, key=lambda departure: departure.id)
        ]
        put_newer(self._connection, TABLE, rows)

    def prune(self, *, before: datetime, limit: int) -> list[str]:
        """Forget some that ended before a time; return their ids."""
        columns = TABLE.c
        old = sa.select(columns.id).where(columns.ends_at < before).limit(limit)
        ids = list(self._connection.execute(old).scalars())
        if ids:
            self._connection.execute(sa.delete(TABLE).where(columns.id.in_(ids)))
        return ids


def packed(departure: Departure) -> str:
    """Write what is not in other columns as JSON."""
    route = departure.route
    body = [
        departure.operator_id,
        (route.id, route.feed_route_id, route.short_name, route.long_name, route.mode),
        departure.headsign,
        departure.service_date,
        departure.state,
    ]
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def departure_of(row: Any) -> Departure:
    """Read a departure back."""
    operator_id, route, headsign, service_date, state = json.loads(row.body)
    return Departure(
        row.id,
        operator_id,
        Route(*route),
        headsign,
        service_date,
        DepartureState(state),
        row.starts_at,
        row.pattern_id,
        row.version,
    )
