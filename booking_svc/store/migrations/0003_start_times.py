"""When runs of a frequency start, by which the operator's own systems tell them apart."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("departures") as batch:
        batch.add_column(sa.Column("feed_start_time", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("departures") as batch:
        batch.alter_column("feed_start_time", server_default=None, existing_type=sa.String(), existing_nullable=False)
