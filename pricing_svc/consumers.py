"""What comes from booking: departures and how full they are."""

from prometheus_client import CollectorRegistry

from chassis.bus import Bus
from chassis.consumer import Consumer
from chassis.store import Store
from pricing_svc import translate
from pricing_svc.store.work import Work
from pricing_svc.use_cases.keep_availability import keep_availability
from pricing_svc.use_cases.keep_departures import keep_departures


def build_consumers(store: Store[Work], bus: Bus, registry: CollectorRegistry) -> list[Consumer]:
    """Make the consumers that keep the read models."""

    async def apply_departure(message_id: str, type_: str, payload: bytes) -> None:
        departure = translate.departure_event_in(type_, payload)
        if departure is not None:
            await store.write(keep_departures, message_id=message_id, departures=[departure])

    async def apply_availability(message_id: str, _type: str, payload: bytes) -> None:
        availability = translate.availability_event_in(payload)
        await store.write(keep_availability, message_id=message_id, availability=availability)

    return [
        Consumer(bus, stream="DEPARTURE", durable="pricing_departures", apply=apply_departure, registry=registry),
        Consumer(
            bus, stream="AVAILABILITY", durable="pricing_availability", apply=apply_availability, registry=registry
        ),
    ]
