"""Tell how a departure runs."""

from tracking_svc.domain.departures import Departure
from tracking_svc.domain.errors import DepartureUnknown
from tracking_svc.domain.live import DELAY_KEPT, LiveDeparture, live_calls, live_state, occupancy_of
from tracking_svc.domain.points import microseconds
from tracking_svc.domain.vehicles import Freshness, TrackedVehicle, Vehicle
from tracking_svc.store.work import Work


def get_live_departure(work: Work, *, departure_id: str) -> LiveDeparture:
    """Read a departure with its vehicle, its calls, its delay and how full it is; raise DepartureUnknown."""
    departure = work.departures.find([departure_id]).get(departure_id)
    if departure is None:
        raise DepartureUnknown
    run = work.runs.find(departure.vehicle_id) if departure.vehicle_id else None
    progress = run.progress if run and run.progress.departure_id == departure_id else None
    since = microseconds(work.now - DELAY_KEPT)
    delay = work.runs.on_their_way([departure_id], since=since).get(departure_id)
    pattern = work.patterns.get(departure.pattern_id)
    visits = work.runs.visits_of(departure_id)
    calls = live_calls(departure, pattern, visits, delay_seconds=delay, now=work.now)
    return LiveDeparture(
        departure=departure,
        state=live_state(departure, calls),
        vehicle=find_vehicle(work, departure, is_on_it=progress is not None),
        delay_seconds=delay,
        is_off_route=progress is not None and progress.is_off_route,
        calls=calls,
        occupancy=occupancy_of(work.departures.find_availability(departure_id), calls),
        observed_at=work.now,
    )


def find_vehicle(work: Work, departure: Departure, *, is_on_it: bool) -> TrackedVehicle | None:
    """Return the vehicle that is to run a departure; where it is concerns the public once it runs it."""
    if not departure.vehicle_id:
        return None
    vehicle = Vehicle(departure.vehicle_id, departure.operator_id, departure.vehicle_label, 0)
    sighting = work.sightings.find(vehicle.id) if is_on_it else None
    return TrackedVehicle(vehicle, sighting, sighting.freshness(work.now) if sighting else Freshness.UNKNOWN)
