"""Which read models were built once from their owner's list."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from pricing_svc.store.tables import RebuildRow


class Rebuilds:
    """The rebuilds of one open transaction."""

    table = table_of(RebuildRow)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def is_finished(self, name: str) -> bool:
        """Tell whether a read model has been built."""
        query = sa.select(self.table.c.name).where(self.table.c.name == name)
        return self._connection.execute(query).first() is not None

    def finish(self, name: str, *, now: datetime) -> None:
        """Record that a read model has been built."""
        if not self.is_finished(name):
            self._connection.execute(sa.insert(self.table), {"name": name, "finished_at": now})
