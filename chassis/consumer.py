"""Takes events in from a durable pull consumer; the effect and the inbox row share a transaction."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from nats import errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.bus import NANOSECONDS, Bus, RefusedError
from chassis.errors import Failure, Unavailable
from chassis.faults import fault_point
from chassis.logs import EventLog
from chassis.read_models import finish_rebuild, is_rebuilt
from chassis.store import Store
from chassis.trace import follow

log = EventLog(__name__)

PULL_MAX = 256
PULL_SECONDS = 2.0
WAIT_SECONDS = 1.0
ACK_WAIT_SECONDS = 10
DELIVERIES_MAX = 12
RETRY_SECONDS_MAX = 30.0
EXPIRED = "408"
# No such consumer, no such stream.
NOT_THERE = (10014, 10059)

Apply = Callable[[str, str, bytes], Awaitable[None]]
"""Applies one event: message id, ce-type, payload. A retried event comes late: apply only what is newer."""


class Consumer:
    """One durable consumer of one stream."""

    def __init__(
        self, bus: Bus, *, stream: str, durable: str, apply: Apply, registry: CollectorRegistry | None = None
    ) -> None:
        self._bus = bus
        self._stream = stream
        self.durable = durable
        self._apply = apply
        into, prefix = registry or CollectorRegistry(), f"headway_consumer_{stream.lower()}"
        self._pending = Gauge(f"{prefix}_pending_messages", "Not yet taken", registry=into)
        self._set_aside = Counter(f"{prefix}_set_aside_messages", "Never taken: they failed each time", registry=into)

    async def run(self) -> None:
        """Take messages until cancelled; a broker, stream or consumer that is away only makes them wait."""
        while True:
            await self._bus.connect()
            try:
                async with self._bus.inbox() as inbox:
                    await self._ensure()
                    while True:
                        await self._pull(inbox)
            except (RefusedError, Unavailable, errors.Error) as error:
                log.warning("consumer_waits", stream=self._stream, cause=str(error) or type(error).__name__)
            await asyncio.sleep(WAIT_SECONDS)

    async def begin_anew(self) -> None:
        """Make every event that there is come again, whatever was taken: for a database that was lost."""
        await self._bus.connect()
        try:
            await self._bus.ask(f"CONSUMER.DELETE.{self._stream}.{self.durable}", {})
        except RefusedError as refusal:
            if refusal.code not in NOT_THERE:
                raise

    async def _ensure(self) -> None:
        """Create the consumer or bring it into shape; the first time it begins with the oldest event there is."""
        config = {
            "durable_name": self.durable,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": ACK_WAIT_SECONDS * NANOSECONDS,
            "max_ack_pending": PULL_MAX * 2,
        }
        request = {"stream_name": self._stream, "config": config}
        await self._bus.ask(f"CONSUMER.CREATE.{self._stream}.{self.durable}", request)

    async def _pull(self, inbox: Subscription) -> None:
        """Ask for messages and take them as they come, until the broker ends the pull."""
        request = {"batch": PULL_MAX, "expires": int(PULL_SECONDS * NANOSECONDS)}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self.durable}"
        await self._bus.client.publish(subject, json.dumps(request).encode(), reply=inbox.subject)
        wanted, status = PULL_MAX, None
        while wanted > 0 and status is None:
            messages = [await inbox.next_msg(PULL_SECONDS + WAIT_SECONDS)]
            messages += [await inbox.next_msg() for _ in range(inbox.pending_msgs)]
            if status := (messages[-1].headers or {}).get("Status"):
                messages.pop()
            # Begun in order and together, so that the writer commits them in order and as a group.
            await asyncio.gather(*map(self._take, messages))
            wanted -= len(messages)
            if messages:
                self._pending.set(messages[-1].metadata.num_pending)
        if status not in (None, EXPIRED):
            raise RefusedError(f"the pull ended with {status}")

    async def _take(self, message: Msg) -> None:
        """Apply a message, or send it back with a growing delay, or set a poisonous one aside."""
        headers, deliveries = message.headers or {}, message.metadata.num_delivered
        # Whoever publishes without an id is known by the event's place, so that no two of theirs are taken for one.
        event_id = headers.get("Nats-Msg-Id") or f"{self._stream}:{message.metadata.sequence.stream}"
        follow(headers.get("traceparent"))
        fault_point("consumer.fetched")
        try:
            await self._apply(event_id, headers.get("ce-type", ""), message.data)
        except Exception as error:
            if not isinstance(error, Failure):
                log.bug("consumer_failed", stream=self._stream, event_id=event_id, deliveries=deliveries)
            if isinstance(error, Unavailable) or deliveries < DELIVERIES_MAX:
                await message.nak(delay=retry_seconds(deliveries))
            else:
                log.warning("event_set_aside", stream=self._stream, event_id=event_id)
                self._set_aside.inc()
                await message.term()
        else:
            fault_point("consumer.applied")
            await message.ack()


def follow_events(store: Store[Any], consumer: Consumer) -> Callable[[], Awaitable[None]]:
    """Make the loop that takes events in; a new database begins with the oldest, whatever one before it took."""

    async def follow() -> None:
        if not await store.read(is_rebuilt, name=consumer.durable):
            await consumer.begin_anew()
            await store.write(finish_rebuild, name=consumer.durable)
        await consumer.run()

    return follow


def retry_seconds(deliveries: int) -> float:
    """Tell how long an event that failed again waits: twice as long each time, up to a limit."""
    return min(RETRY_SECONDS_MAX, 0.1 * 2.0 ** min(deliveries, 10))
