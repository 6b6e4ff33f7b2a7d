"""Find out from a vehicle's points how far it has come and where it has called."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from tracking_svc.domain.departures import Pattern
from tracking_svc.domain.events import CallFact, RideFact, VehicleAtCall, VehicleOnRide
from tracking_svc.domain.line import end_of
from tracking_svc.domain.points import MICROSECOND, Points, instant, microseconds
from tracking_svc.domain.progress import EARLY, LATE, Follower, Progress, Ride, Run, Visit, go_back, ride_of
from tracking_svc.domain.vehicles import STALE_MAX, Vehicle
from tracking_svc.store.work import Work

BACK = timedelta(days=1)
"""How far back a late point is taken into account."""
AGAIN_MAX = 1000
"""How many points are gone over again at most, well within the 50 ms that a call may hold the writer."""

RETRACTIONS = {CallFact.ARRIVED: CallFact.ARRIVAL_RETRACTED, CallFact.DEPARTED: CallFact.DEPARTURE_RETRACTED}
FactKey = tuple[str, int, CallFact]


def follow_vehicle(work: Work, *, vehicle: Vehicle, points: Points) -> Run | None:
    """Take stored points of a vehicle, oldest first, into its progress, its visits and what is told of them.

    What comes of it depends on the points alone and not on when they came: a late one is taken in by going over the
    way again from the last visit before it, and what was told and turns out otherwise is retracted. Return how far
    the vehicle has come, None where it runs nothing.
    """
    run = work.runs.find(vehicle.id) or Run(vehicle.id, Progress())
    first, last = points.recorded[0], max(points.recorded[-1], run.progress.seen_at)
    is_late = first <= run.progress.seen_at
    rides = find_rides(work, vehicle.id, first=first - is_late * (BACK // MICROSECOND), last=last)
    if not rides:
        return None
    ids = [ride.departure_id for ride in rides]
    known = work.runs.visits(vehicle.id, ids, are_open=not is_late)
    follower, ahead = Follower(run.progress, rides, known), points
    if is_late:
        back = go_back(rides, known, before=first)
        again = work.frames.after(vehicle.id, back.progress.seen_at, limit=AGAIN_MAX)
        if again is None:
            ahead = points.take([place for place, at in enumerate(points.recorded) if at > run.progress.seen_at])
        else:
            follower, ahead = back, again
    follower.follow(ahead)
    keep_visits(work, vehicle, known, list(follower.visits.values()))
    return keep_run(work, vehicle, run, follower.progress, rides)


def find_rides(work: Work, vehicle_id: str, *, first: int, last: int) -> list[Ride]:
    """Return what a vehicle may have run between two times."""
    departures = work.departures.of_vehicle(
        vehicle_id, ends_from=instant(first - LATE), starts_to=instant(last + EARLY)
    )
    return [ride_of(found, work.patterns.get(found.pattern_id).line) for found in departures]


def keep_visits(work: Work, vehicle: Vehicle, before: Sequence[Visit], after: Sequence[Visit]) -> None:
    """Store the visits that are different now, and tell of them in the order in which they were."""
    gone, new = [visit for visit in before if visit not in after], [visit for visit in after if visit not in before]
    if not gone and not new:
        return
    work.runs.change_visits(vehicle.id, gone=gone, new=new)
    old = facts_of(gone)
    found = facts_of(new)
    retracted = [(key, at) for key, at in old.items() if found.get(key) != at]
    told = [(key, at) for key, at in found.items() if old.get(key) != at]
    patterns: dict[str, Pattern] = {}
    for departure in work.departures.find({visit.departure_id for visit in (*gone, *new)}).values():
        patterns[departure.id] = work.patterns.get(departure.pattern_id)

    def event(fact: CallFact, departure_id: str, sequence: int, at: int) -> VehicleAtCall:
        stop_id = patterns[departure_id].calls[sequence].stop_id
        return VehicleAtCall(fact, vehicle.id, vehicle.operator_id, departure_id, sequence, stop_id, at)

    work.outbox.add(
        *(event(RETRACTIONS[fact], departure_id, place, at) for (departure_id, place, fact), at in by_time(retracted)),
        *(event(fact, departure_id, place, at) for (departure_id, place, fact), at in by_time(told)),
    )


def facts_of(visits: Iterable[Visit]) -> dict[FactKey, int]:
    """Return what visits tell, and when it was."""
    found: dict[FactKey, int] = {}
    for visit in visits:
        found[visit.departure_id, visit.sequence, CallFact.ARRIVED] = visit.arrived_at
        if visit.departed_at is not None:
            found[visit.departure_id, visit.sequence, CallFact.DEPARTED] = visit.departed_at
    return found


def by_time(facts: Iterable[tuple[FactKey, int]]) -> list[tuple[FactKey, int]]:
    """Put facts into the order in which they were."""
    return sorted(facts, key=lambda fact: (fact[1], fact[0]))


def keep_run(work: Work, vehicle: Vehicle, before: Run, progress: Progress, rides: Sequence[Ride]) -> Run:
    """Store how far a vehicle has come, and tell when it leaves its line, is on it again or is heard of again."""
    ride = next((ride for ride in rides if ride.departure_id == progress.departure_id), None)
    is_on_its_way = ride is not None and progress.is_certain and progress.along < end_of(ride.line)
    delay = round(ride.late_by(progress.along, progress.matched_at)) if ride and is_on_its_way else None
    is_back = before.is_silent and progress.seen_at > microseconds(work.now - STALE_MAX)
    run = replace(before, progress=progress, delay_seconds=delay, is_silent=before.is_silent and not is_back)
    work.runs.save(run)
    facts = []
    if is_back:
        facts.append((RideFact.BACK, progress.seen_at))
    if progress.is_off_route and not before.progress.is_off_route:
        facts.append((RideFact.OFF_ROUTE, progress.seen_at))
    if before.progress.is_off_route and not progress.is_off_route:
        facts.append((RideFact.ON_ROUTE, progress.matched_at or progress.seen_at))
    departure_id = progress.departure_id or before.progress.departure_id
    work.outbox.add(*(VehicleOnRide(fact, vehicle.id, vehicle.operator_id, departure_id, at) for fact, at in facts))
    return run
