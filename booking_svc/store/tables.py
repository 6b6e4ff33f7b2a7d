"""The tables of the booking database."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis.database import Instant


class Table(SQLModel, registry=registry()):
    """What all tables of this service are registered under."""


class StopRow(Table, table=True):
    __tablename__ = "stops"
    id: str = Field(primary_key=True)
    operator_id: str = Field(index=True)
    feed_stop_id: str
    name: str
    timezone: str
    latitude: float
    longitude: float
    zone_id: str
    station_id: str = Field(index=True)
    is_station: bool
    # The name without case and accents, a space before each word.
    search_name: str


class RouteRow(Table, table=True):
    __tablename__ = "routes"
    id: str = Field(primary_key=True)
    operator_id: str = Field(index=True)
    feed_route_id: str
    short_name: str
    long_name: str
    mode: str


class PatternRow(Table, table=True):
    """Calls that many departures share; the id is the content's digest, so a row never changes."""

    __tablename__ = "patterns"
    id: str = Field(primary_key=True)
    calls: str
    shape: str


class PatternStopRow(Table, table=True):
    """Where patterns call at a stop."""

    __tablename__ = "pattern_stops"
    stop_id: str = Field(primary_key=True)
    pattern_id: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True)
    is_boarding_allowed: bool
    is_alighting_allowed: bool
    # From the departure's start to when riders get on.
    leaves_after_seconds: int


class DepartureRow(Table, table=True):
    __tablename__ = "departures"
    __table_args__ = (
        sa.Index("departures_by_start", "starts_at", "id"),
        sa.Index(
            "departures_by_trip",
            "operator_id",
            "feed_trip_id",
            "service_date",
            "starts_at",
            unique=True,
            sqlite_where=sa.text("feed_trip_id <> ''"),
            postgresql_where=sa.text("feed_trip_id <> ''"),
        ),
        sa.Index("departures_by_pattern", "pattern_id", "starts_at"),
        sa.Index("departures_by_day", "operator_id", "service_date"),
        sa.Index("departures_by_route", "route_id", "pattern_id"),
    )
    id: str = Field(primary_key=True)
    operator_id: str
    feed_trip_id: str
    route_id: str
    headsign: str
    service_date: str
    starts_at: datetime = Field(sa_type=Instant)
    pattern_id: str
    state: str
    vehicle_id: str
    vehicle_label: str
    layout_id: str
    capacity: int
    version: int
    feed_id: str
    is_withdrawn: bool
    feed_start_time: str
    cancellation_reason: str


class FeedRow(Table, table=True):
    """A feed: what was asked and what has become of it."""

    __tablename__ = "feeds"
    __table_args__ = (sa.Index("feeds_by_operator", "operator_id", "created_at"),)
    id: str = Field(primary_key=True)
    operator_id: str
    state: str = Field(index=True)
    is_on_sale: bool
    created_at: datetime = Field(sa_type=Instant)
    body: str


class FeedContentRow(Table, table=True):
    """A piece of a feed's zip, kept until it is read."""

    __tablename__ = "feed_contents"
    feed_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    content: bytes


class FeedServiceRow(Table, table=True):
    """A calendar of a feed."""

    __tablename__ = "feed_services"
    feed_id: str = Field(primary_key=True)
    service_id: str = Field(primary_key=True)
    calendar: str


class FeedTripRow(Table, table=True):
    """A trip of a feed, from which departures are laid out."""

    __tablename__ = "feed_trips"
    feed_id: str = Field(primary_key=True)
    feed_trip_id: str = Field(primary_key=True)
    service_id: str
    route_id: str
    pattern_id: str
    headsign: str
    timezone: str
    start_seconds: int
    frequencies: str


class LayoutRow(Table, table=True):
    __tablename__ = "layouts"
    id: str = Field(primary_key=True)
    operator_id: str = Field(index=True)
    name: str
    seats: str
    version: int


