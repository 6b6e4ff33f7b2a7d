"""What operators say of why departures are cancelled."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("departures", sa.Column("cancellation_reason", sa.String(), nullable=False, server_default=""))
