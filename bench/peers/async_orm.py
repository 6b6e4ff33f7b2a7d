"""SQLModel objects through SQLAlchemy's asyncio session and aiosqlite: a transaction a booking, durable as ours are."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.peers.rows import RIDE, Hold, rows_of
from booking_svc.store.tables import BookingRow, DepartureRow, HistoryRow, ItemRow, OccupancyRow, SeatMaskRow
from chassis.database import EPOCH, sqlite_driver
from chassis.outbox import OutboxRow
from chassis.replies import ReplyRow

MODELS: Mapping[str, type[SQLModel]] = {
    "bookings": BookingRow,
    "items": ItemRow,
    "outbox": OutboxRow,
    "booking_history": HistoryRow,
    "replies": ReplyRow,
}
BLOCK_SEATS = 64


def open_engine(path: str) -> AsyncEngine:
    """Open a file so that a commit is durable and a transaction takes its lock when it begins."""
    # The SQLite that we use ourselves: two libraries in one process drop each other's locks on a file.
    aiosqlite.core.sqlite3 = sqlite_driver
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=1, max_overflow=0, pool_timeout=60)

    @sa.event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


async def hold(engine: AsyncEngine, wanted: Hold) -> bool:
    """Hold the first free seat; tell whether there was one."""
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        if await session.get(ReplyRow, wanted.key) is not None:
            return True
        departure = await session.get_one(DepartureRow, wanted.departure_id)
        counts = await session.get_one(OccupancyRow, wanted.departure_id)
        taken = [one + 1 for one in json.loads(counts.taken)]
        if departure.state != "scheduled" or max(taken) > departure.capacity:
            return False
        start = counts.search_from
        block = select(SeatMaskRow).where(
            SeatMaskRow.departure_id == wanted.departure_id,
            SeatMaskRow.seat_index >= start,
            SeatMaskRow.seat_index < start + BLOCK_SEATS,
        )
        masks = {row.seat_index: row.taken for row in await session.exec(block)}
        seat = next(seat for seat in range(start, departure.capacity) if not masks.get(seat, 0) & RIDE)
        session.add(SeatMaskRow(departure_id=wanted.departure_id, seat_index=seat, word=0, taken=RIDE))
        counts.taken, counts.search_from, counts.version = json.dumps(taken), seat + 1, counts.version + 1
        for table, rows in rows_of(wanted, seat=seat, counts=taken).items():
            session.add_all([MODELS[table](**with_times(row)) for row in rows])
    return True


def with_times(row: dict[str, Any]) -> dict[str, Any]:
    """Turn microseconds into the times that the models have."""
    return {
        name: EPOCH + timedelta(microseconds=value) if name.endswith("_at") else value for name, value in row.items()
    }
