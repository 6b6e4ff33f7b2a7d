"""The trips of a feed, with the frequencies at which some run again."""

from array import array
from collections.abc import Container
from dataclasses import dataclass, field
from functools import partial
from sys import intern

from booking_svc.domain.feed import Frequency
from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, shown
from booking_svc.gtfs.routes import FeedRoute
from booking_svc.gtfs.rows import Row, visit
from booking_svc.gtfs.tables import FREQUENCIES, TRIPS
from booking_svc.gtfs.values import identifier, seconds, whole, words

RUNS_A_DAY_MAX = 2000
HEADWAY_SECONDS_MAX = 7 * 86_400


@dataclass(slots=True)
class TripDraft:
    """A trip while its calls are being collected."""

    route: FeedRoute | None = None
    service_id: str = ""
    headsign: str = ""
    shape_id: str = ""
    frequencies: list[Frequency] = field(default_factory=list)
    # Flat, for there may be five million: see stop_times.py.
    calls: "array[int]" = field(default_factory=lambda: array("i"))
    units: "array[float]" = field(default_factory=lambda: array("d"))
    # Wrong rows are told where they stand; the trip is then left out as a whole.
    is_broken: bool = False


def read_trips(
    archive: Archive, *, routes: dict[str, FeedRoute], services: Container[str], shapes: Container[str]
) -> dict[str, TripDraft]:
    """Read trips and their frequencies; wrong ones are among them, marked, so that their other rows are known."""
    trips: dict[str, TripDraft] = {}

    def take_trip(row: Row, cells: list[str]) -> None:
        trip_id, route_id, service_id, headsign, shape_id = cells
        if trip_id in trips:
            raise BadValue("trip_id", f"{shown(trip_id)} stands twice: give each trip an identifier of its own.")
        draft = trips[identifier("trip_id", trip_id)] = TripDraft(is_broken=True)
        if route_id not in routes:
            raise BadValue("route_id", f"No usable route has the identifier {shown(route_id)}: add it or mend it.")
        if service_id not in services:
            raise BadValue(
                "service_id", f"No usable service has the identifier {shown(service_id)}: add it or mend it."
            )
        if shape_id and shape_id not in shapes:
            row.warn("shape_id", f"No usable shape has the identifier {shown(shape_id)}; the trip goes without.")
        draft.route, draft.service_id, draft.shape_id = routes[route_id], intern(service_id), intern(shape_id)
        draft.headsign = intern(words(row, "trip_headsign", headsign))
        draft.is_broken = False

    visit(archive, TRIPS, take_trip)
    visit(archive, FREQUENCIES, partial(take_frequency, trips))
    return trips


def take_frequency(trips: dict[str, TripDraft], _: Row, cells: list[str]) -> None:
    """Take a row of frequencies.txt; one that is wrong breaks its trip."""
    trip_id, *run = cells
    draft = trips.get(trip_id)
    if draft is None:
        raise BadValue("trip_id", f"No trip has the identifier {shown(trip_id)}: add it or mend it.")
    is_broken, draft.is_broken = draft.is_broken, True
    draft.frequencies.append(frequency_of(*run))
    if sum(len(one.starts()) for one in draft.frequencies) > RUNS_A_DAY_MAX:
        raise BadValue("headway_secs", f"Makes more than {RUNS_A_DAY_MAX} runs of this trip a day: run it less often.")
    draft.is_broken = is_broken


def frequency_of(start: str, end: str, headway: str) -> Frequency:
    """Read a row of frequencies.txt."""
    found = Frequency(
        seconds("start_time", start),
        seconds("end_time", end),
        whole("headway_secs", headway, least=1, most=HEADWAY_SECONDS_MAX),
    )
    if found.end_seconds <= found.start_seconds:
        raise BadValue("end_time", f"{shown(end)} is not after the start: exchange or mend them.")
    return found
