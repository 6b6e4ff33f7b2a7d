"""Tell how departures run beside their timetable."""

from tracking_svc.domain.departures import Departure
from tracking_svc.domain.live import LiveDeparture
from tracking_svc.queries.get_alerts import cancelled
from tracking_svc.queries.get_vehicle_positions import under_way
from tracking_svc.store.work import Work


def get_trip_updates(work: Work, *, operator_id: str) -> tuple[list[LiveDeparture], list[Departure]]:
    """Return the departures of an operator, or of all, that are under way, and those that will not run."""
    running = [live for live in under_way(work, operator_id=operator_id) if live.delay_seconds is not None]
    return running, cancelled(work, operator_id=operator_id)
