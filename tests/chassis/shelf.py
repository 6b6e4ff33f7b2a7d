"""A service small enough to read at once: a shelf of things with names, on the real write path."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from google.protobuf.wrappers_pb2 import StringValue
from prometheus_client.metrics import MetricWrapperBase
from sqlalchemy.engine import Connection

from chassis.clock import Clock
from chassis.database import Database, Instant, Table
from chassis.errors import NotAllowedNow
from chassis.store import Store

metadata = sa.MetaData()
things = sa.Table(
    "things",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("added_at", Instant, nullable=False),
)
labels = sa.Table("labels", metadata, sa.Column("name", sa.String, primary_key=True))
promises = sa.Table(
    "promises",
    metadata,
    sa.Column("label", sa.ForeignKey("labels.name", deferrable=True, initially="DEFERRED"), primary_key=True),
)


class Taken(NotAllowedNow):
    reason = "TAKEN"


@dataclass
class Work:
    connection: Connection
    now: datetime


def create_tables(database: Database) -> None:
    with database.writer.begin() as connection:
        metadata.create_all(connection)
        Table.metadata.create_all(connection)


@contextmanager
def opened(url: str, clock: Clock) -> Iterator[Store[Work]]:
    """Yield a store that takes calls and has not begun to serve them: a test decides what makes a group."""
    database = Database(url)
    create_tables(database)
    store = Store(database, Work, clock)
    try:
        yield store
    finally:
        store.stop()


def add(work: Work, *, name: str) -> str:
    work.connection.execute(sa.insert(things), {"name": name, "added_at": work.now})
    return name


def count(work: Work) -> int:
    return work.connection.execute(sa.select(sa.func.count()).select_from(things)).scalar_one()


def names(work: Work) -> list[str]:
    return list(work.connection.execute(sa.select(things.c.name).order_by(things.c.name)).scalars())


def refuse(work: Work) -> None:
    count(work)
    raise Taken("Nothing was written.")


def fail_after_write(work: Work, *, failure: BaseException) -> None:
    add(work, name="poison")
    raise failure


def promise(work: Work, *, label: str) -> None:
    """Write what only the commit refuses."""
    work.connection.execute(sa.insert(promises), {"label": label})


def take_label(work: Work, *, name: str, after_look: Callable[[], Any] = lambda: None) -> str:
    """Take a name that only one may have, as a use case does: look, refuse or write."""
    if work.connection.execute(sa.select(labels.c.name).where(labels.c.name == name)).first() is not None:
        raise Taken(name=name)
    after_look()
    work.connection.execute(sa.insert(labels), {"name": name})
    return name


def message(text: str) -> StringValue:
    return StringValue(value=text)


async def queued(*calls: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Queue calls in order without waiting for their answers."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0)
    return tasks


async def outcomes(*calls: Awaitable[Any]) -> list[Any]:
    """Wait for the answers, and for failures as if they were answers."""
    async with asyncio.timeout(20):
        return await asyncio.gather(*calls, return_exceptions=True)


def meeting() -> Callable[[], None]:
    """Make two writers wait for each other, each the first time only, so that they collide for certain."""
    barrier = threading.Barrier(2)
    met: set[int] = set()

    def meet() -> None:
        if (thread := threading.get_ident()) not in met:
            met.add(thread)
            barrier.wait(10)

    return meet


def until_another_waits(work: Work) -> None:
    """Hold a PostgreSQL transaction open until another waits for a lock, as it must for this one's rows."""
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareLock'")
    deadline = time.monotonic() + 10
    while not work.connection.execute(waiting).scalar_one():
        assert time.monotonic() < deadline


def value(metric: MetricWrapperBase, suffix: str = "", **labels: str) -> float:
    samples = [sample for family in metric.collect() for sample in family.samples]
    return next(s.value for s in samples if s.name.endswith(suffix) and labels.items() <= s.labels.items())
