"""Tell what will not run."""

from datetime import timedelta

from tracking_svc.domain.departures import Departure, Pattern
from tracking_svc.store.work import Work

TOLD_BEFORE = timedelta(days=7)
CANCELLED_MAX = 1000


def get_alerts(work: Work, *, operator_id: str) -> list[tuple[Departure, Pattern]]:
    """Return the departures of an operator, or of all, that will not run, with their ways."""
    return [(one, work.patterns.get(one.pattern_id)) for one in cancelled(work, operator_id=operator_id)]


def cancelled(work: Work, *, operator_id: str) -> list[Departure]:
    """Return what will not run of what is not over and starts within a week, the soonest first."""
    return work.departures.cancelled(
        operator_id, ends_from=work.now, starts_to=work.now + TOLD_BEFORE, limit=CANCELLED_MAX
    )
