"""Departures refer to patterns; the read model begins anew from booking's list. Policies may come from a feed."""

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
    op.drop_table("departures")
    op.create_table(
        "departures",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("pattern_id", sa.String(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_index("ix_departures_ends_at", "departures", ["ends_at"])
    op.create_index("ix_departures_pattern_id", "departures", ["pattern_id"])
    op.execute("DELETE FROM rebuilds")
    with op.batch_alter_table("fare_policies") as batch:
        batch.add_column(sa.Column("feed_id", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("fare_policies") as batch:
        batch.alter_column("feed_id", server_default=None, existing_type=sa.String(), existing_nullable=False)
