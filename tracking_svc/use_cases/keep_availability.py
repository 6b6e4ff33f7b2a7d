"""Follow what booking tells of the seats that are free."""

from tracking_svc.domain.departures import Availability
from tracking_svc.store.work import Work


def keep_availability(work: Work, *, availability: Availability) -> None:
    """Take in how full a departure is; what is not newer than what is known changes nothing."""
    work.departures.keep_availability(availability)
