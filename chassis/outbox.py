"""Events leave with the transaction that caused them: `add` writes a row, the relay publishes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Field

from chassis.database import Instant, Table, table_of
from chassis.faults import is_guard_off
from chassis.ids import new_id
from chassis.trace import current_traceparent
from chassis.transaction import Transaction
from chassis.writer import UnitOfWork


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event as the broker sees it."""

    stream: str
    subject: str
    type: str
    payload: bytes


Encode = Callable[[object], Envelope]
"""Turns a domain event into its envelope; the one place of a service that knows the events' wire form."""


class OutboxRow(Table, table=True):
    """One event; `published_at` is empty until the broker has acknowledged it."""

    __tablename__ = "outbox"
    __table_args__ = (
        sa.Index("outbox_unpublished", "position", sqlite_where=sa.text("published_at IS NULL"),
                 postgresql_where=sa.text("published_at IS NULL")),
    )  # fmt: skip
    position: int | None = Field(
        default=None, sa_column=sa.Column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
    )
    id: str = Field(unique=True)
    stream: str
    subject: str
    type: str
    payload: bytes
    traceparent: str
    created_at: datetime = Field(sa_type=Instant)
    published_at: datetime | None = Field(default=None, sa_type=Instant)
    stream_sequence: int | None = Field(default=None, sa_type=sa.BigInteger)


class StreamRow(Table, table=True):
    """A stream as it was last seen, so that a new or shortened one is noticed."""

    __tablename__ = "streams"
    name: str = Field(primary_key=True)
    created_at: str


class Outbox:
    """The outbox of one open transaction."""

    table = table_of(OutboxRow)
    streams = table_of(StreamRow)
    adding = sa.insert(table)
    marking = (
        sa.update(table)
        .where(table.c.position == sa.bindparam("at"))
        .values(published_at=sa.bindparam("now", type_=Instant), stream_sequence=sa.bindparam("sequence"))
        .execution_options(is_apart=True)
    )

    def __init__(self, connection: Connection, *, now: datetime, encode: Encode) -> None:
        self._transaction = Transaction.of(connection)
        self._now = now
        self._encode = encode
        self._is_off = is_guard_off("outbox")

    def add(self, *events: object) -> None:
        """Write events, in order, to be published after the commit."""
        for event in () if self._is_off else events:
            self._transaction.put_off(self.adding, self._row(event))

    def add_latest(self, event: object, *, of: str) -> None:
        """Write an event that makes those before it needless: of a group's only the last is written."""
        if not self._is_off:
            self._transaction.put_off(self.adding, self._row(event), key=of)

    def _row(self, event: object) -> dict[str, object]:
        envelope = self._encode(event)
        return {
            "id": new_id("evt"),
            "stream": envelope.stream,
            "subject": envelope.subject,
            "type": envelope.type,
            "payload": envelope.payload,
            "traceparent": current_traceparent(),
            "created_at": self._now,
        }


class Published(NamedTuple):
    """The position of a row that the broker has acknowledged, and its place in the stream."""

    at: int
    sequence: int


def unpublished(work: UnitOfWork, *, limit: int, refused: Sequence[str] = ()) -> list[sa.Row[Any]]:
    """Read rows that wait to be published, oldest first, never by a high-water mark; leave out streams and subjects."""
    columns = Outbox.table.c
    waiting = sa.and_(columns.published_at.is_(None), columns.stream.not_in(refused), columns.subject.not_in(refused))
    return list(work.connection.execute(sa.select(Outbox.table).where(waiting).order_by(columns.position).limit(limit)))


def count_unpublished(work: UnitOfWork) -> int:
    """Count the rows that wait to be published."""
    waiting = sa.select(sa.func.count()).where(Outbox.table.c.published_at.is_(None))
    return int(work.connection.execute(waiting).scalar_one())


def mark_published(work: UnitOfWork, rows: Sequence[Published]) -> None:
    """Record what the broker has acknowledged."""
    if not rows:
        return
    work.connection.execute(Outbox.marking, [{"now": work.now, **published._asdict()} for published in rows])


def reconcile_stream(work: UnitOfWork, *, name: str, created_at: str, last_sequence: int) -> int:
    """Compare a stream with what was published to it and schedule what it has lost; return how many rows.

    A stream that is not the one last seen lost everything; one that ends early lost its tail.
    """
    columns, streams = Outbox.table.c, Outbox.streams
    lost = sa.and_(columns.stream == name, columns.published_at.is_not(None))
    known = sa.select(streams.c.created_at).where(streams.c.name == name)
    if work.connection.execute(known).scalar() == created_at:
        lost = sa.and_(lost, columns.stream_sequence > last_sequence)
    else:
        work.connection.execute(sa.delete(streams).where(streams.c.name == name))
        work.connection.execute(sa.insert(streams), {"name": name, "created_at": created_at})
    again = sa.update(Outbox.table).where(lost).values(published_at=None, stream_sequence=None)
    return work.connection.execute(again).rowcount


def prune_outbox(connection: Connection, *, before: datetime, limit: int) -> int:
    """Delete some published rows from before a time; return how many."""
    columns = Outbox.table.c
    old = sa.select(columns.position).where(columns.published_at < before).limit(limit)
    return connection.execute(sa.delete(Outbox.table).where(columns.position.in_(old))).rowcount
