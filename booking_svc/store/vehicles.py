"""Rows of vehicles."""

from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.layout import Vehicle
from booking_svc.store.tables import VehicleRow
from chassis.database import table_of
from chassis.errors import NotFound

VEHICLES = table_of(VehicleRow)


class Vehicles:
    """The fleet of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, vehicle: Vehicle) -> None:
        self._connection.execute(sa.insert(VEHICLES), asdict(vehicle))

    def get(self, vehicle_id: str, *, operator_id: str) -> Vehicle:
        """Read one of an operator's vehicles."""
        mine = sa.and_(VEHICLES.c.id == vehicle_id, VEHICLES.c.operator_id == operator_id)
        row = self._connection.execute(sa.select(VEHICLES).where(mine)).first()
        if row is None:
            raise NotFound(vehicle_id=vehicle_id)
        return Vehicle(*row)

    def page(self, operator_id: str, *, after: str, limit: int) -> list[Vehicle]:
        """Read an operator's vehicles in order of their ids."""
        query = sa.select(VEHICLES).where(VEHICLES.c.operator_id == operator_id, VEHICLES.c.id > after)
        return [Vehicle(*row) for row in self._connection.execute(query.order_by(VEHICLES.c.id).limit(limit))]
