"""What read models need that follow another's events: newer rows only, and whether they were ever built."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def put_newer(connection: Connection, table: sa.Table, rows: Sequence[dict[str, object]]) -> None:
    """Insert rows, or replace older ones by them; a row that is not newer than the one there is left out.

    Rows that come by events arrive late, twice and in any order.
    """
    if rows:
        connection.execute(putting_newer(connection.dialect.name, table), rows)


@cache
def putting_newer(dialect: str, table: sa.Table) -> sa.Executable:
    """Return the statement that puts newer rows, made once a table."""
    inserting: Any = INSERTS[dialect](table)
    changed = {column.name: inserting.excluded[column.name] for column in table.columns if not column.primary_key}
    found: sa.Executable = inserting.on_conflict_do_update(
        index_elements=list(table.primary_key), set_=changed, where=inserting.excluded.version > table.c.version
    )
    return found


class Rebuilds:
    """Which read models were built once from their owner's list; rows of `name` and `finished_at`."""

    def __init__(self, connection: Connection, table: sa.Table) -> None:
        self._connection = connection
        self._table = table

    def is_finished(self, name: str) -> bool:
        """Tell whether a read model has been built."""
        query = sa.select(self._table.c.name).where(self._table.c.name == name)
        return self._connection.execute(query).first() is not None

    def finish(self, name: str, *, now: datetime) -> None:
        """Record that a read model has been built; from then on events keep it."""
        if not self.is_finished(name):
            self._connection.execute(sa.insert(self._table), {"name": name, "finished_at": now})


class HasRebuilds(Protocol):
    """A unit of work that knows what was built."""

    now: datetime
    rebuilds: Rebuilds


def is_rebuilt(work: HasRebuilds, *, name: str) -> bool:
    """Tell whether a read model was ever built, or a consumer ever began, with this database."""
    return work.rebuilds.is_finished(name)


def finish_rebuild(work: HasRebuilds, *, name: str) -> None:
    """Record that a read model was built from its owner's list; from now on events keep it."""
    work.rebuilds.finish(name, now=work.now)
