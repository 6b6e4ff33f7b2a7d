"""Rows of charges and refunds."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.payment import OPEN, Charge, ChargeState, Refund
from booking_svc.store.tables import ChargeRow, RefundRow
from chassis.database import table_of
from chassis.errors import NotFound
from chassis.transaction import Transaction

CHARGES, REFUNDS = table_of(ChargeRow), table_of(RefundRow)
READ_CHARGES = sa.select(CHARGES).where(CHARGES.c.id.in_(sa.bindparam("ids", expanding=True)))
ADD_CHARGE = sa.insert(CHARGES)
SAVE_CHARGE = (
    sa.update(CHARGES)
    .where(CHARGES.c.id == sa.bindparam("new_id"))
    .values({name: sa.bindparam(f"new_{name}") for name in ChargeRow.model_fields})
)


class Payments:
    """The charges and refunds of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transaction = Transaction.of(connection)

    def add_charge(self, charge: Charge) -> None:
        self._transaction.put_off(ADD_CHARGE, write_charge(charge))

    def save_charge(self, charge: Charge) -> None:
        self._transaction.put_off(SAVE_CHARGE, write_charge(charge, "new_"))
        self._transaction.memory["charge", charge.id] = charge

    def get_charge(self, charge_id: str) -> Charge:
        if ("charge", charge_id) not in self._transaction.memory:
            self.read_ahead([charge_id])
        if ("charge", charge_id) not in self._transaction.memory:
            raise NotFound
        found: Charge = self._transaction.memory["charge", charge_id]
        return found

    def read_ahead(self, charge_ids: Iterable[str]) -> list[Charge]:
        """Read charges in one go, for `get_charge` to remember."""
        found = [read_charge(row) for row in self._connection.execute(READ_CHARGES, {"ids": list(charge_ids)})]
        self._transaction.memory |= {("charge", charge.id): charge for charge in found}
        return found

    def captured_charge(self, booking_id: str) -> Charge:
        """Read the charge that paid for a booking."""
        columns = CHARGES.c
        paid = sa.and_(columns.booking_id == booking_id, columns.state == ChargeState.CAPTURED)
        return read_charge(self._connection.execute(sa.select(CHARGES).where(paid)).one())

    def open_charges(self) -> list[Charge]:
        """Read all charges whose outcome is not known, oldest first."""
        query = sa.select(CHARGES).where(CHARGES.c.state.in_(OPEN)).order_by(CHARGES.c.started_at)
        return [read_charge(row) for row in self._connection.execute(query)]

    def add_refund(self, refund: Refund) -> None:
        self._connection.execute(sa.insert(REFUNDS), asdict(refund))

    def get_refund(self, refund_id: str) -> Refund:
        row: Any = self._connection.execute(sa.select(REFUNDS).where(REFUNDS.c.id == refund_id)).one()
        return Refund(*row)

    def finish_refund(self, refund_id: str) -> None:
        self._connection.execute(sa.update(REFUNDS).where(REFUNDS.c.id == refund_id).values(is_done=True))

    def open_refunds(self, *, booking_id: str = "", limit: int) -> Sequence[Refund]:
        """Read refunds that the provider has not confirmed: all, or a booking's."""
        query = sa.select(REFUNDS).where(REFUNDS.c.is_done.is_(False)).order_by(REFUNDS.c.id).limit(limit)
        if booking_id:
            query = query.where(REFUNDS.c.booking_id == booking_id)
        return [Refund(*row) for row in self._connection.execute(query)]


def write_charge(charge: Charge, prefix: str = "") -> dict[str, object]:
    """Turn a charge into a row's values."""
    return {f"{prefix}{name}": getattr(charge, name) for name in ChargeRow.model_fields}


def read_charge(row: Any) -> Charge:
    """Turn a row into a charge."""
    return Charge(**{**row._mapping, "state": ChargeState(row.state)})
