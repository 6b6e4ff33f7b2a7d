"""What is settled of every device's run."""

import json
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from tracking_svc.domain.sessions import Session
from tracking_svc.store.tables import SessionRow

TABLE = table_of(SessionRow)
OF_VEHICLE = TABLE.c.vehicle_id == sa.bindparam("of_vehicle")
BY_ID = sa.and_(OF_VEHICLE, TABLE.c.session_id == sa.bindparam("of_session"))


class Sessions:
    """The sessions of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, vehicle_id: str, session_id: str) -> Session:
        """Return a session, a blank one if it is new or has no name."""
        blank = Session(vehicle_id, session_id)
        row = self._connection.execute(sa.select(TABLE).where(BY_ID), named(blank)).first() if session_id else None
        if row is None:
            return blank
        settled = tuple((first, last) for first, last in json.loads(row.settled))
        return Session(vehicle_id, session_id, row.first_sequence, settled)

    def save(self, session: Session, *, now: datetime) -> None:
        row = {
            "first_sequence": session.first_sequence,
            "settled": json.dumps(session.settled, separators=(",", ":")),
            "used_at": now,
        }
        saved = self._connection.execute(sa.update(TABLE).where(BY_ID), row | named(session))
        if not saved.rowcount:
            name = {"vehicle_id": session.vehicle_id, "session_id": session.id}
            self._connection.execute(sa.insert(TABLE), row | name)

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget some sessions that nobody has used since a time; return how many."""
        key = sa.tuple_(TABLE.c.vehicle_id, TABLE.c.session_id)
        old = sa.select(TABLE.c.vehicle_id, TABLE.c.session_id).where(TABLE.c.used_at < before).limit(limit)
        return self._connection.execute(sa.delete(TABLE).where(key.in_(old))).rowcount


def named(session: Session) -> dict[str, object]:
    """Return what BY_ID asks for."""
    return {"of_vehicle": session.vehicle_id, "of_session": session.id}
