"""A lease in the database: of several processes, one does the work, and each write shows its right to it."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Field

from chassis.database import Instant, Table
from chassis.faults import is_guard_off
from chassis.writer import UnitOfWork

LEASE_SECONDS = 5.0


class LeaseRow(Table, table=True):
    """Who holds a lease and until when."""

    __tablename__ = "leases"
    name: str = Field(primary_key=True)
    holder: str
    expires_at: datetime = Field(sa_type=Instant)


TAKE = (
    sa.text(
        "INSERT INTO leases (name, holder, expires_at) VALUES (:name, :holder, :until)"
        " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at"
        " WHERE leases.holder = excluded.holder OR leases.expires_at <= :now"
    )
    .bindparams(sa.bindparam("until", type_=Instant), sa.bindparam("now", type_=Instant))
    .execution_options(is_apart=True)
)


def hold_lease(work: UnitOfWork, *, name: str, holder: str) -> bool:
    """Take or renew a lease; tell whether it is ours."""
    if is_guard_off("fencing"):
        return True
    until = work.now + timedelta(seconds=LEASE_SECONDS)
    return bool(
        work.connection.execute(TAKE, {"name": name, "holder": holder, "until": until, "now": work.now}).rowcount
    )
