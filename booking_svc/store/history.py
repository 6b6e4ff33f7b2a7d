"""Rows of what happened to bookings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.booking import Booking
from booking_svc.store.tables import HistoryRow
from chassis.database import table_of
from chassis.transaction import Transaction

HISTORY = table_of(HistoryRow)
SYSTEM = "system"
ADD_ENTRY = sa.insert(HISTORY)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened to a booking."""

    occurred_at: datetime
    fact: str
    item_ids: tuple[str, ...]
    amount_minor: int
    currency: str
    actor: str


class History:
    """The history of one open transaction; it is only ever added to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transaction = Transaction.of(connection)

    def add(
        self,
        fact: str,
        booking: Booking,
        *,
        now: datetime,
        actor: str = SYSTEM,
        item_ids: Sequence[str] | None = None,
        amount_minor: int | None = None,
    ) -> None:
        """Note what brought a booking to its present version."""
        ids = [item.id for item in booking.items] if item_ids is None else item_ids
        amount = booking.total_minor if amount_minor is None else amount_minor
        entry = HistoryEntry(now, fact, tuple(ids), amount, booking.currency, actor)
        self._transaction.put_off(ADD_ENTRY, write_entry(booking, entry))

    def entries(self, booking_id: str) -> list[HistoryEntry]:
        """Read what happened to a booking, oldest first."""
        query = sa.select(HISTORY).where(HISTORY.c.booking_id == booking_id).order_by(HISTORY.c.version)
        rows: Any = self._connection.execute(query)
        return [
            HistoryEntry(
                row.occurred_at, row.fact, tuple(json.loads(row.item_ids)), row.amount_minor, row.currency, row.actor
            )
            for row in rows
        ]


def write_entry(booking: Booking, entry: HistoryEntry) -> dict[str, object]:
    """Turn an entry of a booking into a row's values."""
    own = {field.name: getattr(entry, field.name) for field in fields(HistoryEntry)}
    return own | {"booking_id": booking.id, "version": booking.version, "item_ids": json.dumps(entry.item_ids)}
