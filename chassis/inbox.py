"""Remembers which messages have had their effect, in the transaction of the effect."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlmodel import Field

from chassis.database import Instant, Table, table_of
from chassis.faults import is_guard_off


class InboxRow(Table, table=True):
    """One message that has had its effect."""

    __tablename__ = "inbox"
    message_id: str = Field(primary_key=True)
    received_at: datetime = Field(sa_type=Instant, index=True)


class Inbox:
    """The inbox of one open transaction."""

    table = table_of(InboxRow)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def is_new(self, message_id: str, *, now: datetime) -> bool:
        """Take a message in and tell whether it is here for the first time."""
        if is_guard_off("inbox"):
            return True
        taking = TAKING[self._connection.dialect.name]
        return self._connection.execute(taking, {"message_id": message_id, "received_at": now}).rowcount == 1

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget some messages from before a time; return how many."""
        old = sa.select(self.table.c.message_id).where(self.table.c.received_at < before).limit(limit)
        return self._connection.execute(sa.delete(self.table).where(self.table.c.message_id.in_(old))).rowcount


TAKING = {
    dialect: insert(Inbox.table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    for dialect, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}
