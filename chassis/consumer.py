"""Takes events in from a durable pull consumer; the effect and the inbox row share a transaction."""

import asyncio
from collections.abc import Awaitable, Callable

import nats
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext
from prometheus_client import CollectorRegistry, Gauge

from chassis.bus import Bus
from chassis.errors import Failure, Unavailable
from chassis.faults import fault_point
from chassis.logs import EventLog
from chassis.trace import follow

log = EventLog(__name__)

FETCH_MAX = 256
FETCH_SECONDS = 1.0
ACK_WAIT_SECONDS = 30
DELIVERIES_MAX = 12
RETRY_SECONDS_MAX = 30.0

Apply = Callable[[str, str, bytes], Awaitable[None]]
"""Applies one event: message id, ce-type, payload."""


class Consumer:
    """One durable consumer of one stream."""

    def __init__(
        self, bus: Bus, *, stream: str, durable: str, apply: Apply, registry: CollectorRegistry | None = None
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._durable = durable
        self._apply = apply
        self._lag = Gauge(
            f"headway_consumer_{stream.lower()}_pending_messages",
            "Not yet taken",
            registry=registry or CollectorRegistry(),
        )

    async def run(self) -> None:
        """Take messages until cancelled; a broker that is away only makes them wait."""
        subscription: JetStreamContext.PullSubscription | None = None
        while True:
            try:
                await self._bus.connect()
                subscription = subscription or await self._subscribe()
                await self._take(subscription)
            except nats.errors.TimeoutError:
                subscription = await self._still_there(subscription)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log.warning("consumer_waits", stream=self._stream, cause=type(error).__name__)
                subscription = None
                await asyncio.sleep(1.0)

    async def _subscribe(self) -> JetStreamContext.PullSubscription:
        config = ConsumerConfig(
            durable_name=self._durable,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_SECONDS,
            max_ack_pending=FETCH_MAX * 2,
        )
        await self._bus.jetstream.add_consumer(self._stream, config)
        return await self._bus.jetstream.pull_subscribe_bind(self._durable, self._stream)

    async def _still_there(
        self, subscription: JetStreamContext.PullSubscription | None
    ) -> JetStreamContext.PullSubscription | None:
        """Let go of a subscription whose consumer was deleted: it would be silent for ever."""
        try:
            await self._bus.jetstream.consumer_info(self._stream, self._durable)
        except (nats.errors.Error, TimeoutError):
            return None
        return subscription

    async def _take(self, subscription: JetStreamContext.PullSubscription) -> None:
        messages = await subscription.fetch(FETCH_MAX, timeout=FETCH_SECONDS)
        for message in messages:
            await self._take_one(message)
        self._lag.set(messages[-1].metadata.num_pending)

    async def _take_one(self, message: Msg) -> None:
        """Apply a message, or send it back with a growing delay, or set a poisonous one aside."""
        headers = message.headers or {}
        follow(headers.get("traceparent"))
        fault_point("consumer.fetched")
        try:
            await self._apply(headers.get("Nats-Msg-Id", ""), headers.get("ce-type", ""), message.data)
            fault_point("consumer.applied")
            await message.ack()
        except Exception as error:
            deliveries = message.metadata.num_delivered
            is_poison = not isinstance(error, Unavailable) and deliveries >= DELIVERIES_MAX
            if not isinstance(error, Failure):
                log.bug("consumer_failed", stream=self._stream, deliveries=deliveries)
            if is_poison:
                log.warning("event_set_aside", stream=self._stream, event_id=headers.get("Nats-Msg-Id", ""))
                await message.term()
            else:
                await message.nak(delay=min(RETRY_SECONDS_MAX, 0.1 * 2**deliveries))
