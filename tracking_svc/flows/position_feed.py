"""Tell the broker where vehicles have moved to, with nobody waiting for it."""

import asyncio

from chassis.bus import Bus
from tracking_svc import translate
from tracking_svc.domain.vehicles import Sighting, Vehicle


class PositionFeed:
    """What is to be published, one position a vehicle: a slow broker thins the feed out and holds nobody up."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[str, tuple[Vehicle, Sighting]] = {}
        self._has_some = asyncio.Event()

    def offer(self, vehicle: Vehicle, sighting: Sighting) -> None:
        """Publish soon where a vehicle has moved to, if it has not moved on by then."""
        self._waiting[vehicle.id] = (vehicle, sighting)
        self._has_some.set()

    async def run(self) -> None:
        """Publish until cancelled; what is offered while the broker is away is not kept for it."""
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            offered, self._waiting = self._waiting, {}
            for vehicle, sighting in offered.values():
                await self._bus.publish(*translate.position_reported_out(vehicle, sighting))
