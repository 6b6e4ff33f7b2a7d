"""What comes from booking: departures and how full they are."""

from prometheus_client import CollectorRegistry

from chassis.bus import Bus
from chassis.consumer import Consumer
from chassis.errors import InvalidInput
from chassis.logs import EventLog
from chassis.store import Store
from pricing_svc import translate
from pricing_svc.flows.learn_departures import Learning
from pricing_svc.store.work import Work
from pricing_svc.use_cases.keep_availability import keep_availability
from pricing_svc.use_cases.take_feed_fares import take_feed_fares

log = EventLog(__name__)


def build_consumers(store: Store[Work], bus: Bus, learning: Learning, registry: CollectorRegistry) -> list[Consumer]:
    """Make the consumers that keep the read models."""

    async def apply_departure(message_id: str, type_: str, payload: bytes) -> None:
        departure = translate.departure_event_in(type_, payload)
        if departure is not None:
            await learning.keep([departure], message_id=message_id)

    async def apply_availability(message_id: str, _type: str, payload: bytes) -> None:
        availability = translate.availability_event_in(payload)
        await store.write(keep_availability, message_id=message_id, availability=availability)

    async def apply_feed(message_id: str, _type: str, payload: bytes) -> None:
        policy = translate.feed_fares_in(payload)
        try:
            await store.write(take_feed_fares, message_id=message_id, policy=policy)
        except InvalidInput as refusal:
            pointers = [error.pointer for error in refusal.errors[:10]]
            log.warning("feed_fares_refused", feed_id=policy.feed_id, pointers=pointers)

    return [
        Consumer(bus, stream="FEED", durable="pricing_feeds", apply=apply_feed, registry=registry),
        Consumer(bus, stream="DEPARTURE", durable="pricing_departures", apply=apply_departure, registry=registry),
        Consumer(
            bus, stream="AVAILABILITY", durable="pricing_availability", apply=apply_availability, registry=registry
        ),
    ]
