"""Tell how a departure runs."""

from collections.abc import Collection

from chassis.read_models import is_rebuilt
from tracking_svc.domain.departures import READ_MODEL, Departure
from tracking_svc.domain.errors import DepartureUnknown, StillLearning
from tracking_svc.domain.live import DELAY_KEPT, LiveDeparture, live_calls, live_state, occupancy_of, unsold
from tracking_svc.domain.points import microseconds
from tracking_svc.domain.vehicles import Freshness, Sighting, TrackedVehicle, Vehicle
from tracking_svc.store.work import Work


def get_live_departure(work: Work, *, departure_id: str) -> LiveDeparture:
    """Read a departure with its vehicle, its calls, its delay and how full it is.

    Raise DepartureUnknown, or StillLearning while nobody can tell.
    """
    for live in live_departures(work, work.departures.find([departure_id]).values()):
        return live
    if not is_rebuilt(work, name=READ_MODEL):
        raise StillLearning(dependency="tracking")
    raise DepartureUnknown


def live_departures(work: Work, departures: Collection[Departure]) -> list[LiveDeparture]:
    """Read departures as they run; how many they are makes no difference to how often the database is asked."""
    ids = [departure.id for departure in departures]
    runs = work.runs.of_vehicles(departure.vehicle_id for departure in departures)
    sightings = work.sightings.of_vehicles(runs)
    delays = work.runs.on_their_way(ids, since=microseconds(work.now - DELAY_KEPT))
    visits = work.runs.visits_of(ids)
    seats = work.departures.availabilities(ids)
    found = []
    for departure in departures:
        id_, run = departure.id, runs.get(departure.vehicle_id)
        progress = run.progress if run and run.progress.departure_id == id_ else None
        # Where a vehicle is concerns the public once it runs the departure.
        sighting = sightings.get(departure.vehicle_id) if progress else None
        pattern = work.patterns.get(departure.pattern_id)
        along = progress.along if progress and progress.is_certain else 0.0
        calls = live_calls(departure, pattern, visits[id_], delay_seconds=delays.get(id_), now=work.now, along=along)
        live = LiveDeparture(
            departure=departure,
            state=live_state(departure, calls, now=work.now, along=along),
            vehicle=vehicle_of(work, departure, sighting),
            delay_seconds=delays.get(id_),
            is_off_route=progress is not None and progress.is_off_route,
            calls=calls,
            occupancy=occupancy_of(known := seats.get(id_) or unsold(departure, pattern), calls),
            availability=known,
            observed_at=work.now,
        )
        found.append(live)
    return found


def vehicle_of(work: Work, departure: Departure, sighting: Sighting | None) -> TrackedVehicle | None:
    """Return the vehicle that is to run a departure."""
    if not departure.vehicle_id:
        return None
    vehicle = Vehicle(departure.vehicle_id, departure.operator_id, departure.vehicle_label, 0)
    return TrackedVehicle(vehicle, sighting, sighting.freshness(work.now) if sighting else Freshness.UNKNOWN)
