"""Tell where the vehicles of departures are."""

from tracking_svc.domain.departures import NOT_RUNNING
from tracking_svc.domain.live import DELAY_KEPT, LiveDeparture
from tracking_svc.domain.points import microseconds
from tracking_svc.domain.vehicles import Freshness
from tracking_svc.queries.get_live_departure import live_departures
from tracking_svc.store.work import Work

VEHICLES_MAX = 2000


def get_vehicle_positions(work: Work, *, operator_id: str) -> list[LiveDeparture]:
    """Return the departures of an operator, or of all, whose vehicles were seen a moment ago."""
    return [
        live
        for live in under_way(work, operator_id=operator_id)
        if live.vehicle and live.vehicle.freshness is not Freshness.UNKNOWN
    ]


def under_way(work: Work, *, operator_id: str) -> list[LiveDeparture]:
    """Return the departures of an operator, or of all, that vehicles run at present."""
    runs = work.runs.running(since=microseconds(work.now - DELAY_KEPT), limit=VEHICLES_MAX)
    found = work.departures.find(run.progress.departure_id for run in runs).values()
    return live_departures(
        work, [one for one in found if operator_id in ("", one.operator_id) and one.state not in NOT_RUNNING]
    )
