"""Publishes outbox rows in order and brings back what a broker has lost."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import groupby, islice
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Gauge

from chassis.bus import BATCH_MAX, Bus, Message, RefusedError, StreamState
from chassis.errors import Unavailable
from chassis.faults import fault_point
from chassis.ids import new_id
from chassis.lease import hold_lease
from chassis.logs import EventLog
from chassis.outbox import Published, count_unpublished, mark_published, reconcile_stream, unpublished
from chassis.store import Store
from chassis.writer import UnitOfWork

log = EventLog(__name__)

READ_MAX = 2000
BATCH_MIN = 16
"""A batch costs the broker as much as about so many messages one by one, each synced to its disk."""
SWEEP_SECONDS = MEASURE_SECONDS = 1.0
RENEW_SECONDS = 1.5
RECONCILE_SECONDS = 5.0
LEASE = "relay"


class Relay:
    """The one publisher of a service's promised events; several processes take turns by a lease."""

    def __init__(self, store: Store[Any], bus: Bus, *, source: str, registry: CollectorRegistry | None = None) -> None:
        self._store = store
        self._bus = bus
        self._source = source
        # A SQLite file has one process at a time: after a restart it is still the holder.
        self._holder = source if store.database.is_sqlite else new_id("rly")
        self._is_holder = False
        self._renew_at = self._reconcile_at = 0.0
        self._streams: dict[str, StreamState] = {}
        # Streams and subjects that the broker refuses; their rows wait, so that each subject's order is kept.
        self._refused: set[str] = set()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        into = registry or CollectorRegistry()
        self._waiting = Gauge("headway_outbox_waiting_rows", "Rows not yet published", registry=into)
        refused = Gauge("headway_outbox_refused", "Streams and subjects that the broker refuses", registry=into)
        refused.set_function(lambda: len(self._refused))

    def wake(self) -> None:
        """Look for new rows now; called on the writer's thread after each commit."""
        if self._loop is not None and not self._loop.is_closed() and not self._wake.is_set():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Publish until cancelled; a broker that is away only makes the rows wait."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            try:
                await self._bus.connect()
                while await self._may_publish() and await self.publish_waiting():
                    pass
            except Unavailable as failure:
                # The broker may have forgotten something: look at the streams before the next try.
                self._reconcile_at = 0.0
                log.warning("relay_waits", **failure.facts)
                await asyncio.sleep(SWEEP_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), SWEEP_SECONDS)

    async def measure(self) -> None:
        """Count what waits until cancelled, above all while the broker is away."""
        while True:
            self._waiting.set(await self._store.read(count_unpublished))
            await asyncio.sleep(MEASURE_SECONDS)

    async def _may_publish(self) -> bool:
        """Keep the lease and the streams, and look again when the last look grows old."""
        now = asyncio.get_running_loop().time()
        if now >= self._renew_at:
            self._is_holder = await self._store.write(hold_lease, name=LEASE, holder=self._holder)
            self._renew_at = now + RENEW_SECONDS
        if self._is_holder and now >= self._reconcile_at:
            await self.reconcile()
            self._reconcile_at = now + RECONCILE_SECONDS
        return self._is_holder

    async def reconcile(self) -> None:
        """Make the streams exist, schedule again what they have lost, and give what was refused another try."""
        self._refused.clear()
        for stream in self._bus.streams.values():
            try:
                state = await self._bus.ensure(stream)
            except RefusedError as refusal:
                self._refuse(stream.name, refusal)
                continue
            if stream.is_durable and state != self._streams.get(stream.name):
                if lost := await self._store.write(reconcile_stream, name=stream.name, **asdict(state)):
                    log.warning("stream_lost_events", stream=stream.name, rows=lost)
                self._streams[stream.name] = state

    async def publish_waiting(self) -> int:
        """Publish some of what waits, mark what was acknowledged, return how many rows there were."""
        rows = await self._store.read(unpublished, limit=READ_MAX, refused=sorted(self._refused))
        marking: asyncio.Future[bool] | None = None
        for stream, batch in batches(rows):
            fault_point("relay.read")
            published = await self._publish(stream, batch)
            fault_point("relay.acknowledged")
            # The database notes one batch while the broker takes the next.
            if marking is not None and not await marking:
                return 0
            marking = asyncio.ensure_future(self._mark(published))
        return len(rows) if marking is None or await marking else 0

    async def _mark(self, published: Sequence[Published]) -> bool:
        """Note what the broker has; tell whether we may go on."""
        is_ours = await self._store.write(mark_if_leased, holder=self._holder, published=published)
        fault_point("relay.marked")
        if not is_ours:
            self._renew_at = 0.0
        return is_ours

    async def _publish(self, stream: str, rows: Sequence[sa.Row[Any]]) -> list[Published]:
        """Publish rows of one stream: many as a batch, few and those of a refused batch one by one."""
        state = self._streams.get(stream)
        if state is None:
            self._refuse(stream, "this service has no such durable stream")
            return []
        messages = [self._message(row) for row in rows]
        if len(rows) >= BATCH_MIN:
            try:
                last = await self._bus.publish_batch(messages, after=state.last_sequence)
            except RefusedError as refusal:
                log.warning("batch_refused", stream=stream, rows=len(rows), cause=str(refusal))
            else:
                first, state.last_sequence = state.last_sequence + 1, last
                return [Published(row.position, first + place) for place, row in enumerate(rows)]
        return await self._publish_singly(state, rows, messages)

    async def _publish_singly(
        self, state: StreamState, rows: Sequence[sa.Row[Any]], messages: Sequence[Message]
    ) -> list[Published]:
        """Publish what the broker takes; a repeat gets its old place, a refused message holds up its own subject."""
        published = []
        for row, message in zip(rows, messages, strict=True):
            if row.subject in self._refused:
                continue
            try:
                sequence = await self._bus.publish_one(message, after=state.last_sequence)
            except RefusedError as refusal:
                self._refuse(row.subject, refusal, event_id=row.id)
            else:
                state.last_sequence = max(sequence, state.last_sequence)
                published.append(Published(row.position, sequence))
        return published

    def _refuse(self, name: str, cause: object, **fields: object) -> None:
        log.warning("events_refused", name=name, cause=str(cause), **fields)
        self._refused.add(name)

    def _message(self, row: sa.Row[Any]) -> Message:
        headers = {"ce-id": row.id, "ce-type": row.type, "ce-source": self._source,
                   "ce-time": row.created_at.isoformat(), "ce-specversion": "1.0"}  # fmt: skip
        if row.traceparent:
            headers["traceparent"] = row.traceparent
        return Message(row.id, row.subject, row.payload, headers)


def batches(rows: Sequence[sa.Row[Any]]) -> Iterator[tuple[str, list[sa.Row[Any]]]]:
    """Cut rows into batches of one stream each, in the order in which they were written."""
    by_stream = attrgetter("stream")
    for stream, group in groupby(sorted(rows, key=by_stream), by_stream):
        while batch := list(islice(group, BATCH_MAX)):
            yield stream, batch


def mark_if_leased(work: UnitOfWork, *, holder: str, published: Sequence[Published]) -> bool:
    """Mark rows as published, unless another process has taken over; it will publish them again, harmlessly."""
    is_ours = hold_lease(work, name=LEASE, holder=holder)
    if is_ours:
        mark_published(work, published)
    return is_ours
