"""Take departures off the road."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from booking_svc.domain.departure import DepartureState
from booking_svc.domain.events import DepartureCancelled
from booking_svc.store.departures import Filter
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import FieldError, ForbiddenOperator, InvalidInput, NotFound

DEPARTURES_MAX, CALLS_MAX = 100, 1500
"""What one call may hit, so that it holds the writer for less than 50 ms."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What a cancellation hits: departures, and bookings with seats on them."""

    departure_ids: tuple[str, ...]
    booking_ids: tuple[str, ...]


def cancel_departures(
    work: Work,
    *,
    caller: Caller,
    operator_id: str,
    departure_ids: Sequence[str],
    route_id: str,
    starts_from: datetime | None,
    starts_before: datetime | None,
    reason: str = "",
    is_dry_run: bool,
) -> Hit:
    """Cancel named departures, or those of a route that start in a window; bookings stay, and refund in full."""
    if not caller.works_for(operator_id):
        raise ForbiddenOperator(operator_id=operator_id)
    if not departure_ids and (starts_from is None or starts_before is None):
        raise InvalidInput(errors=[FieldError("/departure_ids", "Name departures, or give both ends of a window.")])
    wanted = Filter(operator_id, route_id, "", "", tuple(departure_ids), starts_from, starts_before)
    found = list(work.departures.page(wanted, after=None, limit=DEPARTURES_MAX + 1))
    if len(found) > DEPARTURES_MAX or sum(departure.segments + 1 for departure in found) > CALLS_MAX:
        raise InvalidInput(f"This hits over {DEPARTURES_MAX} departures or {CALLS_MAX} calls. Do it in parts.")
    if departure_ids and len(found) < len(set(departure_ids)):
        raise NotFound
    # A window may reach into the past: what is over is not taken off the road.
    left_out = {DepartureState.CANCELLED} if departure_ids else {DepartureState.CANCELLED, DepartureState.COMPLETED}
    running = [departure for departure in found if departure.state not in left_out]
    cancelled = [departure.cancel(reason) for departure in running]
    if not is_dry_run:
        work.departures.save(*cancelled)
        work.outbox.add(*map(DepartureCancelled, cancelled))
    # Read last: whoever took seats while we waited for a departure is hit as well.
    ids = [departure.id for departure in running]
    return Hit(tuple(ids), tuple(work.bookings.on_departures(ids)))
