from collections.abc import Sequence

from pricing_svc.domain.departure import Departure
from pricing_svc.store.work import Work

STEP_DEPARTURES = 25
"""What one call takes in well within the 50 ms that it may hold the writer, even of a hundred calls each."""


def keep_departures(work: Work, *, departures: Sequence[Departure]) -> None:
    """Take departures in as booking tells them; those that are not newer than what is known change nothing."""
    work.departures.keep(departures)
