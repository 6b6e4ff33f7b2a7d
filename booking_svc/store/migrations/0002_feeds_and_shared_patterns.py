"""Tables of feeds; patterns count from the start of a departure, so that many more departures share them."""

import json
import unicodedata

import sqlalchemy as sa
from alembic import op

from chassis.ids import stable_id

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create_feed_tables()
    add_columns("stops", station_id=sa.String(), is_station=sa.Boolean(), search_name=sa.String())
    add_columns("patterns", shape=sa.String())
    add_columns("departures", feed_id=sa.String(), is_withdrawn=sa.Boolean())
    op.create_index(op.f("ix_stops_station_id"), "stops", ["station_id"])
    op.drop_index(op.f("ix_departures_route_id"), "departures")
    op.create_index("departures_by_route", "departures", ["route_id", "pattern_id"])
    op.create_index("departures_by_day", "departures", ["operator_id", "service_date"])
    op.drop_table("pattern_stops")
    op.create_table(
        "pattern_stops",
        sa.Column("stop_id", sa.String(), nullable=False),
        sa.Column("pattern_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("is_boarding_allowed", sa.Boolean(), nullable=False),
        sa.Column("is_alighting_allowed", sa.Boolean(), nullable=False),
        sa.Column("leaves_after_seconds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("stop_id", "pattern_id", "sequence"),
    )
    name_stops(op.get_bind())
    share_patterns(op.get_bind())
    with op.batch_alter_table("departures") as batch:
        batch.drop_column("day_start_at")


def create_feed_tables() -> None:
    op.create_table(
        "feeds",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("operator_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("is_on_sale", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("feeds_by_operator", "feeds", ["operator_id", "created_at"])
    op.create_index(op.f("ix_feeds_state"), "feeds", ["state"])
    op.create_table(
        "feed_contents",
        sa.Column("feed_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "position"),
    )
    op.create_table(
        "feed_services",
        sa.Column("feed_id", sa.String(), nullable=False),
        sa.Column("service_id", sa.String(), nullable=False),
        sa.Column("calendar", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "service_id"),
    )
    texts = ("service_id", "route_id", "pattern_id", "headsign", "timezone")
    op.create_table(
        "feed_trips",
        sa.Column("feed_id", sa.String(), nullable=False),
        sa.Column("feed_trip_id", sa.String(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in texts),
        sa.Column("start_seconds", sa.Integer(), nullable=False),
        sa.Column("frequencies", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "feed_trip_id"),
    )


def add_columns(table: str, **columns: sa.types.TypeEngine) -> None:
    """Add columns that old rows have empty; the default itself does not stay."""
    with op.batch_alter_table(table) as batch:
        for name, type_ in columns.items():
            default = sa.false() if isinstance(type_, sa.Boolean) else ""
            batch.add_column(sa.Column(name, type_, nullable=False, server_default=default))
    with op.batch_alter_table(table) as batch:
        for name, type_ in columns.items():
            batch.alter_column(name, server_default=None, existing_type=type_, existing_nullable=False)


def name_stops(connection: sa.Connection) -> None:
    """Let stops be found by name."""
    for stop_id, name in connection.execute(sa.text("SELECT id, name FROM stops")).all():
        letters = unicodedata.normalize("NFKD", name.casefold())
        words = "".join(letter if letter.isalnum() else " " for letter in letters if not unicodedata.combining(letter))
        found = {"id": stop_id, "words": "".join(f" {word}" for word in words.split())}
        connection.execute(sa.text("UPDATE stops SET search_name = :words WHERE id = :id"), found)


def share_patterns(connection: sa.Connection) -> None:
    """Count each pattern's times from its first departure and give equal ones one id."""
    added = set()
    for old_id, content in connection.execute(sa.text("SELECT id, calls FROM patterns")).all():
        calls = json.loads(content)
        first = next(calls[0][name] for name in ("departure_seconds", "arrival_seconds") if calls[0][name] is not None)
        for call in calls:
            for name in ("arrival_seconds", "departure_seconds"):
                call[name] = None if call[name] is None else call[name] - first
        shared = json.dumps([as_values(call) for call in calls], separators=(",", ":"), ensure_ascii=False)
        new_id = stable_id("pat", shared, "[]")
        connection.execute(sa.text("DELETE FROM patterns WHERE id = :id"), {"id": old_id})
        moved = sa.text("UPDATE departures SET pattern_id = :new WHERE pattern_id = :old")
        connection.execute(moved, {"new": new_id, "old": old_id})
        if new_id not in added:
            added.add(new_id)
            add_pattern(connection, new_id, shared, calls)


def as_values(call: dict) -> list:
    """Write a call as the values of its fields, in their order."""
    names = ("arrival_seconds", "departure_seconds", "is_boarding_allowed", "is_alighting_allowed", "distance_meters")
    stop = ("id", "feed_stop_id", "name", "timezone", "latitude", "longitude", "zone_id")
    return [*(call[name] for name in names), False, [*(call["stop"][name] for name in stop), "", False]]


def add_pattern(connection: sa.Connection, pattern_id: str, content: str, calls: list[dict]) -> None:
    """Write a pattern and where it calls."""
    insert = sa.text("INSERT INTO patterns (id, calls, shape) VALUES (:id, :calls, '[]')")
    connection.execute(insert, {"id": pattern_id, "calls": content})
    leaves = 0
    for sequence, call in enumerate(calls):
        given = [call[name] for name in ("departure_seconds", "arrival_seconds") if call[name] is not None]
        leaves = given[0] if given else leaves
        connection.execute(
            sa.text("INSERT INTO pattern_stops VALUES (:stop, :pattern, :sequence, :boarding, :alighting, :leaves)"),
            {
                "stop": call["stop"]["id"],
                "pattern": pattern_id,
                "sequence": sequence,
                "boarding": call["is_boarding_allowed"],
                "alighting": call["is_alighting_allowed"],
                "leaves": leaves,
            },
        )
