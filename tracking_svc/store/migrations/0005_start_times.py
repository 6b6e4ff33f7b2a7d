"""When runs of a frequency start; and what is cancelled is found quickly."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("departures", sa.Column("feed_start_time", sa.String(), nullable=False, server_default=""))
    op.create_index("ix_departures_state", "departures", ["state", "ends_at"])
