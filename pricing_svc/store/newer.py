"""Rows that come by events arrive late, twice and in any order; only a newer version has an effect."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def put_newer(connection: Connection, table: sa.Table, rows: Sequence[dict[str, object]]) -> None:
    """Insert rows, or replace older ones by them; a row that is not newer than the one there is left out."""
    if not rows:
        return
    inserting: Any = INSERTS[connection.dialect.name](table)
    changed = {column.name: inserting.excluded[column.name] for column in table.columns if not column.primary_key}
    statement = inserting.on_conflict_do_update(
        index_elements=list(table.primary_key), set_=changed, where=inserting.excluded.version > table.c.version
    )
    connection.execute(statement, rows)
