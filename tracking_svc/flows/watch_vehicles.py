"""Tell a subscriber where the vehicles of an area are for as long as it listens."""

from collections.abc import AsyncIterator, Callable

from tracking_svc import translate
from tracking_svc.domain.vehicles import Area
from tracking_svc.flows.watch_departure import HEARTBEAT_SECONDS, told
from tracking_svc.flows.watchers import Slot, Watchers
from tracking_svc.queries.list_running_vehicles import list_running_vehicles


async def watch_vehicles(
    watchers: Watchers, *, area: Area, check: Callable[[], None], heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> AsyncIterator[bytes]:
    """Yield encoded updates of vehicles that run departures: first all that do, then those that move.

    An empty one comes when nothing does; `check` raises when the subscriber may no longer listen.
    """
    slot = Slot(area)
    watchers.fleet.add(slot)
    try:
        for vehicle, sighting, run in await watchers.store.read(list_running_vehicles):
            if area.has(vehicle.operator_id, sighting.position.latitude, sighting.position.longitude):
                found = translate.vehicle_update_out(vehicle, sighting, run, now=watchers.store.now())
                slot.put(vehicle.id, found.SerializeToString())
        async for update in told(slot, check, heartbeat_seconds):
            yield update
    finally:
        watchers.fleet.discard(slot)
