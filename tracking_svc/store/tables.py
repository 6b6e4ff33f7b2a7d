"""The tables of the tracking database."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis.database import Instant


class Table(SQLModel, registry=registry()):
    """The tables of tracking."""


class VehicleRow(Table, table=True):
    """A vehicle as the newest event about it says."""

    __tablename__ = "vehicles"
    id: str = Field(primary_key=True)
    operator_id: str
    label: str
    version: int = Field(sa_type=sa.BigInteger)


class SightingRow(Table, table=True):
    """Where a vehicle was last."""

    __tablename__ = "sightings"
    vehicle_id: str = Field(primary_key=True)
    recorded_at: datetime = Field(sa_type=Instant)
    received_at: datetime = Field(sa_type=Instant)
    sequence: int = Field(sa_type=sa.BigInteger)
    latitude: float
    longitude: float
    speed_meters_per_second: float | None = None
    heading_degrees: float | None = None
    accuracy_meters: float | None = None


class DoubtRow(Table, table=True):
    """Where a vehicle claims to be without being believed yet; `recorded` is in microseconds since 1970."""

    __tablename__ = "doubts"
    vehicle_id: str = Field(primary_key=True)
    recorded: int = Field(sa_type=sa.BigInteger)
    latitude: float
    longitude: float
    times: int


class SessionRow(Table, table=True):
    """A run of a device; `settled` is a JSON list of [first, last] of sequences without a gap."""

    __tablename__ = "sessions"
    vehicle_id: str = Field(primary_key=True)
    session_id: str = Field(primary_key=True)
    first_sequence: int = Field(sa_type=sa.BigInteger)
    settled: str
    used_at: datetime = Field(sa_type=Instant, index=True)


class FrameRow(Table, table=True):
    """Points that came together, packed.

    A vehicle has one point a time at most, so the time of a frame's last point is its name.
    """

    __tablename__ = "frames"
    vehicle_id: str = Field(primary_key=True)
    last_recorded_at: datetime = Field(sa_type=Instant, primary_key=True, index=True)
    first_recorded_at: datetime = Field(sa_type=Instant)
    points: bytes


class PatternRow(Table, table=True):
    """A pattern; `body` is its calls and its shape in JSON."""

    __tablename__ = "patterns"
    id: str = Field(primary_key=True)
    lasts_seconds: int
    kept_at: datetime = Field(sa_type=Instant)
    body: str = Field(sa_type=sa.Text)


class DepartureRow(Table, table=True):
    """A departure as the newest event about it says."""

    __tablename__ = "departures"
    __table_args__ = (
        sa.Index("ix_departures_vehicle", "vehicle_id", "starts_at"),
        sa.Index("ix_departures_state", "state", "ends_at"),
    )
    id: str = Field(primary_key=True)
    operator_id: str
    pattern_id: str = Field(index=True)
    starts_at: datetime = Field(sa_type=Instant)
    ends_at: datetime = Field(sa_type=Instant, index=True)
    state: str
    vehicle_id: str
    vehicle_label: str
    feed_trip_id: str
    feed_route_id: str
    service_date: str
    feed_start_time: str
    cancellation_reason: str
    capacity: int
    version: int = Field(sa_type=sa.BigInteger)


class AvailabilityRow(Table, table=True):
    """The seats free on each segment of a departure, in JSON."""

    __tablename__ = "availabilities"
    departure_id: str = Field(primary_key=True)
    version: int = Field(sa_type=sa.BigInteger)
    capacity: int
    seats_free: str = Field(sa_type=sa.Text)


class RebuildRow(Table, table=True):
    """A read model that was built once from its owner's list; from then on events keep it."""

    __tablename__ = "rebuilds"
    name: str = Field(primary_key=True)
    finished_at: datetime = Field(sa_type=Instant)


class ProgressRow(Table, table=True):
    """How far a vehicle has come on what it runs; times in microseconds since 1970."""

    __tablename__ = "progress"
    vehicle_id: str = Field(primary_key=True)
    departure_id: str = Field(index=True)
    along: float
    matched_at: int = Field(sa_type=sa.BigInteger)
    seen_at: int = Field(sa_type=sa.BigInteger)
    is_certain: bool
    is_off_route: bool
    # Empty unless the vehicle is on its way.
    delay_seconds: int | None = None
    is_silent: bool


class VisitRow(Table, table=True):
    """A vehicle at a call of its departure; times in microseconds since 1970."""

    __tablename__ = "visits"
    departure_id: str = Field(primary_key=True)
    vehicle_id: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True)
    arrived_at: int = Field(sa_type=sa.BigInteger)
    departed_at: int | None = Field(default=None, sa_type=sa.BigInteger)
    known_at: int = Field(sa_type=sa.BigInteger)
    along: float
