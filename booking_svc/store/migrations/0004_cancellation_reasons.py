"""What operators say of why departures are cancelled."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("departures") as batch:
        batch.add_column(sa.Column("cancellation_reason", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("departures") as batch:
        batch.alter_column(
            "cancellation_reason", server_default=None, existing_type=sa.String(), existing_nullable=False
        )
