"""The tables of database "gateway"."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis.database import Instant


class Table(SQLModel, registry=registry()):
    """The accounts' own tables."""


class UserRow(Table, table=True):
    """One person; `email_key` is the address as it is compared."""

    __tablename__ = "users"
    id: str = Field(primary_key=True)
    role: str
    email: str | None = None
    email_key: str | None = Field(default=None, unique=True)
    name: str | None = None
    password_hash: str | None = None
    operator_id: str
    created_at: datetime = Field(sa_type=Instant)


class ClientRow(Table, table=True):
    """One program that signs in by itself."""

    __tablename__ = "clients"
    id: str = Field(primary_key=True)
    name: str
    secret_digest: str
    scopes: str
    operator_id: str
    created_by: str
    created_at: datetime = Field(sa_type=Instant)


class RefreshTokenRow(Table, table=True):
    """One refresh token, by the digest of its secret."""

    __tablename__ = "refresh_tokens"
    digest: str = Field(primary_key=True)
    family_id: str = Field(index=True)
    user_id: str
    scope: str
    issued_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant, index=True)
    used_at: datetime | None = Field(default=None, sa_type=Instant)
    successor: str | None = None


class AuditRow(Table, table=True):
    """One thing that happened."""

    __tablename__ = "audit"
    position: int | None = Field(
        default=None, sa_column=sa.Column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
    )
    at: datetime = Field(sa_type=Instant, index=True)
    event: str
    subject: str = Field(index=True)
    actor: str
    address: str
    note: str
