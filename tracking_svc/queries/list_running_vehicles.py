"""Tell which vehicles run departures."""

from tracking_svc.domain.live import DELAY_KEPT
from tracking_svc.domain.points import microseconds
from tracking_svc.domain.progress import Run
from tracking_svc.domain.vehicles import Sighting, Vehicle
from tracking_svc.store.work import Work

VEHICLES_MAX = 5000


def list_running_vehicles(work: Work) -> list[tuple[Vehicle, Sighting, Run]]:
    """Return vehicles on their way that were seen lately, with where they were."""
    found = []
    for run in work.runs.running(since=microseconds(work.now - DELAY_KEPT), limit=VEHICLES_MAX):
        sighting = work.sightings.find(run.vehicle_id)
        if sighting is not None:
            found.append((work.vehicles.get(run.vehicle_id), sighting, run))
    return found
