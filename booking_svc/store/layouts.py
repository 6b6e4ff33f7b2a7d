"""Rows of layouts."""

import json
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.layout import DEFAULT_LAYOUT_ID, Layout, LayoutSeat, default_layout
from booking_svc.store.tables import LayoutRow
from chassis.database import table_of
from chassis.errors import NotFound

LAYOUTS = table_of(LayoutRow)
REMEMBERED: dict[str, Layout] = {}
"""Layouts by id; they may be remembered because none ever changes."""
REMEMBERED_MAX = 1000


class Layouts:
    """The layouts of one open transaction; the default one is code, not a row."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, layout: Layout) -> None:
        seats = [[seat.id, seat.row, seat.column, sorted(seat.features)] for seat in layout.seats]
        values = {"id": layout.id, "operator_id": layout.operator_id, "name": layout.name, "version": layout.version}
        self._connection.execute(sa.insert(LAYOUTS), {**values, "seats": json.dumps(seats)})

    def get_for(self, operator_id: str, layout_id: str) -> Layout:
        """Read a layout that an operator may use: its own or the default one."""
        layout = self.get(layout_id)
        if layout.operator_id not in ("", operator_id):
            raise NotFound(layout_id=layout_id)
        return layout

    def get(self, layout_id: str) -> Layout:
        """Read one layout."""
        if layout_id == DEFAULT_LAYOUT_ID:
            return the_default()
        if layout_id not in REMEMBERED:
            row = self._connection.execute(sa.select(LAYOUTS).where(LAYOUTS.c.id == layout_id)).first()
            if row is None:
                raise NotFound(layout_id=layout_id)
            if len(REMEMBERED) >= REMEMBERED_MAX:
                REMEMBERED.clear()
            REMEMBERED[layout_id] = read_layout(*row)
        return REMEMBERED[layout_id]

    def page(self, operator_id: str, *, after: str, limit: int) -> list[Layout]:
        """Read an operator's layouts in order of their ids."""
        columns = LAYOUTS.c
        query = sa.select(LAYOUTS).where(columns.operator_id == operator_id, columns.id > after)
        return [read_layout(*row) for row in self._connection.execute(query.order_by(columns.id).limit(limit))]


@lru_cache(maxsize=1)
def the_default() -> Layout:
    return default_layout()


def read_layout(layout_id: str, operator_id: str, name: str, seats: str, version: int) -> Layout:
    """Read a layout from its row."""
    read = tuple(LayoutSeat(label, at, column, frozenset(has)) for label, at, column, has in json.loads(seats))
    return Layout(layout_id, operator_id, name, read, version)
