"""Tell a subscriber how a departure runs for as long as it listens."""

from collections.abc import AsyncIterator, Callable

from tracking_svc import translate
from tracking_svc.flows.watchers import Slot, Watchers
from tracking_svc.queries.get_live_departure import get_live_departure

HEARTBEAT_SECONDS = 15.0


async def watch_departure(
    watchers: Watchers, *, departure_id: str, check: Callable[[], None], heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> AsyncIterator[bytes]:
    """Yield encoded updates: first how the departure runs, then what changes, and an empty one when nothing does.

    `check` raises when the subscriber may no longer listen. Raise DepartureUnknown.
    """
    slot = Slot()
    watchers.departures[departure_id].add(slot)
    try:
        live = await watchers.store.read(get_live_departure, departure_id=departure_id)
        slot.put_first(departure_id, translate.departure_update_out(live)[0])
        async for update in told(slot, check, heartbeat_seconds):
            yield update
    finally:
        watchers.leave(departure_id, slot)


async def told(slot: Slot, check: Callable[[], None], heartbeat_seconds: float) -> AsyncIterator[bytes]:
    """Yield what comes into a slot, and an empty message after every pause, until the slot is closed."""
    while not slot.is_closed:
        updates = await slot.take(seconds=heartbeat_seconds)
        check()
        for update in updates or ([] if slot.is_closed else [b""]):
            yield update
