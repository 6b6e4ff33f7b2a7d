"""Departures as booking last told them, and how full they are."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from chassis.read_models import put_newer
from tracking_svc.domain.departures import NOT_RUNNING, Availability, Departure, DepartureState
from tracking_svc.store.tables import AvailabilityRow, DepartureRow

TABLE, AVAILABILITIES = table_of(DepartureRow), table_of(AvailabilityRow)
COLUMNS = [TABLE.c[field.name] for field in fields(Departure)]
OF_VEHICLE = (
    sa.select(*COLUMNS)
    .where(
        TABLE.c.vehicle_id == sa.bindparam("of_vehicle"),
        TABLE.c.starts_at <= sa.bindparam("starts_to"),
        TABLE.c.ends_at >= sa.bindparam("ends_from"),
        TABLE.c.state.not_in(NOT_RUNNING),
    )
    .order_by(TABLE.c.starts_at)
)


class Departures:
    """The departures of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, departure_ids: Iterable[str]) -> dict[str, Departure]:
        """Return those that are known, by id."""
        # PostgreSQL takes no NUL in a text, and nothing has such a name.
        query = sa.select(*COLUMNS).where(TABLE.c.id.in_({id_ for id_ in departure_ids if "\0" not in id_}))
        return {row.id: departure_of(row) for row in self._connection.execute(query)}

    def of_vehicle(self, vehicle_id: str, *, ends_from: datetime, starts_to: datetime) -> list[Departure]:
        """Return what a vehicle runs around some time, in order of the start; what will not run is left out."""
        asked = {"of_vehicle": vehicle_id, "ends_from": ends_from, "starts_to": starts_to}
        return [departure_of(row) for row in self._connection.execute(OF_VEHICLE, asked)]

    def keep(self, departures: Sequence[Departure], lasting: Mapping[str, timedelta]) -> None:
        """Store those that are newer than what is known; `lasting` is the duration of each pattern."""
        rows: list[dict[str, object]] = [
            asdict(found) | {"ends_at": found.starts_at + lasting[found.pattern_id]}
            for found in sorted(departures, key=lambda departure: departure.id)
        ]
        put_newer(self._connection, TABLE, rows)

    def prune(self, *, before: datetime, limit: int) -> list[str]:
        """Forget some that ended before a time, and how full they were; return their ids."""
        old = sa.select(TABLE.c.id).where(TABLE.c.ends_at < before).limit(limit)
        ids = list(self._connection.execute(old).scalars())
        if ids:
            self._connection.execute(sa.delete(AVAILABILITIES).where(AVAILABILITIES.c.departure_id.in_(ids)))
            self._connection.execute(sa.delete(TABLE).where(TABLE.c.id.in_(ids)))
        return ids

    def cancelled(self, operator_id: str, *, ends_from: datetime, starts_to: datetime, limit: int) -> list[Departure]:
        """Return what will not run of an operator, or of all, between two times; the first to be over comes first."""
        query = sa.select(*COLUMNS).where(
            TABLE.c.state.in_(NOT_RUNNING), TABLE.c.ends_at >= ends_from, TABLE.c.starts_at <= starts_to
        )
        # PostgreSQL takes no NUL in a text, and nobody has such a name.
        if "\0" in operator_id:
            return []
        if operator_id:
            query = query.where(TABLE.c.operator_id == operator_id)
        return [departure_of(row) for row in self._connection.execute(query.order_by(TABLE.c.ends_at).limit(limit))]

    def availabilities(self, departure_ids: Iterable[str]) -> dict[str, Availability]:
        """Return how full departures are of which something was told, by id."""
        query = sa.select(AVAILABILITIES).where(AVAILABILITIES.c.departure_id.in_(set(departure_ids)))
        return {
            row.departure_id: Availability(
                row.departure_id, row.capacity, tuple(json.loads(row.seats_free)), row.version
            )
            for row in self._connection.execute(query)
        }

    def keep_availability(self, found: Availability) -> None:
        """Store how full a departure is, if it is newer than what is known."""
        put_newer(self._connection, AVAILABILITIES, [asdict(found) | {"seats_free": json.dumps(found.seats_free)}])


def departure_of(row: sa.Row[tuple[object, ...]]) -> Departure:
    """Read a row."""
    values = {**row._mapping, "state": DepartureState(row.state)}
    return Departure(**values)
