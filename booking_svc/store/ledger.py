"""Rows of the ledger."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.ledger import Entry
from booking_svc.store.tables import LedgerRow
from chassis.database import table_of
from chassis.transaction import Transaction

LEDGER = table_of(LedgerRow)
ADD_ENTRY = sa.insert(LEDGER)


class Ledger:
    """The ledger of one open transaction; entries are only ever added."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transaction = Transaction.of(connection)

    def add(self, entries: Sequence[Entry], *, cause_id: str, booking_id: str, currency: str, now: datetime) -> None:
        """Write the entries of one cause; a cause is entered once, and its entries sum to zero."""
        if sum(entry.amount_minor for entry in entries):
            raise ValueError("the entries of a cause must sum to zero")
        for entry in entries:
            row = {
                "cause_id": cause_id,
                "account": entry.account,
                "booking_id": booking_id,
                "amount_minor": entry.amount_minor,
                "currency": currency,
                "created_at": now,
            }
            self._transaction.put_off(ADD_ENTRY, row)
