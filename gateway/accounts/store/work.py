"""The unit of work: everything a use case may touch in one transaction."""

import secrets
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.engine import Connection

from chassis.ids import new_id
from gateway.accounts.store.audit import Audit
from gateway.accounts.store.clients import Clients
from gateway.accounts.store.refresh_tokens import RefreshTokens
from gateway.accounts.store.users import Users


def new_secret() -> str:
    """Make 256 random bits that can stand in a URL."""
    return secrets.token_urlsafe(32)


class Work:
    """One open transaction of the gateway's database."""

    def __init__(
        self,
        connection: Connection,
        now: datetime,
        *,
        new_id: Callable[[str], str] = new_id,
        new_secret: Callable[[], str] = new_secret,
    ) -> None:
        self.connection = connection
        self.now = now
        self.new_id = new_id
        self.new_secret = new_secret
        self.users = Users(connection)
        self.clients = Clients(connection)
        self.refresh_tokens = RefreshTokens(connection)
        self.audit = Audit(connection, now=now)
