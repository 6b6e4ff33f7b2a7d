"""What this service takes in from others' streams."""

from prometheus_client import CollectorRegistry

from chassis.bus import Bus
from chassis.consumer import Consumer
from chassis.store import Store
from tracking_svc import translate
from tracking_svc.store.work import Work
from tracking_svc.use_cases.record_vehicle import record_vehicle


def fleet_consumer(store: Store[Work], bus: Bus, *, registry: CollectorRegistry | None = None) -> Consumer:
    """Build the consumer that follows booking's vehicles."""

    async def apply(message_id: str, event_type: str, payload: bytes) -> None:
        if event_type == translate.VEHICLE_REGISTERED:
            vehicle = translate.vehicle_registered_in(payload)
            await store.write(record_vehicle, message_id=message_id, vehicle=vehicle)

    return Consumer(bus, stream=translate.FLEET, durable="tracking", apply=apply, registry=registry)
