"""Where vehicles claim to be without being believed yet."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "doubts",
        sa.Column("vehicle_id", sa.String(), primary_key=True),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
    )