class VehicleRow(Table, table=True):
    __tablename__ = "vehicles"
    id: str = Field(primary_key=True)
    operator_id: str = Field(index=True)
    label: str
    layout_id: str
    version: int


class OccupancyRow(Table, table=True):
    """How many seats are taken on each segment of a departure; absent until the first is."""

    __tablename__ = "occupancies"
    departure_id: str = Field(primary_key=True)
    taken: str
    search_from: int
    version: int


class SeatMaskRow(Table, table=True):
    """The taken segments of one seat, 62 bits a word; absent is free."""

    __tablename__ = "seat_masks"
    departure_id: str = Field(primary_key=True)
    seat_index: int = Field(primary_key=True)
    word: int = Field(primary_key=True)
    taken: int = Field(sa_type=sa.BigInteger)


class BookingRow(Table, table=True):
    __tablename__ = "bookings"
    __table_args__ = (
        sa.Index("bookings_by_rider", "rider_id", "id"),
        sa.Index(
            "bookings_expiring",
            "expires_at",
            sqlite_where=sa.text("expires_at IS NOT NULL"),
            postgresql_where=sa.text("expires_at IS NOT NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    reference: str = Field(unique=True)
    rider_id: str
    operator_id: str
    state: str
    hold_expires_at: datetime | None = Field(default=None, sa_type=Instant)
    # When the seats come free by themselves; empty while money may be moving.
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    legs: str
    currency: str
    payment_state: str
    action_url: str
    contact_email: str
    contact_phone: str
    created_at: datetime = Field(sa_type=Instant)
    version: int


class ItemRow(Table, table=True):
    __tablename__ = "items"
    __table_args__ = (
        sa.Index("items_by_departure", "departure_id", "booking_id"),
        sa.Index(
            "items_expiring",
            "departure_id",
            "expires_at",
            sqlite_where=sa.text("expires_at IS NOT NULL"),
            postgresql_where=sa.text("expires_at IS NOT NULL"),
        ),
    )
    booking_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    id: str
    leg_index: int
    departure_id: str
    origin_sequence: int
    destination_sequence: int
    passenger_name: str
    category: str
    seat_id: str
    seat_index: int
    state: str
    boarding: str
    price_minor: int = Field(sa_type=sa.BigInteger)
    ticket_id: str
    ticket_code: str
    expires_at: datetime | None = Field(default=None, sa_type=Instant)


class ChargeRow(Table, table=True):
    __tablename__ = "charges"
    __table_args__ = (sa.Index("charges_by_state", "state", "started_at"),)
    id: str = Field(primary_key=True)
    booking_id: str = Field(index=True)
    amount_minor: int = Field(sa_type=sa.BigInteger)
    currency: str
    state: str
    provider_charge_id: str
    once_digest: str
    once_fingerprint: str
    actor: str
    started_at: datetime = Field(sa_type=Instant)
    gives_up_at: datetime = Field(sa_type=Instant)


class RefundRow(Table, table=True):
    __tablename__ = "refunds"
    id: str = Field(primary_key=True)
    booking_id: str = Field(index=True)
    charge_id: str
    provider_charge_id: str
    amount_minor: int = Field(sa_type=sa.BigInteger)
    currency: str
    is_done: bool = Field(index=True)


class LedgerRow(Table, table=True):
    """One entry; the entries of a cause sum to zero."""

    __tablename__ = "ledger_entries"
    cause_id: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    booking_id: str = Field(index=True)
    amount_minor: int = Field(sa_type=sa.BigInteger)
    currency: str
    created_at: datetime = Field(sa_type=Instant)


class HistoryRow(Table, table=True):
    __tablename__ = "booking_history"
    booking_id: str = Field(primary_key=True)
    # The booking's version that the fact brought about.
    version: int = Field(primary_key=True)
    fact: str
    item_ids: str
    amount_minor: int = Field(sa_type=sa.BigInteger)
    currency: str
    actor: str
    occurred_at: datetime = Field(sa_type=Instant)
