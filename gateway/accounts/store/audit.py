"""Writes down what happened."""

from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from gateway.accounts.domain.audit import Entry
from gateway.accounts.store.tables import AuditRow

TABLE = table_of(AuditRow)


class Audit:
    """The audit of one open transaction."""

    def __init__(self, connection: Connection, *, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(self, entry: Entry) -> None:
        self._connection.execute(sa.insert(TABLE), {**asdict(entry), "event": entry.event.value, "at": self._now})

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget some entries from before a time; return how many."""
        old = sa.select(TABLE.c.position).where(TABLE.c.at < before).limit(limit)
        return self._connection.execute(sa.delete(TABLE).where(TABLE.c.position.in_(old))).rowcount
