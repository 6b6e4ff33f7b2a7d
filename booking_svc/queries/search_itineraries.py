"""Find rides from one place to another on a day, with the seats that are left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from booking_svc.domain.departure import Departure, Leg
from booking_svc.domain.errors import UnknownStop
from booking_svc.domain.occupancy import ride_mask, without
from booking_svc.queries.list_departures import place_of, read_cursor
from booking_svc.store.patterns import Connecting
from booking_svc.store.work import Work


@dataclass(frozen=True, slots=True)
class Itinerary:
    """One way to get there, and how many more can go it without a change of seats."""

    legs: tuple[Leg, ...]
    seats_available: int


@dataclass(frozen=True, slots=True)
class Ride:
    """A departure between two of its calls."""

    departure: Departure
    origin: int
    destination: int
    leaves_at: datetime


def search_itineraries(
    work: Work,
    *,
    origin_stop_id: str,
    destination_stop_id: str,
    day: date,
    passengers: int,
    cursor: str,
    limit: int,
) -> tuple[list[Itinerary], str]:
    """Find direct rides that leave the origin on a local day, in order; return them and the cursor of the next page.

    A station stands for all of its platforms. With `passengers`, rides with fewer seats are left out.
    """
    rides = find_rides(work, origin_stop_id, destination_stop_id, day)
    after = read_cursor(cursor)
    behind = [ride for ride in rides if after is None or (ride.leaves_at, ride.departure.id) > after]
    found: list[Itinerary] = []
    for start in range(0, len(behind), limit):
        page = behind[start : start + limit]
        for ride, seats in zip(page, seats_left(work, page), strict=True):
            if seats >= passengers:
                found.append(Itinerary((ride.departure.leg(ride.origin, ride.destination),), seats))
            if len(found) == limit:
                return found, place_of(ride.leaves_at, ride.departure.id) if ride is not behind[-1] else ""
    return found, ""


def find_rides(work: Work, origin_stop_id: str, destination_stop_id: str, day: date) -> list[Ride]:
    """Find rides that leave the origin on a day of its own zone and can still be caught, in order."""
    places = work.stops.places([origin_stop_id, destination_stop_id])
    for stop_id in (origin_stop_id, destination_stop_id):
        if stop_id not in places:
            raise UnknownStop(stop_id=stop_id)
    origin, destination = places[origin_stop_id], places[destination_stop_id]
    zone = ZoneInfo(origin.timezone)
    begins, ends = (datetime.combine(on, time(), zone) for on in (day, day + timedelta(days=1)))
    found = work.patterns.connecting(origin.stop_ids, destination.stop_ids)
    connecting = {one.pattern_id: one for one in found}
    leaving = work.departures.leaving(list(connecting.values()), start=max(begins, work.now), end=ends)
    rides = [ride_of(departure, connecting[departure.pattern.id]) for departure in leaving]
    return sorted(rides, key=lambda ride: (ride.leaves_at, ride.departure.id))


def ride_of(departure: Departure, one: Connecting) -> Ride:
    """Put a departure together with where riders get on and off."""
    leaves_at = departure.starts_at + timedelta(seconds=one.leaves_after_seconds)
    return Ride(departure, one.origin, one.destination, leaves_at)


def seats_left(work: Work, rides: Sequence[Ride]) -> list[int]:
    """Count the seats that are free on the whole of each ride; what only holds that are over cover is free."""
    ids = [ride.departure.id for ride in rides]
    masks = work.occupancies.masks_of(ids)
    lapsed = work.occupancies.lapsed_of(list(masks), now=work.now) if masks else {}
    left = []
    for ride in rides:
        taken = without(masks.get(ride.departure.id, {}), lapsed.get(ride.departure.id, ()))
        mask = ride_mask(ride.origin, ride.destination)
        left.append(ride.departure.capacity - sum(1 for seat in taken.values() if seat & mask))
    return left
