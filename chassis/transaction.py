"""What one open transaction puts off, and what it may remember.

Rows that need not be seen yet wait for others of their statement: one go for a group of calls costs a tenth of a go for
each row. They are written before the transaction executes anything else, so that whatever is read sees them, and before
it commits. What was read under a lock may be remembered until something is written that did not wait. Why this is
safe: docs/decisions/0011-rows-wait-for-their-group.md
"""

from collections.abc import Hashable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from chassis.errors import LostRace

READING = ("SELECT", "BEGIN", "PRAGMA")


class Transaction:
    """One open transaction; `has_written` and `holds_others_locks` are the writer's to set."""

    def __init__(self) -> None:
        self.memory: dict[Hashable, Any] = {}
        self.has_written = False
        # With the locks of earlier calls in hand, a later one must not wait for its own in any order.
        self.holds_others_locks = False
        self._waiting: dict[Any, dict[Hashable, Mapping[str, Any]]] = {}
        self._is_flushing = False

    @classmethod
    def of(cls, connection: Connection) -> "Transaction":
        """Return what is known of a connection's transaction, which begins if none is open."""
        if not connection.in_transaction():
            connection.begin()
        found: Transaction = connection.info["transaction"]
        return found

    def put_off(self, statement: sa.Executable, row: Mapping[str, Any], *, key: Hashable = None) -> None:
        """Let a row wait that its statement must write, or LostRace; another with the same key takes its place.

        A statement with the execution option `may_miss` need not find its row, and one that `is_apart`, executed at
        once, writes what nobody remembers.
        """
        rows = self._waiting.setdefault(statement, {})
        rows[len(rows) if key is None else key] = row
        self.has_written = True

    def waiting(self, statement: sa.Executable, key: Hashable) -> Mapping[str, Any] | None:
        """Return the row that waits under a key."""
        return self._waiting.get(statement, {}).get(key)

    def flush(self, connection: Connection) -> None:
        """Write what waits, statement by statement in the order in which they were first used."""
        if not self._waiting:
            return
        self._is_flushing, has_written = True, self.has_written
        # Should this fail, whoever caused the flush has lost the rows of others.
        self.has_written = True
        waiting, self._waiting = self._waiting, {}
        for statement, rows in waiting.items():
            options = {"preserve_rowcount": True, "only_inserts": type(statement) is sa.Insert}
            values: Any = list(rows.values())
            asked = statement.get_execution_options()
            if asked.get("by_column"):
                values = {name: [row[name] for row in values] for name in values[0]}
            written = connection.execute(statement, values, execution_options=options)
            if written.rowcount < len(rows) and not asked.get("may_miss"):
                raise LostRace
        self._is_flushing, self.has_written = False, has_written


def watch(engine: Engine) -> None:
    """Give every transaction of an engine its own `Transaction`, and keep its promises."""

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.info["transaction"] = Transaction()

    @sa.event.listens_for(engine, "before_cursor_execute")
    def execute(connection: Connection, _cursor: object, statement: str, _row: object, context: Any, _: bool) -> None:
        transaction: Transaction = connection.info["transaction"]
        if transaction._is_flushing:
            return
        transaction.flush(connection)
        if not statement.startswith(READING):
            transaction.has_written = True
            if not context.execution_options.get("is_apart"):
                transaction.memory.clear()

    @sa.event.listens_for(engine, "commit")
    def commit(connection: Connection) -> None:
        connection.info["transaction"].flush(connection)
