"""When runs of a frequency start, by which the operator's own systems tell them apart."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("departures", sa.Column("feed_start_time", sa.String(), nullable=False, server_default=""))
