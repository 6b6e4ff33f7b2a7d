"""Rows of charges and refunds."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.payment import OPEN, Charge, ChargeState, Refund
from booking_svc.store.tables import ChargeRow, RefundRow
from chassis.database import table_of
from chassis.errors import NotFound

CHARGES, REFUNDS = table_of(ChargeRow), table_of(RefundRow)


class Payments:
    """The charges and refunds of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_charge(self, charge: Charge) -> None:
        self._connection.execute(sa.insert(CHARGES), asdict(charge))

    def save_charge(self, charge: Charge) -> None:
        mine = sa.update(CHARGES).where(CHARGES.c.id == charge.id)
        self._connection.execute(mine.values(asdict(charge)))

    def get_charge(self, charge_id: str) -> Charge:
        row = self._connection.execute(sa.select(CHARGES).where(CHARGES.c.id == charge_id)).first()
        if row is None:
            raise NotFound
        return read_charge(row)

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


def read_charge(row: Any) -> Charge:
    """Turn a row into a charge."""
    return Charge(**{**row._mapping, "state": ChargeState(row.state)})
