"""The read models of departures, their patterns and how full they are."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "patterns",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("lasts_seconds", sa.Integer(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_table(
        "departures",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("operator_id", sa.String(), nullable=False),
        sa.Column("pattern_id", sa.String(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("vehicle_label", sa.String(), nullable=False),
        sa.Column("feed_trip_id", sa.String(), nullable=False),
        sa.Column("feed_route_id", sa.String(), nullable=False),
        sa.Column("service_date", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_departures_vehicle", "departures", ["vehicle_id", "starts_at"])
    op.create_index("ix_departures_pattern_id", "departures", ["pattern_id"])
    op.create_index("ix_departures_ends_at", "departures", ["ends_at"])
    op.create_table(
        "availabilities",
        sa.Column("departure_id", sa.String(), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("seats_free", sa.Text(), nullable=False),
    )
    op.create_table(
        "rebuilds",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
    )
