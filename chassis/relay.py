"""Publishes outbox rows in order and brings back what a broker has lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from chassis.bus import BATCH_MAX, BatchRefusedError, Bus, Message
from chassis.errors import Unavailable
from chassis.faults import fault_point
from chassis.ids import new_id
from chassis.lease import hold_lease
from chassis.logs import EventLog
from chassis.outbox import Published, mark_published, reconcile_stream, unpublished
from chassis.store import Store

log = EventLog(__name__)

READ_MAX = 2000
SWEEP_SECONDS = 1.0
RECONCILE_SECONDS = 30.0
LEASE = "relay"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An outbox row as the relay needs it."""

    position: int
    stream: str
    message: Message


class Relay:
    """The one publisher of a service's promised events; several processes take turns by a lease."""

    def __init__(self, store: Store[Any], bus: Bus, *, source: str, registry: CollectorRegistry | None = None) -> None:
        self._store = store
        self._bus = bus
        self._source = source
        self._holder = new_id("rly")
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lag = Gauge(
            "headway_outbox_waiting_rows", "Rows not yet published", registry=registry or CollectorRegistry()
        )

    def wake(self) -> None:
        """Look for new rows now; called on the writer's thread after each commit."""
        if self._loop is not None and not self._loop.is_closed() and not self._wake.is_set():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Publish until cancelled; a broker that is away only makes the rows wait."""
        self._loop = asyncio.get_running_loop()
        reconciled_at = -RECONCILE_SECONDS
        while True:
            try:
                await self._bus.connect()
                if await self._store.write(renew_lease, holder=self._holder):
                    if self._loop.time() - reconciled_at >= RECONCILE_SECONDS:
                        await self.reconcile()
                        reconciled_at = self._loop.time()
                    while await self.publish_waiting():
                        pass
            except Unavailable as failure:
                # A stream that is gone shows as nobody answering: look at the streams before the next try.
                reconciled_at = -RECONCILE_SECONDS
                log.warning("relay_waits", dependency=failure.facts.get("dependency"), detail=failure.detail)
                await asyncio.sleep(SWEEP_SECONDS)
            await self._sleep()

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(SWEEP_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def reconcile(self) -> None:
        """Make the streams exist and schedule again what they have lost."""
        for stream in self._bus.streams.values():
            state = await self._bus.ensure(stream)
            if not stream.is_durable:
                continue
            lost = await self._store.write(
                schedule_lost, name=stream.name, created_at=state.created_at, last_sequence=state.last_sequence
            )
            if lost:
                log.warning("stream_lost_events", stream=stream.name, rows=lost)

    async def publish_waiting(self) -> int:
        """Publish some of what waits, mark what was acknowledged, return how many."""
        rows = await self._store.read(read_waiting, source=self._source)
        self._lag.set(len(rows))
        for stream, group in groupby(sorted(rows, key=lambda row: (row.stream, row.position)), lambda row: row.stream):
            waiting = list(group)
            for start in range(0, len(waiting), BATCH_MAX):
                fault_point("relay.read")
                published = await self._publish(stream, waiting[start : start + BATCH_MAX])
                fault_point("relay.acknowledged")
                await self._store.write(mark_if_leased, holder=self._holder, rows=published)
                fault_point("relay.marked")
        return len(rows)

    async def _publish(self, stream: str, rows: Sequence[Waiting]) -> list[Published]:
        if len(rows) > 1:
            try:
                last = await self._bus.publish_batch([row.message for row in rows], batch_id=new_id("bat"))
            except BatchRefusedError as refusal:
                log.warning("batch_refused", stream=stream, rows=len(rows), cause=str(refusal))
            else:
                first = last - len(rows) + 1
                return [Published(row.position, first + place) for place, row in enumerate(rows)]
        return [Published(row.position, await self._bus.publish_one(row.message)) for row in rows]


def read_waiting(work: Any, *, source: str) -> list[Waiting]:
    """Read rows that wait, as messages."""
    found: list[Waiting] = []
    for row in unpublished(work.connection, limit=READ_MAX):
        values: Any = row
        headers = {"ce-id": values.id, "ce-type": values.type, "ce-source": source,
                   "ce-time": values.created_at.isoformat(), "ce-specversion": "1.0"}  # fmt: skip
        if values.traceparent:
            headers["traceparent"] = values.traceparent
        found.append(
            Waiting(values.position, values.stream, Message(values.id, values.subject, values.payload, headers))
        )
    return found


def renew_lease(work: Any, *, holder: str) -> bool:
    """Take or keep the right to publish."""
    return hold_lease(work.connection, name=LEASE, holder=holder, now=work.now)


def mark_if_leased(work: Any, *, holder: str, rows: list[Published]) -> None:
    """Mark rows as published unless another process has taken over; it will publish them again, harmlessly."""
    if hold_lease(work.connection, name=LEASE, holder=holder, now=work.now):
        mark_published(work.connection, rows, now=work.now)


def schedule_lost(work: Any, *, name: str, created_at: str, last_sequence: int) -> int:
    """Put rows that a stream has lost back among those that wait."""
    return reconcile_stream(work.connection, name=name, created_at=created_at, last_sequence=last_sequence)
