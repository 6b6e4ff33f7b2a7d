"""What a gateway's database holds, read past its own code."""

from typing import Any

import sqlalchemy as sa

from gateway.accounts.store.work import Work
from tests.gateway.running import Running


async def rows(gateway: Running, table: str) -> list[dict[str, Any]]:
    def read(work: Work) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in work.connection.execute(sa.text(f"SELECT * FROM {table}"))]

    return await gateway.app.state.accounts.store.read(read)


async def audited(gateway: Running) -> list[tuple[str, str, str, str]]:
    """Return event, subject, actor and note of the audit, oldest first."""
    found = sorted(await rows(gateway, "audit"), key=lambda row: row["position"])
    return [(row["event"], row["subject"], row["actor"], row["note"]) for row in found]
