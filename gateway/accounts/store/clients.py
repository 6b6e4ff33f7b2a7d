"""Rows <-> Client."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from gateway.accounts.domain.clients import Client
from gateway.accounts.store.tables import ClientRow

TABLE = table_of(ClientRow)


class Clients:
    """The clients of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, client: Client) -> None:
        """Keep a client in the place of the one that had its id, if any."""
        self._connection.execute(sa.delete(TABLE).where(TABLE.c.id == client.id))
        row = {
            "id": client.id,
            "name": client.name,
            "secret_digest": client.secret_digest,
            "scopes": " ".join(sorted(client.scopes)),
            "operator_id": client.operator_id,
            "created_by": client.created_by,
            "created_at": client.created_at,
        }
        self._connection.execute(sa.insert(TABLE), row)

    def find(self, client_id: str) -> Client | None:
        row = self._connection.execute(sa.select(TABLE).where(TABLE.c.id == client_id)).first()
        if row is None:
            return None
        return Client(
            id=row.id,
            name=row.name,
            secret_digest=row.secret_digest,
            scopes=frozenset(row.scopes.split()),
            operator_id=row.operator_id,
            created_by=row.created_by,
            created_at=row.created_at,
        )
