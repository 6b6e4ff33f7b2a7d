"""Who watches what: each change is read and encoded once and shared by all who watch it."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field

from chassis.errors import Failure, NotFound
from chassis.store import Store
from tracking_svc import translate
from tracking_svc.domain.reports import Report
from tracking_svc.domain.vehicles import Area
from tracking_svc.queries.get_live_departure import get_live_departure
from tracking_svc.store.work import Work

REFRESH_SECONDS = 5.0
"""How often what is watched is looked at unasked: positions age, and other processes may have changed something."""


@dataclass(eq=False, slots=True)
class Slot:
    """What one subscriber has still to be told, the newest of each thing: a slow one misses what is between."""

    area: Area = field(default_factory=Area)
    is_closed: bool = False
    _waiting: dict[str, bytes] = field(default_factory=dict)
    _has_some: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, key: str, message: bytes) -> None:
        self._waiting[key] = message
        self._has_some.set()

    def put_first(self, key: str, message: bytes) -> None:
        """Put what was read when the subscriber came, unless something was told meanwhile, which is newer."""
        self.put(key, self._waiting.get(key, message))

    def close(self) -> None:
        self.is_closed = True
        self._has_some.set()

    async def take(self, *, seconds: float) -> list[bytes]:
        """Return what is to be told as soon as there is something; nothing when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_some.wait()
        self._has_some.clear()
        taken, self._waiting = list(self._waiting.values()), {}
        return taken


class Watchers:
    """The subscribers of this process."""

    def __init__(self, store: Store[Work]) -> None:
        self.store = store
        self.departures: defaultdict[str, set[Slot]] = defaultdict(set)
        self.fleet: set[Slot] = set()
        self._told: dict[str, bytes] = {}
        self._changed: set[str] = set()
        self._has_some = asyncio.Event()

    def close(self) -> None:
        """Let every subscriber go."""
        for slot in (*self.fleet, *(slot for slots in self.departures.values() for slot in slots)):
            slot.close()

    def reported(self, report: Report) -> None:
        """Tell those who watch a vehicle's departure or the place where it is now."""
        if report.run is None:
            return
        self.change(report.run.progress.departure_id)
        if report.moved_to is None or not self.fleet:
            return
        position = report.moved_to.position
        update = translate.vehicle_update_out(report.vehicle, report.moved_to, report.run, now=self.store.now())
        message = update.SerializeToString()
        for slot in self.fleet:
            if slot.area.has(report.vehicle.operator_id, position.latitude, position.longitude):
                slot.put(report.vehicle.id, message)

    def change(self, departure_id: str) -> None:
        """Tell soon how a departure runs now, if anybody watches it."""
        if departure_id in self.departures:
            self._changed.add(departure_id)
            self._has_some.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        loop, refresh_at = asyncio.get_running_loop(), 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(refresh_at):
                    await self._has_some.wait()
            if loop.time() >= refresh_at:
                refresh_at = loop.time() + REFRESH_SECONDS
                self._changed.update(self.departures)
            self._has_some.clear()
            changed, self._changed = self._changed, set()
            for departure_id in changed:
                with suppress(Failure):
                    await self._tell(departure_id)

    async def _tell(self, departure_id: str) -> None:
        """Read a departure once and tell all who watch it, unless it is as they know it."""
        try:
            live = await self.store.read(get_live_departure, departure_id=departure_id)
        except NotFound:
            for slot in self.departures.get(departure_id, ()):
                slot.close()
            return
        update, known = translate.departure_update_out(live)
        if departure_id in self.departures and self._told.get(departure_id) != known:
            self._told[departure_id] = known
            for slot in self.departures[departure_id]:
                slot.put(departure_id, update)

    def leave(self, departure_id: str, slot: Slot) -> None:
        """Forget a subscriber of a departure, and the departure with the last."""
        self.departures[departure_id].discard(slot)
        if not self.departures[departure_id]:
            del self.departures[departure_id]
            self._told.pop(departure_id, None)
