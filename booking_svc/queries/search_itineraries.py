"""Find rides from one place to another on a day, with the seats that are left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from booking_svc.domain.departure import Departure, Leg
from booking_svc.domain.errors import UnknownStop
from booking_svc.domain.occupancy import ride_mask, without
from booking_svc.queries.list_departures import place_of, read_cursor
from booking_svc.store.patterns import Connecting
from booking_svc.store.stops import Place
from booking_svc.store.work import Work


@dataclass(frozen=True, slots=True)
class Itinerary:
    """One way to get there, and how many more can go it without a change of seats."""

    legs: tuple[Leg, ...]
    seats_available: int


class Ride(NamedTuple):
    """A departure between two of its calls, and when it leaves the first of them."""

    departure: Departure
    origin: int
    destination: int
    leaves_at: datetime

    @property
    def place(self) -> tuple[datetime, str]:
        """Tell where it stands among others."""
        return self.leaves_at, self.departure.id


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
    origin, destination = places_of(work, origin_stop_id, destination_stop_id)
    connecting = work.patterns.connecting(origin.stop_ids, destination.stop_ids)
    begins, ends = (datetime.combine(on, time(), ZoneInfo(origin.timezone)) for on in (day, day + timedelta(days=1)))
    place = max((max(begins, work.now), ""), read_cursor(cursor) or (work.now, ""))
    found: list[tuple[Ride, int]] = []
    # One more than is shown tells whether there is a next page.
    while len(found) <= limit:
        rides = read_rides(work, connecting, after=place, end=ends, limit=limit + 1)
        found += [
            (ride, seats) for ride, seats in zip(rides, seats_left(work, rides), strict=True) if seats >= passengers
        ]
        if len(rides) <= limit:
            break
        place = rides[-1].place
    shown = [Itinerary((ride.departure.leg(ride.origin, ride.destination),), seats) for ride, seats in found[:limit]]
    return shown, place_of(*found[limit - 1][0].place) if len(found) > limit else ""


def places_of(work: Work, *stop_ids: str) -> list[Place]:
    """Read stops with what stands for them; raise UnknownStop."""
    places = work.stops.places(stop_ids)
    for stop_id in stop_ids:
        if stop_id not in places:
            raise UnknownStop(stop_id=stop_id)
    return [places[stop_id] for stop_id in stop_ids]


def read_rides(
    work: Work, connecting: Sequence[Connecting], *, after: tuple[datetime, str], end: datetime, limit: int
) -> list[Ride]:
    """Read rides that leave the origin before a time, in order from behind a place."""
    ends = {one.pattern_id: (one.origin, one.destination) for one in connecting}
    leaving = work.departures.leaving(connecting, after=after, end=end, limit=limit)
    return [Ride(departure, *ends[departure.pattern.id], leaves_at) for leaves_at, departure in leaving]


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
