"""Follow what booking tells of its departures."""

from collections.abc import Sequence

from chassis.errors import Unavailable
from tracking_svc.domain.departures import KEPT, Departure
from tracking_svc.store.work import Work


def keep_departures(work: Work, *, departures: Sequence[Departure]) -> None:
    """Take departures in as booking tells them; what is over, or not newer than what is known, changes nothing.

    Their patterns must be known: raise Unavailable if one has just been forgotten, so that the event comes again.
    """
    lasting = work.patterns.lasting(departure.pattern_id for departure in departures)
    if any(departure.pattern_id not in lasting for departure in departures):
        raise Unavailable(dependency="booking")
    oldest = work.now - KEPT
    current = [found for found in departures if found.starts_at + lasting[found.pattern_id] >= oldest]
    work.departures.keep(current, lasting)
