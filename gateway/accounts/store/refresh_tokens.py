"""Rows <-> RefreshToken."""

from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from chassis.errors import LostRace
from gateway.accounts.domain.sessions import RefreshToken
from gateway.accounts.store.tables import RefreshTokenRow

TABLE = table_of(RefreshTokenRow)


class RefreshTokens:
    """The refresh tokens of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, token: RefreshToken) -> None:
        self._connection.execute(sa.insert(TABLE), asdict(token))

    def find(self, digest: str) -> RefreshToken | None:
        """Read a token as no other gateway can spend it before this transaction ends."""
        row = self._connection.execute(sa.select(TABLE).where(TABLE.c.digest == digest).with_for_update()).first()
        return None if row is None else RefreshToken(**row._mapping)

    def spend(self, token: RefreshToken, *, successor: str | None, now: datetime) -> None:
        """Mark a token as used and by what it was replaced; raise LostRace when another process just did."""
        as_read = sa.and_(
            TABLE.c.digest == token.digest,
            TABLE.c.used_at.is_not_distinct_from(token.used_at),
            TABLE.c.successor.is_not_distinct_from(token.successor),
        )
        if not self._connection.execute(
            sa.update(TABLE).where(as_read).values(used_at=now, successor=successor)
        ).rowcount:
            raise LostRace

    def revoke_family(self, family_id: str) -> None:
        """Forget every token of a session."""
        self._connection.execute(sa.delete(TABLE).where(TABLE.c.family_id == family_id))

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget some tokens that have expired before a time; return how many."""
        old = sa.select(TABLE.c.digest).where(TABLE.c.expires_at < before).limit(limit)
        return self._connection.execute(sa.delete(TABLE).where(TABLE.c.digest.in_(old))).rowcount
