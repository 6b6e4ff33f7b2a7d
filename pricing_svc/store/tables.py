"""The pricing service's own tables."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis.database import Instant


class Table(SQLModel, registry=registry()):
    """The registry of this service's tables."""


class FarePolicyRow(Table, table=True):
    """One version of a fare policy; the draft has no `published_at`, and the newest that has one is in force."""

    __tablename__ = "fare_policies"
    policy_id: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=sa.BigInteger)
    currency: str
    base_minor: int = Field(sa_type=sa.BigInteger)
    per_kilometer_minor: int = Field(sa_type=sa.BigInteger)
    minimum_minor: int = Field(sa_type=sa.BigInteger)
    maximum_minor: int = Field(sa_type=sa.BigInteger)
    rounding_minor: int = Field(sa_type=sa.BigInteger)
    # JSON: a list of category and percent.
    categories: str = Field(sa_type=sa.Text)
    # JSON: a list of origin zone, destination zone, amount and route.
    zone_fares: str = Field(sa_type=sa.Text)
    feed_id: str
    published_at: datetime | None = Field(default=None, sa_type=Instant)


class DepartureRow(Table, table=True):
    """A departure as pricing needs it; `body` is in JSON what is not in a column."""

    __tablename__ = "departures"
    id: str = Field(primary_key=True)
    version: int = Field(sa_type=sa.BigInteger)
    pattern_id: str = Field(index=True)
    starts_at: datetime = Field(sa_type=Instant)
    ends_at: datetime = Field(sa_type=Instant, index=True)
    body: str = Field(sa_type=sa.Text)


class PatternRow(Table, table=True):
    """A pattern; `body` is its calls in JSON."""

    __tablename__ = "patterns"
    id: str = Field(primary_key=True)
    lasts_seconds: int
    kept_at: datetime = Field(sa_type=Instant)
    body: str = Field(sa_type=sa.Text)


class AvailabilityRow(Table, table=True):
    """The seats free on each segment of a departure, in JSON."""

    __tablename__ = "availabilities"
    departure_id: str = Field(primary_key=True)
    version: int = Field(sa_type=sa.BigInteger)
    capacity: int
    seats_free: str = Field(sa_type=sa.Text)
    observed_at: datetime = Field(sa_type=Instant)


class RebuildRow(Table, table=True):
    """A read model that was built once from its owner's list; from then on events keep it."""

    __tablename__ = "rebuilds"
    name: str = Field(primary_key=True)
    finished_at: datetime = Field(sa_type=Instant)
