"""Who rides on departures, read across bookings."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.booking import LIVE, Boarding, ItemState
from booking_svc.domain.load import Load, Riding
from booking_svc.domain.manifest import Passenger
from booking_svc.store.bookings import BOOKINGS, ITEMS
from booking_svc.store.departures import DEPARTURES
from chassis.access import ANY_OPERATOR, Caller
from chassis.database import Instant

RIDING = sa.and_(
    ITEMS.c.state.in_(LIVE),
    sa.or_(ITEMS.c.expires_at.is_(None), ITEMS.c.expires_at > sa.bindparam("now", type_=Instant)),
)


class Passengers:
    """The passengers of one open transaction; a hold that is over rides no more."""

    def __init__(self, connection: Connection, *, now: datetime) -> None:
        self._connection = connection
        self._now = {"now": now}

    def page(self, departure_id: str, *, after: str, limit: int) -> list[Passenger]:
        """Read who rides on a departure in order of their items' ids."""
        columns = ITEMS.c
        booked = sa.select(ITEMS, BOOKINGS.c.reference).join(BOOKINGS, BOOKINGS.c.id == columns.booking_id)
        riding = booked.where(columns.departure_id == departure_id, RIDING, columns.id > after)
        query = riding.order_by(columns.id).limit(limit)
        return [read_passenger(row) for row in self._connection.execute(query, self._now)]

    def loads(self, departure_ids: Sequence[str], *, caller: Caller) -> list[Load]:
        """Count the seats taken on those of some departures that the caller works for."""
        columns, riding = ITEMS.c, dict[str, list[Riding]]()
        kind = (columns.departure_id, columns.origin_sequence, columns.destination_sequence, columns.state)
        query = sa.select(*kind, sa.func.count()).where(columns.departure_id.in_(departure_ids), RIDING)
        counted = self._connection.execute(query.group_by(*kind), self._now)
        for departure_id, origin, destination, state, count in counted:
            is_sold = state == ItemState.CONFIRMED
            riding.setdefault(departure_id, []).append(Riding(origin, destination, count, is_sold=is_sold))
        mine = sa.select(DEPARTURES.c.id, DEPARTURES.c.capacity).where(DEPARTURES.c.id.in_(departure_ids))
        if caller.operator_id != ANY_OPERATOR:
            mine = mine.where(DEPARTURES.c.operator_id == caller.operator_id)
        return [Load.of(row.id, row.capacity, riding.get(row.id, ())) for row in self._connection.execute(mine)]


def read_passenger(row: Any) -> Passenger:
    """Turn a joined row into a passenger."""
    return Passenger(
        row.id,
        row.booking_id,
        row.reference,
        row.passenger_name,
        row.category,
        row.seat_id,
        ItemState(row.state),
        Boarding(row.boarding),
        row.origin_sequence,
        row.destination_sequence,
    )
