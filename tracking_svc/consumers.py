"""What this service takes in from others' streams."""

from prometheus_client import CollectorRegistry

from chassis.bus import Bus
from chassis.consumer import Consumer
from chassis.store import Store
from tracking_svc import translate
from tracking_svc.flows.learn_departures import Learning
from tracking_svc.flows.watchers import Watchers
from tracking_svc.store.work import Work
from tracking_svc.use_cases.keep_availability import keep_availability
from tracking_svc.use_cases.record_vehicle import record_vehicle


def build_consumers(
    store: Store[Work], bus: Bus, learning: Learning, watchers: Watchers, registry: CollectorRegistry
) -> list[Consumer]:
    """Make the consumers that follow booking's vehicles, its departures and how full they are."""

    async def apply_vehicle(message_id: str, event_type: str, payload: bytes) -> None:
        if event_type == translate.VEHICLE_REGISTERED:
            vehicle = translate.vehicle_registered_in(payload)
            await store.write(record_vehicle, message_id=message_id, vehicle=vehicle)

    async def apply_departure(message_id: str, event_type: str, payload: bytes) -> None:
        departure = translate.departure_event_in(event_type, payload)
        if departure is not None:
            await learning.learn_departures([departure], message_id=message_id)
            watchers.change(departure.id)

    async def apply_availability(message_id: str, _type: str, payload: bytes) -> None:
        availability = translate.availability_event_in(payload)
        await store.write(keep_availability, message_id=message_id, availability=availability)
        watchers.change(availability.departure_id)

    return [
        Consumer(bus, stream=translate.FLEET, durable="tracking", apply=apply_vehicle, registry=registry),
        Consumer(bus, stream="DEPARTURE", durable="tracking_departures", apply=apply_departure, registry=registry),
        Consumer(
            bus, stream="AVAILABILITY", durable="tracking_availability", apply=apply_availability, registry=registry
        ),
    ]
