"""The first tables: vehicles, their points, their devices' sessions, and those of the chassis."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_own_tables()
    create_chassis_tables()


def create_own_tables() -> None:
    op.create_table(
        "vehicles",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("operator_id", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "sightings",
        sa.Column("vehicle_id", sa.String(), primary_key=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("speed_meters_per_second", sa.Float()),
        sa.Column("heading_degrees", sa.Float()),
        sa.Column("accuracy_meters", sa.Float()),
    )
    op.create_table(
        "sessions",
        sa.Column("vehicle_id", sa.String(), primary_key=True),
        sa.Column("session_id", sa.String(), primary_key=True),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.String(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_sessions_used_at", "sessions", ["used_at"])
    op.create_table(
        "frames",
        sa.Column("vehicle_id", sa.String(), primary_key=True),
        sa.Column("last_recorded_at", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("first_recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_frames_last_recorded_at", "frames", ["last_recorded_at"])


def create_chassis_tables() -> None:
    op.create_table(
        "replies",
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("reply", sa.LargeBinary()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_replies_created_at", "replies", ["created_at"])
    op.create_table(
        "inbox",
        sa.Column("message_id", sa.String(), primary_key=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"])
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("traceparent", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.BigInteger()),
        sa.Column("stream_sequence", sa.BigInteger()),
        sa.UniqueConstraint("id"),
    )
    unpublished = sa.text("published_at IS NULL")
    op.create_index(
        "outbox_unpublished", "outbox", ["position"], sqlite_where=unpublished, postgresql_where=unpublished
    )
    op.create_table(
        "streams",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("created_at", sa.String(), nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
    )
