from pricing_svc.domain.departure import Availability
from pricing_svc.store.work import Work


def keep_availability(work: Work, *, availability: Availability) -> None:
    """Take in how full a departure is; what is not newer than what is known changes nothing."""
    work.availabilities.keep(availability)
