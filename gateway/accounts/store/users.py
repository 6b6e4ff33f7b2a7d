"""Rows <-> User."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import table_of
from gateway.accounts.domain.errors import EmailTaken
from gateway.accounts.domain.roles import Role
from gateway.accounts.domain.users import User, email_key
from gateway.accounts.store.tables import UserRow

TABLE = table_of(UserRow)


class Users:
    """The users of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, user: User) -> None:
        """Keep a new user; raise EmailTaken when the address has an account."""
        if user.email is not None and self.find_by_email(user.email) is not None:
            raise EmailTaken
        self._connection.execute(sa.insert(TABLE), row_of(user))

    def find(self, user_id: str) -> User | None:
        return self._find(TABLE.c.id == user_id)

    def find_by_email(self, email: str) -> User | None:
        return self._find(TABLE.c.email_key == email_key(email))

    def set_password(self, user_id: str, password_hash: str) -> None:
        changing = sa.update(TABLE).where(TABLE.c.id == user_id)
        self._connection.execute(changing.values(password_hash=password_hash))

    def _find(self, condition: sa.ColumnElement[bool]) -> User | None:
        row = self._connection.execute(sa.select(TABLE).where(condition)).first()
        return None if row is None else user_of(row)


def row_of(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "role": user.role.value,
        "email": user.email,
        "email_key": None if user.email is None else email_key(user.email),
        "name": user.name,
        "password_hash": user.password_hash,
        "operator_id": user.operator_id,
        "created_at": user.created_at,
    }


def user_of(row: sa.Row[Any]) -> User:
    return User(
        id=row.id,
        role=Role(row.role),
        created_at=row.created_at,
        email=row.email,
        name=row.name,
        password_hash=row.password_hash,
        operator_id=row.operator_id,
    )
