"""Notice vehicles that no longer report."""

from dataclasses import replace

from tracking_svc.domain.events import RideFact, VehicleOnRide
from tracking_svc.domain.live import DELAY_KEPT
from tracking_svc.domain.points import microseconds
from tracking_svc.domain.vehicles import STALE_MAX
from tracking_svc.store.work import Work

STEP_VEHICLES = 100


def notice_silence(work: Work) -> int:
    """Tell of some vehicles on their way that have reported nothing for long; return how many, 0 when none is left."""
    since, until = work.now - DELAY_KEPT, work.now - STALE_MAX
    silent = work.runs.silent_ones(since=microseconds(since), until=microseconds(until), limit=STEP_VEHICLES)
    for run in silent:
        work.runs.save(replace(run, is_silent=True))
        departure = work.departures.find([run.progress.departure_id]).get(run.progress.departure_id)
        if departure is not None:
            about = (run.vehicle_id, departure.operator_id, departure.id)
            work.outbox.add(VehicleOnRide(RideFact.SILENT, *about, run.progress.seen_at))
    return len(silent)
