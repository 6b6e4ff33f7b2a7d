"""How many seats departures have, of which none may ever be taken."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("departures", sa.Column("capacity", sa.Integer(), nullable=False, server_default="0"))
