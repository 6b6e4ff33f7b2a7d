"""The trips of a feed, with the frequencies at which some run again."""

from array import array
from collections.abc import Container
from dataclasses import dataclass, field
from sys import intern

from booking_svc.domain.feed import Frequency
from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, Row, shown
from booking_svc.gtfs.routes import FeedRoute
from booking_svc.gtfs.rows import visit
from booking_svc.gtfs.tables import FREQUENCIES, TRIPS
from booking_svc.gtfs.values import known, seconds, whole, words

RUNS_A_DAY_MAX = 2000


@dataclass(slots=True)
class TripDraft:
    """A trip while its calls are being collected; one without a route is wrong, and known only to be left out."""

    route: FeedRoute | None = None
    service_id: str = ""
    headsign: str = ""
    shape_id: str = ""
    line: int = 0
    frequencies: list[Frequency] = field(default_factory=list)
    # Flat, for there may be five million: see stop_times.py.
    calls: "array[int]" = field(default_factory=lambda: array("i"))
    units: "array[float]" = field(default_factory=lambda: array("d"))


def read_trips(
    archive: Archive, *, routes: dict[str, FeedRoute], services: Container[str], shapes: Container[str]
) -> dict[str, TripDraft]:
    """Read trips and their frequencies; wrong ones are there without a route, so that their other rows are known."""
    trips: dict[str, TripDraft] = {}

    def take_trip(row: Row, cells: list[str]) -> None:
        trip_id, route_id, service_id, headsign, shape_id = cells
        route = routes[known("route_id", route_id, routes)]
        if shape_id and shape_id not in shapes:
            row.warn("shape_id", f"No usable shape has the identifier {shown(shape_id)}: the trip goes without.")
            shape_id = ""
        service_id, headsign = known("service_id", service_id, services), words(row, "trip_headsign", headsign)
        trips[trip_id] = TripDraft(route, intern(service_id), intern(headsign), intern(shape_id), row.line)

    def take_frequency(row: Row, cells: list[str]) -> None:
        frequencies = trips[known("trip_id", cells[0], trips)].frequencies
        found = frequency_of(cells)
        if any(found.start_seconds < one.end_seconds and one.start_seconds < found.end_seconds for one in frequencies):
            row.warn("start_time", "Overlaps another frequency of the trip: of two runs at one time one is taken.")
        frequencies.append(found)
        if sum(len(one.starts()) for one in frequencies) > RUNS_A_DAY_MAX:
            raise BadValue("headway_secs", f"Makes more than {RUNS_A_DAY_MAX} runs of a trip a day: run it less often.")

    for trip_id in visit(archive, TRIPS, take_trip):
        trips.setdefault(trip_id, TripDraft())
    for trip_id in visit(archive, FREQUENCIES, take_frequency):
        trips[trip_id] = TripDraft()
    return trips


def frequency_of(cells: list[str]) -> Frequency:
    """Read a row of frequencies.txt."""
    _, start, end, headway = cells
    found = Frequency(seconds("start_time", start), seconds("end_time", end), whole("headway_secs", headway, least=1))
    if found.end_seconds <= found.start_seconds:
        raise BadValue("end_time", f"{shown(end)} is not after the start: exchange or mend them.")
    return found
