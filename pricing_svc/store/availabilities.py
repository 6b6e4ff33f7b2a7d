"""How full departures are, as booking last told; what demand pricing will read."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from chassis.read_models import put_newer
from pricing_svc.domain.departure import Availability
from pricing_svc.store.tables import AvailabilityRow


class Availabilities:
    """The availabilities of one open transaction."""

    table = table_of(AvailabilityRow)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, departure_id: str) -> Availability | None:
        """Return what is known of one departure."""
        row = self._connection.execute(sa.select(self.table).where(self.table.c.departure_id == departure_id)).first()
        if row is None:
            return None
        return Availability(
            row.departure_id, row.capacity, tuple(json.loads(row.seats_free)), row.version, row.observed_at
        )

    def keep(self, found: Availability) -> None:
        """Store it if it is newer than what is known."""
        row: dict[str, object] = {
            "departure_id": found.departure_id,
            "version": found.version,
            "capacity": found.capacity,
            "seats_free": json.dumps(list(found.seats_free), separators=(",", ":")),
            "observed_at": found.observed_at,
        }
        put_newer(self._connection, self.table, [row])

    def forget(self, departure_ids: Sequence[str]) -> None:
        """Delete what is known of some departures."""
        if departure_ids:
            self._connection.execute(sa.delete(self.table).where(self.table.c.departure_id.in_(departure_ids)))
