"""How far vehicles have come, and where they have called."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "progress",
        sa.Column("vehicle_id", sa.String(), primary_key=True),
        sa.Column("departure_id", sa.String(), nullable=False),
        sa.Column("along", sa.Float(), nullable=False),
        sa.Column("matched_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("is_certain", sa.Boolean(), nullable=False),
        sa.Column("is_off_route", sa.Boolean(), nullable=False),
        sa.Column("delay_seconds", sa.Integer()),
        sa.Column("is_silent", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_progress_departure_id", "progress", ["departure_id"])
    op.create_table(
        "visits",
        sa.Column("departure_id", sa.String(), primary_key=True),
        sa.Column("vehicle_id", sa.String(), primary_key=True),
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.Column("departed_at", sa.BigInteger()),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("along", sa.Float(), nullable=False),
    )
