"""Count the seats taken on departures."""

from collections.abc import Sequence

from booking_svc.domain.load import Load
from booking_svc.store.work import Work
from chassis.access import Caller


def get_loads(work: Work, *, caller: Caller, departure_ids: Sequence[str]) -> list[Load]:
    """Count seats sold and held; departures of others than the caller's operator are as absent as none."""
    return work.passengers.loads(departure_ids, caller=caller)
