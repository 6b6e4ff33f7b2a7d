from collections.abc import Sequence

from chassis.errors import Unavailable
from pricing_svc.domain.departure import Departure
from pricing_svc.store.work import Work

STEP_DEPARTURES = 200
"""What one call takes in well within the 50 ms that it may hold the writer."""


def keep_departures(work: Work, *, departures: Sequence[Departure]) -> None:
    """Take departures in as booking tells them; those that are not newer than what is known change nothing.

    Their patterns must be known: raise Unavailable if one has just been forgotten, so that the event comes again.
    """
    lasting = work.patterns.lasting(departure.pattern_id for departure in departures)
    if any(departure.pattern_id not in lasting for departure in departures):
        raise Unavailable(dependency="booking")
    work.departures.keep(departures, lasting)
