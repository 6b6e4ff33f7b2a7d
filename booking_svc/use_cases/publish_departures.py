"""Put several departures on sale, all of them or none."""

from collections.abc import Mapping, Sequence
from typing import Any

from booking_svc.domain.departure import Departure
from booking_svc.store.work import Work
from booking_svc.use_cases.publish_departure import publish_departure
from chassis.access import Caller
from chassis.errors import FieldError, InvalidInput

DEPARTURES_MAX, CALLS_MAX = 50, 1000
"""What one call may put on sale, so that it holds the writer for less than 50 ms."""


def publish_departures(work: Work, *, caller: Caller, wishes: Sequence[Mapping[str, Any]]) -> list[Departure]:
    """Create departures as publish_departure does; what is wrong with one refuses all."""
    if not 1 <= len(wishes) <= DEPARTURES_MAX or sum(len(wish["calls"]) for wish in wishes) > CALLS_MAX:
        advice = f"Give 1 to {DEPARTURES_MAX} departures with at most {CALLS_MAX} calls in all."
        raise InvalidInput(errors=[FieldError("/departures", advice)])
    published = []
    for place, wish in enumerate(wishes):
        try:
            published.append(publish_departure(work, caller=caller, **wish))
        except InvalidInput as wrong:
            errors = [FieldError(f"/departures/{place}{error.pointer}", error.detail) for error in wrong.errors]
            raise InvalidInput(errors=errors) from wrong
    return published
