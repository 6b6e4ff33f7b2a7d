"""Tell how late departures are."""

from collections.abc import Sequence

from chassis.errors import FieldError, InvalidInput
from tracking_svc.domain.live import DELAY_KEPT
from tracking_svc.domain.points import microseconds
from tracking_svc.store.work import Work

DEPARTURES_MAX = 200


def get_delays(work: Work, *, departure_ids: Sequence[str]) -> dict[str, int]:
    """Return the delay of each departure that is known to be on its way, in seconds; raise InvalidInput."""
    if len(departure_ids) > DEPARTURES_MAX:
        detail = f"Ask for at most {DEPARTURES_MAX} departures."
        raise InvalidInput(errors=[FieldError("/departure_ids", detail)])
    return work.runs.on_their_way(departure_ids, since=microseconds(work.now - DELAY_KEPT))
