"""A lease in the database: of several processes, one does the work, and each write shows its right to it."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Field

from chassis.database import Instant, Table, table_of
from chassis.faults import is_guard_off

LEASE_SECONDS = 10


class LeaseRow(Table, table=True):
    """Who holds a lease and until when."""

    __tablename__ = "leases"
    name: str = Field(primary_key=True)
    holder: str
    expires_at: datetime = Field(sa_type=Instant)


TABLE = table_of(LeaseRow)


def hold_lease(connection: Connection, *, name: str, holder: str, now: datetime) -> bool:
    """Take or renew a lease; tell whether it is ours."""
    if is_guard_off("fencing"):
        return True
    columns = TABLE.c
    until = now + timedelta(seconds=LEASE_SECONDS)
    free = sa.or_(columns.holder == holder, columns.expires_at <= now)
    taking = sa.update(TABLE).where(columns.name == name, free).values(holder=holder, expires_at=until)
    if connection.execute(taking).rowcount:
        return True
    if connection.execute(sa.select(columns.name).where(columns.name == name)).first() is not None:
        return False
    connection.execute(sa.insert(TABLE), {"name": name, "holder": holder, "expires_at": until})
    return True
