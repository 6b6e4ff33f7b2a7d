"""Where every vehicle was last."""

from collections.abc import Iterable
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from tracking_svc.domain.leaps import Doubt, Fix
from tracking_svc.domain.points import Position
from tracking_svc.domain.vehicles import Sighting
from tracking_svc.store.tables import DoubtRow, SightingRow

TABLE, DOUBTS = table_of(SightingRow), table_of(DoubtRow)
DOUBT_OF = sa.select(DOUBTS).where(DOUBTS.c.vehicle_id == sa.bindparam("of_vehicle"))
BY_VEHICLE = sa.select(TABLE).where(TABLE.c.vehicle_id == sa.bindparam("of_vehicle"))


class Sightings:
    """The newest positions of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, vehicle_id: str) -> Sighting | None:
        """Return where a vehicle was last, None before its first point."""
        row = self._connection.execute(BY_VEHICLE, {"of_vehicle": vehicle_id}).mappings().first()
        return None if row is None else sighting_of(row)

    def of_vehicles(self, vehicle_ids: Iterable[str]) -> dict[str, Sighting]:
        """Return where vehicles were last that were ever seen, by id."""
        query = sa.select(TABLE).where(TABLE.c.vehicle_id.in_(set(vehicle_ids)))
        return {row["vehicle_id"]: sighting_of(row) for row in self._connection.execute(query).mappings()}

    def doubt(self, vehicle_id: str) -> Doubt | None:
        """Return where a vehicle claims to be without being believed yet."""
        row = self._connection.execute(DOUBT_OF, {"of_vehicle": vehicle_id}).first()
        return None if row is None else Doubt(Fix(row.recorded, row.latitude, row.longitude), row.times)

    def keep_doubt(self, vehicle_id: str, doubt: Doubt | None) -> None:
        """Remember where a vehicle claims to be, or that it is believed."""
        self._connection.execute(sa.delete(DOUBTS).where(DOUBTS.c.vehicle_id == vehicle_id))
        if doubt is not None:
            row = doubt.fix._asdict() | {"vehicle_id": vehicle_id, "times": doubt.times}
            self._connection.execute(sa.insert(DOUBTS), row)

    def advance(self, vehicle_id: str, sighting: Sighting) -> bool:
        """Keep a sighting if none is newer by the time it was recorded at; tell whether it was kept."""
        row = asdict(sighting.position) | {"received_at": sighting.received_at}
        is_older = TABLE.c.recorded_at < sighting.position.recorded_at
        moving = sa.update(TABLE).where(TABLE.c.vehicle_id == vehicle_id, is_older).values(row)
        if self._connection.execute(moving).rowcount:
            return True
        if self._connection.execute(BY_VEHICLE, {"of_vehicle": vehicle_id}).first() is not None:
            return False
        self._connection.execute(sa.insert(TABLE), row | {"vehicle_id": vehicle_id})
        return True


def sighting_of(row: sa.RowMapping) -> Sighting:
    """Read a row."""
    values = {name: value for name, value in row.items() if name not in ("vehicle_id", "received_at")}
    return Sighting(Position(**values), row["received_at"])
