"""Remembers replies by idempotency key, in the transaction of the effect: successes only.

A flow that waits for others between two transactions opens its key in the first and closes it in the last, so that a
repeat in between learns that the first request is still in flight.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, Self

import sqlalchemy as sa
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from sqlalchemy.engine import Connection
from sqlmodel import Field

from chassis.database import Instant, Table, table_of
from chassis.errors import KeyReused, RequestInFlight
from chassis.faults import is_guard_off
from chassis.transaction import Transaction


class ReplyRow(Table, table=True):
    """One reply; `reply` is empty while its flow is under way."""

    __tablename__ = "replies"
    digest: str = Field(primary_key=True)
    fingerprint: str
    reply: bytes | None = None
    created_at: datetime = Field(sa_type=Instant, index=True)


class Phase(Enum):
    """What a call does with its key."""

    WHOLE = "whole"
    OPEN = "open"
    CLOSE = "close"
    DROP = "drop"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key with its subject, its operation and the fingerprint of the request's body."""

    digest: str
    fingerprint: str
    phase: Phase = Phase.WHOLE
    on_replay: Callable[[], None] | None = None

    @classmethod
    def of(cls, *, subject: str, operation: str, key: str, body: bytes) -> Self:
        named = f"{subject}\x1f{operation}\x1f{key}".encode()
        return cls(hashlib.sha256(named).hexdigest(), hashlib.sha256(body).hexdigest())

    def opening(self) -> "Once":
        """Answer repeats with `request_in_flight` from this call on."""
        return replace(self, phase=Phase.OPEN)


@dataclass(frozen=True, slots=True)
class Replayed:
    """A reply of an earlier request with the same key."""

    stored: bytes

    def message(self) -> Message:
        """Decode the reply into a message of the type it was."""
        wrapped = AnyMessage.FromString(self.stored)
        found = descriptor_pool.Default().FindMessageTypeByName(wrapped.TypeName())
        return message_factory.GetMessageClass(found).FromString(wrapped.value)


Stored = tuple[str, bytes | None]
"""A fingerprint and the reply, or None while its flow is under way."""


class Replies:
    """The replies of one open transaction."""

    table = table_of(ReplyRow)
    # Built once: these two run for every call with a key.
    finding = sa.select(table.c.digest, table.c.fingerprint, table.c.reply).where(
        table.c.digest.in_(sa.bindparam("digests", expanding=True))
    )
    adding = sa.insert(table)
    # A reply that is stored stands.
    closing = (
        sa.update(table)
        .where(table.c.digest == sa.bindparam("at"))
        .values(reply=sa.func.coalesce(table.c.reply, sa.bindparam("answer")))
        .execution_options(may_miss=True)
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transaction = Transaction.of(connection)

    def read_ahead(self, calls: Iterable[Once]) -> None:
        """Read in one go what is stored for some calls."""
        digests = [once.digest for once in calls]
        found = {row[0]: (row[1], row[2]) for row in self._connection.execute(self.finding, {"digests": digests})}
        self._transaction.memory |= {("reply", digest): found.get(digest) for digest in digests}

    def find(self, once: Once) -> bytes | None:
        """Return the stored reply; raise KeyReused for another body and RequestInFlight while there is none yet."""
        if once.phase in (Phase.CLOSE, Phase.DROP, Phase.WAIT) or is_guard_off("once"):
            return None
        if ("reply", once.digest) not in self._transaction.memory:
            self.read_ahead([once])
        stored: Stored | None = self._transaction.memory["reply", once.digest]
        if stored is None:
            return None
        fingerprint, reply = stored
        if fingerprint != once.fingerprint:
            raise KeyReused
        if reply is None:
            raise RequestInFlight
        return reply

    def keep(self, once: Once, answer: Any, *, now: datetime) -> None:
        """Store what the phase asks for; a reply that is stored stands."""
        if once.phase in (Phase.DROP, Phase.CLOSE):
            self._end(once, answer)
        elif once.phase is not Phase.WAIT and not is_guard_off("once"):
            reply = None if once.phase is Phase.OPEN else packed(answer)
            row = {"digest": once.digest, "fingerprint": once.fingerprint, "reply": reply, "created_at": now}
            self._transaction.put_off(self.adding, row)
            self._transaction.memory["reply", once.digest] = (once.fingerprint, reply)

    def _end(self, once: Once, answer: Any) -> None:
        if once.phase is Phase.CLOSE:
            self._transaction.put_off(self.closing, {"at": once.digest, "answer": packed(answer)})
            self._transaction.memory.pop(("reply", once.digest), None)
        else:
            opened = sa.and_(self.table.c.digest == once.digest, self.table.c.reply.is_(None))
            self._connection.execute(sa.delete(self.table).where(opened))

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget some replies from before a time; return how many."""
        columns = self.table.c
        old = sa.select(columns.digest).where(columns.created_at < before, columns.reply.is_not(None)).limit(limit)
        return self._connection.execute(sa.delete(self.table).where(columns.digest.in_(old))).rowcount


def packed(answer: Message) -> bytes:
    """Encode a message together with its type's name."""
    wrapped = AnyMessage()
    wrapped.Pack(answer)
    return wrapped.SerializeToString()
