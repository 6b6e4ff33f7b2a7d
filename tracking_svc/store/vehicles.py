"""The vehicles that the fleet's owner has told of."""

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from tracking_svc.domain.errors import VehicleUnknown
from tracking_svc.domain.vehicles import Vehicle
from tracking_svc.store.tables import VehicleRow

TABLE = table_of(VehicleRow)
BY_ID = sa.select(TABLE).where(TABLE.c.id == sa.bindparam("vehicle_id"))


class Vehicles:
    """The vehicles of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, vehicle_id: str) -> Vehicle:
        """Return a vehicle; raise VehicleUnknown."""
        return self._first(BY_ID, vehicle_id)

    def hold(self, vehicle_id: str) -> Vehicle:
        """Return a vehicle whose history nobody else writes until the commit; raise VehicleUnknown."""
        return self._first(BY_ID.with_for_update(), vehicle_id)

    def save_if_newer(self, vehicle: Vehicle) -> None:
        """Keep a vehicle unless a newer version of it is here."""
        row = asdict(vehicle)
        renewing = sa.update(TABLE).where(TABLE.c.id == vehicle.id, TABLE.c.version < vehicle.version)
        if self._connection.execute(renewing.values(row)).rowcount:
            return
        if self._connection.execute(BY_ID, {"vehicle_id": vehicle.id}).first() is None:
            self._connection.execute(sa.insert(TABLE), row)

    def _first(self, query: sa.Select[Any], vehicle_id: str) -> Vehicle:
        # PostgreSQL takes no NUL in a text, and nothing has such a name.
        row = None if "\0" in vehicle_id else self._connection.execute(query, {"vehicle_id": vehicle_id}).first()
        if row is None:
            raise VehicleUnknown
        return Vehicle(*row)
