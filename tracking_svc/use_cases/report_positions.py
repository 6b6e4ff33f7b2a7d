"""Take in what a vehicle's device reports."""

from chassis.access import Caller
from tracking_svc.domain.errors import VehicleUnknown
from tracking_svc.domain.judgement import Verdict, judge, refuse_stored, taken, without_nonsense
from tracking_svc.domain.leaps import fix_of, refuse_leaps
from tracking_svc.domain.points import Points, microseconds
from tracking_svc.domain.reports import Batch, Rejection, Report
from tracking_svc.domain.sessions import Session
from tracking_svc.domain.vehicles import Sighting, Vehicle
from tracking_svc.store.work import Work
from tracking_svc.use_cases.follow_vehicle import follow_vehicle


def report_positions(work: Work, *, caller: Caller, batch: Batch) -> Report:
    """Keep what can be true and is new, and move the vehicle if this is where it was last.

    Event time decides: the order in which batches come makes no difference, and a repeat changes nothing.
    """
    batch.check()
    vehicle = work.vehicles.hold(batch.vehicle_id)
    if not may_report(caller, vehicle):
        raise VehicleUnknown
    session = work.sessions.get(vehicle.id, batch.session_id)
    seen = work.sightings.find(vehicle.id)
    verdicts = judge_batch(work, vehicle, session, batch.points, seen)
    accepted = without_nonsense(batch.points.take(taken(verdicts))).in_order()
    work.frames.add(vehicle.id, accepted)
    run = follow_vehicle(work, vehicle=vehicle, points=accepted) if accepted else None
    settled = session.settle(batch.points.sequences)
    if settled is not session:
        work.sessions.save(settled, now=work.now)
    return Report(
        vehicle=vehicle,
        accepted=len(accepted),
        rejected=tuple(Rejection(place, reason) for place, reason in enumerate(verdicts) if reason is not None),
        acknowledged_sequence=settled.acknowledged_sequence,
        late=sum(at < microseconds(seen.position.recorded_at) for at in accepted.recorded) if seen else 0,
        moved_to=move(work, vehicle, accepted),
        run=run,
    )


def may_report(caller: Caller, vehicle: Vehicle) -> bool:
    """Let a device speak for its own vehicle only, and staff for those of their operator."""
    if caller.vehicle_id:
        return caller.vehicle_id == vehicle.id
    return caller.works_for(vehicle.operator_id)


def judge_batch(work: Work, vehicle: Vehicle, session: Session, points: Points, seen: Sighting | None) -> list[Verdict]:
    """Judge points by themselves and their session first; only what is left needs a look at the history."""
    verdicts = judge(points, session=session, now=microseconds(work.now))
    times = sorted({points.recorded[place] for place in taken(verdicts)})
    verdicts = refuse_stored(points, verdicts, stored=work.frames.stored(vehicle.id, times))
    known = fix_of(seen.position) if seen else None
    judged, doubt = refuse_leaps(points, verdicts, known=known, doubt=work.sightings.doubt(vehicle.id))
    if judged != verdicts:
        work.sightings.keep_doubt(vehicle.id, doubt)
    return judged


def move(work: Work, vehicle: Vehicle, accepted: Points) -> Sighting | None:
    """Make the last of the points the vehicle's newest position if it is; tell it if so."""
    if not accepted:
        return None
    sighting = Sighting(accepted.at(-1), received_at=work.now)
    return sighting if work.sightings.advance(vehicle.id, sighting) else None
